"""Self-supervised correction at test time (arXiv 1901.03798).

For each sample, a few steps of Adam on the weights of the correction network reduce the
distance between its projected poses and its keypoints. Other weights are fixed. Each
sample starts with the trained weights and a new optimiser state, so that its result
does not depend on other samples.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from unipose_jax import losses, models, reduction, skeleton
from unipose_jax.skeleton import kinematics
from unipose_jax.train import settings

KINDS = ("rays", "projector")


def make_corrected_apply(
    network, config: settings.CorrectionSettings, skel: skeleton.Skeleton
) -> Callable:
    """Builds `apply(params, **inputs) -> PoseEstimate`, corrected at test time.

    Args:
        network: a `models.PoseMachine`.
        config: `correction` of the run: `kind`, one of `KINDS`: how joints are
            projected, by the known camera or by the learnt projector; `steps`;
            `learning_rate` of Adam; `bone_weight`, the weight of the bone term;
            `flip_test`, whether poses are means over the clip and its mirror image.
        skel: of the poses.
    """
    every_step = make_correction_steps(network, config, skel)

    def apply(params, **inputs) -> models.PoseEstimate:
        estimates = every_step(params, **inputs)
        return jax.tree.map(lambda value: value[:, -1], estimates)

    return apply


def make_correction_steps(
    network, config: settings.CorrectionSettings, skel: skeleton.Skeleton
) -> Callable:
    """Builds `apply(params, **inputs)`: estimates (batch, 1 + steps, ...).

    Args:
        network: a `models.PoseMachine`.
        config: see `make_corrected_apply`.
        skel: of the poses.
    """
    adam = optax.adam(config.learning_rate)

    def finished(params, weights, coarse) -> models.PoseEstimate:
        used = {"params": params["params"] | {"correction": weights}}
        alone = jax.tree.map(lambda value: value[None], coarse)
        estimate = network.apply(used, *alone, method="finish")
        return jax.tree.map(lambda value: value[0], estimate)

    def correct(params, coarse) -> models.PoseEstimate:
        def loss(weights):
            estimate = finished(params, weights, coarse)
            return consistency_loss(estimate.lift, coarse[2], config, skel), estimate

        def step(carry, _):
            weights, state = carry
            grads, estimate = jax.grad(loss, has_aux=True)(weights)
            updates, state = adam.update(grads, state)
            return (optax.apply_updates(weights, updates), state), estimate

        weights = params["params"]["correction"]
        (weights, _), before = jax.lax.scan(
            step, (weights, adam.init(weights)), length=config.steps
        )
        last = finished(params, weights, coarse)
        return jax.tree.map(lambda a, b: jnp.append(a, b[None], 0), before, last)

    def every_step(params, inputs) -> models.PoseEstimate:
        coarse = network.apply(params, **inputs, method="coarse")
        return jax.vmap(correct, in_axes=(None, 0))(params, coarse)

    def apply(params, **inputs) -> models.PoseEstimate:
        found = every_step(params, inputs)
        if not config.flip_test:
            return found
        return _average_with_mirror(
            found, every_step(params, _mirror_inputs(inputs, skel)), skel
        )

    return apply


def consistency_loss(
    lift: models.LiftEstimate,
    confidence,
    config: settings.CorrectionSettings,
    skel: skeleton.Skeleton,
) -> jax.Array:
    """Distance of the projected poses of a sample from their keypoints."""
    if config.kind not in KINDS:
        raise ValueError(f"unknown correction {config.kind!r}; choose from {KINDS}")
    found = lift.camera_projection if config.kind == "rays" else lift.network_projection
    position = projection_term(found, lift.observed, confidence).mean()
    if not config.bone_weight:
        return position
    bones = bone_extent_term(found, lift.observed, confidence, skel)
    return position + config.bone_weight * bones.mean()


def projection_term(projected, observed, confidence) -> reduction.WeightedMean:
    """Squared distance of projected joints to keypoints, weighted by confidence."""
    found = confidence > 0
    error = losses.squared_projection_error(projected, observed, where=found)
    return reduction.weighted_mean(error, confidence, found)


def bone_extent_term(
    projected, observed, confidence, skel: skeleton.Skeleton
) -> reduction.WeightedMean:
    """`losses.bone_extent`, weighted by the lower confidence of a bone's two ends."""
    found = confidence > 0
    error = losses.bone_extent(projected, observed, skeleton=skel, where=found)
    child, parent = skel.bone_ends
    weights = jnp.minimum(confidence[..., child], confidence[..., parent])
    known = kinematics.both_ends(found, skeleton=skel)
    return reduction.weighted_mean(error, weights, known)


def _mirror_inputs(inputs, skel: skeleton.Skeleton) -> dict:
    """Mirrors keypoints and colour crops: left and right are swapped."""
    swapped = jnp.array(skel.mirror)
    u, v = jnp.moveaxis(inputs["uv"], -1, 0)
    center = inputs["intrinsics"][:, 2]
    flipped = jnp.stack([2.0 * center[:, None, None] - u, v], axis=-1)
    mirrored = {
        **inputs,
        "uv": flipped[:, :, swapped],
        "confidence": inputs["confidence"][:, :, swapped],
    }
    if "color_crop" in inputs:
        mirrored["color_crop"] = inputs["color_crop"][:, :, :, ::-1]
        mirrored["color_crop_matrix"] = _mirror_matrix(
            inputs["color_crop_matrix"], size=inputs["color_crop"].shape[3]
        )
    return mirrored


def _mirror_matrix(
    matrix: Float[Array, "batch frames 3 3"], *, size: int
) -> Float[Array, "batch frames 3 3"]:
    """Camera matrix of flipped crops, for a mirrored person.

    Where P maps (x / z, y / z, 1) to (u, v, 1), this maps (-x / z, y / z, 1) to
    (size - u, v, 1).
    """
    flip = jnp.diag(jnp.array([-1.0, 1.0, 1.0])).at[0, 2].set(size)
    negate = jnp.diag(jnp.array([-1.0, 1.0, 1.0]))
    return jnp.einsum("ij,btjk,kl->btil", flip, matrix, negate, precision="highest")


def _average_with_mirror(
    estimate: models.PoseEstimate, mirrored: models.PoseEstimate, skel
) -> models.PoseEstimate:
    """Mean of the poses of clips and of their mirror images.

    Both are corrected separately before the mean is taken.
    """
    flip = jnp.array([-1.0, 1.0, 1.0]).reshape(1, 1, 1, 1, 3)

    def mean(xyz, other):
        return (xyz + flip * other[..., jnp.array(skel.mirror), :]) / 2.0

    assert estimate.lift is not None  # pose machines have it
    assert mirrored.lift is not None
    coarse = mean(estimate.lift.coarse_xyz, mirrored.lift.coarse_xyz)
    return dataclasses.replace(
        estimate,
        xyz=mean(estimate.xyz, mirrored.xyz),
        lift=dataclasses.replace(estimate.lift, coarse_xyz=coarse),
    )

"""Self-supervised correction at test time (DESIGN.md section 2.3).

For each sample, a few steps of Adam on the weights of the correction network alone make
its poses agree with the keypoints it was given. Every sample starts with the trained
weights and a fresh optimiser, so that samples neither meet nor leave a trace.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import optax

from unipose_jax import models, skeleton
from unipose_jax.losses import lifting

KINDS = ("rays", "projector")


def make_apply(
    network, config: ml_collections.ConfigDict, skel: skeleton.Skeleton
) -> Callable:
    """Builds `apply(params, **inputs) -> PoseEstimate`, corrected at test time.

    Args:
        network: a `models.PoseMachine`.
        config: `correction` of the run: `kind`, one of `KINDS`: how joints are
            projected, by the known camera or by the learnt projector; `steps`;
            `learning_rate` of Adam; `bones`, the weight of the bone term; `mirror`,
            whether the coarse pose is the mean over the clip and its mirror image.
        skel: of the poses.
    """
    every_step = make_trajectory(network, config, skel)

    def apply(params, **inputs) -> models.PoseEstimate:
        estimates = every_step(params, **inputs)
        return jax.tree.map(lambda value: value[:, -1], estimates)

    return apply


def make_trajectory(
    network, config: ml_collections.ConfigDict, skel: skeleton.Skeleton
) -> Callable:
    """Builds `apply(params, **inputs)`: estimates (batch, 1 + steps, ...).

    Args:
        network: as of `make_apply`.
        config: likewise.
        skel: likewise.
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
            return consistency(estimate.lift, coarse[2], config, skel), estimate

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

    def apply(params, **inputs) -> models.PoseEstimate:
        coarse = network.apply(params, **inputs, method="coarse")
        if config.mirror:
            coarse = _with_mirrored(network, params, inputs, coarse, skel)
        return jax.vmap(correct, in_axes=(None, 0))(params, coarse)

    return apply


def consistency(
    lift: models.LiftEstimate, confidence, config, skel: skeleton.Skeleton
) -> jax.Array:
    """How far the poses of a sample are from their keypoints, on the plane."""
    if config.kind not in KINDS:
        raise ValueError(f"unknown correction {config.kind!r}; choose from {KINDS}")
    found = lift.plane if config.kind == "rays" else lift.projected
    position = lifting.plane_loss(found, lift.observed, confidence=confidence).mean()
    if not config.bones:
        return position
    bones = lifting.bone_extent_loss(
        found, lift.observed, skeleton=skel, confidence=confidence
    )
    return position + config.bones * bones.mean()


def _with_mirrored(network, params, inputs, coarse, skel: skeleton.Skeleton):
    """The coarse pose as the mean over a clip and its mirror image."""
    view, plane, confidence, joints, depth = coarse
    swapped = jnp.array(skel.mirror)
    center = inputs["intrinsics"][:, None, None, 2]
    uv = inputs["uv"]
    flipped = jnp.stack([2.0 * center - uv[..., 0], uv[..., 1]], axis=-1)
    other = network.apply(
        params,
        **inputs
        | {
            "uv": flipped[:, :, swapped],
            "confidence": inputs["confidence"][:, :, swapped],
        },
        method="coarse",
    )
    flip = jnp.array([-1.0, 1.0, 1.0])[None, None, None]
    mean = (joints + flip * other[3][:, :, swapped]) / 2.0
    return view, plane, confidence, mean, (depth + other[4]) / 2.0

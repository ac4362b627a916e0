"""Pose machines: 2D keypoints over time to 3D poses, with and without 3D labels.

Wang et al., arXiv 1901.03798. Terms on the coarse and on the corrected pose where there
are 3D labels; terms in 2D on all clips. In the paper's stages, first the coarse pose is
learnt, then correction and projector join it: here those terms come in by
`config.ramp`.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import ml_collections

from unipose_jax import errors, losses, metrics, models, reduction, skeleton
from unipose_jax.models import pose_machine, sequence_cores
from unipose_jax.skeleton import kinematics
from unipose_jax.train.augment import keypoint_augment
from unipose_jax.train.recipes import config_checks, self_correction
from unipose_jax.train.recipes.recipe import Recipe

LABELS = ("xyz", "xyz_valid")


def build(config: ml_collections.ConfigDict) -> Recipe:
    """The recipe of a config with `model`, `loss_weights`, `loss`, `augment`.

    Raises:
        errors.BadInput: the config asks for what does not exist.
    """
    _check(config)
    skel = config_checks.config_skeleton(config)
    network = models.build(config.model.to_dict(), num_joints=skel.num_joints)
    inputs = models.input_fields(config.model.to_dict())
    terms = make_terms(config, skel)

    def train_terms(apply_fn, params, batch, keys):
        def look(key, clip):
            return keypoint_augment.augment_clip(
                key, clip, config=config.augment, skeleton=skel
            )

        # Pictures cannot be seen from elsewhere.
        looked_at = batch
        if config.model.features == "keypoints":
            looked_at = jax.vmap(look)(keys, {name: batch[name] for name in fields})
        estimate = apply_fn(params, **{name: looked_at[name] for name in inputs})
        return terms(estimate, looked_at)

    fields = inputs + LABELS
    return Recipe(
        network=network,
        inputs=inputs,
        fields=fields,
        train_terms=train_terms,
        validation_terms=terms,
        predict_fn=self_correction.make_corrected_apply(
            network, config.correction, skel
        ),
    )


def _check(config: ml_collections.ConfigDict) -> None:
    config_checks.check_choice(config, "model.name", ("pose_machine",))
    config_checks.check_choice(config, "model.features", pose_machine.FEATURES)
    config_checks.check_choice(config, "model.core", sequence_cores.CORES)
    config_checks.check_choice(config, "correction.kind", self_correction.KINDS)
    if config.model.features != "keypoints":
        config_checks.check_backbone(config, "crop_size")
    if unknown := set(config.study.kinds) - set(self_correction.KINDS):
        raise errors.BadInput(
            f"config.study.kinds has {min(unknown)!r}; choose from "
            f"{', '.join(self_correction.KINDS)}"
        )


def make_terms(config: ml_collections.ConfigDict, skel: skeleton.Skeleton) -> Callable:
    """Builds `terms(estimate, batch) -> dict` of the terms whose weight is not zero."""
    functions = _label_terms(config.loss, skel) | _keypoint_terms(config.loss, skel)
    chosen = {name for name, weight in config.loss_weights.items() if weight}

    def terms(estimate: models.PoseEstimate, batch: Mapping) -> dict:
        return {name: functions[name](estimate, batch) for name in sorted(chosen)}

    return terms


def _label_terms(config, skel: skeleton.Skeleton) -> dict[str, Callable]:
    """Terms that compare with 3D labels, of clips that have them."""
    root = jnp.array(metrics.root(skel))

    def of_root(xyz):
        return jnp.mean(xyz[..., root, :], axis=-2, keepdims=True)

    def relative(xyz, batch):
        rooted = batch["xyz_valid"][..., root].all(-1, keepdims=True)
        known = batch["xyz_valid"] & rooted
        penalty = losses.joint_position(
            xyz - of_root(xyz),
            batch["xyz"] - of_root(batch["xyz"]),
            where=known,
            delta=config.position_delta,
        )
        return reduction.weighted_mean(penalty, where=known)

    def bones(xyz, batch):
        penalty = losses.bone_vector(
            xyz,
            batch["xyz"],
            skeleton=skel,
            where=batch["xyz_valid"],
            delta=config.position_delta,
        )
        known = kinematics.both_ends(batch["xyz_valid"], skeleton=skel)
        return reduction.weighted_mean(penalty, where=known)

    def absolute(xyz, batch):
        penalty = losses.joint_position(
            xyz,
            batch["xyz"],
            where=batch["xyz_valid"],
            delta=config.absolute_position_delta,
        )
        return reduction.weighted_mean(penalty, where=batch["xyz_valid"])

    return {
        "coarse_position": lambda e, b: relative(e.lift.coarse_xyz, b),
        "coarse_unaligned_position": lambda e, b: absolute(e.lift.coarse_xyz, b),
        "coarse_bone_vector": lambda e, b: bones(e.lift.coarse_xyz, b),
        "position": lambda e, b: relative(e.xyz, b),
        "bone_vector": lambda e, b: bones(e.xyz, b),
        "unaligned_position": lambda e, b: absolute(e.xyz, b),
    }


def _keypoint_terms(config, skel: skeleton.Skeleton) -> dict[str, Callable]:
    """Terms that compare with keypoints, of every clip."""

    def projection(estimate, batch):
        return self_correction.projection_term(
            estimate.lift.network_projection,
            estimate.lift.observed,
            batch["confidence"],
        )

    def bone_extent(estimate, batch):
        return self_correction.bone_extent_term(
            estimate.lift.network_projection,
            estimate.lift.observed,
            batch["confidence"],
            skel,
        )

    def point_to_ray(estimate, batch):
        found = batch["confidence"] > 0
        penalty = losses.point_to_ray(
            estimate.xyz,
            batch["uv"],
            batch["intrinsics"][:, None],
            where=found,
            delta=config.ray_delta,
            at_depth=jnp.mean(estimate.xyz[..., 2], axis=-1),
        )
        return reduction.weighted_mean(penalty, batch["confidence"], found)

    return {
        "projection": projection,
        "bone_extent": bone_extent,
        "point_to_ray": point_to_ray,
    }

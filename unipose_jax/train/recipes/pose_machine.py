"""Pose machines: 2D keypoints over time to 3D poses, with and without 3D labels.

Wang et al., arXiv 1901.03798. Terms on the coarse and on the corrected pose where there
are 3D labels; terms in 2D on all clips. The paper first trains the coarse pose, then
adds the correction network and the projector; here `config.ramp` adds their terms.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from data_pipelines.ground import settings as data_settings
from unipose_jax import errors, losses, metrics, models, reduction, skeleton
from unipose_jax.models import pose_machine, sequence_cores
from unipose_jax.skeleton import kinematics
from unipose_jax.train import settings
from unipose_jax.train.augment import keypoint_augment
from unipose_jax.train.recipes import config_checks, self_correction, terms
from unipose_jax.train.recipes.recipe import Recipe
from unipose_jax.train.recipes.terms import Context, Definition

LABELS = ("xyz", "xyz_valid")


@dataclasses.dataclass(frozen=True)
class TestSettings:
    """Settings that only the evaluation reads."""

    correction: settings.CorrectionSettings
    study: settings.StudySettings


def build(values: Mapping[str, Any], data: data_settings.DataSettings) -> Recipe:
    """The recipe of a config with `model`, `loss_weights`, `loss`, `augment`.

    Raises:
        errors.BadInput: the config asks for what does not exist.
    """
    test = TestSettings(
        settings.parse(settings.CorrectionSettings, values["correction"], "correction"),
        settings.parse(settings.StudySettings, values["study"], "study"),
    )
    _check(values["model"], test, data)
    objective = terms.make_objective(
        TERMS,
        values["loss_weights"],
        values["loss"],
        settings.parse(settings.RampSettings, values["ramp"], "ramp"),
    )
    augment = settings.parse(
        settings.KeypointAugmentation, values["augment"], "augment"
    )
    skel = config_checks.data_skeleton(data)
    # Only clips of joints have a floor, which training uses if it is known.
    floor = not data.num_points and not data.renders
    return make_recipe(
        values["model"], skel, objective, augment=augment, test=test, floor=floor
    )


def make_recipe(
    model: Mapping[str, Any],
    skel: skeleton.Skeleton,
    objective: terms.Objective,
    *,
    augment: settings.KeypointAugmentation,
    test: TestSettings,
    floor: bool = False,
) -> Recipe:
    """The recipe of a pose machine.

    Args:
        model: `config.model`.
        skel: of the joints.
        objective: the loss.
        augment: of clips of keypoints; images are not transformed.
        test: correction at test time, and what the evaluation compares.
        floor: whether clips have the field `floor`, for the augmentation.
    """
    network = models.build(model, num_joints=skel.num_joints)
    inputs = models.input_fields(model)
    needed = (*inputs, *LABELS, *objective.fields, *(("floor",) if floor else ()))
    fields = tuple(dict.fromkeys(needed))

    def compute(estimate, batch):
        return objective.compute(estimate, batch, skel, {})

    def train_terms(apply_fn, params, batch, keys):
        def transform(key, clip):
            return keypoint_augment.augment_clip(
                key, clip, config=augment, skeleton=skel
            )

        if model["features"] == "keypoints":
            batch = jax.vmap(transform)(keys, {name: batch[name] for name in fields})
        estimate = apply_fn(params, **{name: batch[name] for name in inputs})
        return compute(estimate, batch)

    return Recipe(
        network=network,
        inputs=inputs,
        fields=fields,
        objective=objective,
        train_terms=train_terms,
        validation_terms=compute,
        predict_fn=self_correction.make_corrected_apply(network, test.correction, skel),
        settings=test,
    )


def _check(
    model: Mapping[str, Any], test: TestSettings, data: data_settings.DataSettings
) -> None:
    config_checks.check_choice("model.name", model["name"], ("pose_machine",))
    config_checks.check_choice(
        "model.features", model["features"], pose_machine.FEATURES
    )
    config_checks.check_choice("model.core", model["core"], sequence_cores.CORES)
    kinds = self_correction.KINDS
    config_checks.check_choice("correction.kind", test.correction.kind, kinds)
    if model["features"] != "keypoints":
        config_checks.check_backbone(model, {"crop_size": data.crop_size})
    if unknown := set(test.study.kinds) - set(kinds):
        raise errors.BadInput(
            f"config.study.kinds has {min(unknown)!r}; choose from {', '.join(kinds)}"
        )


def _rooted(xyz, skel: skeleton.Skeleton):
    """Joints relative to the root."""
    root = jnp.array(metrics.root(skel))
    return xyz - jnp.mean(xyz[..., root, :], axis=-2, keepdims=True)


def _relative(xyz, batch, context: Context):
    skel = context.skeleton
    root = jnp.array(metrics.root(skel))
    rooted = batch["xyz_valid"][..., root].all(-1, keepdims=True)
    known = batch["xyz_valid"] & rooted
    penalty = losses.joint_position(
        _rooted(xyz, skel),
        _rooted(batch["xyz"], skel),
        where=known,
        delta=context.scale,
    )
    return reduction.weighted_mean(penalty, where=known)


def _bones(xyz, batch, context: Context):
    penalty = losses.bone_vector(
        xyz,
        batch["xyz"],
        skeleton=context.skeleton,
        where=batch["xyz_valid"],
        delta=context.scale,
    )
    known = kinematics.both_ends(batch["xyz_valid"], skeleton=context.skeleton)
    return reduction.weighted_mean(penalty, where=known)


def _absolute(xyz, batch, context: Context):
    penalty = losses.joint_position(
        xyz, batch["xyz"], where=batch["xyz_valid"], delta=context.scale
    )
    return reduction.weighted_mean(penalty, where=batch["xyz_valid"])


def _projection(estimate, batch, context: Context):
    return self_correction.projection_term(
        estimate.lift.network_projection, estimate.lift.observed, batch["confidence"]
    )


def _bone_extent(estimate, batch, context: Context):
    return self_correction.bone_extent_term(
        estimate.lift.network_projection,
        estimate.lift.observed,
        batch["confidence"],
        context.skeleton,
    )


def _point_to_ray(estimate, batch, context: Context):
    found = batch["confidence"] > 0
    penalty = losses.point_to_ray(
        estimate.xyz,
        batch["uv"],
        batch["intrinsics"][:, None],
        where=found,
        delta=context.scale,
        at_depth=jnp.mean(estimate.xyz[..., 2], axis=-1),
    )
    return reduction.weighted_mean(penalty, batch["confidence"], found)


def _of_coarse(loss):
    return lambda estimate, batch, context: loss(
        estimate.lift.coarse_xyz, batch, context
    )


def _of_corrected(loss):
    return lambda estimate, batch, context: loss(estimate.xyz, batch, context)


_ABSOLUTE = "absolute_position_delta"
_POSITION = "position_delta"
TERMS = {
    "coarse_position": Definition(_of_coarse(_relative), LABELS, _POSITION),
    "coarse_unaligned_position": Definition(_of_coarse(_absolute), LABELS, _ABSOLUTE),
    "coarse_bone_vector": Definition(_of_coarse(_bones), LABELS, _POSITION),
    "position": Definition(_of_corrected(_relative), LABELS, _POSITION),
    "unaligned_position": Definition(_of_corrected(_absolute), LABELS, _ABSOLUTE),
    "bone_vector": Definition(_of_corrected(_bones), LABELS, _POSITION),
    "projection": Definition(_projection, ("confidence",)),
    "bone_extent": Definition(_bone_extent, ("confidence",)),
    "point_to_ray": Definition(
        _point_to_ray, ("uv", "confidence", "intrinsics"), "ray_delta"
    ),
}
"""Terms on the coarse and on the corrected pose, and on keypoints of every clip."""

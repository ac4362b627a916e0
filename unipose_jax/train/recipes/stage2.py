"""UniPose stage 2: anchor-to-joint networks learn from a point network's joints.

docs/method.md. The student sees the depth crop or the color crop. Its labels are the
joints that a frozen teacher predicts from the clouds (`train.teacher`), weighted by the
teacher's confidence and by their distance to the rays of the 2D keypoints; every term
of stage 1 can be added. With `teacher.kind = "keypoints"` the labels are the pixels of
the 2D keypoints, without depth. True joints are read with `teacher.kind = "truth"` and
by `joint_position` only; otherwise they do not reach the training step.

A student with `model.keypoints` also sees the 2D keypoints, with the errors of
`config.keypoint_augment`, without which it would rely on them. They are no labels, and
the teacher does not see them, so they cannot be copied from input to output.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from data_pipelines.ground import schema
from data_pipelines.ground import settings as data_settings
from unipose_jax import errors, losses, models, reduction, skeleton
from unipose_jax.geometry import camera, rays, transforms
from unipose_jax.models import anchor_head
from unipose_jax.train import settings
from unipose_jax.train.augment import student_views
from unipose_jax.train.recipes import config_checks, terms, unipose_terms
from unipose_jax.train.recipes.recipe import Recipe

NETWORKS = ("depth_anchor_net", "color_anchor_net")

PSEUDO_LABEL_TERMS = (
    "pseudo_pixel",
    "pseudo_anchor",
    "pseudo_depth",
    "pseudo_root",
    "pseudo_bins",
)
"""Terms that compare with the teacher."""

TEACHER_KINDS = ("network", "truth", "keypoints", "none")

_CROP_MARGIN = 0.25  # of a crop's size; labels farther outside are ignored
_NEEDS_DEPTH = ("pseudo_depth", "pseudo_root", "pseudo_bins")


def _from_labels(name: str) -> terms.Loss:
    """A term that `_pseudo_label_terms` computes together with the others."""
    return lambda estimate, batch, context: context.surface[name]


_TERMS = unipose_terms.TERMS | {
    name: terms.Definition(_from_labels(name)) for name in PSEUDO_LABEL_TERMS
}


def build(values: Mapping[str, Any], data: data_settings.DataSettings) -> Recipe:
    """The recipe of a config with `model`, `teacher`, `crop_augment` and `loss`.

    Raises:
        errors.BadInput: a teacher or network that is not of stage 2, no crops, or terms
            whose inputs are missing.
    """
    model = values["model"]
    teacher = settings.parse(
        settings.TeacherSettings, values["teacher"], "student.teacher"
    )
    objective = terms.make_objective(
        _TERMS,
        values["loss_weights"],
        values["loss"],
        settings.parse(settings.RampSettings, values["ramp"], "student.ramp"),
    )
    _check(model, teacher, objective, data, single_frames=values["single_frames"])
    skel = config_checks.data_skeleton(data)
    config_checks.check_skin_depths(values["loss"], skel, learnt=True)
    return make_recipe(
        model,
        skel,
        objective,
        teacher=teacher,
        crop_augment=settings.parse(
            settings.CropAugmentation, values["crop_augment"], "student.crop_augment"
        ),
        keypoint_errors=settings.parse(
            settings.KeypointErrors,
            values.get("keypoint_augment"),
            "student.keypoint_augment",
        ),
        single_frames=values["single_frames"],
    )


def make_recipe(
    model: Mapping[str, Any],
    skel: skeleton.Skeleton,
    objective: terms.Objective,
    *,
    teacher: settings.TeacherSettings,
    crop_augment: settings.CropAugmentation,
    keypoint_errors: settings.KeypointErrors,
    single_frames: bool,
) -> Recipe:
    """The recipe of a network of crops.

    Args:
        model: `config.model`.
        skel: of the joints.
        objective: the loss.
        teacher: where labels come from.
        crop_augment: of the crops.
        keypoint_errors: added to the keypoints that the network sees.
        single_frames: whether a step takes one frame of each clip.
    """
    inputs = models.input_fields(model)
    crop = "color_crop" if "color_crop" in inputs else "depth_crop"
    needed = [*inputs, *models.POINT_FIELDS, *unipose_terms.SURFACE_FIELDS]
    needed += [*unipose_terms.OBSERVATIONS, *objective.fields]
    needed += unipose_terms.LABELS if teacher.kind == "truth" else ()
    needed += unipose_terms.TEACHER_FIELDS if teacher.kind == "network" else ()

    def compute(estimate, batch):
        surface = unipose_terms.surface_targets(
            estimate.xyz, batch, radius=objective.scales["surface_radius"]
        )
        if any(name in objective for name in PSEUDO_LABEL_TERMS):
            surface |= _pseudo_label_terms(estimate, batch, teacher, crop)
        return objective.compute(estimate, batch, skel, surface)

    def train_terms(apply_fn, params, batch, keys):
        if single_frames:
            batch = jax.vmap(sample_frame)(keys, batch)
        seen = {name: batch[name] for name in inputs}
        views, seen = jax.vmap(
            lambda k, s: student_views.augment_crop(k, s, crop, crop_augment)
        )(keys, seen)
        if "uv" in inputs:
            seen |= student_views.augment_keypoints(
                keys, seen, views, crop, keypoint_errors, skel
            )
        estimate = apply_fn(params, **seen)
        estimate = student_views.undo_mirror(estimate, views.mirrored, skel)
        shown = {name: seen[name] for name in (crop, f"{crop}_matrix")}
        return compute(estimate, batch | shown)

    return Recipe(
        network=models.build(model, num_joints=skel.num_joints),
        inputs=inputs,
        fields=tuple(dict.fromkeys(needed)),
        objective=objective,
        train_terms=train_terms,
        validation_terms=compute,
        needs_teacher=teacher.kind == "network",
    )


def sample_frame(key: jax.Array, clip: Mapping) -> dict:
    """One frame of a clip, drawn at random, as a clip of its own.

    The frames of a clip are similar: one of each makes a batch cheaper and hardly less
    informative. The teacher predicts from the whole clip.

    Args:
        key: a `jax.random.key`.
        clip: batch fields of one clip, and those of the teacher.
    """
    count = clip["time"].shape[0]
    index = jax.random.randint(jax.random.fold_in(key, count), (), 0, count)
    known = schema.FIELDS | schema.OPTIONAL_FIELDS

    def of_frame(name, value):
        if name in known and known[name].shape[0] != "T":
            return value  # of the whole clip
        return jax.lax.dynamic_slice_in_dim(value, index, 1)

    return {name: of_frame(name, value) for name, value in clip.items()}


def _check(
    model: Mapping[str, Any],
    teacher: settings.TeacherSettings,
    objective: terms.Objective,
    data: data_settings.DataSettings,
    *,
    single_frames: bool,
) -> None:
    config_checks.check_network("stage2", model, NETWORKS)
    kind, inputs = teacher.kind, models.input_fields(model)
    config_checks.check_choice("teacher.kind", kind, TEACHER_KINDS)
    crops = (models.CROP_FIELDS["depth"], models.CROP_FIELDS["rgb"])
    if not any(inputs[: len(fields)] == fields for fields in crops):
        raise errors.BadInput(
            f"recipe stage2 trains networks of crops; {model['name']} has the inputs "
            f"{', '.join(inputs)}"
        )
    if kind == "keypoints" and "color_crop" not in inputs:
        raise errors.BadInput(
            "config.teacher.kind is 'keypoints', which are of the color camera; only "
            f"color_anchor_net sees its pixels, not {model['name']}"
        )
    if single_frames:
        config_checks.check_frames(
            (term.name for term in objective.terms),
            1,
            "config.student.single_frames is True",
        )
    if "point_part" in objective:
        raise errors.BadInput(
            "config.loss_weights has point_part, but networks of crops have no points"
        )
    if "pseudo_bins" in objective and not model.get("depth_bins"):
        raise errors.BadInput(
            "config.loss_weights has pseudo_bins, but config.model.depth_bins is 0"
        )
    if model["name"] in NETWORKS:
        config_checks.check_backbone(model, {"crop_size": data.crop_size})
    _check_labels(kind, objective)


def _check_labels(kind: str, objective: terms.Objective) -> None:
    """Refuses terms whose labels a kind of teacher does not give."""
    if "pseudo_position" in objective and kind != "network":
        raise errors.BadInput(
            f"config.teacher.kind is {kind!r}, but config.loss_weights has "
            "pseudo_position, which needs a network's joints"
        )
    pseudo = [name for name in PSEUDO_LABEL_TERMS if name in objective]
    if pseudo and kind == "none":
        raise errors.BadInput(f"no teacher, but config.loss_weights has {pseudo[0]}")
    deep = [name for name in _NEEDS_DEPTH if name in objective]
    if deep and kind == "keypoints":
        raise errors.BadInput(
            "config.teacher.kind is 'keypoints', which have no depth, but "
            f"config.loss_weights has {deep[0]}"
        )


def _pseudo_label_terms(
    estimate: models.PoseEstimate,
    batch: Mapping,
    teacher: settings.TeacherSettings,
    crop: str,
) -> dict:
    """The terms of `PSEUDO_LABEL_TERMS`; pixels are those of the network's crop."""
    assert estimate.crop is not None  # networks of stage 2 estimate in a crop
    xyz, weight, valid = pseudo_labels(batch, teacher)
    if crop == "color_crop":
        xyz = transforms.apply(batch["cam_from_points"][:, None], xyz)
    uv, depth = _project_to_crop(xyz, batch[f"{crop}_matrix"])
    valid &= depth > 0.1  # metres: behind the lens there are no pixels
    # Labels far outside the crop are ignored.
    place = uv / batch[crop].shape[2]
    valid &= ((place > -_CROP_MARGIN) & (place < 1.0 + _CROP_MARGIN)).all(-1)
    # Where the person is as a whole, and where joints are relative to that.
    share = jnp.where(valid, weight, 0.0)
    share /= jnp.maximum(share.sum(-1, keepdims=True), 1e-6)
    offset = jnp.where(valid, estimate.crop.depth - depth, 0.0)
    whole = (share * offset).sum(-1, keepdims=True)
    some = valid.any(-1, keepdims=True)
    penalties = {
        "pseudo_pixel": losses.joint_pixel(estimate.crop.uv, uv, where=valid),
        "pseudo_anchor": losses.joint_pixel(estimate.crop.anchor_uv, uv, where=valid),
        "pseudo_depth": losses.joint_depth(
            estimate.crop.depth - whole, depth, where=valid
        ),
    }
    logits = estimate.crop.depth_logits
    if logits is not None:
        reference = (share * jnp.where(valid, depth, 0.0)).sum(-1, keepdims=True)
        if crop == "depth_crop":
            reference = batch["reference_depth"][..., None]
        penalties["pseudo_bins"] = losses.depth_bins(
            logits, depth - reference, limit=anchor_head.BIN_LIMIT, where=valid
        )
    terms = {
        name: reduction.weighted_mean(penalty, weight, valid)
        for name, penalty in penalties.items()
    }
    root = losses.joint_depth(whole, jnp.zeros_like(whole), where=some)
    return terms | {"pseudo_root": reduction.weighted_mean(root, where=some)}


def _project_to_crop(xyz, matrix):
    """Pixels of a crop, and depth, of joints in the frame of its camera."""
    depth = xyz[..., 2]
    homogeneous = jnp.einsum(
        "btij,btnj->btni",
        matrix,
        xyz / jnp.maximum(depth, 0.1)[..., None],
        precision="highest",
    )
    return homogeneous[..., :2], depth


def pseudo_labels(batch: Mapping, config: settings.TeacherSettings):
    """Joints to learn, their weights, and which of them are known.

    Args:
        batch: with the teacher's joints, the true ones if `kind` is "truth", or only
            the keypoints if it is "keypoints".
        config: `config.teacher`: `kind`; `weight_by_confidence`, to weigh by the
            teacher's own confidence; `weight_by_ray_distance`, to weigh joints that
            have a keypoint by their distance to its ray, with `ray_scale` in metres.

    Returns:
        Joints in the frame of the points, metres; weights in [0, 1]; validity. Of
        keypoints, the points 1 m before the colour camera: only pixels mean anything.
    """
    if config.kind == "keypoints":
        found = batch["confidence"] > 0
        uv = jnp.where(found[..., None], batch["uv"], 0.0)
        xyz = camera.xyz_from_uv_depth(
            uv, jnp.ones_like(batch["confidence"]), batch["intrinsics"][:, None]
        )
        points_from_cam = transforms.invert(batch["cam_from_points"])[:, None]
        return transforms.apply(points_from_cam, xyz), batch["confidence"], found
    if config.kind == "truth":
        known = batch["xyz_valid"]
        xyz = jnp.where(known[..., None], batch["xyz"], 0.0)
        return xyz, jnp.ones_like(xyz[..., 0]), known
    xyz, weight = batch["teacher_xyz"], jnp.ones_like(batch["teacher_confidence"])
    if config.weight_by_confidence:
        weight *= batch["teacher_confidence"]
    if config.weight_by_ray_distance:
        seen = batch["confidence"] > 0
        agreement = rays.ray_agreement(
            xyz,
            batch["uv"],
            batch["intrinsics"][:, None],
            where=seen,
            scale=config.ray_scale,
            cam_from_xyz=batch["cam_from_points"][:, None],
        )
        # A keypoint of low confidence changes the weight little.
        confidence = batch["confidence"]
        weight *= jnp.where(seen, confidence * agreement + 1.0 - confidence, 1.0)
    found = batch["points_valid"].any(-1, keepdims=True)
    return xyz, weight, jnp.broadcast_to(found, weight.shape)

"""UniPose stage 1: the point network learns from 2D keypoints, depth and physics.

docs/method.md. With `model.fusion`, crops of depth or color are further inputs; a
modality is dropped at random, so that one network serves any sensor. Only the term
`joint_position` of the supervised ablation reads three-dimensional joints; while its
weight is zero, they do not reach the training step.

With `model.keypoints`, the 2D keypoints are an input as well as a target. Each is one
or the other: the terms that compare with keypoints count those that were withheld from
the network (`augment.blind_spot`), in training and in validation.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from data_pipelines.ground import settings as data_settings
from unipose_jax import errors, models, skeleton
from unipose_jax.models import backbones, keypoint_tokens
from unipose_jax.skeleton import body_parts
from unipose_jax.train import settings
from unipose_jax.train.augment import crop_augment as augment_crops
from unipose_jax.train.augment import keypoint_inputs
from unipose_jax.train.augment import point_augment as augment
from unipose_jax.train.recipes import config_checks, terms, unipose_terms
from unipose_jax.train.recipes.recipe import Recipe

_FEWEST_KEYPOINTS = 6  # in each frame of a clip without points


@dataclasses.dataclass(frozen=True)
class _Inputs:
    """What augmentation reads: the modalities of the network and its settings."""

    modalities: tuple[str, ...]
    keypoints: bool
    augment: settings.PointAugmentation
    crop_augment: settings.CropAugmentation


def build(values: Mapping[str, Any], data: data_settings.DataSettings) -> Recipe:
    """The recipe of a config with `model`, `loss_weights`, `loss` and `augment`.

    Raises:
        errors.BadInput: a fusion that does not exist, or its crops are missing.
    """
    model = values["model"]
    _check(model, data)
    if values["loss_weights"].get("point_part"):
        _check_part_labels(model, data)
    least = values["loss"].get("least_body_probability", 0.0)
    if least and not model.get("point_parts", False):
        raise errors.BadInput(
            f"config.loss.least_body_probability is {least}; it needs "
            "config.model.point_parts=True"
        )
    skel = config_checks.data_skeleton(data)
    _check_convention(values, skel)
    objective = terms.make_objective(
        unipose_terms.TERMS,
        values["loss_weights"],
        values["loss"],
        settings.parse(settings.RampSettings, values["ramp"], "ramp"),
    )
    return make_recipe(
        model,
        skel,
        objective,
        augment=settings.parse(
            settings.PointAugmentation, values["augment"], "augment"
        ),
        crop_augment=settings.parse(
            settings.CropAugmentation, values["crop_augment"], "crop_augment"
        ),
    )


def make_recipe(
    model: Mapping[str, Any],
    skel: skeleton.Skeleton,
    objective: terms.Objective,
    *,
    augment: settings.PointAugmentation,
    crop_augment: settings.CropAugmentation,
) -> Recipe:
    """The recipe of a network of points.

    Args:
        model: `config.model`.
        skel: of the joints.
        objective: the loss.
        augment: of the points.
        crop_augment: of the crops of a fusion.
    """
    inputs = models.input_fields(model)
    seen = _Inputs(
        models.modalities(model.get("fusion", "none")),
        bool(model.get("keypoints", False)),
        augment,
        crop_augment,
    )
    needed = (*inputs, *unipose_terms.SURFACE_FIELDS, *objective.fields)
    blind = seen.keypoints and augment.blind_spot

    def train_terms(apply_fn, params, batch, keys):
        views = jax.vmap(lambda key: _sample_transform(key, augment))(keys)
        fed = batch
        if seen.keypoints:
            fed, withheld = _sample_inputs(keys, batch, augment)
            batch = _count_only(withheld, batch) if blind else batch
        batch = _without_hidden_labels(keys, batch, fed, augment)
        predict = _make_transformed_predict(apply_fn, views, keys, skel, seen)
        return unipose_terms.compute(objective, predict(params, fed), batch, skel)

    def validation_terms(estimate, batch):
        return unipose_terms.compute(objective, estimate, batch, skel)

    def validation_views(batch):
        return [
            (
                batch | {"confidence": jnp.where(withheld, 0.0, batch["confidence"])},
                _count_only(withheld, batch),
            )
            for withheld in keypoint_inputs.blind_spots(skel.num_joints)
        ]

    return Recipe(
        network=models.build(model, num_joints=skel.num_joints),
        inputs=inputs,
        fields=tuple(dict.fromkeys(needed)),
        objective=objective,
        train_terms=train_terms,
        validation_terms=validation_terms,
        validation_views=validation_views if blind else None,
        needs_teacher=not set(unipose_terms.TEACHER_FIELDS).isdisjoint(needed),
    )


def _check(model: Mapping[str, Any], data: data_settings.DataSettings) -> None:
    config_checks.check_network("stage1", model, ("point_net",))
    if data.num_points < 1:
        raise errors.BadInput(
            f"config.data.num_points is {data.num_points}; use 1 or more"
        )
    if model["name"] != "point_net":
        if models.input_fields(model) != models.POINT_FIELDS:
            raise errors.BadInput(
                f"recipe stage1 trains networks with the inputs "
                f"{', '.join(models.POINT_FIELDS)}; {model['name']} has others"
            )
        return
    config_checks.check_choice("model.fusion", model["fusion"], list(models.FUSIONS))
    if model["num_heads"] < 1 or model["width"] % model["num_heads"]:
        raise errors.BadInput(
            f"config.model.width is {model['width']}, which num_heads="
            f"{model['num_heads']} attention heads cannot share"
        )
    config_checks.check_backbone(model, {})
    fusion, size = model["fusion"], data.crop_size
    cells = model["image_grid"] * backbones.stride_of(model["backbone"])
    if fusion != "none" and (size < cells or size % cells):
        raise errors.BadInput(
            f"config.data.crop_size is {size}; config.model.fusion={fusion} needs a "
            f"multiple of {cells}"
        )


def _check_convention(values: Mapping[str, Any], skel: skeleton.Skeleton) -> None:
    """Refuses a head of another skeleton, and skin depths that do not exist."""
    head = values["model"].get("convention_head", "")
    if head not in ("", skel.name):
        raise errors.BadInput(
            f"config.model.convention_head is {head!r}; use {skel.name}, the skeleton "
            "of the joints, or '' for none"
        )
    steps = values["optimizer"].get("head_steps", 0)
    if steps and not head:
        raise errors.BadInput(
            f"config.optimizer.head_steps is {steps}, but there is no convention head; "
            f"give it with config.model.convention_head={skel.name}"
        )
    if not 0 <= steps < values["num_train_steps"]:
        raise errors.BadInput(
            f"config.optimizer.head_steps is {steps}; use 0 or more, below "
            f"config.num_train_steps={values['num_train_steps']}"
        )
    rate = values["optimizer"].get("head_learning_rate", 0.0)
    if head and not 0.0 < rate < math.inf:
        raise errors.BadInput(
            f"config.optimizer.head_learning_rate is {rate}; use a positive number"
        )
    config_checks.check_skin_depths(values["loss"], skel, learnt=bool(head))


def _check_part_labels(
    model: Mapping[str, Any], data: data_settings.DataSettings
) -> None:
    needed = {
        "config.model.point_parts": model.get("point_parts", False),
        "config.data.part_labels": data.part_labels and data.renders,
    }
    for setting, given in needed.items():
        if not given:
            raise errors.BadInput(
                f"config.loss_weights.point_part needs {setting}=True and people that "
                "are rendered in this run"
            )


def _sample_transform(
    key, config: settings.PointAugmentation
) -> augment.PointTransform:
    return augment.sample_transform(
        jax.random.fold_in(key, 0),
        pan=config.pan,
        tilt=config.tilt,
        roll=config.roll,
        scale=config.scale,
        mirror=config.mirror,
    )


def _sample_inputs(
    keys, batch: Mapping, config: settings.PointAugmentation
) -> tuple[dict, Array]:
    """A batch with inputs left out and noise added, and the withheld keypoints."""

    def of_clip(key, clip):
        kept = keypoint_inputs.sample_kept(
            jax.random.fold_in(key, 4),
            clip["uv"].shape[-2],
            dropout=config.keypoint_dropout,
            no_keypoints_prob=config.no_keypoints_prob,
            no_points_prob=config.no_points_prob,
        )
        points_valid = clip["points_valid"]
        distance = (points_valid * clip["points"][..., 2]).sum(-1)
        uv = keypoint_inputs.add_noise(
            jax.random.fold_in(key, 5),
            clip["uv"],
            clip["intrinsics"],
            distance / jnp.maximum(points_valid.sum(-1), 1),
            largest=config.keypoint_noise,
        )
        confidence = jnp.where(kept.keypoints, clip["confidence"], 0.0)
        # Few keypoints do not tell the distance: such clips keep their points.
        enough = (confidence > 0.0).sum(-1).min() >= _FEWEST_KEYPOINTS
        points_valid &= kept.points | ~enough
        changed = {
            "uv": uv,
            "confidence": confidence,
            "points_valid": points_valid,
        }
        return changed, jnp.broadcast_to(~kept.keypoints, confidence.shape)

    names = ("uv", "confidence", "intrinsics", "points", "points_valid")
    changed, withheld = jax.vmap(of_clip)(keys, {name: batch[name] for name in names})
    return {**batch, **changed}, withheld


def _count_only(withheld, batch: Mapping) -> dict:
    """A batch whose keypoints are targets only where they were withheld."""
    target = jnp.where(withheld, batch["confidence"], 0.0)
    return {**batch, "target_confidence": target}


def _hide_points(keys, batch: Mapping, config: settings.PointAugmentation) -> jax.Array:
    """`points_valid` that the network sees: without the points of an occluded ball."""

    def hide(key, points, valid):
        return augment.random_occlusion(
            jax.random.fold_in(key, 1),
            points,
            valid,
            probability=config.occlusion_prob,
            radius=config.occlusion_radius,
        )

    return jax.vmap(hide)(keys, batch["points"], batch["points_valid"])


def _without_hidden_labels(
    keys, batch: Mapping, fed: Mapping, config: settings.PointAugmentation
) -> Mapping:
    """The batch, with the body part unknown of points that the network does not see."""
    if "points_part" not in batch:
        return batch
    seen = _hide_points(keys, fed, config)
    part = jnp.where(seen, batch["points_part"], body_parts.UNKNOWN)
    return {**batch, "points_part": part}


def _make_transformed_predict(apply_fn, views, keys, skel, inputs: _Inputs) -> Callable:
    """The network on transformed clips, with its joints transformed back."""

    def back(estimate: models.PoseEstimate) -> models.PoseEstimate:
        def one_by_one(function, value, mirror=skel.mirror):
            return jax.vmap(lambda v, x: function(v, x, mirror=mirror))(views, value)

        parts, part_logits = estimate.parts, estimate.part_logits
        fixed = estimate.fixed_offset_xyz
        if part_logits is not None:
            part_logits = one_by_one(
                augment.invert_scores, part_logits, body_parts.MIRROR
            )
        return dataclasses.replace(
            estimate,
            xyz=one_by_one(augment.invert_joints, estimate.xyz),
            confidence_logit=one_by_one(
                augment.invert_scores, estimate.confidence_logit
            ),
            parts=parts and {name: back(part) for name, part in parts.items()},
            fixed_offset_xyz=fixed
            if fixed is None
            else one_by_one(augment.invert_joints, fixed),
            part_logits=part_logits,
        )

    def predict(params, batch) -> models.PoseEstimate:
        seen = {
            "points": jax.vmap(augment.transform_points)(views, batch["points"]),
            "points_valid": _hide_points(keys, batch, inputs.augment),
            "time": batch["time"],
        }
        if inputs.keypoints:
            seen |= _transform_keypoints(views, batch, skel)
        crops = _augment_crops(views, keys, batch, inputs)
        return back(apply_fn(params, **{**seen, **crops}))

    return predict


def _transform_keypoints(views, batch: Mapping, skel: skeleton.Skeleton) -> dict:
    """Keypoints and their camera as the transformed clips have them."""

    def of_clip(view, uv, confidence, pose):
        uv, confidence = keypoint_tokens.mirror(
            uv, confidence, mirrored=view.mirrored, permutation=skel.mirror
        )
        pose = augment.transform_camera(view, pose)
        return {"uv": uv, "confidence": confidence, "cam_from_points": pose}

    names = ("uv", "confidence", "cam_from_points")
    moved = jax.vmap(of_clip)(views, *(batch[name] for name in names))
    return moved | {"intrinsics": batch["intrinsics"]}


def _augment_crops(views, keys, batch: Mapping, inputs: _Inputs) -> dict:
    """The transformed crops of a fusion, and which modalities are kept."""
    modalities = inputs.modalities
    images = modalities[1:]
    if not images:
        return {}
    crops = {
        name: batch[name] for group in images for name in models.CROP_FIELDS[group]
    }

    def augment_clip_crops(view, key, crops):
        degraded = augment_crops.degrade_crops(key, crops, inputs.crop_augment)
        return augment.transform_crops(view, degraded)

    def choose(key):
        gate_key, which_key = jax.random.split(jax.random.fold_in(key, 2))
        dropped = jax.random.randint(which_key, (), 0, len(modalities))
        some = jax.random.bernoulli(gate_key, inputs.augment.modality_dropout)
        return ~some | (jnp.arange(len(modalities)) != dropped)

    crop_keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, 3)
    return jax.vmap(augment_clip_crops)(views, crop_keys, crops) | {
        "modality_mask": jax.vmap(choose)(keys)
    }

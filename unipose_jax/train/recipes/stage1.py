"""UniPose stage 1: the point network learns from 2D keypoints, depth and physics.

docs/method.md. With `model.fusion`, crops of depth or color are further inputs; a
modality is dropped at random, so that one network serves any sensor. Only the term
`joint_position` of the supervised ablation reads three-dimensional joints; while its
weight is zero, they do not reach the training step.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from data_pipelines.ground import settings as data_settings
from unipose_jax import errors, models, skeleton
from unipose_jax.models import backbones
from unipose_jax.train import settings
from unipose_jax.train.augment import crop_augment as augment_crops
from unipose_jax.train.augment import point_augment as augment
from unipose_jax.train.recipes import config_checks, terms, unipose_terms
from unipose_jax.train.recipes.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class _Inputs:
    """What augmentation reads: the modalities of the network and its settings."""

    modalities: tuple[str, ...]
    augment: settings.PointAugmentation
    crop_augment: settings.CropAugmentation


def build(values: Mapping[str, Any], data: data_settings.DataSettings) -> Recipe:
    """The recipe of a config with `model`, `loss_weights`, `loss` and `augment`.

    Raises:
        errors.BadInput: a fusion that does not exist, or its crops are missing.
    """
    model = values["model"]
    _check(model, data)
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
        models.modalities(model.get("fusion", "none")), augment, crop_augment
    )
    needed = (*inputs, *unipose_terms.SURFACE_FIELDS, *objective.fields)

    def train_terms(apply_fn, params, batch, keys):
        views = jax.vmap(lambda key: _sample_transform(key, augment))(keys)
        predict = _make_transformed_predict(apply_fn, views, keys, skel, seen)
        return unipose_terms.compute(objective, predict(params, batch), batch, skel)

    def validation_terms(estimate, batch):
        return unipose_terms.compute(objective, estimate, batch, skel)

    return Recipe(
        network=models.build(model, num_joints=skel.num_joints),
        inputs=inputs,
        fields=tuple(dict.fromkeys(needed)),
        objective=objective,
        train_terms=train_terms,
        validation_terms=validation_terms,
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


def _make_transformed_predict(apply_fn, views, keys, skel, inputs: _Inputs) -> Callable:
    """The network on transformed clips, with its joints transformed back."""

    def hide(key, points, valid):
        return augment.random_occlusion(
            jax.random.fold_in(key, 1),
            points,
            valid,
            probability=inputs.augment.occlusion_prob,
            radius=inputs.augment.occlusion_radius,
        )

    def back(estimate: models.PoseEstimate) -> models.PoseEstimate:
        def one_by_one(function, value):
            return jax.vmap(lambda v, x: function(v, x, mirror=skel.mirror))(
                views, value
            )

        parts = estimate.parts
        return dataclasses.replace(
            estimate,
            xyz=one_by_one(augment.invert_joints, estimate.xyz),
            confidence_logit=one_by_one(
                augment.invert_scores, estimate.confidence_logit
            ),
            parts=parts and {name: back(part) for name, part in parts.items()},
        )

    def predict(params, batch) -> models.PoseEstimate:
        seen = {
            "points": jax.vmap(augment.transform_points)(views, batch["points"]),
            "points_valid": jax.vmap(hide)(
                keys, batch["points"], batch["points_valid"]
            ),
            "time": batch["time"],
        }
        return back(
            apply_fn(params, **seen, **_augment_crops(views, keys, batch, inputs))
        )

    return predict


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

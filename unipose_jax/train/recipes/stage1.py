"""UniPose stage 1: the point network learns from 2D keypoints, depth and physics.

docs/method.md. With `model.fusion`, crops of depth or colour stand beside the
points; some modality is left out at random, so that one network serves whatever a user
has. Three-dimensional joints are read only by the `joint_position`
term of the supervised ablation; while its weight is zero, training steps do not even
receive them.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import ml_collections

from unipose_jax import errors, models
from unipose_jax.models import backbones
from unipose_jax.train.augment import crop_augment as augment_crops
from unipose_jax.train.augment import point_augment as augment
from unipose_jax.train.recipes import config_checks, terms, unipose_terms
from unipose_jax.train.recipes.recipe import Recipe

OBSERVATIONS = ("uv", "confidence", "intrinsics", "cam_from_points")
_OF_OTHER_RECIPES = {"color_anchor_net", "depth_anchor_net", "pose_machine", "rank_net"}
LABELS = unipose_terms.LABELS
TEACHER_FIELDS = unipose_terms.TEACHER_FIELDS


def build(config: ml_collections.ConfigDict) -> Recipe:
    """The recipe of a config with `model`, `loss_weights`, `loss` and `augment`.

    Raises:
        errors.BadInput: a fusion that does not exist, or its crops are missing.
    """
    _check(config)
    skel = config_checks.config_skeleton(config)
    network = models.build(config.model.to_dict(), num_joints=skel.num_joints)
    inputs = models.input_fields(config.model.to_dict())
    weights = config.loss_weights.to_dict()
    fields = inputs + OBSERVATIONS + terms.fields_of(terms.chosen(weights))
    compute_terms = terms.make_terms(weights, config.loss, skel)

    def train_terms(apply_fn, params, batch, keys):
        views = jax.vmap(lambda key: _sample_transform(key, config.augment))(keys)
        predict = _make_transformed_predict(apply_fn, views, keys, skel, config)
        return compute_terms(predict(params, batch), batch)

    return Recipe(
        network=network,
        inputs=inputs,
        fields=tuple(dict.fromkeys(fields)),
        train_terms=train_terms,
        validation_terms=compute_terms,
        needs_teacher=set(TEACHER_FIELDS) <= set(fields),
    )


def _check(config: ml_collections.ConfigDict) -> None:
    own = set(models.NETWORKS) - _OF_OTHER_RECIPES
    config_checks.check_choice(config, "model.name", sorted(own))
    if config.data.num_points < 1:
        raise errors.BadInput(
            f"config.data.num_points is {config.data.num_points}; use 1 or more"
        )
    if config.model.name != "point_net":
        return
    config_checks.check_choice(config, "model.fusion", list(models.FUSIONS))
    if config.model.num_heads < 1 or config.model.width % config.model.num_heads:
        raise errors.BadInput(
            f"config.model.width is {config.model.width}, which num_heads="
            f"{config.model.num_heads} attention heads cannot share"
        )
    config_checks.check_backbone(config)
    fusion = config.model.fusion
    cells = config.model.image_grid * backbones.stride_of(config.model.backbone)
    size = config.data.crop_size
    if fusion != "none" and (size < cells or size % cells):
        raise errors.BadInput(
            f"config.data.crop_size is {size}; config.model.fusion={fusion} needs a "
            f"multiple of {cells}"
        )


def _sample_transform(key, config) -> augment.PointTransform:
    return augment.sample_transform(
        jax.random.fold_in(key, 0),
        pan=config.pan,
        tilt=config.tilt,
        roll=config.roll,
        scale=config.scale,
        mirror=config.mirror,
    )


def _make_transformed_predict(apply_fn, views, keys, skel, config) -> Callable:
    """The network, fed with another view of each clip and read back from it."""

    def hide(key, points, valid):
        return augment.random_occlusion(
            jax.random.fold_in(key, 1),
            points,
            valid,
            probability=config.augment.occlusion_prob,
            radius=config.augment.occlusion_radius,
        )

    def back(estimate: models.PoseEstimate) -> models.PoseEstimate:
        def one_by_one(function, value):
            return jax.vmap(lambda v, x: function(v, x, mirror=skel.mirror))(
                views, value
            )

        parts = estimate.parts
        return models.PoseEstimate(
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
            apply_fn(params, **seen, **_augment_crops(views, keys, batch, config))
        )

    return predict


def _augment_crops(views, keys, batch: Mapping, config) -> dict:
    """The crops of a fusion in the views, and which modality is left out."""
    looked_at = models.modalities(config.model.get("fusion", "none"))
    images = looked_at[1:]
    if not images:
        return {}
    crops = {
        name: batch[name] for group in images for name in models.CROP_FIELDS[group]
    }

    def look(view, key, crops):
        degraded = augment_crops.degrade_crops(key, crops, config.crop_augment)
        return augment.transform_crops(view, degraded)

    def choose(key):
        gate_key, which_key = jax.random.split(jax.random.fold_in(key, 2))
        dropped = jax.random.randint(which_key, (), 0, len(looked_at))
        some = jax.random.bernoulli(gate_key, config.augment.modality_dropout)
        return ~some | (jnp.arange(len(looked_at)) != dropped)

    crop_keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, 3)
    return jax.vmap(look)(views, crop_keys, crops) | {
        "modality_mask": jax.vmap(choose)(keys)
    }

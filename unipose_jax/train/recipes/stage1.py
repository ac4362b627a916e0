"""UniPose stage 1: the point network learns from 2D keypoints, depth and physics.

DESIGN.md section 2.1. With `model.fusion`, crops of depth or colour stand beside the
points; some modality is left out at random, so that one network serves whatever a user
has. Three-dimensional joints are read only by the `joint_position`
term of the supervised ablation; while its weight is zero, training steps do not even
receive them.
"""

import functools
import itertools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import ml_collections

from data_pipelines import errors
from unipose_jax import models, reduction, skeleton
from unipose_jax.geometry import depth, transforms
from unipose_jax.losses import (
    agreement,
    anatomy,
    keypoints,
    lifting,
    motion,
    surface,
)
from unipose_jax.models import image_net
from unipose_jax.physics import limits
from unipose_jax.train import augment, augment_crops
from unipose_jax.train.recipes.recipe import Recipe

EVIDENCE = ("uv", "confidence", "intrinsics", "cam_from_points")
LABELS = ("xyz", "xyz_valid")
TAUGHT = ("teacher_xyz", "teacher_confidence")


def build(config: ml_collections.ConfigDict) -> Recipe:
    """The recipe of a config with `model`, `loss_weights`, `loss` and `augment`.

    Raises:
        errors.BadInput: a fusion that does not exist, or its crops are missing.
    """
    _check(config)
    skel = skeleton.by_name(config.data.skeleton)
    network = models.build(config.model.to_dict(), num_joints=skel.num_joints)
    inputs = models.inputs_of(config.model.to_dict())
    supervised = config.loss_weights.joint_position > 0
    taught = config.loss_weights.pseudo_position > 0
    fields = inputs + EVIDENCE + (LABELS if supervised else ())
    fields += TAUGHT if taught else ()
    terms = make_terms(config, skel)

    def train_terms(apply_fn, params, batch, keys):
        views = jax.vmap(lambda key: _draw_view(key, config.augment))(keys)
        predict = _through_views(apply_fn, views, keys, skel, config)
        return terms(predict(params, batch), batch)

    return Recipe(
        network=network,
        inputs=inputs,
        fields=tuple(dict.fromkeys(fields)),
        train_terms=train_terms,
        validation_terms=terms,
        taught=taught,
    )


def _check(config: ml_collections.ConfigDict) -> None:
    if config.model.name != "point_net":
        raise errors.BadInput(
            f"recipe stage1 trains point_net, not {config.model.name}"
        )
    fusion = config.model.fusion
    if fusion not in models.FUSIONS:
        raise errors.BadInput(
            f"config.model.fusion is {fusion!r}; use one of {', '.join(models.FUSIONS)}"
        )
    if config.model.backbone not in image_net.KINDS:
        raise errors.BadInput(
            f"config.model.backbone is {config.model.backbone!r}; use one of "
            f"{', '.join(image_net.KINDS)}"
        )
    cells = config.model.image_grid * image_net.stride_of(config.model.backbone)
    size = config.data.crop_size
    if fusion != "none" and (size < cells or size % cells):
        raise errors.BadInput(
            f"config.data.crop_size is {size}; config.model.fusion={fusion} needs a "
            f"multiple of {cells}"
        )


def _draw_view(key, config) -> augment.View:
    return augment.draw_view(
        jax.random.fold_in(key, 0),
        pan=config.pan,
        tilt=config.tilt,
        roll=config.roll,
        scale=config.scale,
        mirror=config.mirror,
    )


def _through_views(apply_fn, views, keys, skel, config) -> Callable:
    """The network, fed with another view of each clip and read back from it."""

    def hide(key, points, valid):
        return augment.cut_out(
            jax.random.fold_in(key, 1),
            points,
            valid,
            probability=config.augment.cut_out,
            radius=config.augment.cut_out_radius,
        )

    def back(estimate: models.PoseEstimate) -> models.PoseEstimate:
        def one_by_one(function, value):
            return jax.vmap(lambda v, x: function(v, x, mirror=skel.mirror))(
                views, value
            )

        parts = estimate.parts
        return models.PoseEstimate(
            xyz=one_by_one(augment.joints_from_view, estimate.xyz),
            confidence_logit=one_by_one(
                augment.scores_from_view, estimate.confidence_logit
            ),
            parts=parts and {name: back(part) for name, part in parts.items()},
        )

    def predict(params, batch) -> models.PoseEstimate:
        seen = {
            "points": jax.vmap(augment.to_view)(views, batch["points"]),
            "points_valid": jax.vmap(hide)(
                keys, batch["points"], batch["points_valid"]
            ),
            "time": batch["time"],
        }
        return back(apply_fn(params, **seen, **_look_again(views, keys, batch, config)))

    return predict


def _look_again(views, keys, batch: Mapping, config) -> dict:
    """The crops of a fusion in the views, and which modality is left out."""
    looked_at = models.modalities(config.model.fusion)
    images = looked_at[1:]
    if not images:
        return {}
    crops = {name: batch[name] for group in images for name in models.CROPS[group]}

    def look(view, key, crops):
        spoilt = augment_crops.spoilt(key, crops, config.crop_augment)
        return augment.crops_in_view(view, spoilt)

    def choose(key):
        gate_key, which_key = jax.random.split(jax.random.fold_in(key, 2))
        dropped = jax.random.randint(which_key, (), 0, len(looked_at))
        some = jax.random.bernoulli(gate_key, config.augment.drop_modality)
        return ~some | (jnp.arange(len(looked_at)) != dropped)

    crop_keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, 3)
    return jax.vmap(look)(views, crop_keys, crops) | {"sees": jax.vmap(choose)(keys)}


def make_terms(config: ml_collections.ConfigDict, skel: skeleton.Skeleton) -> Callable:
    """Builds `terms(estimate, batch) -> dict` of the terms whose weight is not zero."""
    functions = (
        _keypoint_terms(config.loss)
        | _depth_terms(config.loss, skel)
        | _physics_terms(config.loss, skel)
    )
    chosen = {name for name, weight in config.loss_weights.items() if weight}

    def terms(estimate: models.PoseEstimate, batch: Mapping) -> dict:
        scene = _observe(estimate.xyz, batch, config.loss)
        return {
            name: functions[name](estimate, batch, scene) for name in sorted(chosen)
        }

    return terms


def _observe(xyz, batch: Mapping, config) -> dict:
    """What depth says around the predicted joints; no gradient flows through it."""
    cloud = {"points": batch["points"], "points_valid": batch["points_valid"]}
    front, found = depth.surface_depth(xyz, **cloud, radius=config.surface_radius)
    weight = batch["points_valid"].astype(jnp.float32)
    in_keypoint_camera = transforms.apply(
        batch["cam_from_points"][:, None],
        jnp.where(weight[..., None] > 0, batch["points"], 0.0),
    )
    total = jnp.maximum(weight.sum(-1), 1.0)
    return {
        "surface_depth": front,
        "on_surface": found,
        "reference_depth": (weight * in_keypoint_camera[..., 2]).sum(-1) / total,
    }


def _keypoint_terms(config) -> dict[str, Callable]:
    """Terms that compare joints with labels, or modalities with each other."""

    def keypoint_arguments(batch):
        return {
            "uv": batch["uv"],
            "intrinsics": batch["intrinsics"][:, None],
            "confidence": batch["confidence"],
            "visible": batch["confidence"] > 0,
            "cam_from_xyz": batch["cam_from_points"][:, None],
        }

    def point_to_ray(estimate, batch, scene):
        reference = scene["reference_depth"] if config.ray_at_reference else None
        return keypoints.point_to_ray_loss(
            estimate.xyz,
            **keypoint_arguments(batch),
            delta=config.ray_delta,
            reference_depth=reference,
        )

    def reprojection(estimate, batch, scene):
        return keypoints.reprojection_loss(
            estimate.xyz, **keypoint_arguments(batch), delta=config.reprojection_delta
        )

    def confidence(estimate, batch, scene):
        target = keypoints.ray_agreement(
            estimate.xyz, **keypoint_arguments(batch), scale=config.agreement_scale
        )
        return keypoints.confidence_loss(
            estimate.confidence_logit,
            target,
            weight=jnp.ones_like(target),
            valid=jnp.ones_like(target, dtype=bool),
        )

    def joint_position(estimate, batch, scene):
        return lifting.joint_position_loss(
            estimate.xyz,
            batch["xyz"],
            weight=jnp.ones_like(batch["xyz"][..., 0]),
            valid=batch["xyz_valid"],
            delta=config.position_delta,
        )

    def cross_modal(estimate, batch, scene):
        parts = (estimate.parts or {}).values()
        zero = reduction.WeightedMean(jnp.zeros(()), jnp.zeros(()))
        pairs = [
            agreement.cross_modal_loss(
                one.xyz,
                other.xyz,
                confidence=jax.nn.sigmoid(one.confidence_logit),
                other_confidence=jax.nn.sigmoid(other.confidence_logit),
                delta=config.agreement_scale,
            )
            for one, other in itertools.combinations(parts, 2)
        ]
        return functools.reduce(lambda a, b: jax.tree.map(jnp.add, a, b), pairs, zero)

    def pseudo_position(estimate, batch, scene):
        # What keypoints say nothing of stays where the teacher has it.
        return lifting.joint_position_loss(
            estimate.xyz,
            batch["teacher_xyz"],
            weight=batch["teacher_confidence"] * (1.0 - batch["confidence"]),
            valid=batch["points_valid"].any(-1, keepdims=True)
            & jnp.ones_like(batch["confidence"], dtype=bool),
            delta=config.position_delta,
        )

    return {
        "point_to_ray": point_to_ray,
        "reprojection": reprojection,
        "confidence": confidence,
        "cross_modal": cross_modal,
        "joint_position": joint_position,
        "pseudo_position": pseudo_position,
    }


def _depth_terms(config, skel) -> dict[str, Callable]:
    """Terms that compare joints with the surface that the camera sees."""
    skin_depth = limits.skin_depths(skel)
    min_skin_depth = limits.min_skin_depths(skel)
    radii = limits.capsule_radii(skel)

    def surface_pull(estimate, batch, scene):
        return surface.surface_loss(
            estimate.xyz,
            scene["surface_depth"],
            skin_depth=skin_depth,
            confidence=batch["confidence"],
            visible=scene["on_surface"],
            scale=config.surface_scale,
        )

    def surface_hinge(estimate, batch, scene):
        return surface.surface_hinge_loss(
            estimate.xyz,
            scene["surface_depth"],
            min_skin_depth=min_skin_depth,
            visible=scene["on_surface"],
        )

    def occlusion(estimate, batch, scene):
        # A joint without a keypoint is hidden, so it lies well behind what is seen on
        # its line of sight: silence of the detector is evidence of depth. Unless it
        # found nobody at all.
        seen = batch["confidence"] > 0
        silent = ~seen & seen.any(axis=-1, keepdims=True)
        return surface.surface_hinge_loss(
            estimate.xyz,
            scene["surface_depth"],
            min_skin_depth=skin_depth + config.hidden_margin,
            visible=scene["on_surface"] & silent,
        )

    def coverage(estimate, batch, scene):
        return surface.coverage_loss(
            estimate.xyz,
            batch["points"][:, :, : config.coverage_points],
            skeleton=skel,
            radii=radii,
            points_valid=batch["points_valid"][:, :, : config.coverage_points],
        )

    return {
        "surface": surface_pull,
        "surface_hinge": surface_hinge,
        "occlusion": occlusion,
        "coverage": coverage,
    }


def _physics_terms(config, skel) -> dict[str, Callable]:
    """Terms that hold for any body. They act where keypoints are silent.

    A joint that the detector believes in is moved by physics only as much as
    `physics_on_seen` says, so a hidden hand is corrected against a well-seen elbow.
    """
    speed_limit = limits.max_speeds(skel)
    acceleration_limit = limits.max_accelerations(skel)

    def freedom(batch):
        return 1.0 - (1.0 - config.physics_on_seen) * batch["confidence"]

    def symmetry(estimate, batch, scene):
        return anatomy.symmetry_loss(
            estimate.xyz, skeleton=skel, weight=freedom(batch), delta=config.ratio_delta
        )

    def bone_constancy(estimate, batch, scene):
        return anatomy.bone_constancy_loss(
            estimate.xyz,
            skeleton=skel,
            confidence=batch["confidence"],
            weight=freedom(batch),
            delta=config.ratio_delta,
        )

    def bone_ratio(estimate, batch, scene):
        return anatomy.bone_ratio_loss(
            estimate.xyz, skeleton=skel, weight=freedom(batch)
        )

    def joint_limit(estimate, batch, scene):
        return anatomy.joint_limit_loss(
            estimate.xyz, skeleton=skel, weight=freedom(batch)
        )

    def speed(estimate, batch, scene):
        return motion.speed_loss(
            estimate.xyz, batch["time"], limit=speed_limit, weight=freedom(batch)
        )

    def acceleration(estimate, batch, scene):
        return motion.acceleration_loss(
            estimate.xyz, batch["time"], limit=acceleration_limit, weight=freedom(batch)
        )

    return {
        "symmetry": symmetry,
        "bone_constancy": bone_constancy,
        "bone_ratio": bone_ratio,
        "joint_limit": joint_limit,
        "speed": speed,
        "acceleration": acceleration,
    }

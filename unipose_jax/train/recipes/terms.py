"""The terms of UniPose's objective, from configs and batches to `losses`.

docs/method.md. A term is a function of an estimate, a batch and what depth says
around the estimate's joints.
"""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import ml_collections

from unipose_jax import models, reduction, skeleton
from unipose_jax.geometry import depth, transforms
from unipose_jax.losses import agreement, anatomy, keypoints, lifting, motion, surface
from unipose_jax.physics import limits


def make_terms(config: ml_collections.ConfigDict, skel: skeleton.Skeleton) -> Callable:
    """Builds `terms(estimate, batch) -> dict` of the terms whose weight is not zero."""
    functions = (
        _keypoint_terms(config.loss)
        | _cross_modal_term(config.loss)
        | _label_terms(config.loss)
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
    """Terms that compare joints with the keypoints of a 2D detector."""

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

    return {
        "point_to_ray": point_to_ray,
        "reprojection": reprojection,
        "confidence": confidence,
    }


def _cross_modal_term(config) -> dict[str, Callable]:
    """The modalities of a fusion agree with what all say, where both are confident.

    It stays where it is: a modality that sees less would pull the others away.
    """

    def cross_modal(estimate, batch, scene):
        parts = (estimate.parts or {}).values()
        zero = reduction.WeightedMean(jnp.zeros(()), jnp.zeros(()))
        each = [
            agreement.cross_modal_loss(
                part.xyz,
                jax.lax.stop_gradient(estimate.xyz),
                confidence=jax.nn.sigmoid(part.confidence_logit),
                other_confidence=jax.nn.sigmoid(estimate.confidence_logit),
                delta=config.agreement_scale,
            )
            for part in parts
        ]
        return functools.reduce(lambda a, b: jax.tree.map(jnp.add, a, b), each, zero)

    return {"cross_modal": cross_modal}


def _label_terms(config) -> dict[str, Callable]:
    """Terms that compare joints with a truth or with a teacher's joints."""

    def joint_position(estimate, batch, scene):
        return lifting.joint_position_loss(
            estimate.xyz,
            batch["xyz"],
            weight=jnp.ones_like(batch["xyz"][..., 0]),
            valid=batch["xyz_valid"],
            delta=config.position_delta,
        )

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

    return {"joint_position": joint_position, "pseudo_position": pseudo_position}


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

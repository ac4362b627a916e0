"""The terms of UniPose's objective, from configs and batches to `losses`.

docs/method.md. A term is a function of an estimate, a batch and what depth says
around the estimate's joints.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import ml_collections

from unipose_jax import losses, models, reduction, skeleton
from unipose_jax.geometry import depth, numerics, rays, transforms
from unipose_jax.physics import anthropometry


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
        scene = _surface_targets(estimate.xyz, batch, config.loss)
        return {
            name: functions[name](estimate, batch, scene) for name in sorted(chosen)
        }

    return terms


def _surface_targets(xyz, batch: Mapping, config) -> dict:
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
        "cloud_depth": (weight * in_keypoint_camera[..., 2]).sum(-1) / total,
    }


def _keypoint_terms(config) -> dict[str, Callable]:
    """Terms that compare joints with the keypoints of a 2D detector."""

    def keypoint_arguments(batch):
        return {
            "uv": batch["uv"],
            "intrinsics": batch["intrinsics"][:, None],
            "where": batch["confidence"] > 0,
            "cam_from_xyz": batch["cam_from_points"][:, None],
        }

    def mean(penalty, batch):
        confidence = batch["confidence"]
        return reduction.weighted_mean(penalty, confidence, confidence > 0)

    def point_to_ray(estimate, batch, scene):
        depth = scene["cloud_depth"] if config.ray_at_cloud_depth else None
        penalty = losses.point_to_ray(
            estimate.xyz,
            **keypoint_arguments(batch),
            delta=config.ray_delta,
            at_depth=depth,
        )
        return mean(penalty, batch)

    def reprojection(estimate, batch, scene):
        penalty = losses.reprojection(
            estimate.xyz, **keypoint_arguments(batch), delta=config.reprojection_delta
        )
        return mean(penalty, batch)

    def confidence(estimate, batch, scene):
        agreement = rays.ray_agreement(
            estimate.xyz, **keypoint_arguments(batch), scale=config.agreement_scale
        )
        return reduction.weighted_mean(
            losses.binary_cross_entropy(
                estimate.confidence_logit, batch["confidence"] * agreement
            )
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
        whole = jax.lax.stop_gradient(estimate)
        term = reduction.WeightedMean(jnp.zeros(()), jnp.zeros(()))
        for part in (estimate.parts or {}).values():
            weights = jax.nn.sigmoid(jax.lax.stop_gradient(part.confidence_logit))
            weights = weights * jax.nn.sigmoid(whole.confidence_logit)
            penalty = losses.cross_modal(
                part.xyz, whole.xyz, where=weights > 0.0, delta=config.agreement_scale
            )
            term += reduction.weighted_mean(penalty, weights)
        return term

    return {"cross_modal": cross_modal}


def _label_terms(config) -> dict[str, Callable]:
    """Terms that compare joints with a truth or with a teacher's joints."""

    def joint_position(estimate, batch, scene):
        penalty = losses.joint_position(
            estimate.xyz,
            batch["xyz"],
            where=batch["xyz_valid"],
            delta=config.position_delta,
        )
        return reduction.weighted_mean(penalty, where=batch["xyz_valid"])

    def pseudo_position(estimate, batch, scene):
        # What keypoints say nothing of stays where the teacher has it.
        found = batch["points_valid"].any(-1, keepdims=True)
        found = jnp.broadcast_to(found, batch["confidence"].shape)
        weights = batch["teacher_confidence"] * (1.0 - batch["confidence"])
        penalty = losses.joint_position(
            estimate.xyz,
            batch["teacher_xyz"],
            where=found,
            delta=config.position_delta,
        )
        return reduction.weighted_mean(penalty, weights, found)

    return {"joint_position": joint_position, "pseudo_position": pseudo_position}


def _depth_terms(config, skel) -> dict[str, Callable]:
    """Terms that compare joints with the surface that the camera sees."""
    skin_depth = anthropometry.skin_depths(skel)
    min_skin_depth = anthropometry.min_skin_depths(skel)
    radii = anthropometry.capsule_radii(skel)

    def surface_pull(estimate, batch, scene):
        penalty = losses.surface_distance(
            estimate.xyz,
            scene["surface_depth"],
            skin_depth=skin_depth,
            where=scene["on_surface"],
            delta=config.surface_scale,
        )
        return reduction.weighted_mean(
            penalty, batch["confidence"], scene["on_surface"]
        )

    def hinge(estimate, scene, depth_below, where):
        penalty = losses.surface_hinge(
            estimate.xyz,
            scene["surface_depth"],
            min_skin_depth=depth_below,
            where=where,
        )
        return reduction.weighted_mean(penalty, where=where)

    def surface_hinge(estimate, batch, scene):
        return hinge(estimate, scene, min_skin_depth, scene["on_surface"])

    def occlusion(estimate, batch, scene):
        # A joint without a keypoint is hidden, so it lies well behind what is seen on
        # its line of sight: silence of the detector is evidence of depth. Unless it
        # found nobody at all.
        seen = batch["confidence"] > 0
        silent = ~seen & seen.any(axis=-1, keepdims=True)
        behind = skin_depth + config.occlusion_margin
        return hinge(estimate, scene, behind, scene["on_surface"] & silent)

    def coverage(estimate, batch, scene):
        points_valid = batch["points_valid"][:, :, : config.coverage_points]
        penalty = losses.coverage(
            estimate.xyz,
            batch["points"][:, :, : config.coverage_points],
            skeleton=skel,
            radii=radii,
            points_valid=points_valid,
        )
        return reduction.weighted_mean(penalty, where=points_valid)

    return {
        "surface": surface_pull,
        "surface_hinge": surface_hinge,
        "occlusion": occlusion,
        "coverage": coverage,
    }


def _physics_terms(config, skel) -> dict[str, Callable]:
    """Terms that hold for any body. They act where keypoints are silent.

    A joint that the detector believes in is moved by physics only as much as
    `physics_weight_on_keypoints` says, so a hidden hand is corrected against a
    well-seen elbow.
    """
    speed_limit = anthropometry.max_speeds(skel)
    acceleration_limit = anthropometry.max_accelerations(skel)

    def physics_weight(batch):
        return 1.0 - (1.0 - config.physics_weight_on_keypoints) * batch["confidence"]

    def scaled(estimate, batch):
        """Joints with scaled gradients, and the weights that scale them."""
        weights = physics_weight(batch)
        return numerics.scale_gradient(estimate.xyz, weights), weights

    def symmetry(estimate, batch, scene):
        xyz, weights = scaled(estimate, batch)
        penalty = losses.symmetry(xyz, skeleton=skel, delta=config.log_ratio_delta)
        weights = losses.bone_pair_weights(weights, skeleton=skel)
        return reduction.weighted_mean(penalty, weights)

    def bone_constancy(estimate, batch, scene):
        xyz, weights = scaled(estimate, batch)
        penalty = losses.bone_constancy(
            xyz,
            skeleton=skel,
            weights=batch["confidence"],
            delta=config.log_ratio_delta,
        )
        weights = losses.bone_weights(weights, skeleton=skel)
        return reduction.weighted_mean(penalty, weights)

    def bone_ratio(estimate, batch, scene):
        xyz, weights = scaled(estimate, batch)
        penalty = losses.bone_ratio(xyz, skeleton=skel)
        weights = losses.bone_weights(weights, skeleton=skel, rigid=False)
        return reduction.weighted_mean(penalty, weights)

    def joint_limit(estimate, batch, scene):
        xyz, weights = scaled(estimate, batch)
        penalty = losses.joint_limit(xyz, skeleton=skel)
        weights = losses.hinge_weights(weights, skeleton=skel)
        return reduction.weighted_mean(penalty, weights)

    def speed(estimate, batch, scene):
        xyz, weights = scaled(estimate, batch)
        penalty = losses.speed(xyz, batch["time"], limit=speed_limit)
        weights = losses.speed_weights(weights, batch["time"])
        return reduction.weighted_mean(penalty, weights)

    def acceleration(estimate, batch, scene):
        xyz, weights = scaled(estimate, batch)
        penalty = losses.acceleration(xyz, batch["time"], limit=acceleration_limit)
        weights = losses.acceleration_weights(weights, batch["time"])
        return reduction.weighted_mean(penalty, weights)

    return {
        "symmetry": symmetry,
        "bone_constancy": bone_constancy,
        "bone_ratio": bone_ratio,
        "joint_limit": joint_limit,
        "speed": speed,
        "acceleration": acceleration,
    }

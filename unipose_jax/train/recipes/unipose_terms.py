"""The terms of UniPose's objective (docs/method.md), registered by name."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from unipose_jax import losses, reduction
from unipose_jax.geometry import numerics, rays
from unipose_jax.physics import anthropometry
from unipose_jax.train.recipes import terms

LABELS = ("xyz", "xyz_valid")
"""Batch fields with true joints."""

TEACHER_FIELDS = ("teacher_xyz", "teacher_confidence")
"""Batch fields with a teacher's joints."""


# Joints against the keypoints of a 2D detector.


def _keypoint_arguments(batch: Mapping[str, Array]) -> dict[str, Any]:
    return {
        "uv": batch["uv"],
        "intrinsics": batch["intrinsics"][:, None],
        "where": batch["confidence"] > 0,
        "cam_from_xyz": batch["cam_from_points"][:, None],
    }


def _mean_by_confidence(penalty, batch) -> reduction.WeightedMean:
    confidence = batch["confidence"]
    return reduction.weighted_mean(penalty, confidence, confidence > 0)


def point_to_ray(estimate, batch, context: terms.Context):
    """Distance of joints to the rays of their keypoints, metres."""
    scales = context.scales
    penalty = losses.point_to_ray(
        estimate.xyz,
        **_keypoint_arguments(batch),
        delta=scales.ray_delta,
        at_depth=context.cloud_depth if scales.ray_at_cloud_depth else None,
    )
    return _mean_by_confidence(penalty, batch)


def reprojection(estimate, batch, context: terms.Context):
    """Distance of projected joints to their keypoints, pixels."""
    penalty = losses.reprojection(
        estimate.xyz,
        **_keypoint_arguments(batch),
        delta=context.scales.reprojection_delta,
    )
    return _mean_by_confidence(penalty, batch)


def confidence(estimate, batch, context: terms.Context):
    """Cross-entropy of the confidence against the agreement with the rays, nats."""
    agreement = rays.ray_agreement(
        estimate.xyz,
        **_keypoint_arguments(batch),
        scale=context.scales.agreement_scale,
    )
    return losses.binary_cross_entropy(
        estimate.confidence_logit, batch["confidence"] * agreement
    )


def cross_modal(estimate, batch, context: terms.Context):
    """Distance of each modality's joints to the fused joints, metres.

    The fused joints are constant: a modality with less information would otherwise
    pull the others away.
    """
    whole = jax.lax.stop_gradient(estimate)
    term = reduction.WeightedMean(jnp.zeros(()), jnp.zeros(()))
    for part in (estimate.parts or {}).values():
        weights = jax.nn.sigmoid(jax.lax.stop_gradient(part.confidence_logit))
        weights = weights * jax.nn.sigmoid(whole.confidence_logit)
        penalty = losses.cross_modal(
            part.xyz,
            whole.xyz,
            where=weights > 0.0,
            delta=context.scales.agreement_scale,
        )
        term += reduction.weighted_mean(penalty, weights)
    return term


# Joints against true joints, or a teacher's.


def joint_position(estimate, batch, context: terms.Context):
    """Distance to the true joints, metres."""
    penalty = losses.joint_position(
        estimate.xyz,
        batch["xyz"],
        where=batch["xyz_valid"],
        delta=context.scales.position_delta,
    )
    return reduction.weighted_mean(penalty, where=batch["xyz_valid"])


def pseudo_position(estimate, batch, context: terms.Context):
    """Distance to the teacher's joints, metres, where there is no sure keypoint."""
    found = batch["points_valid"].any(-1, keepdims=True)
    found = jnp.broadcast_to(found, batch["confidence"].shape)
    weights = batch["teacher_confidence"] * (1.0 - batch["confidence"])
    penalty = losses.joint_position(
        estimate.xyz,
        batch["teacher_xyz"],
        where=found,
        delta=context.scales.position_delta,
    )
    return reduction.weighted_mean(penalty, weights, found)


# Joints against the surface that the depth camera measured.


def surface(estimate, batch, context: terms.Context):
    """Distance of joints to their typical depth below the surface, metres."""
    penalty = losses.surface_distance(
        estimate.xyz,
        context.surface_depth,
        skin_depth=anthropometry.skin_depths(context.skeleton),
        where=context.on_surface,
        delta=context.scales.surface_scale,
    )
    return reduction.weighted_mean(penalty, batch["confidence"], context.on_surface)


def _hinge(estimate, context: terms.Context, min_skin_depth, where):
    penalty = losses.surface_hinge(
        estimate.xyz, context.surface_depth, min_skin_depth=min_skin_depth, where=where
    )
    return reduction.weighted_mean(penalty, where=where)


def surface_hinge(estimate, batch, context: terms.Context):
    """Distance by which joints lie in front of the surface, metres."""
    least = anthropometry.min_skin_depths(context.skeleton)
    return _hinge(estimate, context, least, context.on_surface)


def occlusion(estimate, batch, context: terms.Context):
    """Distance by which joints without a keypoint fail to lie behind the surface.

    A missing keypoint implies occlusion, so the joint lies `occlusion_margin` behind
    the surface or more. Frames without any keypoint imply nothing.
    """
    found = batch["confidence"] > 0
    hidden = ~found & found.any(axis=-1, keepdims=True)
    behind = anthropometry.skin_depths(context.skeleton)
    behind = behind + context.scales.occlusion_margin
    return _hinge(estimate, context, behind, context.on_surface & hidden)


def coverage(estimate, batch, context: terms.Context):
    """Distance of points of the cloud to the nearest bone's capsule, metres."""
    count = context.scales.coverage_points
    points_valid = batch["points_valid"][:, :, :count]
    penalty = losses.coverage(
        estimate.xyz,
        batch["points"][:, :, :count],
        skeleton=context.skeleton,
        radii=anthropometry.capsule_radii(context.skeleton),
        points_valid=points_valid,
    )
    return reduction.weighted_mean(penalty, where=points_valid)


# Physical priors, which hold for any body. A joint with a sure keypoint is moved only
# by the share `physics_weight_on_keypoints`: a hidden hand is corrected against a
# visible elbow.


def _scaled(estimate, batch, context: terms.Context):
    """Joints with scaled gradients, and the weights that scale them."""
    share = context.scales.physics_weight_on_keypoints
    weights = 1.0 - (1.0 - share) * batch["confidence"]
    return numerics.scale_gradient(estimate.xyz, weights), weights


def symmetry(estimate, batch, context: terms.Context):
    """Difference of left and right bones, log-ratio."""
    xyz, weights = _scaled(estimate, batch, context)
    penalty = losses.symmetry(
        xyz, skeleton=context.skeleton, delta=context.scales.log_ratio_delta
    )
    weights = losses.bone_pair_weights(weights, skeleton=context.skeleton)
    return reduction.weighted_mean(penalty, weights)


def bone_constancy(estimate, batch, context: terms.Context):
    """Change of bone lengths within a clip, log-ratio."""
    xyz, weights = _scaled(estimate, batch, context)
    penalty = losses.bone_constancy(
        xyz,
        skeleton=context.skeleton,
        weights=batch["confidence"],
        delta=context.scales.log_ratio_delta,
    )
    weights = losses.bone_weights(weights, skeleton=context.skeleton)
    return reduction.weighted_mean(penalty, weights)


def bone_ratio(estimate, batch, context: terms.Context):
    """Excess of bone lengths over plausible shares of the stature, metres."""
    xyz, weights = _scaled(estimate, batch, context)
    penalty = losses.bone_ratio(xyz, skeleton=context.skeleton)
    weights = losses.bone_weights(weights, skeleton=context.skeleton, rigid=False)
    return reduction.weighted_mean(penalty, weights)


def joint_limit(estimate, batch, context: terms.Context):
    """Angle by which knees and elbows exceed their limits, radians."""
    xyz, weights = _scaled(estimate, batch, context)
    penalty = losses.joint_limit(xyz, skeleton=context.skeleton)
    weights = losses.hinge_weights(weights, skeleton=context.skeleton)
    return reduction.weighted_mean(penalty, weights)


def speed(estimate, batch, context: terms.Context):
    """Excess of joint speeds over their limits."""
    xyz, weights = _scaled(estimate, batch, context)
    limit = anthropometry.max_speeds(context.skeleton)
    penalty = losses.speed(xyz, batch["time"], limit=limit)
    weights = losses.speed_weights(weights, batch["time"])
    return reduction.weighted_mean(penalty, weights)


def acceleration(estimate, batch, context: terms.Context):
    """Excess of joint accelerations over their limits."""
    xyz, weights = _scaled(estimate, batch, context)
    limit = anthropometry.max_accelerations(context.skeleton)
    penalty = losses.acceleration(xyz, batch["time"], limit=limit)
    weights = losses.acceleration_weights(weights, batch["time"])
    return reduction.weighted_mean(penalty, weights)


for _loss in (
    *(point_to_ray, reprojection, confidence, cross_modal),
    *(surface, surface_hinge, occlusion, coverage),
    *(symmetry, bone_constancy, bone_ratio, joint_limit, speed, acceleration),
):
    terms.register(_loss.__name__, _loss)
terms.register("joint_position", joint_position, fields=LABELS)
terms.register("pseudo_position", pseudo_position, fields=TEACHER_FIELDS)

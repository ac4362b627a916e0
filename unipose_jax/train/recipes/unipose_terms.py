"""The terms of UniPose's objective: `losses` applied to estimates and batches.

docs/method.md. `TERMS` is the table.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from unipose_jax import losses, reduction, skeleton
from unipose_jax.geometry import depth, numerics, rays, transforms
from unipose_jax.physics import anthropometry, skin_depths
from unipose_jax.skeleton import body_parts
from unipose_jax.train.recipes.terms import Context, Definition, Objective

OBSERVATIONS = ("uv", "confidence", "intrinsics", "cam_from_points")
LABELS = ("xyz", "xyz_valid")
TEACHER_FIELDS = ("teacher_xyz", "teacher_confidence")
LEAST_FRAMES = {"bone_constancy": 2, "speed": 2, "acceleration": 3}
"""Frames that a clip needs for the terms that compare them."""
SURFACE_FIELDS = ("points", "points_valid", "cam_from_points")
"""Batch fields that `surface_targets` reads."""


def compute(
    objective: Objective, estimate, batch: Mapping, skel: skeleton.Skeleton
) -> dict[str, reduction.WeightedMean]:
    """The terms of an objective for one batch, by name."""
    on_body = points_on_body(
        estimate, batch, least=objective.scales.get("least_body_probability", 0.0)
    )
    surface = surface_targets(
        estimate.xyz,
        {**batch, "points_valid": on_body},
        radius=objective.scales["surface_radius"],
    )
    return objective.compute(estimate, batch, skel, surface)


def points_on_body(estimate, batch: Mapping, *, least: float) -> jax.Array:
    """The valid points (batch, frames, points) that are probably on the body.

    Args:
        estimate: of a network; without `part_logits` all valid points count.
        batch: with `points_valid`.
        least: probability, of any body part, below which a point is left out; it is
            on an object, furniture or floor. 0 keeps all points.
    """
    if not least or estimate.part_logits is None:
        return batch["points_valid"]
    share = jax.nn.softmax(estimate.part_logits, axis=-1)[..., body_parts.NONE]
    return batch["points_valid"] & (1.0 - share >= least)


def surface_targets(xyz, batch: Mapping, *, radius: float) -> dict:
    """Measured depth around the predicted joints; no gradient flows through it.

    Args:
        xyz: joints (batch, frames, joints, 3), metres.
        batch: with `SURFACE_FIELDS`; only its valid points are used.
        radius: metres around a joint's line of sight.
    """
    cloud = {"points": batch["points"], "points_valid": batch["points_valid"]}
    front, found = depth.surface_depth(xyz, **cloud, radius=radius)
    weight = batch["points_valid"].astype(jnp.float32)
    in_keypoint_camera = transforms.apply(
        batch["cam_from_points"][:, None],
        jnp.where(weight[..., None] > 0, batch["points"], 0.0),
    )
    total = jnp.maximum(weight.sum(-1), 1.0)
    return {
        "surface_depth": front,
        "on_surface": found,
        "points_on_body": batch["points_valid"],
        "cloud_depth": (weight * in_keypoint_camera[..., 2]).sum(-1) / total,
    }


def _target_confidence(batch):
    """Confidence of keypoints as targets: 0 where the network was given them."""
    return batch.get("target_confidence", batch["confidence"])


def _keypoint_arguments(batch):
    return {
        "uv": batch["uv"],
        "intrinsics": batch["intrinsics"][:, None],
        "where": _target_confidence(batch) > 0,
        "cam_from_xyz": batch["cam_from_points"][:, None],
    }


def _mean_over_keypoints(penalty, batch):
    confidence = _target_confidence(batch)
    return reduction.weighted_mean(penalty, confidence, confidence > 0)


def _point_to_ray(estimate, batch, context: Context):
    """Distance of joints to the rays of their keypoints, metres."""
    at_cloud = context.scales["ray_at_cloud_depth"]
    penalty = losses.point_to_ray(
        estimate.xyz,
        **_keypoint_arguments(batch),
        delta=context.scale,
        at_depth=context.surface["cloud_depth"] if at_cloud else None,
    )
    return _mean_over_keypoints(penalty, batch)


def _reprojection(estimate, batch, context: Context):
    """Distance of projected joints to their keypoints, pixels."""
    penalty = losses.reprojection(
        estimate.xyz, **_keypoint_arguments(batch), delta=context.scale
    )
    return _mean_over_keypoints(penalty, batch)


def _confidence(estimate, batch, context: Context):
    """Cross-entropy of the confidence against the agreement with the rays, nats."""
    agreement = rays.ray_agreement(
        estimate.xyz, **_keypoint_arguments(batch), scale=context.scale
    )
    entropy = losses.binary_cross_entropy(
        estimate.confidence_logit, _target_confidence(batch) * agreement
    )
    # A keypoint that the network was given is no target; a missing one is.
    shown = (batch["confidence"] > 0) & ~(_target_confidence(batch) > 0)
    return reduction.weighted_mean(entropy, where=~shown)


def _cross_modal(estimate, batch, context: Context):
    """Distance of each modality of a fusion to the pose from all of them.

    Weighted by the confidence of both. No gradient flows into the pose from all: a
    modality with less information would make it worse.
    """
    whole = jax.lax.stop_gradient(estimate)
    term = reduction.WeightedMean(jnp.zeros(()), jnp.zeros(()))
    for part in (estimate.parts or {}).values():
        weights = jax.nn.sigmoid(jax.lax.stop_gradient(part.confidence_logit))
        weights = weights * jax.nn.sigmoid(whole.confidence_logit)
        penalty = losses.cross_modal(
            part.xyz, whole.xyz, where=weights > 0.0, delta=context.scale
        )
        term += reduction.weighted_mean(penalty, weights)
    return term


def _point_part(estimate, batch, context: Context):
    """Cross-entropy of the body part of each point, nats."""
    labelled = batch["points_valid"] & (batch["points_part"] != body_parts.UNKNOWN)
    penalty = losses.categorical_cross_entropy(
        estimate.part_logits, batch["points_part"], where=labelled
    )
    return reduction.weighted_mean(penalty, where=labelled)


def _joint_position(estimate, batch, context: Context):
    """Distance to the true joints, metres."""
    penalty = losses.joint_position(
        estimate.xyz, batch["xyz"], where=batch["xyz_valid"], delta=context.scale
    )
    return reduction.weighted_mean(penalty, where=batch["xyz_valid"])


def _joint_confidence(estimate, batch, context: Context):
    """Cross-entropy of the confidence against the closeness to true joints, nats.

    exp(-|r|^2 / 2 s^2) at distance r, as `rays.ray_agreement` at a distance from a ray.
    """
    known = batch["xyz_valid"]
    residual = jax.lax.stop_gradient(estimate.xyz) - numerics.fill_masked(
        batch["xyz"], known
    )
    closeness = jnp.exp(-0.5 * jnp.sum(residual**2, -1) / context.scale**2)
    entropy = losses.binary_cross_entropy(estimate.confidence_logit, closeness)
    return reduction.weighted_mean(entropy, where=known)


def _pseudo_position(estimate, batch, context: Context):
    """Distance to the teacher's joints, weighted by how little keypoints tell."""
    found = batch["points_valid"].any(-1, keepdims=True)
    found = jnp.broadcast_to(found, batch["confidence"].shape)
    weights = batch["teacher_confidence"] * (1.0 - batch["confidence"])
    penalty = losses.joint_position(
        estimate.xyz, batch["teacher_xyz"], where=found, delta=context.scale
    )
    return reduction.weighted_mean(penalty, weights, found)


def _surface_xyz(estimate):
    """Joints as terms of the surface take them: a convention head learns from rays."""
    fixed = estimate.fixed_offset_xyz
    return estimate.xyz if fixed is None else fixed


def _skin_depth(estimate, context: Context):
    """Depth below the skin, of joints or of each frame's joints, metres."""
    name = context.scales.get("skin_depths", skin_depths.ANATOMY)
    if name != skin_depths.LEARNT:
        return skin_depths.typical(context.skeleton, convention=name)
    below, shift = skin_depths.typical(context.skeleton), estimate.skin_shift
    return below if shift is None else jnp.broadcast_to(below, shift.shape) + shift


def _least_skin_depth(estimate, context: Context):
    """The smallest depth below the skin, metres; takes no gradient."""
    name = context.scales.get("skin_depths", skin_depths.ANATOMY)
    if name != skin_depths.LEARNT:
        return skin_depths.least(context.skeleton, convention=name)
    least, shift = skin_depths.least(context.skeleton), estimate.skin_shift
    if shift is None:
        return least
    deeper = anthropometry.MIN_SKIN_SHARE * jax.lax.stop_gradient(shift)
    return jnp.broadcast_to(least, shift.shape) + deeper


def _surface(estimate, batch, context: Context):
    """Distance of joints to their typical depth below the surface, metres."""
    on_surface = context.surface["on_surface"]
    penalty = losses.surface_distance(
        _surface_xyz(estimate),
        context.surface["surface_depth"],
        skin_depth=_skin_depth(estimate, context),
        where=on_surface,
        delta=context.scale,
    )
    return reduction.weighted_mean(penalty, batch["confidence"], on_surface)


def _hinge(estimate, context: Context, min_skin_depth, where):
    penalty = losses.surface_hinge(
        _surface_xyz(estimate),
        context.surface["surface_depth"],
        min_skin_depth=min_skin_depth,
        where=where,
    )
    return reduction.weighted_mean(penalty, where=where)


def _surface_hinge(estimate, batch, context: Context):
    """Distance by which joints lie in front of the surface, metres."""
    least = _least_skin_depth(estimate, context)
    return _hinge(estimate, context, least, context.surface["on_surface"])


def _occlusion(estimate, batch, context: Context):
    """A joint without a keypoint is occluded: it lies well behind the surface.

    It counts in frames in which the detector found some other joint.
    """
    seen = batch["confidence"] > 0
    occluded = ~seen & seen.any(axis=-1, keepdims=True)
    behind = jax.lax.stop_gradient(_skin_depth(estimate, context)) + context.scale
    return _hinge(estimate, context, behind, context.surface["on_surface"] & occluded)


def _coverage(estimate, batch, context: Context):
    """Distance of points of the cloud to the nearest bone's capsule, metres."""
    points_valid = context.surface["points_on_body"][:, :, : context.scale]
    penalty = losses.coverage(
        estimate.xyz,
        batch["points"][:, :, : context.scale],
        skeleton=context.skeleton,
        radii=anthropometry.capsule_radii(context.skeleton),
        points_valid=points_valid,
    )
    return reduction.weighted_mean(penalty, where=points_valid)


def _scaled(estimate, batch, context: Context):
    """Joints with scaled gradients, and the weights that scale them.

    Physical terms act in full on joints without a keypoint. They move a joint with a
    confident keypoint by `physics_weight_on_keypoints` of that, so that a hidden hand
    is corrected and the visible elbow hardly moves.
    """
    least = context.scales["physics_weight_on_keypoints"]
    weights = 1.0 - (1.0 - least) * batch["confidence"]
    return numerics.scale_gradient(estimate.xyz, weights), weights


def _symmetry(estimate, batch, context: Context):
    """Difference of left and right bones, log-ratio."""
    xyz, weights = _scaled(estimate, batch, context)
    penalty = losses.symmetry(xyz, skeleton=context.skeleton, delta=context.scale)
    weights = losses.bone_pair_weights(weights, skeleton=context.skeleton)
    return reduction.weighted_mean(penalty, weights)


def _bone_constancy(estimate, batch, context: Context):
    """Change of bone lengths within a clip, log-ratio."""
    xyz, weights = _scaled(estimate, batch, context)
    penalty = losses.bone_constancy(
        xyz,
        skeleton=context.skeleton,
        weights=batch["confidence"],
        delta=context.scale,
    )
    weights = losses.bone_weights(weights, skeleton=context.skeleton)
    return reduction.weighted_mean(penalty, weights)


def _bone_ratio(estimate, batch, context: Context):
    """Excess of bone lengths over plausible shares of the stature, metres."""
    xyz, weights = _scaled(estimate, batch, context)
    penalty = losses.bone_ratio(xyz, skeleton=context.skeleton)
    weights = losses.bone_weights(weights, skeleton=context.skeleton, rigid=False)
    return reduction.weighted_mean(penalty, weights)


def _joint_limit(estimate, batch, context: Context):
    """Angle by which knees and elbows exceed their limits, radians."""
    xyz, weights = _scaled(estimate, batch, context)
    penalty = losses.joint_limit(xyz, skeleton=context.skeleton)
    weights = losses.hinge_weights(weights, skeleton=context.skeleton)
    return reduction.weighted_mean(penalty, weights)


def _speed(estimate, batch, context: Context):
    """Excess of joint speeds over their limits."""
    xyz, weights = _scaled(estimate, batch, context)
    limit = anthropometry.max_speeds(context.skeleton)
    penalty = losses.speed(xyz, batch["time"], limit=limit)
    weights = losses.speed_weights(weights, batch["time"])
    return reduction.weighted_mean(penalty, weights)


def _acceleration(estimate, batch, context: Context):
    """Excess of joint accelerations over their limits."""
    xyz, weights = _scaled(estimate, batch, context)
    limit = anthropometry.max_accelerations(context.skeleton)
    penalty = losses.acceleration(xyz, batch["time"], limit=limit)
    weights = losses.acceleration_weights(weights, batch["time"])
    return reduction.weighted_mean(penalty, weights)


_CLOUD = ("points", "points_valid")
_SEEN = ("confidence",)
_MOTION = ("confidence", "time")

TERMS = {
    "point_to_ray": Definition(_point_to_ray, OBSERVATIONS, "ray_delta"),
    "reprojection": Definition(_reprojection, OBSERVATIONS, "reprojection_delta"),
    "confidence": Definition(_confidence, OBSERVATIONS, "agreement_scale"),
    "cross_modal": Definition(_cross_modal, (), "agreement_scale"),
    "point_part": Definition(_point_part, ("points_valid", "points_part")),
    "joint_position": Definition(_joint_position, LABELS, "position_delta"),
    "joint_confidence": Definition(_joint_confidence, LABELS, "agreement_scale"),
    "pseudo_position": Definition(
        _pseudo_position, (*_SEEN, *_CLOUD, *TEACHER_FIELDS), "position_delta"
    ),
    "surface": Definition(_surface, _SEEN, "surface_scale"),
    "surface_hinge": Definition(_surface_hinge),
    "occlusion": Definition(_occlusion, _SEEN, "occlusion_margin"),
    "coverage": Definition(_coverage, _CLOUD, "coverage_points"),
    "symmetry": Definition(_symmetry, _SEEN, "log_ratio_delta"),
    "bone_constancy": Definition(_bone_constancy, _SEEN, "log_ratio_delta"),
    "bone_ratio": Definition(_bone_ratio, _SEEN),
    "joint_limit": Definition(_joint_limit, _SEEN),
    "speed": Definition(_speed, _MOTION),
    "acceleration": Definition(_acceleration, _MOTION),
}

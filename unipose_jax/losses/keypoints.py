"""Agreement of 3D joints with 2D keypoints: along rays (m) or in the image (px)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax import reduction
from unipose_jax.geometry import camera, numerics, rays, transforms


def point_to_ray_loss(
    xyz: Float[Array, "*batch joints 3"],
    uv: Float[Array, "*batch joints 2"],
    intrinsics: Float[Array, "*#batch 4"],
    *,
    confidence: Float[Array, "*batch joints"],
    visible: Bool[Array, "*batch joints"],
    delta: float = 0.05,
    cam_from_xyz: Float[Array, "*#batch 4 4"] | None = None,
    reference_depth: Float[Array, "*batch"] | None = None,
    min_depth: float = 0.1,
) -> reduction.WeightedMean:
    r"""Robust distance from each joint to the camera ray of its 2D keypoint.

    With unit ray d and joint p, r = p - max(p.d, 0) d and the penalty is the
    pseudo-Huber delta (sqrt(1 + |r|^2 / delta^2) - 1): quadratic below `delta`, linear
    above, smooth at r = 0. Behind the camera, r points to its centre.

    All rays meet in the camera: pulling a joint there shortens every r, and with noisy
    keypoints and no other evidence of depth it is pulled there. With `reference_depth`
    z_ref, r is multiplied by z_ref / max(p.d, min_depth): the distance is measured as
    if the joint were z_ref away, and moving along the line of sight changes nothing.

    Args:
        xyz: predicted joints, metres, camera frame (any, with `cam_from_xyz`).
        uv: observed keypoints, undistorted pixels. Ignored, even if NaN, where not
            `visible`.
        intrinsics: (fx, fy, cx, cy) of the keypoints' camera, pixels.
        confidence: detector score in [0, 1]; multiplies the penalty.
        visible: False removes the joint, whatever it holds, from both sum and weight.
        delta: transition from quadratic to linear, metres.
        cam_from_xyz: moves `xyz` to the keypoints' camera where that is another one,
            so that rays start elsewhere than at the origin of `xyz`.
        reference_depth: z_ref, metres, taken as constant; None measures at the joint.
        min_depth: nearest distance along the ray that the rescaling divides by, metres.

    Returns:
        Confidence-weighted mean penalty in metres, not yet divided.
    """
    xyz = _seen(xyz, visible, cam_from_xyz)
    residual, along = _ray_residual(xyz, uv, intrinsics, visible)
    sq_dist = jnp.sum(residual**2, axis=-1)
    if reference_depth is not None:
        reference = jax.lax.stop_gradient(reference_depth)[..., None]
        sq_dist = sq_dist * (reference / jnp.maximum(along, min_depth)) ** 2
    penalty = numerics.pseudo_huber(sq_dist, delta=delta)
    return reduction.weighted_mean(penalty, confidence, visible)


def reprojection_loss(
    xyz: Float[Array, "*batch joints 3"],
    uv: Float[Array, "*batch joints 2"],
    intrinsics: Float[Array, "*#batch 4"],
    *,
    confidence: Float[Array, "*batch joints"],
    visible: Bool[Array, "*batch joints"],
    delta: float = 5.0,
    min_depth: float = 0.1,
    cam_from_xyz: Float[Array, "*#batch 4 4"] | None = None,
) -> reduction.WeightedMean:
    r"""Robust image distance from each projected joint to its 2D keypoint.

    Pseudo-Huber of |(fx x q + cx - u, fy y q + cy - v)| with q = 1 / z. Nearer than
    m = `min_depth`, 1 / z continues as its tangent, q = (2 m - z) / m^2: gradients stay
    finite at and behind the camera, still say which way the front is, and are the exact
    ones everywhere else.

    Args:
        xyz: predicted joints, metres, camera frame (any, with `cam_from_xyz`).
        uv: observed keypoints, undistorted pixels. Ignored, even if NaN, where not
            `visible`.
        intrinsics: (fx, fy, cx, cy) of the keypoints' camera, pixels.
        confidence: detector score in [0, 1]; multiplies the penalty.
        visible: False removes the joint, whatever it holds, from both sum and weight.
        delta: transition from quadratic to linear, pixels (0.05 m at 3 m is 5 px at a
            focal length of 290).
        min_depth: depth below which 1 / z is continued linearly, metres.
        cam_from_xyz: moves `xyz` to the keypoints' camera where that is another one.

    Returns:
        Confidence-weighted mean penalty in pixels, not yet divided.
    """
    xyz = _seen(xyz, visible, cam_from_xyz)
    intrinsics = _per_joint(intrinsics, xyz)
    focal, center = intrinsics[..., :2], intrinsics[..., 2:]
    z = xyz[..., 2:]
    inverse = 1.0 / jnp.maximum(z, min_depth)
    inverse = jnp.where(z < min_depth, (2.0 * min_depth - z) / min_depth**2, inverse)
    projected = focal * xyz[..., :2] * inverse + center
    error = projected - jnp.where(visible[..., None], uv, center)
    penalty = numerics.pseudo_huber(jnp.sum(error**2, axis=-1), delta=delta)
    return reduction.weighted_mean(penalty, confidence, visible)


def ray_agreement(
    xyz: Float[Array, "*batch joints 3"],
    uv: Float[Array, "*batch joints 2"],
    intrinsics: Float[Array, "*#batch 4"],
    *,
    confidence: Float[Array, "*batch joints"],
    visible: Bool[Array, "*batch joints"],
    scale: float = 0.05,
    cam_from_xyz: Float[Array, "*#batch 4 4"] | None = None,
) -> Float[Array, "*batch joints"]:
    r"""How well joints agree with believed 2D evidence: a target for confidence.

    confidence * exp(-|r|^2 / (2 scale^2)), r from the joint to its keypoint's ray.

    Args:
        xyz: joints, metres, camera frame (any, with `cam_from_xyz`).
        uv: observed keypoints, undistorted pixels. Ignored where not `visible`.
        intrinsics: (fx, fy, cx, cy) of the keypoints' camera, pixels.
        confidence: detector score in [0, 1].
        visible: False gives 0, whatever the joint holds: there is no evidence.
        scale: distance to the ray at which belief has fallen to exp(-1/2) = 0.61,
            metres.
        cam_from_xyz: moves `xyz` to the keypoints' camera where that is another one.

    Returns:
        Agreement in [0, 1], cut off from the gradient.
    """
    xyz = _seen(xyz, visible, cam_from_xyz)
    residual, _ = _ray_residual(xyz, uv, intrinsics, visible)
    agreement = jnp.exp(-0.5 * jnp.sum(residual**2, axis=-1) / scale**2)
    believed = jnp.where(visible, confidence, 0.0)
    return jax.lax.stop_gradient(believed * agreement)


def confidence_loss(
    logit: Float[Array, "*batch joints"],
    target: Float[Array, "*batch joints"],
    *,
    weight: Float[Array, "*batch joints"],
    valid: Bool[Array, "*batch joints"],
) -> reduction.WeightedMean:
    """Binary cross-entropy of a predicted confidence against a soft target, in nats.

    log(1 + exp(l)) - t l for logit l and target t; smallest at sigmoid(l) = t.

    Args:
        logit: of the predicted confidence.
        target: in [0, 1], e.g. `ray_agreement`; taken as constant. Ignored, even if
            NaN, where not `valid`.
        weight: multiplies the penalty.
        valid: False removes the joint, whatever it holds, from both sum and weight.
    """
    logit = jnp.where(valid, logit, 0.0)
    target = jax.lax.stop_gradient(jnp.where(valid, target, 0.0))
    penalty = jax.nn.softplus(logit) - target * logit
    return reduction.weighted_mean(penalty, weight, valid)


def _seen(xyz: Array, visible: Array, cam_from_xyz: Array | None) -> Array:
    """Joints in the keypoints' camera; a point at 1 m stands in for unseen ones."""
    ahead = jnp.broadcast_to(jnp.array([0.0, 0.0, 1.0], xyz.dtype), xyz.shape)
    xyz = jnp.where(visible[..., None], xyz, ahead)
    return xyz if cam_from_xyz is None else transforms.apply(cam_from_xyz, xyz)


def _per_joint(intrinsics: Array, xyz: Array) -> Array:
    return jnp.broadcast_to(intrinsics[..., None, :], (*xyz.shape[:-1], 4))


def _ray_residual(
    xyz: Array, uv: Array, intrinsics: Array, visible: Array
) -> tuple[Array, Array]:
    """Vector from the ray to the joint, and the joint's distance along the ray."""
    # Replace unseen keypoints *before* the arithmetic: masking only the result would
    # still send NaN through the gradient.
    center = _per_joint(intrinsics, xyz)[..., 2:]
    uv = jnp.where(visible[..., None], uv, center)
    ray_dirs = camera.ray_dirs_from_uv(uv, intrinsics)
    residual = rays.point_to_ray_residual(xyz, jnp.zeros(3, xyz.dtype), ray_dirs)
    return residual, jnp.sum(xyz * ray_dirs, axis=-1)

"""Joints from 2D keypoints and depth: the median depth around each keypoint.

The classical baseline of 3D pose from RGB-D, for NumPy and JAX arrays alike. A joint
lies below the skin that the sensor measures, so a typical depth below the skin is added
along the line of sight (`physics.skin_depths`).
"""

from jaxtyping import Bool, Float

from unipose_jax.geometry import arrays, camera


def look_up_joints(
    uv: Float[arrays.AnyArray, "*batch joints 2"],
    intrinsics: Float[arrays.AnyArray, "*#batch 4"],
    points: Float[arrays.AnyArray, "*batch points 3"],
    *,
    skin_depth: Float[arrays.AnyArray, " joints"],
    where: Bool[arrays.AnyArray, "*batch joints"] | None = None,
    points_valid: Bool[arrays.AnyArray, "*batch points"] | None = None,
    window: float = 5.0,
) -> tuple[
    Float[arrays.AnyArray, "*batch joints 3"], Bool[arrays.AnyArray, "*batch joints"]
]:
    r"""Lifts keypoints to the median depth of the points around them.

    With z the median depth of all points within `window` / 2 pixels of the keypoint in
    both axes, r = ((u - cx) / fx, (v - cy) / fy, 1) and t the depth below the skin, the
    joint is z r + t r / |r|. Points of the pixels of a depth map in the same camera
    give the median over a window of 5 x 5 pixels.

    Args:
        uv: keypoints, undistorted pixels.
        intrinsics: (fx, fy, cx, cy) of the keypoints' camera, pixels.
        points: of the person's visible surface, metres, frame of that camera.
        skin_depth: t, metres.
        where: joints that have a keypoint; default: all with finite pixels.
        points_valid: False removes a point; default: all that are finite and in front
            of the camera.
        window: side of the square window, pixels of the keypoints' camera.

    Returns:
        Joints, metres, camera frame, 0 where invalid; and whether they are valid: there
        is a keypoint and at least one point in its window.
    """
    xp = arrays.namespace(uv, points)
    known = xp.isfinite(uv).all(axis=-1)
    known = known if where is None else known & where
    ahead = xp.isfinite(points).all(axis=-1) & (points[..., 2] > 0)
    ahead = ahead if points_valid is None else ahead & points_valid
    unit = xp.asarray([0.0, 0.0, 1.0], dtype=points.dtype)
    points = xp.where(ahead[..., None], points, xp.broadcast_to(unit, points.shape))
    uv = xp.where(known[..., None], uv, 0.0)

    apart = camera.uv_from_xyz(points, intrinsics)[..., None, :, :] - uv[..., None, :]
    near = (xp.abs(apart) <= 0.5 * window).all(axis=-1) & ahead[..., None, :]
    z = xp.sort(xp.where(near, points[..., None, :, 2], xp.inf), axis=-1)
    count = near.sum(axis=-1)
    valid = known & (count > 0)
    middle = xp.maximum(count - 1, 0)
    low = xp.take_along_axis(z, (middle // 2)[..., None], axis=-1)[..., 0]
    high = xp.take_along_axis(z, ((middle + 1) // 2)[..., None], axis=-1)[..., 0]
    surface = xp.where(valid, 0.5 * (low + high), 1.0)

    xy = camera.xy_from_uv(uv, intrinsics)
    ray = xp.concatenate([xy, xp.ones_like(xy[..., :1])], axis=-1)
    length = xp.sqrt((ray**2).sum(axis=-1))
    below = xp.broadcast_to(skin_depth, length.shape) / length
    xyz = ray * (surface + below)[..., None]
    return xp.where(valid[..., None], xyz, 0.0), valid

"""Agreement of 3D joints with 2D keypoints: along rays (m) or in the image (px)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import camera, numerics, rays, transforms
from unipose_jax.skeleton import definitions, kinematics


def point_to_ray(
    xyz: Float[Array, "*batch joints 3"],
    uv: Float[Array, "*batch joints 2"],
    intrinsics: Float[Array, "*#batch 4"],
    *,
    where: Bool[Array, "*batch joints"] | None = None,
    delta: float = 0.05,
    cam_from_xyz: Float[Array, "*#batch 4 4"] | None = None,
    at_depth: Float[Array, "*batch"] | None = None,
    min_depth: float = 0.1,
) -> Float[Array, "*batch joints"]:
    r"""Robust distance from each joint to the camera ray of its 2D keypoint.

    For the unit ray $d$ of the keypoint and the joint $p$,

    $$ r = p - \max(p \cdot d, 0)\, d, \qquad
    \ell = \delta \left( \sqrt{1 + \lVert r \rVert^2 / \delta^2} - 1 \right), $$

    the pseudo-Huber penalty: quadratic below `delta`, linear above, smooth at $r = 0$.
    Behind the camera, $r$ points to its centre.

    All rays meet in the camera: $r$ is shorter the nearer a joint is, so noisy
    keypoints without other evidence of depth pull joints to the camera. With `at_depth`
    $z_0$, $r$ is multiplied by $z_0 / \max(z, z_\mathrm{min})$, where $z$ is the
    joint's depth in the camera of the keypoints: the distance is that of the same angle
    at depth $z_0$, and moving along the line of sight does not change it. Use a depth
    that the penalty must not pull, such as the median depth of the person.

    Args:
        xyz: predicted joints, metres, camera frame (any, with `cam_from_xyz`).
        uv: observed keypoints, undistorted pixels.
        intrinsics: (fx, fy, cx, cy) of the keypoints' camera, pixels.
        where: joints that have a keypoint; default: all. Others give 0, whatever they
            hold, NaN included, and no gradient.
        delta: transition from quadratic to linear, metres.
        cam_from_xyz: moves `xyz` to the keypoints' camera where that is another one,
            so that rays start elsewhere than at the origin of `xyz`.
        at_depth: $z_0$, metres, in the frame of the camera of the keypoints, taken as
            constant; default: the distance at the joint itself.
        min_depth: smallest $z$ that the rescaling divides by, metres.

    Returns:
        Penalty of each joint, metres.
    """
    xyz, uv = rays.fill_masked_keypoints(xyz, uv, intrinsics, where)
    if cam_from_xyz is not None:
        xyz = transforms.apply(cam_from_xyz, xyz)
    ray_dirs = camera.ray_dirs_from_uv(uv, intrinsics)
    residual = rays.point_to_ray_residual(xyz, jnp.zeros(3, xyz.dtype), ray_dirs)
    sq_dist = jnp.sum(residual**2, axis=-1)
    if at_depth is not None:
        depth = jax.lax.stop_gradient(at_depth)[..., None]
        sq_dist = sq_dist * (depth / jnp.maximum(xyz[..., 2], min_depth)) ** 2
    penalty = numerics.pseudo_huber(sq_dist, delta=delta)
    return numerics.fill_masked(penalty, where)


def reprojection(
    xyz: Float[Array, "*batch joints 3"],
    uv: Float[Array, "*batch joints 2"],
    intrinsics: Float[Array, "*#batch 4"],
    *,
    where: Bool[Array, "*batch joints"] | None = None,
    delta: float = 5.0,
    min_depth: float = 0.1,
    cam_from_xyz: Float[Array, "*#batch 4 4"] | None = None,
) -> Float[Array, "*batch joints"]:
    r"""Robust image distance from each projected joint to its 2D keypoint.

    Pseudo-Huber penalty of the distance between the keypoint $(u, v)$ and

    $$ (f_x\, x\, q + c_x,\; f_y\, y\, q + c_y), \qquad q = 1 / z. $$

    For $z$ below $m$ = `min_depth`, $1 / z$ continues as its tangent,
    $q = (2 m - z) / m^2$: gradients stay finite at and behind the camera, still point
    to the front, and are exact everywhere else.

    Args:
        xyz: predicted joints, metres, camera frame (any, with `cam_from_xyz`).
        uv: observed keypoints, undistorted pixels.
        intrinsics: (fx, fy, cx, cy) of the keypoints' camera, pixels.
        where: joints that have a keypoint; default: all. Others give 0, whatever they
            hold, NaN included, and no gradient.
        delta: transition from quadratic to linear, pixels (0.05 m at 3 m is 5 px at a
            focal length of 290).
        min_depth: depth below which 1 / z is continued linearly, metres.
        cam_from_xyz: moves `xyz` to the keypoints' camera where that is another one.

    Returns:
        Penalty of each joint, pixels.
    """
    xyz, uv = rays.fill_masked_keypoints(xyz, uv, intrinsics, where)
    if cam_from_xyz is not None:
        xyz = transforms.apply(cam_from_xyz, xyz)
    focal, center = camera.focal_and_center(intrinsics, xyz)
    z = xyz[..., 2:]
    inverse = 1.0 / jnp.maximum(z, min_depth)
    inverse = jnp.where(z < min_depth, (2.0 * min_depth - z) / min_depth**2, inverse)
    projected = focal * xyz[..., :2] * inverse + center
    sq_dist = jnp.sum((projected - uv) ** 2, axis=-1)
    penalty = numerics.pseudo_huber(sq_dist, delta=delta)
    return numerics.fill_masked(penalty, where)


def squared_projection_error(
    projected: Float[Array, "*batch joints 2"],
    targets: Float[Array, "*batch joints 2"],
    *,
    where: Bool[Array, "*batch joints"] | None = None,
) -> Float[Array, "*batch joints"]:
    r"""Squared distance of projected joints to keypoints.

    $\lVert u - t \rVert^2$ of a projected joint $u$ and its keypoint $t$, a term of K.
    Wang et al., T-PAMI 2019 (arXiv 1901.03798). In a unit relative to the apparent size
    of the person, it is the same for near and far people.

    Args:
        projected: projected joints, in any unit.
        targets: observed keypoints, in the unit of `projected`.
        where: joints that have a keypoint; default: all. Others give 0, whatever they
            hold, NaN included, and no gradient.

    Returns:
        Squared distance of each joint, in the square of the unit.
    """
    projected = numerics.fill_masked(projected, where)
    error = projected - numerics.fill_masked(targets, where)
    return jnp.sum(error**2, axis=-1)


@definitions.accepts_name
def bone_extent(
    projected: Float[Array, "*batch joints 2"],
    targets: Float[Array, "*batch joints 2"],
    *,
    skeleton: definitions.Skeleton,
    where: Bool[Array, "*batch joints"] | None = None,
) -> Float[Array, "*batch bones"]:
    r"""Squared difference of the extents of bones along the image axes.

    The extent of a bone is $(|\Delta u|, |\Delta v|)$ from parent to child, without
    signs: the bone term at test time of K. Wang et al., T-PAMI 2019 (arXiv 1901.03798).

    Args:
        projected: projected joints, in any unit.
        targets: observed keypoints, in the unit of `projected`.
        skeleton: of both.
        where: joints that have a keypoint; default: all. The bones of others give 0,
            whatever they hold, NaN included, and no gradient.

    Returns:
        Squared difference of each bone, in the square of the unit.
    """
    child, parent = skeleton.bone_ends
    found, wanted = (
        jnp.abs(points[..., child, :] - points[..., parent, :])
        for points in (
            numerics.fill_masked(projected, where),
            numerics.fill_masked(targets, where),
        )
    )
    sq_difference = jnp.sum((found - wanted) ** 2, axis=-1)
    known = kinematics.both_ends(where, skeleton=skeleton)
    return numerics.fill_masked(sq_difference, known)

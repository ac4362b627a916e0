"""Pinhole cameras with Brown-Conrady distortion, for NumPy and JAX arrays alike.

Pixels have u to the right and v down, (0, 0) at the top-left corner, pixel centres
at +0.5. The camera frame has x right, y down, z forward. `intrinsics` is
(fx, fy, cx, cy) in pixels. Leading axes of camera parameters broadcast against
those of the points, so that one camera serves all frames of a clip.
"""

import jax
from jaxtyping import Float, Shaped

from unipose_jax.geometry import arrays


def intrinsics_from_matrix(
    matrix: Float[arrays.AnyArray, "*batch 3 3"],
) -> Float[arrays.AnyArray, "*batch 4"]:
    """The vector (fx, fy, cx, cy) of a camera matrix K, pixels.

    K = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]; a skew K[0, 1] is ignored. Where K counts
    pixel centres at integers, as OpenCV's do, add 0.5 to cx and cy.
    """
    if matrix.shape[-2:] != (3, 3):
        raise ValueError(f"a camera matrix has shape (..., 3, 3), not {matrix.shape}")
    entries = ((0, 0), (1, 1), (0, 2), (1, 2))
    xp = arrays.namespace(matrix)
    return xp.stack([matrix[..., row, column] for row, column in entries], axis=-1)


def check_intrinsics(intrinsics: Shaped[arrays.AnyArray, "..."]) -> None:
    """Refuses arrays that are not vectors (fx, fy, cx, cy).

    Raises:
        ValueError: another shape, e.g. a 3x3 matrix.
    """
    if intrinsics.ndim < 1 or intrinsics.shape[-1] != 4:
        raise ValueError(
            "intrinsics are (fx, fy, cx, cy), of shape (..., 4), not "
            f"{intrinsics.shape}; geometry.camera.intrinsics_from_matrix converts 3x3 "
            "matrices"
        )


def focal_and_center(
    intrinsics: Float[arrays.AnyArray, "*#batch 4"],
    points: Float[arrays.AnyArray, "*batch n d"],
) -> tuple[Float[arrays.AnyArray, "*batch n 2"], Float[arrays.AnyArray, "*batch n 2"]]:
    """Focal lengths (fx, fy) and principal point (cx, cy), one pair per point.

    Args:
        intrinsics: (fx, fy, cx, cy), pixels.
        points: pixels or points that the result goes with; only the shape is used.

    Raises:
        ValueError: `intrinsics` are no such vectors, e.g. a 3x3 matrix.
    """
    check_intrinsics(intrinsics)
    shape = (*points.shape[:-1], 4)
    xp = arrays.namespace(intrinsics, points)
    intrinsics = xp.broadcast_to(intrinsics[..., None, :], shape)
    return intrinsics[..., :2], intrinsics[..., 2:]


def uv_from_xyz(
    xyz: Float[arrays.AnyArray, "*batch n 3"],
    intrinsics: Float[arrays.AnyArray, "*#batch 4"],
    *,
    min_depth: float = 1e-3,
) -> Float[arrays.AnyArray, "*batch n 2"]:
    """Projects points to pixels: u = fx x / z + cx, v = fy y / z + cy.

    Args:
        xyz: points, metres, camera frame.
        intrinsics: (fx, fy, cx, cy), pixels.
        min_depth: z is raised to this, metres, so that points in or behind the
            camera give finite pixels and gradients. Mask these: they are meaningless.

    Returns:
        Undistorted pixels.
    """
    z = arrays.namespace(xyz, intrinsics).maximum(xyz[..., 2:], min_depth)
    return uv_from_xy(xyz[..., :2] / z, intrinsics)


def xyz_from_uv_depth(
    uv: Float[arrays.AnyArray, "*batch n 2"],
    depth: Float[arrays.AnyArray, "*batch n"],
    intrinsics: Float[arrays.AnyArray, "*#batch 4"],
) -> Float[arrays.AnyArray, "*batch n 3"]:
    """Points of given depth on the rays of pixels: inverse of `uv_from_xyz`.

    Args:
        uv: undistorted pixels.
        depth: z coordinate, metres, not the distance to the camera.
        intrinsics: (fx, fy, cx, cy), pixels.

    Returns:
        Points, metres, camera frame.
    """
    xy = xy_from_uv(uv, intrinsics)
    xp = arrays.namespace(xy, depth)
    return depth[..., None] * xp.concatenate([xy, xp.ones_like(xy[..., :1])], -1)


def ray_dirs_from_uv(
    uv: Float[arrays.AnyArray, "*batch n 2"],
    intrinsics: Float[arrays.AnyArray, "*#batch 4"],
) -> Float[arrays.AnyArray, "*batch n 3"]:
    """Unit vectors from the camera centre through undistorted pixels, camera frame."""
    xp = arrays.namespace(uv, intrinsics)
    xyz = xyz_from_uv_depth(uv, xp.ones_like(uv[..., 0]), intrinsics)
    return xyz / xp.sqrt(xp.sum(xyz**2, axis=-1, keepdims=True))


def xy_from_uv(
    uv: Float[arrays.AnyArray, "*batch n 2"],
    intrinsics: Float[arrays.AnyArray, "*#batch 4"],
) -> Float[arrays.AnyArray, "*batch n 2"]:
    """Normalised image coordinates (x / z, y / z) of pixels, without distortion."""
    focal, center = focal_and_center(intrinsics, uv)
    return (uv - center) / focal


def uv_from_xy(
    xy: Float[arrays.AnyArray, "*batch n 2"],
    intrinsics: Float[arrays.AnyArray, "*#batch 4"],
) -> Float[arrays.AnyArray, "*batch n 2"]:
    """Pixels of normalised image coordinates (x / z, y / z), without distortion."""
    focal, center = focal_and_center(intrinsics, xy)
    return focal * xy + center


def distort(
    xy: Float[arrays.AnyArray, "*batch n 2"],
    distortion: Float[arrays.AnyArray, "*#batch 5"],
) -> Float[arrays.AnyArray, "*batch n 2"]:
    """Applies lens distortion to ideal normalised image coordinates.

    Brown-Conrady, as in OpenCV: with r^2 = x^2 + y^2,
    x' = x (1 + k1 r^2 + k2 r^4 + k3 r^6) + 2 p1 x y + p2 (r^2 + 2 x^2),
    y' = y (1 + k1 r^2 + k2 r^4 + k3 r^6) + p1 (r^2 + 2 y^2) + 2 p2 x y.

    Args:
        xy: (x / z, y / z), dimensionless.
        distortion: (k1, k2, p1, p2, k3), dimensionless.

    Returns:
        Distorted normalised coordinates.
    """
    radial, tangential = _distortion_terms(xy, distortion)
    return xy * radial + tangential


def undistort(
    xy: Float[arrays.AnyArray, "*batch n 2"],
    distortion: Float[arrays.AnyArray, "*#batch 5"],
    *,
    iterations: int = 20,
) -> Float[arrays.AnyArray, "*batch n 2"]:
    """Ideal normalised coordinates of distorted ones: inverse of `distort`.

    Fixed point of x = (x' - tangential(x)) / radial(x), started at x'. It converges
    in the field of view of ordinary lenses, but not where the distorted image folds
    over. NaN stays NaN.

    Args:
        xy: distorted (x / z, y / z), dimensionless.
        distortion: (k1, k2, p1, p2, k3), dimensionless.
        iterations: number of fixed-point steps; 20 leave less than 1e-3 px for ordinary
            lenses.

    Returns:
        Undistorted normalised coordinates.
    """
    xp = arrays.namespace(xy, distortion)

    def refine(_, guess):
        radial, tangential = _distortion_terms(guess, distortion)
        # A radial factor this small lies far outside any lens; keep it finite.
        return (xy - tangential) / xp.maximum(radial, 0.1)

    if xp is not jax.numpy:
        guess = xy
        for step in range(iterations):
            guess = refine(step, guess)
        return guess
    return jax.lax.fori_loop(0, iterations, refine, xp.asarray(xy))


def distort_uv(
    uv: Float[arrays.AnyArray, "*batch n 2"],
    intrinsics: Float[arrays.AnyArray, "*#batch 4"],
    distortion: Float[arrays.AnyArray, "*#batch 5"],
) -> Float[arrays.AnyArray, "*batch n 2"]:
    """Pixels of a camera with lens distortion from those of the ideal camera."""
    return uv_from_xy(distort(xy_from_uv(uv, intrinsics), distortion), intrinsics)


def undistort_uv(
    uv: Float[arrays.AnyArray, "*batch n 2"],
    intrinsics: Float[arrays.AnyArray, "*#batch 4"],
    distortion: Float[arrays.AnyArray, "*#batch 5"],
    *,
    iterations: int = 20,
) -> Float[arrays.AnyArray, "*batch n 2"]:
    """Pixels of the ideal camera from observed pixels: inverse of `distort_uv`."""
    xy = undistort(xy_from_uv(uv, intrinsics), distortion, iterations=iterations)
    return uv_from_xy(xy, intrinsics)


def _distortion_terms(xy, distortion):
    """The radial factor and the tangential shift at ideal coordinates `xy`."""
    xp = arrays.namespace(xy, distortion)
    shape = (*xy.shape[:-1], 5)
    k1, k2, p1, p2, k3 = xp.split(
        xp.broadcast_to(distortion[..., None, :], shape), 5, axis=-1
    )
    sq = xp.sum(xy**2, axis=-1, keepdims=True)
    radial = 1.0 + sq * (k1 + sq * (k2 + sq * k3))
    cross = 2.0 * xp.prod(xy, axis=-1, keepdims=True)
    p_swapped = xp.concatenate([p2, p1], axis=-1)
    p_straight = xp.concatenate([p1, p2], axis=-1)
    return radial, p_straight * cross + p_swapped * (sq + 2.0 * xy**2)

"""Pinhole cameras with lens distortion, for NumPy and JAX arrays alike.

Pixels have u to the right and v down, (0, 0) at the top-left corner, pixel centres
at +0.5. The camera frame has x right, y down, z forward. `intrinsics` is
(fx, fy, cx, cy) in pixels. Leading axes of camera parameters broadcast against
those of the points, so that one camera serves all frames of a clip.
"""

import jax
from jaxtyping import Float, Shaped

from unipose_jax.geometry import arrays

_COEFFICIENTS = (5, 8)  # of Brown-Conrady and of the rational model
_MIN_DETERMINANT = 0.01  # of the Jacobian of a lens; 1 without distortion
_MIN_DENOMINATOR = 0.01  # of the rational model
_CONVERGED = 1e-12  # step in x / z after which NumPy arrays need no other
_MAX_STEP = 0.5  # of Newton's method, in x / z; a lens sees |x / z| up to 2


def intrinsics_from_matrix(
    matrix: Float[arrays.AnyArray, "*batch 3 3"],
) -> Float[arrays.AnyArray, "*batch 4"]:
    r"""The vector (fx, fy, cx, cy) of a camera matrix K, pixels.

    $$ K = \begin{pmatrix} f_x & 0 & c_x \\ 0 & f_y & c_y \\ 0 & 0 & 1 \end{pmatrix}; $$

    a skew is ignored. Where $K$ counts pixel centres at integers, as OpenCV's do, add
    0.5 to cx and cy.
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
    r"""Projects points to pixels.

    $$ u = f_x\, x / z + c_x, \qquad v = f_y\, y / z + c_y $$

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
    distortion: Float[arrays.AnyArray, "*#batch coefficients"],
) -> Float[arrays.AnyArray, "*batch n 2"]:
    r"""Applies lens distortion to ideal normalised image coordinates.

    Brown-Conrady or the rational model, as in OpenCV: with $r^2 = x^2 + y^2$ and

    $$ g = \frac{1 + k_1 r^2 + k_2 r^4 + k_3 r^6}{1 + k_4 r^2 + k_5 r^4 + k_6 r^6}, $$

    $$ x' = x g + 2 p_1 x y + p_2 (r^2 + 2 x^2), \qquad
    y' = y g + p_1 (r^2 + 2 y^2) + 2 p_2 x y. $$

    Args:
        xy: (x / z, y / z), dimensionless.
        distortion: (k1, k2, p1, p2, k3) or (k1, k2, p1, p2, k3, k4, k5, k6),
            dimensionless; five coefficients mean k4 = k5 = k6 = 0.

    Returns:
        Distorted normalised coordinates.

    Raises:
        ValueError: another number of coefficients.
    """
    return _distorted_and_jacobian(xy, distortion)[0]


def undistort(
    xy: Float[arrays.AnyArray, "*batch n 2"],
    distortion: Float[arrays.AnyArray, "*#batch coefficients"],
    *,
    iterations: int = 20,
) -> Float[arrays.AnyArray, "*batch n 2"]:
    """Ideal normalised coordinates of distorted ones: inverse of `distort`.

    Newton's method with the analytic Jacobian, which never steps over the fold of a
    lens, where the distorted image turns back. For coordinates that no point before
    the fold has, there is no inverse: `undistortion_error` says by how much the result
    misses. NaN stays NaN.

    Args:
        xy: distorted (x / z, y / z), dimensionless.
        distortion: (k1, k2, p1, p2, k3) or eight coefficients; see `distort`.
        iterations: number of steps; ordinary lenses need three to six.

    Returns:
        Undistorted normalised coordinates.
    """
    xp = arrays.namespace(xy, distortion)

    def refine(_, state):
        guess, scale = state
        bent, jacobian = _distorted_and_jacobian(guess, distortion)
        step = _solve(jacobian, xy - bent)
        candidate = guess + scale * xp.clip(step, -_MAX_STEP, _MAX_STEP)
        # Beyond the fold of a lens the same pixels occur again: stay on this side.
        ok = _is_before_fold(candidate, distortion)
        scale = xp.where(ok, xp.minimum(2.0 * scale, 1.0), 0.5 * scale)
        return xp.where(ok, candidate, guess), scale

    start = 0.0 * xy  # the optical axis is never beyond the fold; NaN stays NaN
    for share in (0.25, 0.5, 0.75, 1.0):
        start = xp.where(_is_before_fold(share * xy, distortion), share * xy, start)
    state = start, xp.ones_like(start[..., :1])
    if xp is jax.numpy:
        return jax.lax.fori_loop(0, iterations, refine, state)[0]
    for step in range(iterations):
        state, before = refine(step, state), state
        if not (abs(state[0] - before[0]) > _CONVERGED).any():
            break
    return state[0]


def undistortion_error(
    xy: Float[arrays.AnyArray, "*batch n 2"],
    distortion: Float[arrays.AnyArray, "*#batch coefficients"],
    *,
    iterations: int = 20,
) -> Float[arrays.AnyArray, "*batch n"]:
    """By how much `undistort` misses: |distort(undistort(xy)) - xy|.

    Args:
        xy: distorted (x / z, y / z), dimensionless.
        distortion: (k1, k2, p1, p2, k3) or eight coefficients; see `distort`.
        iterations: number of steps of `undistort`.

    Returns:
        Distances, dimensionless; multiply by the focal length for pixels.
    """
    xp = arrays.namespace(xy, distortion)
    ideal = undistort(xy, distortion, iterations=iterations)
    return xp.sqrt(xp.sum((distort(ideal, distortion) - xy) ** 2, axis=-1))


def distort_uv(
    uv: Float[arrays.AnyArray, "*batch n 2"],
    intrinsics: Float[arrays.AnyArray, "*#batch 4"],
    distortion: Float[arrays.AnyArray, "*#batch coefficients"],
) -> Float[arrays.AnyArray, "*batch n 2"]:
    """Pixels of a camera with lens distortion from those of the ideal camera."""
    return uv_from_xy(distort(xy_from_uv(uv, intrinsics), distortion), intrinsics)


def undistort_uv(
    uv: Float[arrays.AnyArray, "*batch n 2"],
    intrinsics: Float[arrays.AnyArray, "*#batch 4"],
    distortion: Float[arrays.AnyArray, "*#batch coefficients"],
    *,
    iterations: int = 20,
) -> Float[arrays.AnyArray, "*batch n 2"]:
    """Pixels of the ideal camera from observed pixels: inverse of `distort_uv`."""
    xy = undistort(xy_from_uv(uv, intrinsics), distortion, iterations=iterations)
    return uv_from_xy(xy, intrinsics)


def _solve(jacobian, away):
    """Step whose image by a symmetric Jacobian (xx, xy, yy) is `away`."""
    xx, xy, yy = jacobian
    xp = arrays.namespace(away)
    det = xp.maximum(xx * yy - xy * xy, _MIN_DETERMINANT)
    du, dv = away[..., :1], away[..., 1:]
    return xp.concatenate([yy * du - xy * dv, xx * dv - xy * du], -1) / det


def _is_before_fold(xy, distortion):
    """Whether the Jacobian of a lens is positive definite: (..., 1)."""
    xx, mixed, yy = _distorted_and_jacobian(xy, distortion)[1]
    return (xx * yy > mixed * mixed) & (xx + yy > 0.0)


def _distorted_and_jacobian(xy, distortion):
    """Distorted coordinates and the entries (xx, xy, yy) of their symmetric Jacobian.

    With the radial factor g(s), s = r^2, and g' = dg/ds: d(x g)/dx = g + 2 x^2 g' and
    d(x g)/dy = 2 x y g'. The tangential part adds 2 p1 y + 6 p2 x, 2 p1 x + 2 p2 y and
    6 p1 y + 2 p2 x.
    """
    xp = arrays.namespace(xy, distortion)
    count = distortion.shape[-1]
    if count not in _COEFFICIENTS:
        raise ValueError(
            f"distortion has {count} coefficients; expected (k1, k2, p1, p2, k3) or "
            "(k1, k2, p1, p2, k3, k4, k5, k6)"
        )
    shape = (*xy.shape[:-1], count)
    parts = xp.split(xp.broadcast_to(distortion[..., None, :], shape), count, axis=-1)
    k1, k2, p1, p2, k3, *denominator = parts
    x, y = xy[..., :1], xy[..., 1:]
    s = x * x + y * y
    g = 1.0 + s * (k1 + s * (k2 + s * k3))
    slope = k1 + s * (2.0 * k2 + s * 3.0 * k3)
    if denominator:
        k4, k5, k6 = denominator
        below = 1.0 + s * (k4 + s * (k5 + s * k6))
        # A denominator near 0 lies far outside any lens; keep it finite.
        below = xp.maximum(below, _MIN_DENOMINATOR)
        g = g / below
        slope = (slope - g * (k4 + s * (2.0 * k5 + s * 3.0 * k6))) / below
    cross = 2.0 * x * y
    bent = xp.concatenate(
        [
            x * g + p1 * cross + p2 * (s + 2.0 * x * x),
            y * g + p1 * (s + 2.0 * y * y) + p2 * cross,
        ],
        axis=-1,
    )
    xx = g + 2.0 * x * x * slope + 2.0 * p1 * y + 6.0 * p2 * x
    yy = g + 2.0 * y * y * slope + 6.0 * p1 * y + 2.0 * p2 * x
    return bent, (xx, cross * slope + 2.0 * (p1 * x + p2 * y), yy)

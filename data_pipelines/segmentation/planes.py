"""Floor and wall detection in one depth map by oriented RANSAC.

A plane is (nx, ny, nz, offset), metres, camera frame. The unit normal n points towards
the camera, so n.p + offset is the signed distance of a point p, and `offset` is the
distance of the camera. The only assumption is that the floor is below the camera: the
y component of its normal is negative (image-down is +y).
"""

from typing import NamedTuple

import numpy as np

_SAMPLES = 1200
_HYPOTHESES = 64
_TRIES = 6  # hypotheses that are refined for one plane
_MAX_WALLS = 6
_MIN_FLOOR = 0.1  # m^2; the visible floor may be a strip between furniture.
_MIN_WALL = 1.0  # m^2; more than the largest flat part of a person (torso: 0.3).
_MAX_BEHIND = 0.1  # largest share of area behind a wall (windows, doors, mirrors)
_BASE, _NOISE = 0.02, 0.006  # metres and 1/metres; see `tolerance`
_UP = -0.35  # upper limit of n_y of a floor: camera pitch up to 70 degrees


class Planes(NamedTuple):
    """Planes of a room. `walls` does not include the floor."""

    floor: np.ndarray | None  # (4,)
    walls: tuple[np.ndarray, ...]  # (4,) each: walls, ceiling, large flat furniture

    def all(self) -> tuple[np.ndarray, ...]:
        """The floor, if any, and the walls."""
        return self.walls if self.floor is None else (self.floor, *self.walls)


class _Samples(NamedTuple):
    """Points with normals on a regular grid of pixels."""

    xyz: np.ndarray  # (samples, 3), metres
    normals: np.ndarray  # (samples, 3), unit; zero where unknown
    area: np.ndarray  # (samples,), m^2, surface area that a sample represents


def signed_distance(xyz: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Signed distance to a plane, metres, positive on the side of the camera."""
    plane = plane.astype(xyz.dtype)
    return xyz @ plane[:3] + plane[3]


def tolerance(depth: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Largest distance from a plane at which a point counts as on it, metres.

    The value is 0.02 + 0.006 z |offset|, about four standard deviations. Axial noise
    grows with z^2 (Khoshelham and Oude Elberink, Sensors 2012: 1.4e-3 z^2 for Kinect
    v1). Its component along the normal is scaled by the cosine of the viewing angle,
    which is |offset| / range for points on the plane.
    """
    return np.float32(_BASE) + np.float32(_NOISE * abs(plane[3])) * depth


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products of (vectors, 3), several times faster than `np.cross`."""
    ax, ay, az = a.T
    bx, by, bz = b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)


def find_planes(
    xyz: np.ndarray, pixel_angle: float, rng: np.random.Generator
) -> Planes:
    """Finds the floor and the large planes that bound the room.

    A hypothesis is the plane through one sample with its normal. Its score is the area
    of the samples that lie on the plane and have a similar normal. Planes with too much
    area behind them are rejected: this separates walls and floors from tables and
    cupboards.

    Args:
        xyz: (height, width, 3), metres, camera frame; z = 0 where depth is missing.
        pixel_angle: width of one pixel at z = 1 m, metres (1 / focal length).
        rng: draws the hypotheses.
    """
    samples = _draw_samples(xyz, pixel_angle)
    free = np.any(samples.normals != 0, axis=1)
    below = free & (samples.normals[:, 1] < _UP)
    on = _hypotheses(samples, below, rng)
    floor = _largest(samples, on, free, _MIN_FLOOR, facing=_UP)
    if floor is not None:
        free = free & ~_is_on_plane(samples, floor, slack=2.0)
    on = _hypotheses(samples, free, rng)
    walls: list[np.ndarray] = []
    while len(walls) < _MAX_WALLS:
        wall = _largest(samples, on, free, _MIN_WALL)
        if wall is None:
            break
        walls.append(wall)
        free = free & ~_is_on_plane(samples, wall, slack=2.0)
    return Planes(floor, tuple(walls))


def _draw_samples(xyz: np.ndarray, pixel_angle: float, reach: int = 2) -> _Samples:
    """Points on a grid, with normals from neighbours `reach` pixels away."""
    inner = xyz[reach:-reach, reach:-reach, 2]
    known = np.flatnonzero(inner > 0)
    pick = np.linspace(0, len(known) - 1, min(_SAMPLES, len(known))).astype(int)
    share = len(known) / max(len(pick), 1)
    v, u = np.divmod(known[pick], max(inner.shape[1], 1))
    v, u = v + reach, u + reach
    point = xyz[v, u]
    ends = [
        (xyz[v, u - reach], xyz[v, u + reach]),
        (xyz[v - reach, u], xyz[v + reach, u]),
    ]
    normal = cross(ends[1][1] - ends[1][0], ends[0][1] - ends[0][0])
    norm = np.linalg.norm(normal, axis=1)
    normal /= np.maximum(norm, 1e-12)[:, None]
    cosine = -np.sum(normal * point, axis=1) / np.linalg.norm(point, axis=1)
    normal *= np.sign(cosine)[:, None]
    # Normals are undefined at depth edges. A change of depth is an edge if it exceeds
    # that of a floor seen from 1 m above at a distance of 6 m.
    smooth = norm > 1e-12
    for (start, stop), slope in zip(ends, (0.06, 0.25), strict=True):
        near, far = start[:, 2], stop[:, 2]
        smooth &= (near > 0) & (far > 0)
        smooth &= np.abs(far - near) < 0.05 + slope * point[:, 2]
    area = share * (point[:, 2] * pixel_angle) ** 2 / np.maximum(np.abs(cosine), 0.15)
    return _Samples(point, normal * smooth[:, None], area)


def _hypotheses(
    samples: _Samples, seeds: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Inliers of the plane through each seed: near it and with a similar normal.

    Returns:
        bool (samples, hypotheses).
    """
    index = np.flatnonzero(seeds)
    if len(index) < 10:
        return np.zeros((len(seeds), 0), bool)
    index = index[rng.integers(len(index), size=_HYPOTHESES)]
    normals = samples.normals[index]
    offset = -np.sum(normals * samples.xyz[index], axis=1)
    distance = np.abs(samples.xyz @ normals.T + offset)
    slack = _BASE + _NOISE * samples.xyz[:, 2:] * np.abs(offset)
    return (distance < slack) & (samples.normals @ normals.T > 0.9)


def _largest(
    samples: _Samples,
    on: np.ndarray,
    free: np.ndarray,
    min_area: float,
    facing: float = np.inf,
) -> np.ndarray | None:
    """Returns the largest plane of unassigned samples with almost no area behind it.

    The area behind is measured after the least-squares fit, because the noise of a
    single normal tilts the hypothesis. Isolated points behind are noise and do not
    count. `facing` is an upper limit on n_y.
    """
    surface = samples.area * np.any(samples.normals != 0, axis=1)
    on = on & free[:, None]
    area = samples.area @ on
    for _ in range(_TRIES if area.size else 0):
        best = int(np.argmax(area))
        if area[best] < min_area:
            break
        plane = _refine(samples, on[:, best])
        distance = signed_distance(samples.xyz, plane)
        slack = tolerance(samples.xyz[:, 2], plane)
        size = surface[np.abs(distance) < slack].sum()
        behind = surface[distance < -2 * slack].sum()
        if behind <= _MAX_BEHIND * size and plane[1] < facing:
            return plane
        area[samples.area @ (on & on[:, [best]]) > 0.5 * area] = 0
    return None


def _refine(samples: _Samples, on: np.ndarray, rounds: int = 3) -> np.ndarray:
    """Weighted least-squares fit of a plane, repeated with updated inliers.

    The weight of a sample is its area divided by its variance.
    """
    weight = samples.area / (_BASE + _NOISE * samples.xyz[:, 2] ** 2) ** 2
    for _ in range(rounds):
        share = (weight * on)[:, None] / np.sum(weight * on)
        center = np.sum(samples.xyz * share, axis=0)
        offsets = samples.xyz - center
        normal = np.linalg.eigh((offsets * share).T @ offsets)[1][:, 0]
        normal *= -1.0 if normal @ center > 0 else 1.0
        plane = np.append(normal, -normal @ center)
        again = _is_on_plane(samples, plane) & (samples.normals @ normal > 0.85)
        if again.sum() <= 3 or np.array_equal(again, on):
            break  # another round would fit the same samples
        on = again
    return plane


def _is_on_plane(
    samples: _Samples, plane: np.ndarray, slack: float = 1.0
) -> np.ndarray:
    distance = np.abs(signed_distance(samples.xyz, plane))
    return distance < slack * tolerance(samples.xyz[:, 2], plane)

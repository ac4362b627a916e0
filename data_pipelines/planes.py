"""Floor and walls of any room from one depth map, by oriented RANSAC.

A plane is (nx, ny, nz, offset), metres, camera frame, with the unit normal towards
the camera, so that n.p + offset is the signed distance of p and `offset` that of the
camera. Nothing is assumed about the room or the mounting of the camera but that the
floor is below it: its normal has a component against image-down.
"""

from typing import NamedTuple

import numpy as np

_SAMPLES = 1500
_HYPOTHESES = 48
_MAX_WALLS = 6
_MIN_FLOOR = 0.3  # m^2; the floor may be a strip between furniture.
_MIN_WALL = 1.0  # m^2; above the flattest view of a person (a torso: 0.3 m^2).
_MAX_BEHIND = 0.1  # Share of area behind a wall: windows, doors, mirrors.
_BASE, _NOISE = 0.02, 0.006  # metres and metres^-1; see `tolerance`.
_UP = -0.35  # Floor normals have n_y below this: pitch up to 70 degrees.


class Planes(NamedTuple):
    """What the room consists of; the floor, where there is one, is not in `walls`."""

    floor: np.ndarray | None  # (4,)
    walls: tuple[np.ndarray, ...]  # (4,) each: walls, ceiling, large flat furniture

    def all(self) -> tuple[np.ndarray, ...]:
        """The floor, if any, and the walls."""
        return self.walls if self.floor is None else (self.floor, *self.walls)


class _Samples(NamedTuple):
    """Points with normals, drawn evenly over the image."""

    xyz: np.ndarray  # (samples, 3), metres
    normals: np.ndarray  # (samples, 3), unit; zero where unknown
    area: np.ndarray  # (samples,), m^2 of surface that the sample stands for


def signed_distance(xyz: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Metres in front of the plane, on the camera's side; above it for a floor."""
    plane = plane.astype(xyz.dtype)
    return xyz @ plane[:3] + plane[3]


def tolerance(depth: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """How far off a plane its own points are seen, metres.

    Axial noise grows with z^2 (Khoshelham and Oude Elberink, Sensors 2012, give
    1.4e-3 z^2 for Kinect v1), and moves a point off the plane by its cosine, which on
    the plane is |offset| / range: base + 0.006 z |offset|, four standard deviations.
    """
    return np.float32(_BASE) + np.float32(_NOISE * abs(plane[3])) * depth


def find(xyz: np.ndarray, pixel_angle: float, rng: np.random.Generator) -> Planes:
    """Finds the floor and the large planes that close off the room.

    Each hypothesis is one sample and its normal. It counts the area of the samples
    that lie on it with a like normal; it is refused where too much lies behind it,
    which is what sets a wall or a floor apart from a table or a chest.

    Args:
        xyz: (height, width, 3), metres, camera frame; z = 0 where there is none.
        pixel_angle: width of one pixel at z = 1 m, metres (1 / focal length).
        rng: draws the hypotheses.
    """
    samples = _draw(xyz, pixel_angle)
    if len(samples.xyz) < 3:
        return Planes(None, ())
    free = np.any(samples.normals != 0, axis=1)
    below = samples.normals[:, 1] < _UP
    floor = _largest(samples, free & below, free, _MIN_FLOOR, rng)
    if floor is not None:
        free = free & ~_lies_on(samples, floor, slack=2.0)
    walls: list[np.ndarray] = []
    while len(walls) < _MAX_WALLS:
        wall = _largest(samples, free, free, _MIN_WALL, rng)
        if wall is None:
            break
        walls.append(wall)
        free = free & ~_lies_on(samples, wall, slack=2.0)
    return Planes(floor, tuple(walls))


def _draw(xyz: np.ndarray, pixel_angle: float, reach: int = 2) -> _Samples:
    """Evenly spaced points, with normals from neighbours `reach` pixels away."""
    inner = xyz[reach:-reach, reach:-reach, 2]
    v, u = np.nonzero(inner > 0)
    pick = np.linspace(0, len(v) - 1, min(_SAMPLES, len(v))).astype(int)
    share = len(v) / max(len(pick), 1)
    v, u = v[pick] + reach, u[pick] + reach
    point = xyz[v, u].astype(np.float64)
    ends = [
        (xyz[v, u - reach], xyz[v, u + reach]),
        (xyz[v - reach, u], xyz[v + reach, u]),
    ]
    normal = np.cross(ends[1][1] - ends[1][0], ends[0][1] - ends[0][0])
    norm = np.linalg.norm(normal, axis=1)
    normal /= np.maximum(norm, 1e-12)[:, None]
    cosine = -np.sum(normal * point, axis=1) / np.linalg.norm(point, axis=1)
    normal *= np.sign(cosine)[:, None]
    # A floor seen from 1 m at 6 m still gains less than a quarter of its depth over
    # the span; more than that is an edge, where a normal means nothing.
    smooth = norm > 1e-12
    for (start, stop), slope in zip(ends, (0.06, 0.25), strict=True):
        near, far = start[:, 2], stop[:, 2]
        smooth &= (near > 0) & (far > 0)
        smooth &= np.abs(far - near) < 0.05 + slope * point[:, 2]
    area = share * (point[:, 2] * pixel_angle) ** 2 / np.maximum(np.abs(cosine), 0.15)
    return _Samples(point, normal * smooth[:, None], area)


def _largest(
    samples: _Samples,
    seeds: np.ndarray,
    free: np.ndarray,
    min_area: float,
    rng: np.random.Generator,
) -> np.ndarray | None:
    """The plane through one of `seeds` with the most free area on it, refined."""
    seeds = np.flatnonzero(seeds)
    if len(seeds) < 10:
        return None
    seeds = seeds[rng.integers(len(seeds), size=_HYPOTHESES)]
    normals = samples.normals[seeds]
    offset = -np.sum(normals * samples.xyz[seeds], axis=1)
    distance = samples.xyz @ normals.T + offset
    slack = _BASE + _NOISE * samples.xyz[:, 2:] * np.abs(offset)
    on = (np.abs(distance) < slack) & (samples.normals @ normals.T > 0.9)
    area = samples.area @ (on & free[:, None])
    behind = samples.area @ (distance < -2 * slack)
    score = np.where(behind > _MAX_BEHIND * area, 0.0, area - 2 * behind)
    best = int(np.argmax(score))
    if score[best] < min_area:
        return None
    return _refined(samples, on[:, best] & free)


def _refined(samples: _Samples, on: np.ndarray, rounds: int = 3) -> np.ndarray | None:
    """Least-squares plane through the samples `on` it, which are found anew."""
    plane = None
    for _ in range(rounds):
        if on.sum() < 5:
            break
        weight = samples.area[on, None]
        center = np.sum(samples.xyz[on] * weight, axis=0) / weight.sum()
        offsets = samples.xyz[on] - center
        normal = np.linalg.eigh((offsets * weight).T @ offsets)[1][:, 0]
        normal *= -1.0 if normal @ center > 0 else 1.0
        plane = np.append(normal, -normal @ center)
        on = _lies_on(samples, plane) & (samples.normals @ normal > 0.85)
    return plane


def _lies_on(samples: _Samples, plane: np.ndarray, slack: float = 1.0) -> np.ndarray:
    distance = np.abs(signed_distance(samples.xyz, plane))
    return distance < slack * tolerance(samples.xyz[:, 2], plane)

"""Which regions of a depth map are the person: grouping and plausibility.

Sizes are those of people, adults and children, standing to seated; nothing is known
about the room.
"""

from typing import NamedTuple

import numpy as np

_MAX_SEEDS = 8
_REACH = 1.1  # metres along the floor from the middle of a body to its parts
_STATURE = 2.3  # metres from the lowest to the highest part
_NEIGHBOURS = ((0, 1), (1, 0), (0, 2), (2, 0), (0, 4), (4, 0))  # grid pixels
_HAND = 0.35  # metres; a smaller region may be a hand held out towards the camera,
_HAND_GAP = 0.45  # whose forearm it hides: this far from the rest, metres.
_PART_GAP = 0.35  # metres, for larger parts, cut off by what is in front of them


class Regions(NamedTuple):
    """Connected regions of the coarse grid; row 0 is the background."""

    labels: np.ndarray  # int (rows, columns), 0 is none
    area: np.ndarray  # (regions,), m^2, facing the camera
    low: np.ndarray  # (regions, 3), metres, least x, y, z
    high: np.ndarray  # (regions, 3), metres
    cut: (
        np.ndarray
    )  # (regions, 3), metres of contact with image left/right, top, bottom


class Body(NamedTuple):
    """Regions that may together be a person."""

    members: np.ndarray  # region numbers
    center: np.ndarray  # (3,), metres
    score: float  # in [0, 1]


def measure(labels: np.ndarray, xyz: np.ndarray, pixel_angle: float) -> Regions:
    """Measures each region.

    Args:
        labels: (rows, columns), 0 for none.
        xyz: (rows, columns, 3), metres.
        pixel_angle: width of a pixel at z = 1 m.
    """
    count = labels.max() + 1
    side = xyz[..., 2] * np.float32(pixel_angle)
    area = np.bincount(labels.ravel(), (side * side).ravel(), minlength=count)
    index = np.flatnonzero(labels)
    flat, points = labels.ravel()[index], xyz.reshape(-1, 3)[index]
    low = np.full((count, 3), np.inf, np.float32)
    high = np.full((count, 3), -np.inf, np.float32)
    np.minimum.at(low, flat, points)
    np.maximum.at(high, flat, points)
    rows, columns = (np.flatnonzero((xyz[..., 2] > 0).any(axis)) for axis in (1, 0))
    cut = np.zeros((count, 3))
    edges = (
        (0, np.s_[:, columns[:2]]),
        (0, np.s_[:, columns[-2:]]),
        (1, np.s_[rows[:2]]),
        (2, np.s_[rows[-2:]]),
    )
    for axis, edge in edges if len(rows) else ():
        cut[:, axis] += np.bincount(
            labels[edge].ravel(), side[edge].ravel() / 2, minlength=count
        )
    return Regions(labels, area, low, high, cut)


def gaps(labels: np.ndarray, z: np.ndarray, count: int) -> np.ndarray:
    """Least depth step between regions that meet in the image, metres.

    Pixels up to four apart count as meeting, to step over holes.

    Returns:
        (count, count), symmetric, inf where two regions do not meet.
    """
    gap = np.full((count, count), np.inf, np.float32)
    for down, right in _NEIGHBOURS:
        rows, columns = labels.shape[0] - down, labels.shape[1] - right
        a, b = labels[:rows, :columns], labels[down:, right:]
        meet = (a != b) & (a > 0) & (b > 0)
        step = np.abs(z[:rows, :columns][meet] - z[down:, right:][meet])
        np.minimum.at(gap, (a[meet], b[meet]), step)
    return np.minimum(gap, gap.T)


def candidates(
    regions: Regions, xyz: np.ndarray, floor: np.ndarray | None
) -> list[Body]:
    """Groups regions into bodies around the largest of human size, and rates them."""
    gap = gaps(regions.labels, xyz[..., 2], len(regions.area))
    human = (regions.area > 0.03) & (regions.area < 2.5)
    seeds = np.argsort(-np.where(human, regions.area, 0))[:_MAX_SEEDS]
    up = np.array([0.0, -1.0, 0.0]) if floor is None else floor[:3]
    bodies, taken = [], np.zeros(len(human), bool)
    for seed in seeds[human[seeds]]:
        if taken[seed]:
            continue
        members = _grown(seed, gap, regions, up)
        taken[members] = True
        points = xyz[np.isin(regions.labels, members)]
        score = plausibility(points, regions, members, floor)
        bodies.append(Body(members, np.median(points, axis=0), score))
    return bodies


def _grown(seed: int, gap: np.ndarray, regions: Regions, up: np.ndarray) -> np.ndarray:
    """The seed and the smaller regions close enough to be parts of the same body."""
    extent = np.linalg.norm(regions.high - regions.low, axis=1)
    limit = np.where(extent < _HAND, _HAND_GAP, _PART_GAP)
    middle = (regions.high + regions.low) / 2
    offset = np.nan_to_num(middle - middle[seed])
    height = offset @ up
    aside = np.linalg.norm(offset - height[:, None] * up, axis=1)
    part = (regions.area < regions.area[seed]) & (extent < 1.2) & (aside < _REACH)
    part &= (np.abs(height) + extent / 2 < _STATURE) & (regions.cut[:, :2].sum(1) < 0.1)
    part[0] = False
    member = np.zeros(len(extent), bool)
    member[seed] = True
    for _ in range(3):
        member |= part & (gap[member].min(axis=0) < limit)
    return np.flatnonzero(member)


def plausibility(
    points: np.ndarray, regions: Regions, members: np.ndarray, floor: np.ndarray | None
) -> float:
    """How much like one person a set of points is, in [0, 1].

    A product of ramps, each 1 over the range of people: visible area, height, width,
    thickness (a flat thing is furniture), being cut off by the sides and the top of
    the image, standing on the floor where it is known.

    Args:
        points: (points, 3), metres, camera frame.
        regions: of the whole image.
        members: those that make up the points.
        floor: plane, if known.
    """
    up = np.array([0.0, -1.0, 0.0]) if floor is None else floor[:3]
    height = points @ up + (0.0 if floor is None else floor[3])
    bottom, top = np.percentile(height, [1, 99])
    flat = points - height[:, None] * up
    spread = np.linalg.norm(flat - np.median(flat, axis=0), axis=1)
    width = 2 * np.percentile(spread, 98)
    thickness = np.sqrt(np.linalg.eigvalsh(np.cov(points.T))[0])
    sides, above, below = regions.cut[members].sum(axis=0)
    score = (
        _ramp(regions.area[members].sum(), 0.04, 0.25, 1.4, 2.4)
        * _ramp(top - bottom, 0.2, 0.6, 2.1, 2.5)
        * _ramp(width, 0.1, 0.25, 1.6, 2.4)
        * _ramp(thickness, 0.01, 0.05, 0.3, 0.5)
        * (1 - 0.7 * min(sides / 0.6, 1))
        * (1 - 0.7 * min(above / 0.4, 1))
    )
    if floor is not None:
        score *= 0.3 + 0.7 * _ramp(top, 0.3, 0.8, 2.3, 2.8)
        if below == 0:
            score *= 0.3 + 0.7 * _ramp(bottom, -1.0, -0.5, 0.4, 1.0)
    return float(score)


def _ramp(value: float, zero: float, one: float, still_one: float, zero_again: float):
    """0 below `zero`, 1 from `one` to `still_one`, 0 above `zero_again`."""
    return float(np.interp(value, [zero, one, still_one, zero_again], [0, 1, 1, 0]))

"""Which regions of a depth map are the person: grouping and plausibility.

Sizes are those of people, adults and children, standing to seated; nothing is known
about the room.
"""

from typing import NamedTuple

import cv2
import numpy as np

from data_pipelines.segmentation import planes

_MAX_SEEDS = 8
_REACH = 1.1  # metres along the floor from the middle of a body to its parts
_STATURE = 2.3  # metres from the lowest to the highest part
_LARGEST = 3.5  # metres between opposite corners of the box around a body
_LIMB = 1.2  # metres; what is longer is no limb, but may be half a person:
_HALF = 0.5  # metres between the middles of two halves behind a pole
_NEIGHBOURS = ((0, 1), (1, 0), (0, 2), (2, 0), (0, 4), (4, 0))  # grid pixels
_BEHIND = ((0, 8), (0, 14), (0, 20), (8, 0), (14, 0))  # grid pixels
_MARGIN_SHARE = 0.25  # of a row that has depth, where a margin ends
_OCCLUDER = 0.5  # metres; a pole or an arm in front hides no more of a body
_SAMPLES = 400  # points that a body is measured by
_FLAT_SAMPLES, _FLAT_TRIALS = 120, 96
_SMALL = 0.1  # m^2; what is smaller is not taken for furniture
_RULED_OUT = 0.02  # a plausibility this low needs no closer look
_HAND = 0.35  # metres; a smaller region may be a hand held out towards the camera,
_HAND_GAP = 0.5  # whose forearm it hides: this far from the rest, metres.
_PART_GAP = 0.45  # metres, for larger parts, cut off by what is in front of them


class Regions(NamedTuple):
    """Connected regions of the coarse grid; row 0 is the background."""

    labels: np.ndarray  # int (rows, columns), 0 is none
    area: np.ndarray  # (regions,), m^2, facing the camera
    low: np.ndarray  # (regions, 3), metres, least x, y, z
    high: np.ndarray  # (regions, 3), metres
    border_contact: (
        np.ndarray
    )  # (regions, 3), metres of contact with image left/right, top, bottom


class Candidate(NamedTuple):
    """Regions that may together be a person."""

    regions: np.ndarray  # region numbers
    center: np.ndarray  # (3,), metres
    score: float  # in [0, 1]


def measure_regions(labels: np.ndarray, xyz: np.ndarray, pixel_angle: float) -> Regions:
    """Measures each region.

    Args:
        labels: (rows, columns), 0 for none.
        xyz: (rows, columns, 3), metres.
        pixel_angle: width of a pixel at z = 1 m.
    """
    count = labels.max() + 1
    side = xyz[..., 2] * np.float32(pixel_angle)
    area = np.bincount(labels.ravel(), (side * side).ravel(), minlength=count)
    order = np.argsort(labels, axis=None, kind="stable")
    present, start = np.unique(labels.ravel()[order], return_index=True)
    points = xyz.reshape(-1, 3)[order]
    low, high = np.zeros((2, count, 3), np.float32)
    low[present] = np.minimum.reduceat(points, start)
    high[present] = np.maximum.reduceat(points, start)
    cut = np.zeros((count, 3))
    for axis, turn in (
        (0, np.transpose),
        (0, lambda image: image.T[::-1]),
        (1, np.asarray),
        (2, np.flipud),
    ):
        edge = _edge(turn(side) > 0)
        length = turn(side)[edge].ravel() / 2
        cut[:, axis] += np.bincount(turn(labels)[edge].ravel(), length, minlength=count)
    return Regions(labels, area, low, high, cut)


def _edge(seen: np.ndarray) -> slice:
    """The first two rows of the image, or of what lies below a margin without depth.

    Where the first row with depth holds little of it, it is the tip of something, and
    nothing is cut off there.
    """
    first = int(seen.any(axis=1).argmax())
    if first > 1 and seen[first : first + 2].mean() < _MARGIN_SHARE:
        return slice(0, 0)
    return slice(first, first + 2)


def region_mask(labels: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The image of some regions: bool (rows, columns)."""
    chosen = np.zeros(labels.max() + 1, bool)
    chosen[members] = True
    return chosen[labels]


def depth_gaps(
    labels: np.ndarray, z: np.ndarray, count: int, pixel_angle: float
) -> np.ndarray:
    """Third least depth step between regions that meet in the image, metres.

    Pixels up to four apart count as meeting, to step over holes; farther ones where all
    between them is nearer and so hides what connects them.

    Returns:
        (count, count), symmetric, inf where two regions do not meet.
    """
    pairs, steps = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for down, right in _NEIGHBOURS + _BEHIND:
        rows, columns = labels.shape[0] - down, labels.shape[1] - right
        if rows < 1 or columns < 1:
            continue
        a, b = labels[:rows, :columns], labels[down:, right:]
        v, u = np.nonzero((a != b) & (a > 0) & (b > 0))
        near, far = z[v, u], z[v + down, u + right]
        if down + right > 4:
            hidden = (down + right) * pixel_angle * near < _OCCLUDER
            between = [
                z[v + round(part * down), u + round(part * right)]
                for part in (0.25, 0.5, 0.75)
            ]
            hidden &= np.max(between, axis=0) < np.minimum(near, far) - 0.15
            hidden &= np.max(between, axis=0) > 0
            v, u, near, far = v[hidden], u[hidden], near[hidden], far[hidden]
        ends = a[v, u], b[v, u]
        pairs.append(np.minimum(*ends) * count + np.maximum(*ends))
        steps.append(np.abs(near - far))
    gap = np.full(count * count, np.inf, np.float32)
    pair, step = np.concatenate(pairs), np.concatenate(steps)
    order = np.lexsort((step, pair))
    present, start, size = np.unique(pair[order], return_index=True, return_counts=True)
    gap[present] = step[order][start + np.minimum(size - 1, 2)]
    square = gap.reshape(count, count)
    return np.minimum(square, square.T)


def find_candidates(
    regions: Regions, xyz: np.ndarray, pixel_angle: float, floor: np.ndarray | None
) -> list[Candidate]:
    """Groups regions into bodies around the largest of human size, and rates them."""
    gap = depth_gaps(regions.labels, xyz[..., 2], len(regions.area), pixel_angle)
    extent = np.linalg.norm(regions.high - regions.low, axis=1)
    human = (regions.area > 0.03) & (regions.area < 2.4) & (extent < _LARGEST)
    seeds = np.argsort(-np.where(human, regions.area, 0))[:_MAX_SEEDS]
    up = np.array([0.0, -1.0, 0.0]) if floor is None else floor[:3]
    seeds = seeds[human[seeds]]
    boxy = np.zeros(len(human))
    for seed in seeds[regions.area[seeds] > _SMALL]:
        boxy[seed] = boxiness(regions.labels == seed, xyz)
    furniture = boxy > np.clip(1.0 - 0.8 * regions.area, 0.75, 0.9)
    bodies, taken = [], np.zeros(len(human), bool)
    for seed in seeds:
        if taken[seed]:
            continue
        members = np.array([seed])
        if not furniture[seed]:
            members = _grow(seed, gap, regions, ~furniture, up)
        taken[members] = True
        shape = region_mask(regions.labels, members)
        score = plausibility(xyz[shape], regions, members, floor)
        if score > _RULED_OUT:
            value = boxy[seed]
            if len(members) > 1 or regions.area[seed] <= _SMALL:
                value = boxiness(shape, xyz)
            score *= 1 - 0.95 * _ramp(value, 0.58, 0.78, 1.0, 2.0)
        bodies.append(Candidate(members, xyz[shape].mean(axis=0), score))
    return bodies


def _grow(
    seed: int, gap: np.ndarray, regions: Regions, may_join: np.ndarray, up: np.ndarray
) -> np.ndarray:
    """The seed and the smaller regions close enough to be parts of the same body."""
    extent = np.linalg.norm(regions.high - regions.low, axis=1)
    limit = np.where(extent < _HAND, _HAND_GAP, _PART_GAP)
    middle = (regions.high + regions.low) / 2
    offset = middle - middle[seed]
    height = offset @ up
    aside = np.linalg.norm(offset - height[:, None] * up, axis=1)
    part = (regions.area <= regions.area[seed]) & (aside < _REACH)
    part &= (extent < _LIMB) | ((regions.area > 0.1) & (aside < _HALF))
    part &= (np.abs(height) + extent / 2 < _STATURE) & (
        regions.border_contact[:, :2].sum(1) < 0.4
    )
    part &= may_join
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
    points = points[:: -(-len(points) // _SAMPLES)].astype(np.float64)
    up = np.array([0.0, -1.0, 0.0]) if floor is None else floor[:3]
    height = points @ up + (0.0 if floor is None else floor[3])
    bottom, top = _quantiles(height, 0.01, 0.99)
    flat = points - height[:, None] * up
    spread = np.linalg.norm(flat - flat.mean(axis=0), axis=1)
    width = 2 * _quantiles(spread, 0.98)[0]
    offsets = points - points.mean(axis=0)
    thickness = np.sqrt(np.linalg.eigvalsh(offsets.T @ offsets / len(points))[0])
    sides, above, below = regions.border_contact[members].sum(axis=0)
    score = (
        _ramp(regions.area[members].sum(), 0.03, 0.15, 1.4, 2.4)
        * _ramp(top - bottom, 0.2, 0.6, 2.1, 2.5)
        * _ramp(width, 0.1, 0.25, 1.6, 2.4)
        * _ramp(thickness, 0.005, 0.03, 0.3, 0.5)
        * (1 - 0.7 * min(sides / 0.6, 1))
        * (1 - 0.7 * min(above / 0.4, 1))
    )
    if floor is not None:
        score *= 0.3 + 0.7 * _ramp(top, 0.3, 0.8, 2.3, 2.8)
        if below == 0:
            score *= 0.3 + 0.7 * _ramp(bottom, -1.0, -0.5, 0.4, 1.0)
    return float(score)


def boxiness(shape: np.ndarray, xyz: np.ndarray) -> float:
    """Flat faces times convex outline: 0.8 or more for furniture, less for people."""
    return flatness(xyz[shape]) * convexity(shape)


def convexity(shape: np.ndarray) -> float:
    """Area of a binary image over that of its convex hull: 1 for a box, in (0, 1]."""
    pixels = np.argwhere(shape)[:, ::-1].astype(np.int32)
    hull = np.zeros(shape.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(pixels), 1)
    return float(shape.sum() / hull.sum())


def flatness(points: np.ndarray) -> float:
    """Share of points on the two best planes: near 1 for boxes, less for people.

    RANSAC on planes through three points. A point is on a plane within 6 mm and 1.5
    standard deviations of a structured-light sensor.

    Args:
        points: (points, 3), metres, camera frame.
    """
    rng = np.random.default_rng(0)
    few = points[rng.permutation(len(points))[:_FLAT_SAMPLES]].astype(np.float32)
    corner, second, third = few[rng.integers(len(few), size=(3, _FLAT_TRIALS))]
    normal = planes.cross(second - corner, third - corner)
    length = np.linalg.norm(normal, axis=1)
    normal /= np.where(length > 1e-3, length, np.nan)[:, None]
    distance = np.abs(few @ normal.T - np.sum(normal * corner, axis=1))
    on = distance < 0.006 + 0.0022 * few[:, 2:] ** 2
    first = on[:, on.sum(axis=0).argmax()]
    return float((first.sum() + on[~first].sum(axis=0).max()) / len(few))


def _quantiles(values: np.ndarray, *shares: float) -> np.ndarray:
    return np.sort(values)[[round(share * (len(values) - 1)) for share in shares]]


def _ramp(value: float, zero: float, one: float, still_one: float, zero_again: float):
    """0 below `zero`, 1 from `one` to `still_one`, 0 above `zero_again`."""
    return float(np.interp(value, [zero, one, still_one, zero_again], [0, 1, 1, 0]))

"""Grouping of depth-map regions into bodies, and a plausibility score for each.

The size limits cover adults and children, standing and seated, and do not depend on the
room.
"""

from typing import NamedTuple

import cv2
import numpy as np

from data_pipelines.segmentation import planes

_MAX_SEEDS = 8
_REACH = 1.1  # metres, largest horizontal distance from a body's centre to a part
STATURE = 2.3  # metres, largest height of a body
_LARGEST = 3.5  # metres, largest diagonal of a body's bounding box
_LIMB = 1.2  # metres; a longer region is not a limb but may be half a person
_HALF = 0.5  # metres, distance of the centres of two halves behind a pole
_NEIGHBOURS = ((0, 1), (1, 0), (0, 2), (2, 0), (0, 4), (4, 0))  # grid pixels
_BEHIND = ((0, 8), (0, 14), (0, 20), (8, 0), (14, 0))  # grid pixels
_MARGIN_SHARE = 0.25  # least share of depth pixels in the first row below a margin
_OCCLUDER = 0.5  # metres, largest width of a pole or arm that occludes a body
_SAMPLES = 400  # points used to measure a body
_FLAT_SAMPLES, _FLAT_TRIALS = 120, 96
_SMALL = 0.1  # m^2; smaller regions are not classified as furniture
_RULED_OUT = 0.02  # lower plausibility: `boxiness` is not computed
_HAND = 0.35  # metres; a smaller region may be a hand in front of its own forearm
_HAND_GAP = 0.5  # metres, largest gap between such a hand and the body
_PART_GAP = 0.45  # metres, largest gap between the body and an occluded larger part


class Regions(NamedTuple):
    """Connected regions of the coarse grid. Entry 0 is the background."""

    labels: np.ndarray  # int (rows, columns), 0 is background
    area: np.ndarray  # (regions,), m^2, projected onto the image plane
    low: np.ndarray  # (regions, 3), metres, smallest x, y, z
    high: np.ndarray  # (regions, 3), metres, largest x, y, z
    border_contact: (
        np.ndarray
    )  # (regions, 3), metres of contact with the image's sides, top and bottom


class Candidate(NamedTuple):
    """A group of regions that may be a person."""

    regions: np.ndarray  # region numbers
    center: np.ndarray  # (3,), metres, mean of the points
    score: float  # plausibility, in [0, 1]
    area: float = 1.0  # m^2, projected onto the image plane


def measure_regions(labels: np.ndarray, xyz: np.ndarray, pixel_angle: float) -> Regions:
    """Measures area, extent and contact with the image border of each region.

    Args:
        labels: (rows, columns), region number, 0 for background.
        xyz: (rows, columns, 3), metres, camera frame.
        pixel_angle: width of a grid pixel at z = 1 m, metres.
    """
    count = labels.max() + 1
    side = xyz[..., 2] * np.float32(pixel_angle)
    area = np.bincount(labels.ravel(), (side * side).ravel(), minlength=count)
    # Small integers are sorted in linear time.
    small = labels.ravel().astype(np.uint16 if count <= 2**16 else labels.dtype)
    points = xyz.reshape(-1, 3).take(np.argsort(small, kind="stable"), axis=0)
    size = np.bincount(small, minlength=count)
    present = np.flatnonzero(size)
    start = (np.cumsum(size) - size)[present]
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
    """Rows at the top border: the first two rows below a margin without depth.

    If only a small share of the first row with depth is filled, it is the top of an
    object that the border does not cut off, and the slice is empty.
    """
    first = int(seen.any(axis=1).argmax())
    if first > 1 and seen[first : first + 2].mean() < _MARGIN_SHARE:
        return slice(0, 0)
    return slice(first, first + 2)


def region_mask(labels: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Mask of the regions in `members`: bool (rows, columns)."""
    chosen = np.zeros(max(labels.max(), np.max(members, initial=0)) + 1, bool)
    chosen[members] = True
    return chosen[labels]


def depth_gaps(
    labels: np.ndarray, z: np.ndarray, count: int, pixel_angle: float
) -> np.ndarray:
    """Depth gap between neighbouring regions: their third smallest depth step, metres.

    Pixels up to four apart are neighbours, to bridge holes. Pixels further apart are
    neighbours if everything between them is nearer to the camera, because it may hide
    the connection.

    Returns:
        (count, count), symmetric, inf where two regions are not neighbours.
    """
    pairs, steps = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    shown = labels > 0
    for down, right in _NEIGHBOURS + _BEHIND:
        rows, columns = labels.shape[0] - down, labels.shape[1] - right
        if rows < 1 or columns < 1:
            continue
        a, b = labels[:rows, :columns], labels[down:, right:]
        edge = (a != b) & shown[:rows, :columns] & shown[down:, right:]
        v, u = np.divmod(np.flatnonzero(edge), columns)
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
    """Groups regions around the largest ones of human size and scores each group."""
    gap = depth_gaps(regions.labels, xyz[..., 2], len(regions.area), pixel_angle)
    extent = np.linalg.norm(regions.high - regions.low, axis=1)
    human = (regions.area > 0.03) & (regions.area < 2.4) & (extent < _LARGEST)
    seeds = np.argsort(-np.where(human, regions.area, 0))[:_MAX_SEEDS]
    up = np.array([0.0, -1.0, 0.0]) if floor is None else floor[:3]
    seeds = seeds[human[seeds]]
    boxy = np.zeros(len(human))
    for seed in seeds[regions.area[seeds] > _SMALL]:
        shape = regions.labels == seed
        boxy[seed] = boxiness(shape, _points(shape, xyz))
    furniture = boxy > np.clip(1.0 - 0.8 * regions.area, 0.75, 0.9)
    bodies, taken = [], np.zeros(len(human), bool)
    for seed in seeds:
        if taken[seed]:
            continue
        members = np.array([seed])
        if not furniture[seed]:
            members = _grow(seed, gap, regions, ~furniture, up)
        taken[members] = True
        known = (
            boxy[seed] if len(members) == 1 and regions.area[seed] > _SMALL else None
        )
        bodies.append(score_body(members, regions, xyz, floor, known))
    return bodies


def score_body(
    members: np.ndarray,
    regions: Regions,
    xyz: np.ndarray,
    floor: np.ndarray | None,
    boxy: float | None = None,
) -> Candidate:
    """A group of regions with its plausibility, which is low for furniture.

    Args:
        members: numbers of the regions.
        regions: regions of the whole image.
        xyz: (rows, columns, 3), metres, camera frame.
        floor: (4,) plane of the floor, if known.
        boxy: result of `boxiness`, if known.
    """
    shape = region_mask(regions.labels, members)
    points = _points(shape, xyz)
    score = plausibility(points, regions, members, floor)
    if score > _RULED_OUT:
        boxy = boxiness(shape, points) if boxy is None else boxy
        score *= 1 - 0.95 * _ramp(boxy, 0.58, 0.78, 1.0, 2.0)
    area = float(regions.area[members].sum())
    return Candidate(members, points.mean(axis=0), score, area)


def _grow(
    seed: int, gap: np.ndarray, regions: Regions, may_join: np.ndarray, up: np.ndarray
) -> np.ndarray:
    """Returns the seed and the smaller regions close enough to belong to its body."""
    extent = np.linalg.norm(regions.high - regions.low, axis=1)
    limit = np.where(extent < _HAND, _HAND_GAP, _PART_GAP)
    middle = (regions.high + regions.low) / 2
    offset = middle - middle[seed]
    height = offset @ up
    aside = np.linalg.norm(offset - height[:, None] * up, axis=1)
    part = (regions.area <= regions.area[seed]) & (aside < _REACH)
    part &= (extent < _LIMB) | ((regions.area > 0.1) & (aside < _HALF))
    part &= (np.abs(height) + extent / 2 < STATURE) & (
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
    """Plausibility that a set of points is one person, in [0, 1].

    The product of piecewise-linear scores, each 1 over the human range: visible area,
    height, width, thickness (furniture is flat), contact with the sides and the top of
    the image, and height above the floor if the floor is known.

    Args:
        points: (points, 3), metres, camera frame.
        regions: regions of the whole image.
        members: numbers of the regions that the points belong to.
        floor: (4,) plane of the floor, if known.
    """
    points = points[:: -(-len(points) // _SAMPLES)].astype(np.float64)
    up = np.array([0.0, -1.0, 0.0]) if floor is None else floor[:3]
    height = points @ up + (0.0 if floor is None else floor[3])
    bottom, top = _quantiles(height, 0.01, 0.99)
    flat = points - height[:, None] * up
    spread = np.linalg.norm(flat - flat.mean(axis=0), axis=1)
    width = 2 * _quantiles(spread, 0.98)[0]
    offsets = points - points.mean(axis=0)
    variance = np.linalg.eigvalsh(offsets.T @ offsets / len(points))[0]
    thickness = np.sqrt(max(variance, 0.0))  # rounding may make it negative
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


def boxiness(shape: np.ndarray, points: np.ndarray) -> float:
    """`flatness` times `convexity`: 0.8 or more for furniture, less for people.

    Args:
        shape: bool (rows, columns), not empty.
        points: (points, 3), metres, those of the shape.
    """
    return flatness(points) * convexity(shape)


def convexity(shape: np.ndarray) -> float:
    """Ratio of a mask's area to that of its convex hull, in (0, 1]; 1 for a box."""
    pixels = cv2.findNonZero(shape.astype(np.uint8))
    hull = np.zeros(shape.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(pixels), 1)
    return len(pixels) / cv2.countNonZero(hull)


def flatness(points: np.ndarray) -> float:
    """Share of points on the best two planes: near 1 for boxes, less for people.

    RANSAC with planes through three points. The inlier distance is 6 mm plus 1.5
    standard deviations of the noise of a structured-light sensor.

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


def _points(shape: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    """xyz[shape], several times as fast."""
    return xyz.reshape(-1, 3).take(np.flatnonzero(shape), axis=0)


def _quantiles(values: np.ndarray, *shares: float) -> np.ndarray:
    return np.sort(values)[[round(share * (len(values) - 1)) for share in shares]]


def _ramp(value: float, zero: float, one: float, still_one: float, zero_again: float):
    """Trapezoid: 0 below `zero`, 1 in [`one`, `still_one`], 0 above `zero_again`."""
    return float(np.interp(value, [zero, one, still_one, zero_again], [0, 1, 1, 0]))

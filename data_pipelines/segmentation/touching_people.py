"""Division of a region that shows several people who touch.

A person's head stands at least 15 cm above the shoulders beside it. Two such peaks in
the upper contour of a region, as far apart as shoulders are wide, are two people if the
region is larger than one person and each part is as large as one.
"""

import numpy as np

from data_pipelines.segmentation import person_candidates

_TWO = 0.85  # m^2; the projected area of a large adult is 0.8, that of a child 0.3
_ONE = 0.25  # m^2, least area of each part
_PROMINENCE = 0.15  # metres, from the top of a head to the shoulder beside it
_APART = 0.35  # metres, least distance of the heads of two people side by side
_BELOW = 0.6  # metres, least height of each part: head and trunk
_TRUNK = 0.15  # metres to both sides of a head's middle


_LIKELY = 0.2  # least plausibility of each part


def divide(
    bodies: list[person_candidates.Candidate],
    labels: np.ndarray,
    xyz: np.ndarray,
    pixel_angle: float,
    floor: np.ndarray | None,
) -> tuple[list[person_candidates.Candidate], np.ndarray]:
    """Divides the bodies that are several people.

    Args:
        bodies: candidates of a frame.
        labels: (rows, columns), region number, 0 for background.
        xyz: (rows, columns, 3), metres, camera frame.
        pixel_angle: width of a grid pixel at z = 1 m, metres.
        floor: (4,) plane of the floor, if known.

    Returns:
        The candidates, one per person, and labels in which each part of a divided body
        is a region.
    """
    up = np.array([0.0, -1.0, 0.0]) if floor is None else floor[:3]
    kept: list[person_candidates.Candidate] = []
    for body in bodies:
        if body.area < _TWO or body.score < _LIKELY:
            kept.append(body)
            continue
        shape = person_candidates.region_mask(labels, body.regions)
        parts = split(shape, xyz, pixel_angle, up)
        divided = labels.copy()
        numbers = labels.max() + 1 + np.arange(len(parts))
        for number, part in zip(numbers, parts, strict=True):
            divided[part] = number
        regions = person_candidates.measure_regions(divided, xyz, pixel_angle)
        people = [
            person_candidates.score_body(np.array([n]), regions, xyz, floor)
            for n in numbers
        ]
        if people and min(person.score for person in people) > _LIKELY:
            kept += people
            labels = divided
        else:
            kept.append(body)
    return kept, labels


def split(
    shape: np.ndarray, xyz: np.ndarray, pixel_angle: float, up: np.ndarray
) -> list[np.ndarray]:
    """Masks of the people in a region; empty if it shows one person or none.

    Args:
        shape: bool (rows, columns), the region.
        xyz: (rows, columns, 3), metres, camera frame.
        pixel_angle: width of a grid pixel at z = 1 m, metres.
        up: (3,), unit vector away from the floor.
    """
    area = (xyz[..., 2] * pixel_angle) ** 2 * shape
    if area.sum() < _TWO:
        return []
    height = np.where(shape, xyz @ up, -np.inf)
    trunks = _trunks(shape, height, xyz)
    if len(trunks) < 2:
        return []
    flat = xyz - (xyz @ up)[..., None] * up
    away = [np.linalg.norm(flat - trunk, axis=-1) for trunk in _flat(trunks, up)]
    nearest = np.argmin(away, axis=0)
    parts = [shape & (nearest == number) for number in range(len(trunks))]
    for part in parts:
        if area[part].sum() < _ONE or np.ptp(height[part]) < _BELOW:
            return []
    return parts


def _trunks(shape: np.ndarray, height: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    """Median point of the trunk below each head: (heads, 3), metres."""
    from scipy import ndimage, signal  # take a second to import and are rarely needed

    columns = np.flatnonzero(shape.any(axis=0))
    rows = height.argmax(axis=0)
    top = height.max(axis=0)[columns[0] : columns[-1] + 1]
    contour = ndimage.median_filter(top, 5, mode="nearest")
    contour = np.maximum(contour, contour[np.isfinite(contour)].min())
    edges = np.full(1, contour.min())
    peaks, _ = signal.find_peaks(
        np.concatenate([edges, contour, edges]), prominence=_PROMINENCE
    )
    trunks: list[np.ndarray] = []
    for column in sorted(columns[0] + peaks - 1, key=lambda u: -height[rows[u], u]):
        x = xyz[rows[column], column, 0]
        near = shape & (np.abs(xyz[..., 0] - x) < _TRUNK)
        trunk = np.median(xyz[near], axis=0)
        if all(np.linalg.norm((trunk - t)[[0, 2]]) > _APART for t in trunks):
            trunks.append(trunk)
    return np.array(trunks).reshape(-1, 3)


def _flat(points: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Points without their height."""
    return points - (points @ up)[:, None] * up

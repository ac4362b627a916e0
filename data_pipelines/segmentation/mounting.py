"""Recognises cameras that are mounted upside down or on their side."""

from collections.abc import Iterable

import numpy as np

from data_pipelines.cameras import calibration, orientation
from data_pipelines.segmentation import person_candidates, segmenter

_TOUCH = 0.22  # metres from the floor to the lowest grid point of who stands on it
_STATURE = (0.7, 2.3)  # metres, of a person on the floor
_MIN_SCORE = 0.3  # plausibility of the person on the floor


def suspected_up(
    frames: Iterable[np.ndarray], camera: calibration.Camera
) -> str | None:
    """The side of the images that is up, where it does not seem to be the top.

    A camera is suspected to be turned if no frame shows a floor below, and most of them
    show one on the same other side, with a standing person on it. A ceiling touches no
    person, and a person who leans on a wall is wider along it than away from it.

    Args:
        frames: a few depth maps (height, width), metres, 0 where missing.
        camera: their camera.

    Returns:
        A key of `orientation.TURNS`, or None where nothing is suspected.
    """
    votes = dict.fromkeys(orientation.TURNS, 0)
    segmenters: dict[str, segmenter.Segmenter] = {}
    count = 0
    for depth in frames:
        count += 1
        for up in orientation.TURNS:
            mounting = orientation.Orientation(up)
            if up not in segmenters:
                turned = mounting.turn_camera(camera)
                segmenters[up] = segmenter.Segmenter(turned.rays(), turned.intrinsics)
            view = segmenters[up].analyze(mounting.turn_image(depth))
            found = _stands_on_floor(view)
            if up == "top" and found is not None:
                return None
            votes[up] += bool(found)
    best = max(votes, key=votes.__getitem__)
    return best if 2 * votes[best] > count else None


def _stands_on_floor(view: segmenter.SegmentedFrame) -> bool | None:
    """Whether a person stands on the floor of a frame; None without a floor."""
    floor = view.room.floor
    if floor is None:
        return None
    for body in view.candidates:
        if body.score < _MIN_SCORE:
            continue
        shape = person_candidates.region_mask(view.labels, body.regions)
        points = view.grid.xyz[shape].astype(np.float64)
        height = points @ floor[:3] + floor[3]
        bottom, top = np.quantile(height, (0.01, 0.99))
        flat = points - height[:, None] * floor[:3]
        width = np.ptp(flat, axis=0).max()
        inside = _STATURE[0] < top < _STATURE[1]
        if bottom < _TOUCH and inside and top - bottom > width:
            return True
    return False

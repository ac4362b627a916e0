"""Evidence that a candidate body is the person: shape, motion, keypoints, distance.

Motion is the share of a body's pixels that are nearer to the camera than the background
was at another time. Depth flickers at edges, where a pixel mixes two surfaces, so the
pixels at the edge of a body do not count. In a real room (UR Fall), 14-16 % of a
chair's pixels flicker, 0-6 % without the edge; 94-100 % of a walking man's moved.
"""

from typing import NamedTuple

import cv2
import numpy as np

from data_pipelines.segmentation import person_candidates

MIN_SCORE = 0.05  # least plausibility, times `motion_factor`, of a person
_STILL, _MOVED = 0.08, 0.6  # moved share of furniture at most, of a person in motion
_NEARNESS = 6.0  # metres; a weak prior: a body at 4 m counts 0.7 of one at 2 m
_OTHER_THAN_KEYPOINTS = 0.1  # weight of the rest of the evidence beside keypoints
_KEYPOINTS = 3.0  # weight of the share of the keypoints on a body


class Body(NamedTuple):
    """A candidate body in one frame with its evidence."""

    center: np.ndarray  # (3,), metres, camera frame
    area: float  # m^2, visible
    score: float  # plausibility of its shape, in [0, 1]
    moved: float = 0.0  # share of its pixels that moved, in [0, 1]
    votes: float = np.nan  # share of the keypoints that lie on it; NaN without any


def moved_pixels(z: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Mask of pixels that are clearly nearer than the background.

    Args:
        z: (..., rows, columns), metres, 0 where missing.
        background: (rows, columns), metres.
    """
    return (z > 0) & (z < background - np.maximum(np.float32(0.1), 0.04 * z))


def moved_shares(
    bodies: list[person_candidates.Candidate],
    labels: np.ndarray,
    z: np.ndarray,
    moved: np.ndarray,
) -> np.ndarray:
    """Share of each body's pixels that moved, without those at its edge.

    The share of the rest of the image that moved is subtracted: a moving camera moves
    everything, and then motion says nothing about who is a person.

    Args:
        bodies: candidates of a frame.
        labels: (rows, columns), region number of each pixel.
        z: (rows, columns), metres, 0 where missing.
        moved: bool (rows, columns), result of `moved_pixels`.

    Returns:
        (bodies,), in [0, 1].
    """
    shares, rest = np.zeros(len(bodies)), z > 0
    for number, body in enumerate(bodies):
        shape = person_candidates.region_mask(labels, body.regions)
        if body.score > MIN_SCORE:
            rest &= ~shape
        inner = cv2.erode(shape.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        shares[number] = _mean(moved[inner if inner.any() else shape])
    camera = _mean(moved[rest])
    return np.maximum(shares - camera, 0.0) / max(1.0 - camera, 1e-3)


def motion_level(moved: float) -> float:
    """Certainty that a body with this moved share moves by itself, in [0, 1]."""
    return float(np.clip((moved - _STILL) / (_MOVED - _STILL), 0.0, 1.0))


def motion_factor(moved: float, highest_level: float) -> float:
    """Factor of a body's plausibility: 1 if nothing moves or if it moves the most.

    A body that does not move while another does is not the person.

    Args:
        moved: moved share of the body.
        highest_level: `motion_level` of the body that moves the most.
    """
    return float(np.clip(1.0 - highest_level + motion_level(moved), 0.0, 1.0))


def strength(body: Body, highest_level: float) -> float:
    """Evidence that a body is the person, at least 0; 0 excludes it.

    Plausibility times `motion_factor` times a weak prior of nearness; where there are
    keypoints, the share of them on the body outweighs all of this.
    """
    likely = body.score * motion_factor(body.moved, highest_level)
    value = likely * float(np.exp(-body.center[2] / _NEARNESS))
    if np.isnan(body.votes):
        return value if likely > MIN_SCORE else 0.0
    return (_OTHER_THAN_KEYPOINTS * value + _KEYPOINTS * body.votes) * (body.votes > 0)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0

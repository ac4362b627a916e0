"""Square crops of a person for a keypoint network, and keypoints in the picture.

A crop follows the person as in MoveNet: its centre is the middle of the hips, and its
size comes from the distances of the joints to it.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from unipose_jax import skeleton as skeletons

# A joint with a confidence below MIN_CONFIDENCE is no keypoint, nor is one at the edge
# of the visible part of a crop with less than MIN_EDGE_CONFIDENCE: MoveNet puts joints
# that are not in the picture on its edge, with confidences of 0.03 to 0.2.
MIN_CONFIDENCE = 0.25
MIN_EDGE_CONFIDENCE = 0.4
_EDGE = 0.05  # of the side of the crop
_PADDING = 1.25  # scale of a box that becomes a crop
_TORSO_SCALE, _BODY_SCALE = 1.9, 1.2  # as in MoveNet
_MIN_SIDE = 16  # pixels
_NAMES = skeletons.COCO17.joints
_HIPS, _SHOULDERS = (
    [_NAMES.index(f"{side}_{joint}") for side in ("left", "right")]
    for joint in ("hip", "shoulder")
)
_TORSO = _SHOULDERS + _HIPS


class Square(NamedTuple):
    """A part of a picture, also beyond its border; whole pixels."""

    left: int
    top: int
    side: int


class Network(Protocol):
    """A network for the joints of COCO17 of one person in a square picture."""

    size: int  # pixels

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Joints of uint8 RGB (n, size, size, 3): (n, 17, 3), u, v, confidence."""


def keypoints_in_squares(
    network: Network, images: Sequence[np.ndarray], squares: Sequence[Square]
) -> np.ndarray:
    """Detects the keypoints of one person in a crop of each picture.

    For several people in one picture, give the picture once for each crop.

    Args:
        network: such as `unipose_jax.detector.movenet.load`.
        images: uint8 RGB (height, width, 3).
        squares: one crop of each picture.

    Returns:
        float32 (pictures, 17, 3): u and v in pixels of the picture, with its corner at
        (0, 0), and the confidence, 0 for a joint that is not seen.
    """
    cut = [crop(*pair, network.size) for pair in zip(images, squares, strict=True)]
    found = network(np.stack(cut)) if cut else np.zeros((0, len(_NAMES), 3))
    found = np.array(found, np.float32)
    for person, image, square in zip(found, images, squares, strict=True):
        person[:, :2] = person[:, :2] * (square.side / network.size) + square[:2]
        person[~is_seen(person, square, image.shape), 2] = 0.0
    return found


def is_seen(person: np.ndarray, square: Square, shape: Sequence[int]) -> np.ndarray:
    """Which joints are seen: not those beyond or, with low confidence, on the edge.

    Args:
        person: (joints, 3), u, v and confidence, pixels of the picture.
        square: the crop in which they were found.
        shape: height and width of the picture.

    Returns:
        bool (joints,).
    """
    low = np.maximum(square[:2], 0)
    high = np.minimum(np.add(square[:2], square.side), shape[1::-1])
    inside = np.minimum(person[:, :2] - low, high - person[:, :2]).min(axis=1)
    needed = np.where(inside < _EDGE * square.side, MIN_EDGE_CONFIDENCE, MIN_CONFIDENCE)
    return (inside >= 0) & (person[:, 2] >= needed)


def crop(image: np.ndarray, square: Square, size: int) -> np.ndarray:
    """Cuts out and resizes a square, black beyond the border: uint8 (size, size, 3)."""
    left, top, side = square
    part = np.zeros((side, side, 3), np.uint8)
    row, column = max(top, 0), max(left, 0)
    shown = image[row : max(top + side, 0), column : max(left + side, 0)]
    part[row - top :, column - left :][: shown.shape[0], : shown.shape[1]] = shown
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(part, (size, size), interpolation=method)


def whole(shape: Sequence[int]) -> Square:
    """The smallest square around a picture of this height and width."""
    height, width = shape[:2]
    side = max(height, width)
    return Square((width - side) // 2, (height - side) // 2, side)


def around(box: Sequence[float], shape: Sequence[int]) -> Square:
    """A square around a person's box (left, top, right, bottom), padded.

    Args:
        box: pixels of the picture.
        shape: height and width of the picture; the square is no larger than needed.
    """
    left, top, right, bottom = box
    side = _PADDING * max(right - left, bottom - top)
    return _square((left + right) / 2, (top + bottom) / 2, side, shape)


def following(person: np.ndarray, shape: Sequence[int]) -> Square | None:
    """The crop for the next picture, from the keypoints of this one.

    Half its side is the largest of 1.9 times the distance of a torso joint to the
    middle of the hips and 1.2 times that of any joint, per axis; where the hips are not
    seen, the middle of the shoulders is used instead and every joint has the factor of
    the torso.

    Args:
        person: (17, 3), pixels of the picture; confidence 0 for joints not seen.
        shape: height and width of the picture.

    Returns:
        The crop; None where neither hips nor shoulders are seen.
    """
    seen = person[:, 2] > 0
    hips = [joint for joint in _HIPS if seen[joint]]
    middle = hips or [joint for joint in _SHOULDERS if seen[joint]]
    if not middle:
        return None
    center = person[middle, :2].mean(axis=0)
    away = np.abs(person[:, :2] - center).max(axis=1)
    scale = np.full(len(person), _BODY_SCALE if hips else _TORSO_SCALE)
    scale[_TORSO] = _TORSO_SCALE
    side = 2 * float((away * scale)[seen].max())
    return _square(float(center[0]), float(center[1]), side, shape)


def overlap(a: Square, b: Square) -> float:
    """Intersection over union of two crops."""
    low = np.maximum(a[:2], b[:2])
    high = np.minimum(np.add(a[:2], a.side), np.add(b[:2], b.side))
    common = float(np.prod(np.maximum(high - low, 0)))
    return common / (a.side**2 + b.side**2 - common)


def _square(u: float, v: float, side: float, shape: Sequence[int]) -> Square:
    """A square around a point; the whole picture where it would be as large."""
    if side >= max(shape[:2]):
        return whole(shape)
    pixels = max(round(side), _MIN_SIDE)
    return Square(round(u - pixels / 2), round(v - pixels / 2), pixels)

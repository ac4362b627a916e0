"""Poses drawn over images with OpenCV."""

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from unipose_jax.report.draw import palette
from unipose_jax.skeleton import definitions

_SIZE = 480  # pixels of the height for which lines are 3 pixels wide
_FAR = 1e4  # pixels
_BITS = 4  # of fractions of pixels
_UNSURE = 0.5  # grey that the colours of uncertain joints tend to
_BLACK = (0.0, 0.0, 0.0)
_OTHER = (0.62, 0.65, 0.68)  # of poses that are compared with


def draw_pose(
    image: UInt8[np.ndarray, "height width 3"],
    uv: Float[np.ndarray, "joints 2"],
    body: definitions.Skeleton,
    *,
    confidence: Float[np.ndarray, " joints"] | None = None,
    compared: bool = False,
    size: float = 1.0,
) -> None:
    """Draws bones and joints into an image: left orange, right blue, middle dark.

    Args:
        image: sRGB; changed in place.
        uv: pixels; joints that are NaN are left out with their bones.
        body: the skeleton.
        confidence: in [0, 1]; uncertain joints are greyer. All 1 where absent.
        compared: draws thin grey bones alone, for poses that others are compared with.
        size: multiplies the widths of lines.
    """
    sure = [1.0] * len(uv)
    if confidence is not None:
        sure = np.nan_to_num(confidence).astype(np.float64).tolist()
    width = max(1, round(3 * size * image.shape[0] / _SIZE))
    places = [_place(place) for place in uv]
    joint_colors, bone_colors = palette.joint_colors(body), palette.bone_colors(body)
    if compared:
        width, bone_colors = max(1, width - 1), [_OTHER] * len(bone_colors)
    for (child, parent), color in zip(body.bones, bone_colors, strict=True):
        begin, end = places[child], places[parent]
        if begin is None or end is None:
            continue
        ink = color if compared else _mixed(color, min(sure[child], sure[parent]))
        _line(image, begin, end, _BLACK if compared else palette.WHITE, width + 2)
        _line(image, begin, end, ink, width)
    if not compared:
        for place, color, own in zip(places, joint_colors, sure, strict=True):
            if place is not None:
                _dot(image, place, palette.WHITE, 2 * width)
                _dot(image, place, _mixed(color, own), 2 * width - 1)


def draw_order(
    image: UInt8[np.ndarray, "height width 3"],
    uv: Float[np.ndarray, "people joints 2"],
    confidence: Float[np.ndarray, "people joints"],
    labels: Int[np.ndarray, "people people"],
) -> None:
    """Draws people's keypoints, and arrows from the farther to the nearer person.

    Args:
        image: sRGB; changed in place.
        uv: keypoints, pixels; where confidence is 0, not drawn.
        confidence: in [0, 1].
        labels: +1 where the first of a pair is nearer, -1 where the second is.
    """
    width = max(1, round(2 * image.shape[0] / _SIZE))
    middles = {}
    for person, (places, weight) in enumerate(zip(uv, confidence, strict=True)):
        seen = places[weight > 0]
        for place in map(_place, seen):
            if place is not None:
                _dot(image, place, palette.WHITE, width + 2)
                _dot(image, place, palette.series_color(person), width + 1)
        if len(seen):
            middles[person] = _place(np.median(seen, axis=0))
    for near, far in np.argwhere(np.asarray(labels) > 0).tolist():
        begin, end = middles.get(far), middles.get(near)
        if begin is not None and end is not None:
            length = float(np.hypot(*np.subtract(end, begin))) / 2**_BITS
            tip = 12.0 * width / max(length, 1.0)
            for color, extra in (((255, 255, 255), 2), ((0, 0, 0), 0)):
                cv2.arrowedLine(
                    image, begin, end, color, width + extra, cv2.LINE_AA, _BITS, tip
                )


def _place(uv: np.ndarray) -> tuple[int, int] | None:
    """Sixteenths of pixels; None for NaN, and far away, where OpenCV cannot draw."""
    if not (np.abs(uv) < _FAR).all():
        return None
    # OpenCV puts pixel centres at integers.
    u, v = (round((float(value) - 0.5) * 2**_BITS) for value in uv)
    return u, v


def _mixed(color: palette.Color, share: float) -> palette.Color:
    share = 0.35 + 0.65 * min(max(float(share), 0.0), 1.0)
    red, green, blue = (share * c + (1.0 - share) * _UNSURE for c in color)
    return red, green, blue


def _line(image, begin, end, color: palette.Color, width: int) -> None:
    rgb = [round(255 * channel) for channel in color]
    cv2.line(image, begin, end, rgb, width, cv2.LINE_AA, _BITS)


def _dot(image, place, color: palette.Color, radius: int) -> None:
    rgb = [round(255 * channel) for channel in color]
    cv2.circle(image, place, radius << _BITS, rgb, -1, cv2.LINE_AA, _BITS)

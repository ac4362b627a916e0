"""Poses drawn over images with OpenCV."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

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
) -> None:
    """Draws bones and joints into an image: left orange, right blue, middle dark.

    Args:
        image: sRGB; changed in place.
        uv: pixels; joints that are NaN are left out with their bones.
        body: the skeleton.
        confidence: in [0, 1]; uncertain joints are greyer. All 1 where absent.
        compared: draws thin grey bones alone, for poses that others are compared with.
    """
    sure = np.ones(len(uv)) if confidence is None else np.nan_to_num(confidence)
    width = max(1, round(3 * image.shape[0] / _SIZE))
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

"""Fits the units of parsed keypoints to the picture of a camera, and checks them."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from data_pipelines.keypoints.formats import parsed
from unipose_jax import errors

_PIXEL_CENTER = 0.5  # all formats have pixel centres at integers
_MAX_UV = 1e5  # pixels, largest distance of a keypoint from the picture's corner
_SURE = 0.3  # confidence of keypoints that the checks use
_NORMALISED = 2.0  # pixels; all keypoints nearer to the corner are no pixels
_MAX_OUTSIDE = 0.5  # share of sure keypoints outside the picture
_MARGIN = 0.05  # of the picture's size; detectors put hidden joints a little outside
_ADVICE = '"keypoints": {"size": [WIDTH, HEIGHT]} in camera.json scales them'


@dataclasses.dataclass(frozen=True)
class Picture:
    """The picture that keypoints belong to."""

    width: int  # of the camera, pixels
    height: int
    found_in: tuple[float, float] | None = None  # (width, height) of the picture that
    # the detector saw, if it had been resized; (1, 1) for shares of the picture


def fit(
    found: parsed.Parsed, picture: Picture | None, where: str
) -> tuple[dict[int, np.ndarray], tuple[str, ...]]:
    """Converts keypoints to pixels with centres at +0.5.

    Args:
        found: keypoints of a file.
        picture: of the camera; None for no checks.
        where: the file, for messages.

    Returns:
        float32 (people, joints, 3) of each frame: u, v in pixels, NaN where there is
        none, and confidence in [0, 1], 0 where there is none; and lines for the user.

    Raises:
        errors.BadInput: the keypoints do not belong to this picture.
    """
    people = {f: np.stack(p).astype(np.float64) for f, p in found.people.items() if p}
    notes = list(found.notes)
    if picture is None:
        if found.unit != parsed.PIXELS:
            raise errors.BadInput(
                f"{where}: keypoints as shares of a picture need the picture's size"
            )
    else:
        scale, offset, note = _scaling(found, picture, where)
        notes += note
        people = {f: _scaled(p, scale, offset) for f, p in people.items()}
    cleaned = {frame: _clean(values) for frame, values in people.items()}
    if picture is not None:
        _check(list(cleaned.values()), picture, where)
    return cleaned, tuple(notes)


def sure(confidence: np.ndarray) -> np.ndarray:
    """Keypoints that checks use: bool, of any shape. All, where none is above 0.3."""
    return confidence >= min(_SURE, float(confidence.max(initial=0.0)) or 1.0)


def _scaling(
    found: parsed.Parsed, picture: Picture, where: str
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Scale and offset of (u, v) to pixels of the camera, and lines for the user."""
    size = np.array([picture.width, picture.height], np.float64)
    zero, one = np.zeros(2), np.ones(2)
    if found.unit == parsed.SHARES:
        return size, zero, []
    if found.unit == parsed.CORNERS:
        return size - 1, zero, []
    if found.unit == parsed.SIGNED_CORNERS:
        return (size - 1) / 2, (size - 1) / 2, []
    named = picture.found_in
    others = found.sizes - {(picture.width, picture.height)}
    if named is not None and named != (1, 1):
        others = found.sizes - {(round(named[0]), round(named[1]))}
    if others:
        width, height = sorted(others)[0]
        expected = f"the camera of the keypoints has {picture.width}x{picture.height}"
        if named is not None:
            expected = f"camera.json says {named[0]:g}x{named[1]:g}"
        raise errors.BadInput(
            f"{where}: 'images' are {width}x{height}, but {expected}; keypoints of a "
            f"resized picture would be shifted ({_ADVICE})"
        )
    if named is None:
        return one, zero, []
    scale = size / np.array(named)
    if named == (1, 1):
        return scale, zero, []
    line = f"keypoints were scaled from {named[0]:g}x{named[1]:g} to the camera's size"
    # Corners of the pictures coincide, so centres at integers move by half a pixel.
    return scale, 0.5 * scale - 0.5, [line]


def _scaled(people: np.ndarray, scale: np.ndarray, offset: np.ndarray) -> np.ndarray:
    return np.concatenate([people[..., :2] * scale + offset, people[..., 2:]], axis=-1)


def _clean(people: np.ndarray) -> np.ndarray:
    """Adds 0.5 to pixels, clips confidence to [0, 1], 0 for invalid keypoints."""
    finite = np.isfinite(people).all(-1, keepdims=True)
    far = np.abs(people[..., :2]).max(-1, keepdims=True) > _MAX_UV
    known = finite & ~far & (people[..., 2:] > 0)
    uv = np.where(known, people[..., :2] + _PIXEL_CENTER, np.nan)
    confidence = np.where(known, np.minimum(people[..., 2:], 1.0), 0.0)
    return np.concatenate([uv, confidence], axis=-1).astype(np.float32)


def _check(people: Sequence[np.ndarray], picture: Picture, where: str) -> None:
    """Raises if most keypoints cannot be pixels of the picture."""
    values = np.concatenate([p.reshape(-1, 3) for p in people] or [np.zeros((0, 3))])
    values = values[(values[:, 2] > 0) & sure(values[:, 2])]
    if not len(values):
        return
    uv, size = values[:, :2], np.array([picture.width, picture.height])
    if np.quantile(np.abs(uv - _PIXEL_CENTER), 0.95) <= _NORMALISED:
        raise errors.BadInput(
            f"{where}: keypoints lie within {np.abs(uv - _PIXEL_CENTER).max():.2g} of 0"
            "; are they normalised (shares of width and height)? "
            '"keypoints": {"size": [1, 1]} in camera.json scales them'
        )
    outside = (uv < -_MARGIN * size) | (uv > (1 + _MARGIN) * size)
    share = float(outside.any(axis=1).mean())
    if share > _MAX_OUTSIDE:
        low, high = np.quantile(uv, [0.02, 0.98], axis=0).round().astype(int)
        raise errors.BadInput(
            f"{where}: {share:.0%} of the keypoints are outside the picture of "
            f"{picture.width}x{picture.height} (they span {low[0]}..{high[0]}, "
            f"{low[1]}..{high[1]}); are they of a resized picture or of another "
            f"camera? {_ADVICE}"
        )

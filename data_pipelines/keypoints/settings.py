"""The entry "keypoints" of camera.json: how a keypoint file fits the recording."""

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipelines.keypoints import frame_matching, picture
from unipose_jax import errors

_KEYS = ("size", "first_frame", "fps", "start", "time")


def parse(
    raw: Mapping[str, Any] | None, camera_size: tuple[int, int], where: str
) -> tuple[picture.Picture, frame_matching.FrameRule]:
    """Checks the entry.

    Args:
        raw: {"size": [width, height] of the picture that the detector saw, [1, 1] for
            shares of it; "first_frame", "fps", "start", "time": see `FrameRule`}, all
            optional; None for an absent entry.
        camera_size: (width, height) of the camera of the keypoints, pixels.
        where: the file, for messages.

    Raises:
        errors.BadInput: a key is unknown or its value wrong.
    """
    raw, where = raw or {}, f"{where}: 'keypoints'"
    for key in raw:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"use {', '.join(_KEYS)}"
            raise errors.BadInput(f"{where}: unknown key {key!r}; {hint}")
    found_in = None
    if "size" in raw:
        size = _numbers(raw, "size", where)
        if size.shape != (2,) or not (size > 0).all():
            raise errors.BadInput(f"{where}: 'size' must be [width, height], pixels")
        found_in = (float(size[0]), float(size[1]))
    first = raw.get("first_frame")
    if first is not None and (type(first) is not int or first < 0):
        raise errors.BadInput(f"{where}: 'first_frame' must be an integer from 0")
    if "fps" in raw and "time" in raw:
        raise errors.BadInput(f"{where} has both 'fps' and 'time'; give one")
    fps, start = _scalar(raw, "fps", where), _scalar(raw, "start", where)
    if fps is not None and fps <= 0:
        raise errors.BadInput(f"{where}: 'fps' must be positive")
    time = _numbers(raw, "time", where) if "time" in raw else None
    if time is not None and (time.ndim != 1 or (np.diff(time) <= 0).any()):
        raise errors.BadInput(f"{where}: 'time' must be a list of increasing seconds")
    rule = frame_matching.FrameRule(first, fps, start or 0.0, time)
    return picture.Picture(*camera_size, found_in), rule


def _numbers(raw: Mapping[str, Any], key: str, where: str) -> np.ndarray:
    try:
        value = np.asarray(raw[key], np.float64)
    except (TypeError, ValueError, OverflowError):
        value = np.asarray(np.nan)
    if not value.size or not np.isfinite(value).all():
        raise errors.BadInput(f"{where}: {key!r} is not made of numbers")
    return value


def _scalar(raw: Mapping[str, Any], key: str, where: str) -> float | None:
    if key not in raw:
        return None
    value = _numbers(raw, key, where)
    if value.ndim:
        raise errors.BadInput(f"{where}: {key!r} must be one number")
    return float(value)

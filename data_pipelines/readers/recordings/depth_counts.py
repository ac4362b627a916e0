"""Counts of stored depth maps: which of them mean that there is no depth."""

import pathlib
from collections.abc import Sequence

import cv2
import numpy as np

from data_pipelines.cameras import camera_file
from data_pipelines.readers.recordings import image_files
from unipose_jax import errors

_LARGEST = 65535  # of uint16; many sensors write it where there is no depth
_SAMPLES = 5  # frames that are looked at
# A value for "no depth" fills at least this share of every frame and has no other
# counts near it; a wall, even a flat one, has counts on its sides.
_FILLED, _APART = 0.02, 0.15
_DISTINCT = 30  # counts of a depth map that a sensor measured; drawn ones have fewer
# Values for "no depth" in use: the largest of so many bits. Inside the range of depth
# they stand out of the counts around them.
_RESERVED, _SPREAD = (1023, 2047, 4095, 8191, 16383, 32767), 50  # counts
_RARE, _PROMINENT = 0.003, 5.0  # share of pixels; ratio to the next share around it
_CLAMPED = 0.3  # share of every frame with one count: suspicious whatever its value


def to_metres(
    counts: np.ndarray, depth_unit: float, invalid: Sequence[int]
) -> np.ndarray:
    """Depth of stored counts: float32, metres, 0 where there is no depth.

    Args:
        counts: uint16 (height, width).
        depth_unit: metres per count.
        invalid: counts that mean no depth, besides 0 and 65535.
    """
    depth = counts.astype(np.float32) * np.float32(depth_unit)
    return np.where(np.isin(counts, (0, _LARGEST, *invalid)), np.float32(0), depth)


def find_invalid(
    folder: pathlib.Path, frames: Sequence[int], camera: camera_file.CameraFile
) -> tuple[int, ...]:
    """Counts that mean no depth: those of camera.json, or a suspicious one.

    Where camera.json has no key "invalid", a few frames are searched for a value that
    fills a part of each of them, far from all others (a sensor's own number for no
    depth). It is taken as no depth, and one line says so.

    Args:
        folder: of the depth maps.
        frames: their numbers.
        camera: content of camera.json.
    """
    if camera.invalid is not None:
        return camera.invalid
    chosen = np.unique(np.linspace(0, len(frames) - 1, _SAMPLES).astype(int))
    found = []
    for index in chosen:
        path = folder / f"{frames[index]:06d}.png"
        try:
            counts = image_files.read_image(path, cv2.IMREAD_UNCHANGED)
        except errors.BadInput:
            continue  # reported when the frame is used
        if counts.dtype == np.uint16 and counts.ndim == 2:
            histogram = np.bincount(counts.ravel(), minlength=_LARGEST + 1)
            histogram[[0, _LARGEST]] = 0
            if histogram.any():
                found.append(histogram / counts.size)
    if not found:
        return ()
    return _suspicious(np.stack(found), str(folder))


def _suspicious(shares: np.ndarray, where: str) -> tuple[int, ...]:
    """The suspicious count of (frames, counts) shares of pixels; warns."""
    least = shares.min(axis=0)
    used = np.flatnonzero(shares.any(axis=0))
    if len(used) < _DISTINCT:
        return ()
    for value in (used[-1], used[0]):
        others = used[used != value]
        if least[value] < _FILLED:
            continue
        nearest = int(others[np.abs(others - value).argmin()])
        if abs(nearest - value) > _APART * max(nearest, value):
            errors.warn(
                f"{where}: the count {value} fills {100 * least[value]:.0f} % of every "
                f"frame or more, and the nearest other count is {nearest}: it is taken "
                f'as "no depth"; confirm with "invalid": [{value}] in camera.json, or '
                'keep it with "invalid": []'
            )
            return (int(value),)
    for value in _RESERVED:
        around = shares[:, value - _SPREAD : value + _SPREAD + 1].mean(axis=0)
        around[_SPREAD] = 0.0
        if least[value] > max(_RARE, _PROMINENT * around.max()):
            errors.warn(
                f"{where}: the count {value} fills {100 * least[value]:.1f} % of every "
                'frame or more, those around it do not; if it means "no depth", add '
                f'"invalid": [{value}] to camera.json, if not, "invalid": []'
            )
            return ()
    value = int(least.argmax())
    if least[value] > _CLAMPED:
        errors.warn(
            f"{where}: the count {value} fills {100 * least[value]:.0f} % of every "
            f'frame or more; if it means "no depth", add "invalid": [{value}] to '
            'camera.json, if not, "invalid": []'
        )
    return ()

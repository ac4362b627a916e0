"""Depth maps in the formats that tools write: PNG, PGM, TIFF, EXR, NPY and NPZ.

Whole numbers are counts; floating-point numbers are metres or millimetres.
"""

import importlib
import pathlib

import cv2
import numpy as np

from data_pipelines.ground import file_io
from data_pipelines.readers.recordings import image_files
from unipose_jax import errors

SUFFIXES = (".png", ".pgm", ".tif", ".tiff", ".exr", ".npy", ".npz")
# Metres, of the median of a depth map of a room; larger floating-point numbers are in
# millimetres.
_NEAREST, _FARTHEST = 0.3, 20.0


def read(path: pathlib.Path) -> np.ndarray:
    """Reads a depth map: (height, width), of the type in the file.

    Raises:
        errors.BadInput: it cannot be read, or is no depth map.
    """
    kind = path.suffix.lower()
    if kind in (".npy", ".npz"):
        values = _read_array(path)
    elif kind == ".exr":
        values = _read_exr(path)
    else:
        values = image_files.read_image(path, cv2.IMREAD_UNCHANGED)
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values.reshape([side for side in values.shape if side != 1])
    if values.ndim != 2:
        raise errors.BadInput(f"{path} has shape {values.shape}; a depth map is (h, w)")
    if values.dtype == np.uint8:
        raise errors.BadInput(
            f"{path} has 8 bits; a depth map has 16-bit counts or floating point"
        )
    if values.dtype.kind not in "uif":
        raise errors.BadInput(f"{path} has numbers of type {values.dtype}")
    return values


def unit_of_floats(
    values: np.ndarray, given: float | None, where: pathlib.Path
) -> float:
    """Metres per unit of floating-point depth, from its median.

    Args:
        values: a depth map.
        given: unit in a camera file, which may be that of counts; it is used where the
            depth is then that of a room.
        where: origin of the depth map, for messages.

    Raises:
        errors.BadInput: the values are neither metres nor millimetres.
    """
    known = values[np.isfinite(values) & (values > 0)]
    if not len(known):
        return 1.0
    middle = float(np.median(known))
    if given is not None and _NEAREST < middle * given < _FARTHEST:
        return given
    if known.max() == 1.0:
        raise errors.BadInput(
            f"{where}: depth goes up to 1 exactly; it seems to be normalised. Give "
            "--depth_unit, metres per unit, if it is not"
        )
    if middle < _FARTHEST:
        return 1.0
    if middle > 10 * _FARTHEST:
        return 0.001
    raise errors.BadInput(
        f"{where}: the median depth is {middle:.3g}; give --depth_unit, metres per unit"
    )


def _read_array(path: pathlib.Path) -> np.ndarray:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            names = [name for name in loaded.files if "depth" in name.lower()]
            names = names or loaded.files
            if len(names) != 1:
                raise errors.BadInput(
                    f"{path} has the arrays {', '.join(loaded.files)}; one must be "
                    "called depth"
                )
            return loaded[names[0]]
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    except file_io.DAMAGED_NPZ as error:
        if isinstance(error, errors.BadInput):
            raise
        raise errors.BadInput(f"{path} is not an array file of NumPy") from error


def _read_exr(path: pathlib.Path) -> np.ndarray:
    """First channel of an EXR file, by OpenCV where it can, or by OpenEXR."""
    if "OpenEXR:                     NO" not in cv2.getBuildInformation():
        return np.atleast_3d(image_files.read_image(path, cv2.IMREAD_UNCHANGED))[
            ..., :1
        ]
    try:
        exr = importlib.import_module("OpenEXR")
    except ImportError as error:
        raise errors.BadInput(
            f"{path}: this OpenCV reads no EXR; pip install OpenEXR"
        ) from error
    try:
        with exr.File(str(path)) as file:
            channels = file.channels()
            return np.asarray(channels[sorted(channels)[0]].pixels)
    except Exception as error:  # the errors of OpenEXR have no common class
        raise errors.BadInput(f"{path} is not an EXR image") from error

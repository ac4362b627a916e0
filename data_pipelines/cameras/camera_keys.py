"""Cameras in JSON, in the spellings of this package, of SDKs and of ROS and OpenCV.

`cx` and `cy` have pixel centres at +0.5. `ppx` and `ppy` (RealSense) and matrices (`K`,
`camera_matrix`, `intrinsic_matrix`) have them at integers; 0.5 is added.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from data_pipelines.cameras import calibration, lens_models
from unipose_jax import errors

_PIXEL_CENTER = 0.5  # of a first pixel whose centre is called 0
_SIZES = ("resolution", "image_size", "size")
_MATRICES = ("K", "camera_matrix", "intrinsic_matrix", "intrinsics")
_LISTS = (
    *("distortion", "coeffs", "D", "dist", "dist_coeffs"),
    *("distCoeffs", "distortion_coefficients"),
)
_SINGLE = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")  # OpenCV's order
_MODELS = ("model", "distortion_model", "type")
_CENTERS = ("codx", "cody")  # of the distortion, apart from the optical axis
# For people; nothing depends on them.
NOTES = ("name", "serial", "serial_number", "comment", "description", "source")
KEYS = (
    *("width", "height", "fx", "fy", "cx", "cy", "ppx", "ppy", "w", "h"),
    *("image_width", "image_height", "cropped", "metric_radius"),
    *(*_SIZES, *_MATRICES, *_LISTS, *_SINGLE, *_MODELS, *_CENTERS, *NOTES),
)


def read_camera(entry: Any, where: str) -> calibration.Camera:
    """Reads and checks a camera of camera.json.

    Args:
        entry: the parsed object.
        where: its origin, for messages.

    Raises:
        errors.BadInput: a key is missing, unknown or wrong; the message names one.
    """
    if not isinstance(entry, dict):
        raise errors.BadInput(
            f"{where} is not a camera (width, height, fx, fy, cx, cy)"
        )
    check_spelling(entry, KEYS, where)
    width, height = _size(entry, where)
    focal, center = _pinhole(entry, where)
    cropped = entry.get("cropped", False)
    if not isinstance(cropped, bool):
        raise errors.BadInput(f"{where}: 'cropped' must be true or false")
    radius = np.inf
    if entry.get("metric_radius") is not None:
        radius = number(entry, "metric_radius", where)
    # Values beyond float32 become infinite, which `check_camera` rejects.
    with np.errstate(over="ignore"):
        camera = calibration.make_camera(
            width, height, [*focal, *center], max_radius=radius
        )
        camera = lens_models.with_lens(camera, *_lens(entry, where), where)
    calibration.check_camera(camera, where, cropped=cropped)
    return camera


def check_spelling(
    entry: Mapping[str, Any],
    known: Iterable[str],
    where: str,
    hints: Mapping[str, str] | None = None,
) -> None:
    """Rejects unknown keys, with the most similar known one. `_key` is a comment.

    Raises:
        errors.BadInput: names the first unknown key.
    """
    known = list(known)
    for key in entry:
        if key in known or key.startswith("_"):
            continue
        near = (hints or {}).get(key.lower()) or similar(key, known, 0.7)
        advice = f"did you mean {near!r}?" if near else "a comment starts with '_'"
        raise errors.BadInput(f"{where}: unknown key {key!r}; {advice}")


def similar(key: str, known: Iterable[str], cutoff: float) -> str | None:
    """The known key that is most similar to `key`, if any is."""
    near = difflib.get_close_matches(key.lower(), list(known), n=1, cutoff=cutoff)
    return near[0] if near else None


def array(entry: Mapping[str, Any], key: str, where: Any) -> np.ndarray:
    """Finite numbers of any shape: float64.

    Raises:
        errors.BadInput: they are missing or no numbers.
    """
    try:
        value = np.asarray(entry.get(key), np.float64)
    except (TypeError, ValueError, OverflowError):
        value = np.asarray(np.nan)
    if not np.isfinite(value).all():
        raise errors.BadInput(f"{where}: {key!r} is missing or not made of numbers")
    return value


def number(entry: Mapping[str, Any], key: str, where: Any) -> float:
    """One positive number.

    Raises:
        errors.BadInput: it is missing or something else.
    """
    value = array(entry, key, where)
    if value.ndim != 0 or value <= 0:
        raise errors.BadInput(
            f"{where}: {key!r} must be a positive number, got {entry[key]!r}"
        )
    return float(value)


def _first(entry: Mapping[str, Any], names: Iterable[str], where: str) -> str | None:
    """The one of several spellings that is given."""
    found = [name for name in names if entry.get(name) is not None]
    if len(found) > 1:
        raise errors.BadInput(
            f"{where} has both {found[0]!r} and {found[1]!r}; keep one"
        )
    return found[0] if found else None


def _size(entry: Mapping[str, Any], where: str) -> tuple[int, int]:
    both = _first(entry, _SIZES, where)
    if both is not None:
        size = array(entry, both, where)
        if size.shape != (2,):
            raise errors.BadInput(f"{where}: {both!r} must be [width, height]")
        entry = {"width": size[0], "height": size[1]}
    sides = []
    for name in ("width", "height"):
        key = _first(entry, (name, name[0], f"image_{name}"), where)
        if key is None:
            raise errors.BadInput(f"{where} has no {name!r}")
        sides.append(number(entry, key, where))
    width, height = sides
    if max(sides) > calibration.MAX_SIDE or width % 1 or height % 1:
        raise errors.BadInput(f"{where} has an impossible size {width:g}x{height:g}")
    return int(width), int(height)


def _pinhole(entry: Mapping[str, Any], where: str) -> tuple[list, list]:
    """Focal lengths and principal point, pixel centres at +0.5."""
    matrix = _first(entry, _MATRICES, where)
    if matrix is not None:
        given = [key for key in ("fx", "fy", "cx", "cy", "ppx", "ppy") if key in entry]
        if given:
            raise errors.BadInput(
                f"{where} has both {matrix!r} and {given[0]!r}; keep one"
            )
        return _from_matrix(entry, matrix, where)
    center = []
    for name in ("cx", "cy"):
        key = _first(entry, (name, f"pp{name[1]}"), where)
        if key is None:
            continue
        value = array(entry, key, where)
        if value.ndim != 0:
            raise errors.BadInput(f"{where}: {key!r} must be one number")
        center.append(float(value) + (_PIXEL_CENTER if key != name else 0.0))
    for key in ("fx", "fy", "cx", "cy"):
        if key not in entry and (key[0] == "f" or f"pp{key[1]}" not in entry):
            raise errors.BadInput(f"{where} has no {key!r}")
    if len(center) < 2:
        raise errors.BadInput(f"{where}: 'cx' and 'cy' must be numbers")
    return [number(entry, key, where) for key in ("fx", "fy")], center


def _from_matrix(entry: Mapping[str, Any], key: str, where: str) -> tuple[list, list]:
    """fx, fy, cx, cy of nine numbers, by rows or, as Open3D writes, by columns."""
    given = entry[key]
    if isinstance(given, dict):  # OpenCV's and ROS's YAML: rows, cols, data
        given = given.get("data")
    value = array({key: given}, key, where)
    if value.shape == (4,) and key == "intrinsics":
        return [float(v) for v in value[:2]], [float(v) for v in value[2:]]
    matrix = value.reshape(3, 3) if value.size == 9 else np.zeros((3, 3))
    if matrix[2, 0] or matrix[2, 1]:
        matrix = matrix.T
    zero = [matrix[0, 1], matrix[1, 0], matrix[2, 0], matrix[2, 1]]
    if any(zero) or matrix[2, 2] != 1 or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise errors.BadInput(
            f"{where}: {key!r} must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]"
        )
    focal = [float(matrix[0, 0]), float(matrix[1, 1])]
    return focal, [float(value) + _PIXEL_CENTER for value in matrix[:2, 2]]


def _lens(entry: Mapping[str, Any], where: str) -> tuple[str | None, np.ndarray]:
    """Name of the lens model, if any, and its coefficients."""
    for key in _CENTERS:
        if entry.get(key) is not None and np.any(array(entry, key, where)):
            raise errors.BadInput(
                f"{where}: {key!r} is not 0; a centre of distortion apart from "
                "(cx, cy) is not supported"
            )
    name = _first(entry, _MODELS, where)
    model = None if name is None else str(entry[name])
    listed = _first(entry, _LISTS, where)
    single = [key for key in _SINGLE if entry.get(key) is not None]
    if listed is not None and single:
        raise errors.BadInput(f"{where} has both {listed!r} and {single[0]!r}")
    if listed is None:
        if not single:
            return model, np.zeros(5)
        filled = {key: entry.get(key) or 0.0 for key in _SINGLE}
        values = [array(filled, key, where) for key in _SINGLE]
        if any(value.ndim for value in values):
            raise errors.BadInput(f"{where}: {single[0]!r} must be one number")
        short = not {"k4", "k5", "k6"} & set(single)
        return model, np.array(values[:5] if short else values, np.float64)
    given = entry[listed]
    if isinstance(given, dict):
        given = given.get("data")
    return model, array({listed: given}, listed, where).reshape(-1)

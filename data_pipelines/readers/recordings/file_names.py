"""File names of frames: their order, and times where they are time stamps."""

import pathlib
import re
from collections.abc import Sequence

import numpy as np

_SINCE_1970 = (1e8, 1e10)  # seconds: 1973 to 2286
_DIGITS = {13: 1e-3, 16: 1e-6, 19: 1e-9}  # of whole milli-, micro-, nanoseconds


def in_order(paths: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    """Sorts by time stamp, or by the numbers in the names: 9 before 10."""
    time = times(paths)
    if time is not None:
        return [paths[i] for i in np.argsort(time, kind="stable")]

    def key(path: pathlib.Path) -> tuple:
        parts = re.split(r"(\d+)", path.stem)
        return tuple(int(part) if part.isdigit() else part for part in parts)

    return sorted(paths, key=key)


def times(paths: Sequence[pathlib.Path]) -> np.ndarray | None:
    """Seconds from names that are time stamps since 1970; None for other names.

    Read are seconds with a fraction (1341846313.553992), seconds and nanoseconds
    (1341846313_553992000, as ROS writes), and whole milli-, micro- or nanoseconds.
    """
    found = [_time(path.stem) for path in paths]
    if not found or any(time is None for time in found):
        return None
    return np.array(found, np.float64)


def number(path: pathlib.Path) -> int | None:
    """The last whole number in a name, which counts frames."""
    found = re.findall(r"\d+", path.stem)
    return int(found[-1]) if found else None


def _time(stem: str) -> float | None:
    if match := re.search(r"(?<!\d)(\d{9,10})\.(\d+)$", stem):
        value = float(match.group())
    elif match := re.search(r"(?<!\d)(\d{9,10})[_-](\d{1,9})$", stem):
        value = int(match[1]) + int(match[2]) * 1e-9
    elif match := re.search(r"(?<!\d)(\d{13}|\d{16}|\d{19})$", stem):
        value = int(match[1]) * _DIGITS[len(match[1])]
    else:
        return None
    return value if _SINCE_1970[0] < value < _SINCE_1970[1] else None

"""Reads npz files with pickled entries without executing code from the pickles.

VideoPose3D stores nested dicts and lists of arrays as one pickled object. A pickle can
call any function. Here it can call only the replacement classes below, which rebuild
arrays of plain numbers. NumPy's own constructors are not allowed either, because they
do not check the memory layout given by a pickle.
"""

import os
import pathlib
import pickle
import zipfile
from typing import Any

import numpy as np

from unipose_jax import errors

_MAX_BYTES = 4 << 30  # the 3D file of Human3.6M unpacks to about 0.2 GB


def read_npz(path: str | os.PathLike) -> dict[str, Any]:
    """Reads all entries of an npz file: arrays, or the objects pickled in them.

    A pickled entry may contain dicts, lists, tuples, strings, numbers and arrays of
    numbers.

    Raises:
        errors.BadInput: the file is missing, damaged or too large, or an entry contains
            other objects.
    """
    path = pathlib.Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > _MAX_BYTES:
                raise errors.BadInput(f"{path} unpacks to more than 4 GiB")
            return {
                name.removesuffix(".npy"): _read_entry(archive, name)
                for name in archive.namelist()
            }
    except errors.BadInput as error:
        raise errors.BadInput(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # A damaged pickle may raise any exception.
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise errors.BadInput(f"{path} is not a readable npz file: {line}") from error


def _read_entry(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            dtype = np.lib.format.read_array_header_1_0(file)[2]
        else:
            dtype = np.lib.format.read_array_header_2_0(file)[2]
        if dtype.hasobject:
            return _plain(_Unpickler(file).load())
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


class _Array:
    """Replacement for an array during unpickling."""

    __slots__ = ("value",)

    def __init__(self, *_: Any):
        self.value: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        if dtype.code == "O":
            if not isinstance(raw, list) or len(shape) > 1:
                raise errors.BadInput("an array of objects is not allowed")
            self.value = raw if shape else raw[0]
            return
        flat = np.frombuffer(raw, dtype.code)
        self.value = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


class _Dtype:
    """Replacement for a dtype; `code` is a numeric dtype, or O for objects."""

    __slots__ = ("code",)

    def __init__(self, code: str, *_: Any):
        self.code = "O" if code in ("O", "O8") else code
        if self.code != "O" and np.dtype(code).kind not in "fiub":
            raise errors.BadInput(f"an array of {code!r}, which is not a numeric dtype")

    def __setstate__(self, state: Any) -> None:
        if state[1] in ("<", ">") and self.code != "O":
            self.code = state[1] + self.code.lstrip("<>|=")


class _Latin1(bytes):
    """Replacement for `codecs.encode`, which old protocols use to write bytes."""

    def __new__(cls, text: str, *_: Any):
        return super().__new__(cls, text, "latin1")

    def __setstate__(self, state: Any) -> None:
        raise errors.BadInput("bytes with a state")


# The module of the array constructor has different names in NumPy 1 and 2.
_STAND_INS = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Latin1,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise errors.BadInput(
                f"its pickle needs {module}.{name}; only dicts, lists, strings,"
                " numbers and arrays of numbers are read"
            )
        return _STAND_INS[module, name]


def _plain(value: Any) -> Any:
    """Replaces the replacement classes in a tree by NumPy arrays."""
    if isinstance(value, _Array):
        return _plain(value.value)
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, str | int | float | np.ndarray | None):
        return value
    raise errors.BadInput(f"a pickled {type(value).__name__}, which is not a number")

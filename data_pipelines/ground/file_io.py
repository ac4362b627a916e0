"""Checks of input and output paths; reading and writing of JSON and PNG files."""

import contextlib
import hashlib
import json
import os
import pathlib
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from unipose_jax import atomic, errors

# Exceptions of NumPy for a truncated or damaged npz file.
DAMAGED_NPZ = (
    *(ValueError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
    *(tokenize.TokenError, SyntaxError, TypeError),  # of the header of an array
)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_JSON_BYTES = 1 << 30


class PngHeader(NamedTuple):
    """Image size and sample type, from the first 26 bytes of a PNG file."""

    width: int
    height: int
    bits: int
    color_type: int  # 0: grey; 2, 3, 4, 6: colour, palette or alpha


def check_absent(path: str | os.PathLike) -> None:
    """Checks that nothing exists at `path`.

    Raises:
        errors.BadInput: `path` exists.
    """
    if pathlib.Path(path).exists():
        raise errors.BadInput(f"{path} exists; choose a new path")


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Writes a JSON file atomically.

    Raises:
        errors.BadInput: the file cannot be written.
    """
    atomic.write_text(path, json.dumps(content))


def check_writable(path: str | os.PathLike) -> None:
    """Checks that a file can be written, before its content is computed.

    Missing parent folders are created.

    Raises:
        errors.BadInput: `path` is a folder or cannot be written.
    """
    with contextlib.suppress(FileNotFoundError), atomic.replacing(path):
        pass  # nothing was written, so renaming fails


def digest(paths: Iterable[pathlib.Path]) -> str:
    """SHA-256 of the names and contents of files, in the given order."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.name} {content}\n".encode())
    return total.hexdigest()


def read_json(path: str | os.PathLike) -> Any:
    """Parses a JSON file.

    Raises:
        errors.BadInput: the file is missing, larger than 1 GiB or not valid JSON.
    """
    path = pathlib.Path(path)
    try:
        size = path.stat().st_size
        if size > _MAX_JSON_BYTES:
            raise errors.BadInput(f"{path} has {size} bytes; at most 1 GiB is read")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, errors.BadInput):
            raise
        raise errors.BadInput(f"{path} is not valid JSON: {error}") from error


def check_png(data: bytes) -> bool:
    """Whether a PNG is complete: all chunks up to IEND, with correct checksums.

    Data without a PNG signature gives True; the decoder checks it.
    """
    if not data.startswith(_PNG_SIGNATURE):
        return True
    place = len(_PNG_SIGNATURE)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            return False
        (expected,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(data[place + 4 : end]) != expected:
            return False
        if data[place + 4 : place + 8] == b"IEND":
            return True
        place = end + 4
    return False


def read_png_header(path: str | os.PathLike) -> PngHeader:
    """Reads size and sample type of a PNG without decoding it.

    Raises:
        errors.BadInput: the file is missing or not a PNG.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(26)
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    if len(head) < 26 or not head.startswith(_PNG_SIGNATURE):
        raise errors.BadInput(f"{path} is not a PNG file")
    return PngHeader(*struct.unpack(">IIBB", head[16:26]))

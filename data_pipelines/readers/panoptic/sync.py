"""Time stamps of CMU Panoptic's Kinect images, and HD poses with their time stamps.

All sensors share one clock, `univ_time` in milliseconds. `ksynctables_*.json` has the
times of each Kinect's images, in the order of the images. Each HD pose file has its own
time (`univTime`). So `synctables_*.json` is not needed, whose frame numbers are off by
two (panoptic-toolbox, demo_kinoptic_gen_ptcloud.m).
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
    """One tracked person, in the scenes that include the person."""

    scene: np.ndarray  # int64 (poses,), row of `Scenes.time`, ascending
    joints: np.ndarray  # float32 (poses, 19, 4): x, y, z in cm, confidence or -1


@dataclasses.dataclass(frozen=True, eq=False)
class Scenes:
    """All HD poses of a recording, in the world frame of `calibration_*.json`."""

    time: np.ndarray  # float64 (scenes,), milliseconds, <= 0 where unknown
    bodies: dict[int, Body]  # by track number


@functools.lru_cache(maxsize=2)
def read_scenes(folder: pathlib.Path) -> Scenes:
    """Reads all poses of a recording. The latest result is cached.

    Raises:
        errors.BadInput: a file is not an HD pose file, or no file has a person.
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
            f"{folder / POSES}: none of the {len(time)} scenes has a person"
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
    """Time stamps of one Kinect's images: float64 (images,), milliseconds.

    Args:
        table: content of `ksynctables_*.json`.
        kind: "depth" or "color".
        node: number of the Kinect, from 1.
        where: file name for messages.

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
    """Indices of images with a time stamp later than those of all images before."""
    before = np.maximum.accumulate(np.concatenate([[0.0], time]))[:-1]
    return np.flatnonzero(time > before)


def nearest_in_time(
    time: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the nearest time stamp for each of the times wanted.

    Args:
        time: (n,), milliseconds, in any order; <= 0 where unknown.
        wanted: (m,), milliseconds.

    Returns:
        int64 (m,), indices into `time`, and (m,), milliseconds between the two,
        infinite if no time is known.
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
    """Name and content of each pose file, from the folder or from the archive."""
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
        raise errors.BadInput(f"{path} is not a complete tar file: {error}") from error


def _parse(text: bytes, name: str) -> tuple[float, list[tuple[int, np.ndarray]]]:
    """Time of a scene, and track number and joints (19, 4) of each person."""
    try:
        scene = json.loads(text)
        bodies = [
            (int(body["id"]), np.asarray(body["joints19"], np.float32).reshape(19, 4))
            for body in scene["bodies"]
        ]
        return float(scene["univTime"]), bodies
    except (KeyError, TypeError, ValueError) as error:
        raise errors.BadInput(
            f"{name} is not an HD pose file (univTime, bodies with id and joints19)"
        ) from error

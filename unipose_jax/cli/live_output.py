"""Poses of `--mode=live`: as lines of JSON, and as a pose file at the end."""

import contextlib
import dataclasses
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from data_pipelines import devices
from data_pipelines.ground import pose_file
from unipose_jax import estimator
from unipose_jax import skeleton as skeletons
from unipose_jax.cli import prediction_quality

_DECIMALS = 4  # of metres and confidences; 0.1 mm


@contextlib.contextmanager
def lines() -> Iterator[Callable[[str], None]]:
    """Context manager: the standard output for lines of JSON alone.

    Whatever this program or an SDK prints meanwhile goes to the standard error.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield lambda line: _write(kept, line)
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _write(descriptor: int, line: str) -> None:
    data = (line + "\n").encode()
    while data:  # a pipe may take a part
        data = data[os.write(descriptor, data) :]


class Poses:
    """The poses of all frames that were predicted."""

    def __init__(
        self,
        camera: devices.Device,
        network: estimator.Estimator,
        write: Callable[[str], None] | None = None,
        *,
        keep: bool = True,
    ):
        """Takes the camera, the network, and what prints a line of each frame.

        Without `keep`, the poses are only printed: memory does not grow.
        """
        self.skeleton = network.skeleton
        self._camera, self._calibrated = camera, bool(network.calibration)
        self._write, self._keep = write, keep
        self._rows: list[pose_file.PoseFile] = []

    @property
    def somebody(self) -> bool:
        """Whether a frame showed a person."""
        return any(row.is_valid().any() for row in self._rows)

    def add(self, frame: devices.Frame, pose: estimator.Pose | None) -> None:
        """Adds a frame; `pose` is None where it shows nobody."""
        joints = skeletons.by_name(self.skeleton).num_joints
        if pose is None:
            empty = np.full((joints, 3), np.nan), np.zeros(joints)
            pose = estimator.Pose(*empty, np.zeros(joints, bool))
        row = pose_file.PoseFile(
            xyz=pose.xyz[None].astype(np.float32),
            confidence=pose.confidence[None].astype(np.float32),
            skeleton=self.skeleton,
            time=np.array([frame.time]),
            intrinsics=self._camera.depth_camera.intrinsics,
            valid=pose.valid[None],
            frame=np.array([frame.number]),
        )
        if self._camera.to_recorded is not None:
            row = self._camera.to_recorded(row)
        if self._keep:
            self._rows.append(row)
        if self._write is not None:
            self._write(to_json(row))

    def save(self, path: pathlib.Path) -> None:
        """Writes the pose file, and a line about it."""
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(row, name) for row in self._rows])
            for name in ("xyz", "confidence", "time", "valid", "frame")
        }
        pose = dataclasses.replace(self._rows[0], **joined)
        if self._calibrated:
            pose = dataclasses.replace(pose, quality=prediction_quality.quality(pose))
        pose_file.write(path, pose)
        print(f"{prediction_quality.summary(pose)}; poses: {path}")


def to_json(row: pose_file.PoseFile) -> str:
    """One frame as a line of JSON (docs/pose_files.md)."""
    known = row.is_valid()[0]
    names = skeletons.by_name(row.skeleton).joints
    joints = {
        name: np.round(xyz.astype(float), _DECIMALS).tolist() if valid else None
        for name, xyz, valid in zip(names, row.xyz[0], known, strict=True)
    }
    sure = np.round(row.confidence[0].astype(float), _DECIMALS).tolist()
    seen = bool(known.any())
    assert row.frame is not None
    content = {
        "time": round(float(row.time[0]), 6),
        "frame": int(row.frame[0]),
        "person": 1 if seen else None,
        "skeleton": row.skeleton,
        "joints": joints if seen else None,
        "confidence": dict(zip(names, sure, strict=True)) if seen else None,
    }
    return json.dumps(content, allow_nan=False, separators=(",", ":"))

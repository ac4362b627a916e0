"""Sequences from arrays, for data sets without a reader in this package."""

import dataclasses
from collections.abc import Sequence as Listed

import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file
from data_pipelines.keypoints import detections
from data_pipelines.sequences import sequence
from unipose_jax import errors
from unipose_jax import skeleton as skeletons


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ArraySequence(sequence.Sequence):
    """A sequence with its frames in arrays; see `from_arrays`."""

    depths: np.ndarray
    keypoint_array: np.ndarray | None
    joint_array: np.ndarray | None
    skeleton: str

    def depth(self, index: int) -> np.ndarray:
        return np.asarray(self.depths[index], np.float32)

    def keypoint_detections(self) -> detections.Detections | None:
        if self.keypoint_array is None:
            return None
        people = np.asarray(self.keypoint_array, np.float32)[:, None]
        order = skeletons.by_name(self.skeleton)
        return detections.Detections(order, dict(zip(self.frames, people, strict=True)))

    def joints(self) -> pose_file.PoseFile | None:
        if self.joint_array is None:
            return None
        xyz = np.asarray(self.joint_array, np.float32)
        valid = np.asarray(np.isfinite(xyz).all(axis=-1))
        return pose_file.PoseFile(
            xyz=xyz,
            confidence=np.asarray(valid, np.float32),
            skeleton=self.skeleton,
            time=self.time,
            valid=valid,
        )


def from_arrays(
    name: str,
    *,
    depth: np.ndarray,
    intrinsics: np.ndarray,
    time: np.ndarray,
    keypoints: np.ndarray | None = None,
    joints: np.ndarray | None = None,
    skeleton: str = "COCO17",
    distortion: Listed[float] = (0.0,) * 5,
    subject: str = "",
) -> ArraySequence:
    """Makes a sequence of one person and one depth camera from arrays.

    Args:
        name: unique in the data set, valid as a file name.
        depth: (frames, height, width), metres, 0 where missing. Frames are read one at
            a time, so it may be a memory map or an HDF5 data set.
        intrinsics: (fx, fy, cx, cy), pixels, with pixel centres at +0.5.
        time: (frames,), seconds.
        keypoints: (frames, joints, 3): u, v in pixels of the depth image, lens
            distortion included, and confidence in [0, 1].
        joints: (frames, joints, 3): ground truth, metres, frame of the depth camera;
            NaN where unknown.
        skeleton: joint order of `keypoints` and `joints`.
        distortion: (k1, k2, p1, p2, k3) of OpenCV.
        subject: identifier of the person, if known.

    Raises:
        errors.BadInput: an array has a wrong shape.
    """
    count, height, width = _shape(name, "depth", depth, (None, None, None))
    num_joints = skeletons.by_name(skeleton).num_joints
    _shape(name, "time", time, (count,))
    _shape(name, "intrinsics", intrinsics, (4,))
    for label, array in (("keypoints", keypoints), ("joints", joints)):
        if array is not None:
            _shape(name, label, array, (count, num_joints, 3))
    return ArraySequence(
        name=name,
        subject=subject,
        frames=tuple(range(count)),
        time=np.asarray(time, np.float64) - np.asarray(time, np.float64)[:1],
        depth_camera=calibration.make_camera(width, height, intrinsics, distortion),
        depths=depth,
        keypoint_array=keypoints,
        joint_array=joints,
        skeleton=skeleton,
    )


def _shape(name: str, label: str, array, expected: tuple) -> tuple[int, ...]:
    """Checks and returns the shape of an array; None in `expected` is any size."""
    shape = tuple(np.shape(array))
    fits = len(shape) == len(expected) and all(
        size == wanted or wanted is None
        for size, wanted in zip(shape, expected, strict=True)
    )
    if not fits:
        text = ", ".join("any" if size is None else str(size) for size in expected)
        raise errors.BadInput(f"{name}: {label} has shape {shape}, expected ({text})")
    return shape

"""What a network is fed of successive frames."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from data_pipelines.ground import sampling
from data_pipelines.sequences import keypoint_check
from unipose_jax import errors
from unipose_jax import skeleton as skeletons
from unipose_jax.estimator import keypoints as keypoint_input
from unipose_jax.estimator import network
from unipose_jax.skeleton import units

_TIMES = 8  # successive times whose unit is checked
Fields = Mapping[str, np.ndarray]
Keypoints2D = tuple[np.ndarray, np.ndarray]
Frame = TypeVar("Frame")


class Camera(NamedTuple):
    """The camera of the keypoints, checked."""

    intrinsics: np.ndarray  # float32 (4,): fx, fy, cx, cy, pixels
    cam_from_depth: np.ndarray  # float32 (4, 4), metres


class FrameInputs:
    """Checks successive frames, and makes the clips that a network is fed.

    Frames form a clip if they follow each other without a gap in time
    (`Estimator.max_interval`) and all or none of them have points, as in training.
    """

    def __init__(
        self,
        estimator: network.Estimator,
        keypoint_camera: keypoint_input.KeypointCamera | None = None,
    ):
        """Sets the network and the camera of its 2D keypoints.

        Raises:
            ValueError: points or keypoints are not an input of the network, or the
                camera has another shape or unit.
        """
        estimator.check_points()
        self._estimator = estimator
        self.camera: Camera | None = None
        if keypoint_camera is not None:
            keypoint_input.require(estimator.inputs, estimator.model["name"])
            given = keypoint_input.KeypointCamera(*keypoint_camera)
            self.camera = Camera(*keypoint_input.check_camera(given))
        self._times: list[float] = []

    def of_points(
        self,
        xyz: np.ndarray,
        time: float,
        crops: Fields | None = None,
        *,
        keypoints: Keypoints2D | None = None,
    ) -> dict[str, np.ndarray]:
        """Fields of a frame with points.

        Keypoints that mostly lie beside the person, such as those of somebody else or
        of another moment, get confidence 0.

        Args:
            xyz: (points, 3), metres, depth-camera frame; at least one point.
            time: seconds.
            crops: crop fields of the frame.
            keypoints: (joints, 2), pixels, and confidence (joints,).

        Raises:
            ValueError: points are not in metres, successive times not in seconds, or
                keypoints have another shape or unit, or come without camera.
        """
        seen = self.checked(keypoints)
        units.check_depth_metres(np.asarray(xyz)[:, 2], name="points")
        rng = np.random.default_rng(0)
        points, valid = sampling.sample_points(
            xyz, self._estimator.num_points, rng, repeat=True
        )
        fields = {"points": points, "points_valid": valid, "time": np.asarray(time)}
        if self.camera is not None:
            seen = self._on_person(seen, xyz)
            fields |= {"uv": seen[0], "confidence": seen[1]}
        return fields | dict(crops or {})

    def of_keypoints(
        self, keypoints: Keypoints2D, time: float
    ) -> dict[str, np.ndarray]:
        """Fields of a frame without depth; arguments as for `of_points`."""
        uv, confidence = self.checked(keypoints)
        count = self._estimator.num_points
        return {
            "points": np.zeros((count, 3), np.float32),
            "points_valid": np.zeros(count, bool),
            "time": np.asarray(time),
            "uv": uv,
            "confidence": confidence,
        }

    def checked(self, keypoints: Keypoints2D | None) -> Keypoints2D:
        """Checked keypoints of a frame, with confidence 0 if there are none.

        Raises:
            ValueError: they have another shape or unit, or come without camera.
        """
        name = self._estimator.skeleton
        if keypoints is None:
            joints = skeletons.by_name(name).num_joints
            return np.zeros((joints, 2), np.float32), np.zeros(joints, np.float32)
        if self.camera is None:
            raise ValueError(
                "keypoints are given without keypoint_camera, the camera that they "
                "belong to"
            )
        return keypoint_input.check(*keypoints, skeleton=name)

    def reset(self) -> None:
        """Forgets the times of earlier frames."""
        self._times = []

    def check_time(self, time: float) -> None:
        """Checks the unit of successive times.

        Raises:
            errors.BadInput: they are not in seconds.
        """
        self._times = [*self._times, time][-_TIMES:]
        try:
            units.check_seconds(np.array(self._times))
        except ValueError as error:
            raise errors.BadInput(f"time of depth frames: {error}") from error

    def follows(self, before: Fields, after: Fields) -> bool:
        """Whether two successive frames belong to the same clip."""
        times = np.array([before["time"], after["time"]])
        near = len(sampling.segments(times, self._estimator.max_interval)) == 1
        measured = [bool(f["points_valid"].any()) for f in (before, after)]
        return near and measured[0] == measured[1]

    def clip(
        self, frames: Sequence[Fields], cam_from_points: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Batch fields of one clip.

        Args:
            frames: fields of `Estimator.frames` successive frames.
            cam_from_points: (4, 4), from the depth to the colour camera, for crops.
        """
        shared = set.intersection(*(set(fields) for fields in frames))
        clip = {name: np.stack([f[name] for f in frames])[None] for name in shared}
        clip["time"] = (clip["time"] - clip["time"][:, :1]).astype(np.float32)
        if "color_crop" in clip and cam_from_points is not None:
            clip["cam_from_points"] = np.asarray(cam_from_points, np.float32)[None]
        if self.camera is not None:
            clip |= self._camera_fields(clip.get("cam_from_points"))
        return clip

    def padded(self, frames: Sequence[Frame]) -> list[Frame]:
        """A clip of full length: the first frame is repeated before the others."""
        return [frames[0]] * (self._estimator.frames - len(frames)) + list(frames)

    def _camera_fields(self, of_crops: np.ndarray | None) -> dict[str, np.ndarray]:
        """Batch fields of the keypoints' camera, which is also that of colour crops."""
        assert self.camera is not None
        intrinsics, pose = self.camera
        if of_crops is not None and not np.allclose(of_crops[0], pose, atol=1e-5):
            raise ValueError(
                "colour crops and keypoints are of one camera, but cam_from_points is "
                "not the pose of keypoint_camera"
            )
        return {"intrinsics": intrinsics[None], "cam_from_points": pose[None]}

    def _on_person(self, seen: Keypoints2D, xyz: np.ndarray) -> Keypoints2D:
        """The keypoints of a frame, with confidence 0 if most lie beside the person."""
        assert self.camera is not None
        if keypoint_check.on_person(*seen, xyz, *self.camera):
            return seen
        errors.warn(
            "2D keypoints of a frame lie beside the person in depth; such frames are "
            "predicted without keypoints"
        )
        return np.zeros_like(seen[0]), np.zeros_like(seen[1])

"""Poses from successive depth frames."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from data_pipelines.ground import sampling
from data_pipelines.segmentation import segmenter
from data_pipelines.sequences import keypoint_check, tracks
from unipose_jax import errors
from unipose_jax import skeleton as skeletons
from unipose_jax.estimator import keypoints as keypoint_input
from unipose_jax.estimator import network
from unipose_jax.geometry import camera
from unipose_jax.skeleton import units

_TIMES = 8  # successive times whose unit is checked
_ENOUGH = 6  # keypoints; fewer do not tell the distance of a person without depth


class _Camera(NamedTuple):
    """The camera of the keypoints, checked."""

    intrinsics: np.ndarray  # float32 (4,): fx, fy, cx, cy, pixels
    cam_from_depth: np.ndarray  # float32 (4, 4), metres


class OnlineEstimator:
    """Poses from successive depth frames: segmentation, sampling and prediction.

    The input of the network is a sliding window that ends at the newest frame. At the
    start and after a gap in time (`Estimator.max_interval`), the first frame is
    repeated to fill the window. Only the pose of the newest frame is returned, so a
    recording and a live camera give the same poses.

    Any frame may come with 2D keypoints. Those of a frame that mostly lie beside the
    person, such as those of somebody else or of another moment, are not used.
    """

    def __init__(
        self,
        estimator: network.Estimator,
        rays: np.ndarray,
        intrinsics: np.ndarray,
        *,
        keypoint_camera: keypoint_input.KeypointCamera | None = None,
    ):
        """Sets the network and the cameras.

        Args:
            estimator: the network; points must be among its inputs.
            rays: (height, width, 2), x/z and y/z of every pixel.
            intrinsics: (fx, fy, cx, cy), pixels.
            keypoint_camera: camera of the 2D keypoints, if frames come with some.

        Raises:
            ValueError: points or keypoints are not an input of the network, or rays,
                intrinsics or the pose of the keypoints' camera have another shape, such
                as a 3x3 matrix, or unit.
        """
        estimator.check_points()
        rays, intrinsics = np.asarray(rays), np.asarray(intrinsics)
        camera.check_intrinsics(intrinsics)
        if rays.ndim != 3 or rays.shape[-1] != 2 or intrinsics.ndim != 1:
            raise ValueError(
                f"rays have shape {rays.shape}, expected (height, width, 2); intrinsics"
                f" {intrinsics.shape}, expected (4,)"
            )
        self._estimator, self._rays = estimator, rays
        self._segmenter = segmenter.Segmenter(rays, intrinsics)
        self._camera: _Camera | None = None
        if keypoint_camera is not None:
            keypoint_input.require(estimator.inputs, estimator.model["name"])
            given = keypoint_input.KeypointCamera(*keypoint_camera)
            self._camera = _Camera(*keypoint_input.check_camera(given))
        self.used_keypoints = False  # of the newest frame
        self.person = np.zeros((0, 3), np.float32)  # its points, metres, of that frame
        self._times: list[float] = []
        self._window: list[dict[str, np.ndarray]] = []

    def __call__(
        self,
        depth: np.ndarray | None,
        time: float,
        *,
        keypoints: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Predicts the pose in a depth frame.

        Args:
            depth: (height, width), metres; 0, NaN or infinite where missing. None for a
                frame without depth, see `from_keypoints`.
            time: seconds.
            keypoints: of the person to follow, if the frame has some: (joints, 2),
                pixels of `keypoint_camera` without lens distortion, and confidence
                (joints,) in [0, 1], 0 where there is none.

        Returns:
            xyz (joints, 3), metres, camera frame, and confidence (joints,); or None if
            no person is found.

        Raises:
            ValueError: the depth has another shape than the rays or is not in metres,
                successive times are not in seconds, or keypoints have another shape,
                are no pixels, or come without `keypoint_camera`.
        """
        if depth is None:
            return self.from_keypoints(keypoints or self._checked(None), time)
        depth = np.asarray(depth)
        if depth.shape != self._rays.shape[:2]:
            raise ValueError(
                f"depth has shape {depth.shape}, the rays {self._rays.shape[:2]}"
            )
        units.check_depth_metres(depth, name="depth")
        depth = np.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=0.0)
        hint = self._hint(keypoints)
        mask = self._segmenter(depth, hint, time).mask
        person = tracks.masked_points(mask, depth, self._rays)
        return self.from_points(person, time, keypoints=keypoints)

    def from_points(
        self,
        xyz: np.ndarray,
        time: float,
        crops: Mapping[str, np.ndarray] | None = None,
        cam_from_points: np.ndarray | None = None,
        *,
        keypoints: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Predicts the pose in a frame from the points of the person.

        Args:
            xyz: (points, 3), metres, depth-camera frame; may be empty.
            time: seconds.
            crops: crop fields of this frame for a network that fuses points and crops;
                those of a camera without an image are left out.
            cam_from_points: (4, 4), from the depth camera to the colour camera.
            keypoints: as for a depth frame.

        Returns:
            xyz (joints, 3), metres, camera frame, and confidence (joints,), see
            `Estimator.calibrated`; or None if there are no points.

        Raises:
            ValueError: points are not in metres, successive times not in seconds, or
                keypoints are wrong as for a depth frame.
        """
        seen = self._checked(keypoints)
        self._check_time(time)
        self.used_keypoints, self.person = False, np.asarray(xyz)
        if not len(xyz):
            self._window = []
            return None
        units.check_depth_metres(np.asarray(xyz)[:, 2], name="points")
        rng = np.random.default_rng(0)
        points, valid = sampling.sample_points(
            xyz, self._estimator.num_points, rng, repeat=True
        )
        frame = {"points": points, "points_valid": valid, "time": np.asarray(time)}
        if self._camera is not None:
            seen = self._on_person(seen, xyz)
            frame |= {"uv": seen[0], "confidence": seen[1]}
            self.used_keypoints = bool(seen[1].any())
        self._add(frame | dict(crops or {}))
        found, confidence = self._predict(cam_from_points)
        return found, self._estimator.calibrated(
            found, confidence, xyz, with_keypoints=self.used_keypoints
        )

    def from_keypoints(
        self, keypoints: tuple[np.ndarray, np.ndarray], time: float
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Predicts the pose in a frame without depth, from its 2D keypoints alone.

        The distance of the person follows from the apparent size, so the position along
        the line of sight is much less accurate than with depth.

        Args:
            keypoints: as for a depth frame.
            time: seconds.

        Returns:
            xyz (joints, 3), metres, depth-camera frame, and the confidence (joints,) of
            the network, not calibrated; or None with less than six keypoints.

        Raises:
            ValueError: the keypoints are wrong as for a depth frame, or successive
                times are not in seconds.
        """
        uv, confidence = self._checked(keypoints)
        self._check_time(time)
        self.person = np.zeros((0, 3), np.float32)
        self.used_keypoints = bool((confidence > 0).sum() >= _ENOUGH)
        if not self.used_keypoints:
            self._window = []
            return None
        count = self._estimator.num_points
        frame = {
            "points": np.zeros((count, 3), np.float32),
            "points_valid": np.zeros(count, bool),
            "time": np.asarray(time),
        }
        self._add(frame | {"uv": uv, "confidence": confidence})
        return self._predict(None)

    def warm_up(self) -> None:
        """Compiles the programs, so that the first frame is as quick as the others.

        For use before the first frame: the window is empty afterwards.
        """
        somebody = np.random.default_rng(0).normal((0.0, 0.0, 2.5), 0.2, (500, 3))
        self.from_points(somebody.astype(np.float32), 0.0)
        self.person = np.zeros((0, 3), np.float32)
        self._window, self._times = [], []

    def _add(self, frame: dict[str, np.ndarray]) -> None:
        """Adds a frame to the window, which starts anew after a gap.

        It also does where depth starts or ends: networks learn from clips with points
        in all frames or in none.
        """
        times = np.array([before["time"] for before in [*self._window, frame]])
        start, _ = sampling.segments(times, self._estimator.max_interval)[-1]
        measured = [f["points_valid"].any() for f in [*self._window, frame]]
        while measured[start] != measured[-1]:
            start += 1
        self._window = [*self._window[start:], frame][-self._estimator.frames :]

    def _predict(
        self, cam_from_points: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints and confidence of the newest frame of the window."""
        missing = self._estimator.frames - len(self._window)
        window = [self._window[0]] * missing + self._window
        shared = set.intersection(*(set(fields) for fields in window))
        clip = {name: np.stack([f[name] for f in window])[None] for name in shared}
        clip["time"] = (clip["time"] - clip["time"][:, :1]).astype(np.float32)
        if "color_crop" in clip and cam_from_points is not None:
            clip["cam_from_points"] = np.asarray(cam_from_points, np.float32)[None]
        if self._camera is not None:
            clip |= self._camera_fields(clip.get("cam_from_points"))
        found, confidence = self._estimator.from_fields(clip)
        return found[0, -1], confidence[0, -1]

    def _camera_fields(self, of_crops: np.ndarray | None) -> dict[str, np.ndarray]:
        """Batch fields of the keypoints' camera, which is also that of colour crops."""
        assert self._camera is not None
        intrinsics, pose = self._camera
        if of_crops is not None and not np.allclose(of_crops[0], pose, atol=1e-5):
            raise ValueError(
                "colour crops and keypoints are of one camera, but cam_from_points is "
                "not the pose of keypoint_camera"
            )
        return {"intrinsics": intrinsics[None], "cam_from_points": pose[None]}

    def _checked(
        self, keypoints: tuple[np.ndarray, np.ndarray] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Checked keypoints of a frame, with confidence 0 if there are none."""
        name = self._estimator.skeleton
        if keypoints is None:
            joints = skeletons.by_name(name).num_joints
            return np.zeros((joints, 2), np.float32), np.zeros(joints, np.float32)
        if self._camera is None:
            raise ValueError(
                "keypoints are given without keypoint_camera, the camera that they "
                "belong to"
            )
        return keypoint_input.check(*keypoints, skeleton=name)

    def _hint(
        self, keypoints: tuple[np.ndarray, np.ndarray] | None
    ) -> segmenter.KeypointHint | None:
        """Keypoints as evidence for the person to follow."""
        uv, confidence = self._checked(keypoints)
        if self._camera is None or not confidence.any():
            return None
        return segmenter.KeypointHint(uv, confidence, *self._camera)

    def _on_person(
        self, seen: tuple[np.ndarray, np.ndarray], xyz: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The keypoints of a frame, with confidence 0 if most lie beside the person."""
        assert self._camera is not None
        if keypoint_check.on_person(*seen, xyz, *self._camera):
            return seen
        errors.warn(
            "2D keypoints of a frame lie beside the person in depth; such frames are "
            "predicted without keypoints"
        )
        return np.zeros_like(seen[0]), np.zeros_like(seen[1])

    def _check_time(self, time: float) -> None:
        self._times = [*self._times, time][-_TIMES:]
        try:
            units.check_seconds(np.array(self._times))
        except ValueError as error:
            raise errors.BadInput(f"time of depth frames: {error}") from error

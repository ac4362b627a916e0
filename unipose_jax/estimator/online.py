"""Poses from successive depth frames."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from data_pipelines.segmentation import segmenter
from data_pipelines.sequences import tracks
from unipose_jax.estimator import frame_inputs, network
from unipose_jax.estimator import keypoints as keypoint_input
from unipose_jax.geometry import camera
from unipose_jax.models import patch_embedding
from unipose_jax.skeleton import units

_ENOUGH = 6  # keypoints; fewer do not tell the distance of a person without depth


class _Seen(NamedTuple):
    """A frame of the window."""

    fields: dict[str, np.ndarray]
    patches: patch_embedding.Patches | None  # tokens of its cloud


class OnlineEstimator:
    """Poses from successive depth frames: segmentation, sampling and prediction.

    The input of the network is a sliding window that ends at the newest frame. At the
    start and after a gap in time (`Estimator.max_interval`), the first frame is
    repeated to fill the window. Only the pose of the newest frame is returned.
    `predict_frames` takes the frames of a recording in clips.

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
        self._inputs = frame_inputs.FrameInputs(estimator, keypoint_camera)
        rays, intrinsics = np.asarray(rays), np.asarray(intrinsics)
        camera.check_intrinsics(intrinsics)
        if rays.ndim != 3 or rays.shape[-1] != 2 or intrinsics.ndim != 1:
            raise ValueError(
                f"rays have shape {rays.shape}, expected (height, width, 2); intrinsics"
                f" {intrinsics.shape}, expected (4,)"
            )
        self._estimator, self._rays = estimator, rays
        self._segmenter = segmenter.Segmenter(rays, intrinsics)
        self.used_keypoints = False  # of the newest frame
        self.person = np.zeros((0, 3), np.float32)  # its points, metres, of that frame
        self._window: list[_Seen] = []

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
            return self.from_keypoints(keypoints or self._inputs.checked(None), time)
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
        self._inputs.check_time(time)
        self.used_keypoints, self.person = False, np.asarray(xyz)
        if not len(xyz):
            self._inputs.checked(keypoints)
            self._window = []
            return None
        fields = self._inputs.of_points(xyz, time, crops, keypoints=keypoints)
        self.used_keypoints = bool(np.any(fields.get("confidence", 0.0)))
        found, confidence = self._predict(fields, cam_from_points)
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
        fields = self._inputs.of_keypoints(keypoints, time)
        self._inputs.check_time(time)
        self.person = np.zeros((0, 3), np.float32)
        self.used_keypoints = int((fields["confidence"] > 0).sum()) >= _ENOUGH
        if not self.used_keypoints:
            self._window = []
            return None
        return self._predict(fields)

    def warm_up(self) -> None:
        """Compiles the programs, so that the first frame is as quick as the others.

        For use before the first frame: the window is empty afterwards.
        """
        somebody = np.random.default_rng(0).normal((0.0, 0.0, 2.5), 0.2, (500, 3))
        self.from_points(somebody.astype(np.float32), 0.0)
        self.person = np.zeros((0, 3), np.float32)
        self._window = []
        self._inputs.reset()

    def _predict(
        self,
        fields: dict[str, np.ndarray],
        cam_from_points: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Adds a frame to the window; joints and confidence of this frame."""
        if self._window and not self._inputs.follows(self._window[-1].fields, fields):
            self._window = []
        patches = self._estimator.embed(fields["points"], fields["points_valid"])
        self._window.append(_Seen(fields, patches))
        self._window = self._window[-self._estimator.frames :]
        frames = self._inputs.padded(self._window)
        clip = self._inputs.clip([frame.fields for frame in frames], cam_from_points)
        known = [frame.patches for frame in frames if frame.patches is not None]
        return self._estimator.newest(clip, known or None)

    def _hint(
        self, keypoints: tuple[np.ndarray, np.ndarray] | None
    ) -> segmenter.KeypointHint | None:
        """Keypoints as evidence for the person to follow."""
        uv, confidence = self._inputs.checked(keypoints)
        if self._inputs.camera is None or not confidence.any():
            return None
        return segmenter.KeypointHint(uv, confidence, *self._inputs.camera)

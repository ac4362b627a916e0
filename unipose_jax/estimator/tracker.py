"""Poses from the frames of a depth camera, in one call per frame."""

from typing import Any, NamedTuple

import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.keypoints import detections
from unipose_jax import skeleton as skeletons
from unipose_jax.estimator import keypoints as keypoint_input
from unipose_jax.estimator import network as networks
from unipose_jax.estimator import online, reliability
from unipose_jax.weights import store


class Pose(NamedTuple):
    """The pose of one person in one frame."""

    xyz: np.ndarray  # float32 (joints, 3), metres, depth-camera frame
    confidence: np.ndarray  # float32 (joints,), in [0, 1], see `Estimator.calibrated`
    valid: np.ndarray  # bool (joints,), seen or confident, see `reliable_joints`


class Tracker:
    """Poses of one person from successive frames of a depth camera.

    An `OnlineEstimator` for a camera: it takes lens distortion, the pose of the colour
    camera and the joint order of the 2D detector into account.
    """

    def __init__(
        self,
        camera: Any,
        *,
        network: networks.Estimator | None = None,
        skeleton: str = "COCO17",
    ):
        """Takes the camera.

        Args:
            camera: anything with `depth_camera`, `color_camera` and `color_from_depth`,
                such as a device of `data_pipelines.devices` or a recording; or a
                `calibration.Camera` of depth alone.
            network: predicts the joints. None: weights that ship with the package,
                those that take 2D keypoints from the first frame that comes with some.
            skeleton: name of the skeleton of the 2D keypoints.

        Raises:
            ValueError: there is no such skeleton, or the network takes no points.
        """
        self._depth: calibration.Camera = getattr(camera, "depth_camera", camera)
        self._color = getattr(camera, "color_camera", None) or self._depth
        self._color_from_depth = getattr(camera, "color_from_depth", None)
        self._source = skeletons.by_name(skeleton)
        self._given = network
        self._online: online.OnlineEstimator | None = None
        self._takes_keypoints = False
        if network is not None:
            self._start(network)

    @property
    def person(self) -> np.ndarray:
        """Points of the person in the newest frame: (points, 3), metres, or none."""
        return np.zeros((0, 3)) if self._online is None else self._online.person

    @property
    def used_keypoints(self) -> bool:
        """Whether the pose of the newest frame depends on its 2D keypoints."""
        return self._online is not None and self._online.used_keypoints

    def __call__(
        self,
        depth: np.ndarray | None,
        time: float,
        *,
        keypoints: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Pose | None:
        """Predicts the pose in a frame.

        Args:
            depth: (height, width), metres; 0, NaN or infinite where missing. None for a
                frame without depth, see `OnlineEstimator.from_keypoints`.
            time: seconds.
            keypoints: of the person to follow, if the frame has some: (joints, 2),
                pixels of the colour image (depth image without colour) as recorded,
                with its corner at (0, 0), and confidence (joints,) in [0, 1], 0 where
                there is none.

        Returns:
            The pose, or None if no person is found.

        Raises:
            errors.BadInput: keypoints are given to a network that takes none.
            ValueError: depth, time or keypoints have another shape or unit.
        """
        follow = self._choose(keypoints is not None or depth is None)
        given = None if keypoints is None else self._converted(*keypoints)
        found = follow(depth, time, keypoints=given)
        if found is None:
            return None
        xyz, confidence = found
        valid = confidence > 0
        if len(follow.person):
            valid &= reliability.reliable_joints(
                xyz, confidence, follow.person, self._depth
            )
        return Pose(xyz, confidence, valid)

    def warm_up(self, *, keypoints: bool = False) -> None:
        """Compiles the programs before the first frame.

        Args:
            keypoints: whether frames will come with 2D keypoints.
        """
        self._choose(keypoints).warm_up()

    def _choose(self, with_keypoints: bool) -> online.OnlineEstimator:
        """The estimator, with other weights once keypoints are given."""
        if with_keypoints and not self._takes_keypoints:
            if self._given is not None:
                keypoint_input.require(self._given.inputs, self._given.model["name"])
            self._start(networks.load_shipped(store.WITH_KEYPOINTS))
        elif self._online is None:
            self._start(networks.load_shipped())
        assert self._online is not None
        return self._online

    def _start(self, network: networks.Estimator) -> None:
        camera = None
        if network.takes_keypoints:
            camera = keypoint_input.KeypointCamera(
                self._color.intrinsics, self._color_from_depth
            )
        self._skeleton, self._takes_keypoints = network.skeleton, camera is not None
        self._online = online.OnlineEstimator(
            network, self._depth.rays(), self._depth.intrinsics, keypoint_camera=camera
        )

    def _converted(
        self, uv: np.ndarray, confidence: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints in the joints of the network, without lens distortion."""
        uv, confidence = np.asarray(uv), np.asarray(confidence)
        joints = self._source.num_joints
        if uv.shape != (joints, 2) or confidence.shape != (joints,):
            raise ValueError(
                f"keypoints have shapes {uv.shape} and confidence {confidence.shape}, "
                f"expected {(joints, 2)} and {(joints,)} for {self._source.name}"
            )
        uv, confidence = detections.convert_keypoints(
            uv, confidence, self._source, self._skeleton
        )
        return self._color.undistort(uv), confidence

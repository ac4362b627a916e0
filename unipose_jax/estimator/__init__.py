"""Inference with a trained network: poses in the camera frame.

track = estimator.Tracker(camera)        # depth frames of a camera, with its cameras
pose = track(depth, time)                # or track(depth, time, keypoints=...)

network = estimator.load_shipped()
xyz, confidence = network(points, points_valid, time)  # clips of `network.frames`
live = estimator.OnlineEstimator(network, rays, intrinsics)
xyz, confidence = live(depth, time)      # one depth frame after another

Networks that take 2D keypoints (`network.takes_keypoints`) also work without them:

live = estimator.OnlineEstimator(
    network, rays, intrinsics, keypoint_camera=estimator.KeypointCamera(intrinsics)
)
xyz, confidence = live(depth, time, keypoints=(uv, confidence))
"""

from unipose_jax.estimator.keypoints import KeypointCamera, Keypoints
from unipose_jax.estimator.network import (
    QUALITY_POINTS,
    Estimator,
    export,
    from_config,
    load,
    load_shipped,
)
from unipose_jax.estimator.online import OnlineEstimator
from unipose_jax.estimator.recorded import (
    PersonFrame,
    RecordedPose,
    predict_frames,
)
from unipose_jax.estimator.tracker import Pose, Tracker

__all__ = [
    "QUALITY_POINTS",
    "Estimator",
    "KeypointCamera",
    "Keypoints",
    "OnlineEstimator",
    "PersonFrame",
    "Pose",
    "RecordedPose",
    "Tracker",
    "export",
    "from_config",
    "load",
    "load_shipped",
    "predict_frames",
]

"""Inference with a trained network: poses in the camera frame from point clouds.

pose = estimator.load_shipped()
xyz, confidence = pose(points, points_valid, time)   # clips of `pose.frames` frames
live = estimator.OnlineEstimator(pose, rays, intrinsics)
xyz, confidence = live(depth, time)                  # one depth frame after another

Networks that take 2D keypoints (`pose.takes_keypoints`) also work without them:

live = estimator.OnlineEstimator(
    pose, rays, intrinsics, keypoint_camera=estimator.KeypointCamera(color_intrinsics)
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

__all__ = [
    "QUALITY_POINTS",
    "Estimator",
    "KeypointCamera",
    "Keypoints",
    "OnlineEstimator",
    "export",
    "from_config",
    "load",
    "load_shipped",
]

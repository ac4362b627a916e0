"""What 2D keypoints add to depth: errors with and without them.

    python examples/02_keypoints.py [RECORDING]

The recording has true poses, as the sample has. Its 2D keypoints are in keypoints.json;
`python run.py --mode=keypoints` finds them in the colour images of your recording.
"""

import sys

import numpy as np

from data_pipelines.readers.recordings import recording
from unipose_jax import estimator
from unipose_jax.cli import lookup, predict, sample

opened = recording.open_recording(sys.argv[1] if sys.argv[1:] else sample.cached())
found, truth = opened.keypoint_detections(), opened.joints()
print(f"{found.joints.name} keypoints in {len(found.by_frame)} frames")


def print_error(what, poses):
    """Mean error of the joints that are found."""
    valid = poses.is_valid() & truth.is_valid()
    error = np.linalg.norm(poses.xyz - truth.xyz, axis=-1)[valid].mean()
    print(f"{what}: {1000 * error:.0f} mm, {valid.mean():.0%} of the joints")


# Measured depth at the keypoints gives the joints that the camera sees.
poses, _ = lookup.poses_in_recording(opened, truth.skeleton, fill=None)
print_error("depth at the keypoints, no network", poses)

for name in ("points", "points_keypoints"):
    network = estimator.load_shipped(name)
    poses, _ = predict.predict_recording(network, opened, pictures=False)
    print_error(f"network {name}", poses)

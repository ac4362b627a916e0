"""Poses from depth frames and 2D keypoints as they arrive; plays a recording.

    python examples/live_keypoints.py RECORDING [WEIGHTS]

RECORDING has 2D keypoints (`--mode=keypoints` finds some). WEIGHTS are exported ones (a
path without a suffix); by default those of the package that take points and keypoints.
A frame may lack keypoints.
"""

import pathlib
import sys

from data_pipelines.readers.recordings import recording
from unipose_jax import errors, estimator, skeleton


def main(path: pathlib.Path, weights: str | None = None) -> None:
    """Prints where the first joint (of ITOP15, the head) is in each frame."""
    opened = recording.open_recording(path)
    if weights:
        pose = estimator.load(weights)
    else:
        pose = estimator.load_shipped("points_keypoints")
    keypoints = opened.keypoints(pose.skeleton)
    if keypoints is None:
        raise errors.BadInput(
            f"{path} has no 2D keypoints; --mode=keypoints finds some"
        )
    joint = skeleton.by_name(pose.skeleton).joints[0]
    live = estimator.OnlineEstimator(
        pose,
        opened.rays,
        opened.depth_camera.intrinsics,
        keypoint_camera=estimator.KeypointCamera(
            opened.keypoint_camera.intrinsics, opened.color_from_depth
        ),
    )
    for index, (time, uv, sure) in enumerate(zip(opened.time, *keypoints, strict=True)):
        found = live(opened.depth(index), float(time), keypoints=(uv, sure))
        if found is not None:
            xyz, confidence = found
            print(f"{time:.2f} s: {joint} at {xyz[0].round(2)} m, {confidence[0]:.0%}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: live_keypoints.py RECORDING [WEIGHTS]")
    with errors.exit_on_bad_input():
        main(pathlib.Path(sys.argv[1]), *sys.argv[2:])

"""Poses from a depth camera, or a recording in its place, in a loop of your own.

    python examples/live_loop.py CAMERA

CAMERA is realsense, azure, orbbec, openni or recording:FOLDER (docs/live.md).
"""

import sys

import unipose_jax
from data_pipelines import devices
from unipose_jax import errors, skeleton

HEAD = skeleton.ITOP15.index("head")  # of the skeleton of the weights that ship


def main(name: str) -> None:
    """Prints where the head is in each frame."""
    with devices.open_camera(name) as camera:
        track = unipose_jax.Tracker(camera)
        track.warm_up()
        for frame in devices.newest(camera):
            pose = track(frame.depth, frame.time)
            if pose is not None and pose.valid[HEAD]:
                place, sure = pose.xyz[HEAD].round(2), pose.confidence[HEAD]
                print(f"{frame.time:.2f} s: head at {place} m, {sure:.0%}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: live_loop.py CAMERA")
    with errors.exit_on_bad_input():
        main(sys.argv[1])

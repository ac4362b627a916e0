"""Poses from a depth camera, or a recording in its place, in a loop of your own.

    python examples/03_live_loop.py [CAMERA]

CAMERA is realsense, azure, orbbec, openni or recording:FOLDER (docs/live.md).
"""

import sys

import unipose_jax
from data_pipelines import devices
from unipose_jax import skeleton
from unipose_jax.cli import sample

HEAD = skeleton.ITOP15.index("head")  # of the skeleton of the weights that ship
name = sys.argv[1] if sys.argv[1:] else f"recording:{sample.cached()}"

with devices.open_camera(name) as camera:
    track = unipose_jax.Tracker(camera)
    track.warm_up()
    for frame in devices.newest(camera):  # the latest one: others are dropped
        pose = track(frame.depth, frame.time)
        if pose is not None and pose.valid[HEAD]:
            place, sure = pose.xyz[HEAD].round(2), pose.confidence[HEAD]
            print(f"{frame.time:.2f} s: head at {place} m, {sure:.0%}")

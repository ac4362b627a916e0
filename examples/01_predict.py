"""Poses of the person in a recording, with the released weights.

    python examples/01_predict.py [RECORDING]

Without a recording, this and the next examples use the sample of `--mode=sample`, which
is rendered once in about half a minute. `python run.py --mode=predict` does the same.
"""

import pathlib
import sys

from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from unipose_jax import estimator, skeleton
from unipose_jax.cli import predict, prediction_page, sample

opened = recording.open_recording(sys.argv[1] if sys.argv[1:] else sample.cached())
network = estimator.load_shipped("points")
poses, seen = predict.predict_recording(network, opened, pictures=True)

# xyz (frames, joints, 3) is in metres, in the frame of the depth camera.
head = skeleton.by_name(poses.skeleton).index("head")
for time, xyz, sure in zip(poses.time, poses.xyz, poses.confidence, strict=True):
    print(f"{time:.2f} s: head at {xyz[head].round(2)} m, {sure[head]:.0%}")

output = pathlib.Path("poses.npz")
pose_file.write(output, opened.to_recorded(poses))
print(f"poses: {output}")
prediction_page.report_people(opened, [(poses, seen)], output)  # poses.html

"""The pose of one person from an exported network; needs onnxruntime and NumPy alone.

    python examples/12_export.py
    python examples/14_consume_onnx.py [FILE CLOUD]

CLOUD is a file with the points of the person: (points, 3), metres, camera frame.
"""

import json
import pathlib
import sys

import numpy as np
import onnxruntime

path, cloud = sys.argv[1:] or ("points.onnx", "cloud.npy")
network = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
about = json.loads(pathlib.Path(path).with_suffix(".json").read_text())
inputs = {
    each["name"]: np.zeros([1, *each["shape"][1:]], each["dtype"])
    for each in about["inputs"]  # keypoints, if it takes some, stay unknown
}
points, (_, frames, count, _) = np.load(cloud), inputs["points"].shape
order = np.resize(np.random.default_rng(0).permutation(len(points)), count)
inputs["points"] = np.tile(np.float32(points[order]), (1, frames, 1, 1))
inputs["points_valid"] = np.ones((1, frames, count), bool)
xyz, confidence = network.run(["xyz", "xyz_confidence"], inputs)
for joint, place, sure in zip(
    about["joints"], xyz[0, -1], confidence[0, -1], strict=True
):
    print(f"{joint}: {place.round(3)} m, {sure:.0%}")

"""The pose of one person from an exported network; needs JAX alone, not unipose_jax.

    python examples/12_export.py
    python examples/13_consume_stablehlo.py [FILE CLOUD]

CLOUD is a file with the points of the person: (points, 3), metres, camera frame.
"""

import json
import pathlib
import sys

import numpy as np
from jax import export

path, cloud = sys.argv[1:] or ("points.stablehlo", "cloud.npy")
network = export.deserialize(bytearray(pathlib.Path(path).read_bytes()))
about = json.loads(pathlib.Path(path).with_suffix(".json").read_text())
inputs = {
    each["name"]: np.zeros([1, *each["shape"][1:]], each["dtype"])
    for each in about["inputs"]  # keypoints, if it takes some, stay unknown
}
points, (_, frames, count, _) = np.load(cloud), inputs["points"].shape
order = np.resize(np.random.default_rng(0).permutation(len(points)), count)
inputs["points"] = np.tile(np.float32(points[order]), (1, frames, 1, 1))
inputs["points_valid"] = np.ones((1, frames, count), bool)
xyz, confidence = network.call(*inputs.values())
for joint, place, sure in zip(
    about["joints"], np.asarray(xyz)[0, -1], confidence[0, -1], strict=True
):
    print(f"{joint}: {place.round(3)} m, {sure:.0%}")

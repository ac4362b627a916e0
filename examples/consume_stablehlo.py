"""The pose of one person from an exported network; needs JAX alone, not unipose_jax.

    python run.py --mode=export --weights=points --output=points.stablehlo
    python examples/consume_stablehlo.py points.stablehlo CLOUD.npy

CLOUD.npy holds the points of the person: (points, 3), metres, camera frame.
"""

import json
import pathlib
import sys

import numpy as np
from jax import export


def main(path: str, cloud: str) -> None:
    """Prints each joint of the pose in the camera frame, metres."""
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


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: consume_stablehlo.py FILE.stablehlo CLOUD.npy")
    main(*sys.argv[1:])

"""Exports a network for programs without this package, and a cloud to try it on.

    python examples/12_export.py [RECORDING]

Writes points.stablehlo and, if jax2onnx is installed, points.onnx, for the next two
examples. `python run.py --mode=export` does the same.
"""

import importlib.util
import pathlib
import sys

import numpy as np

from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import tracks
from unipose_jax.cli import export, sample

opened = recording.open_recording(sys.argv[1] if sys.argv[1:] else sample.cached())
cloud = next(tracks.person_clouds(opened))  # of the person in the first frame
np.save("cloud.npy", cloud.xyz)

formats = ["stablehlo"] + ["onnx"] * bool(importlib.util.find_spec("jax2onnx"))
for name in formats:
    output = pathlib.Path(f"points.{name}")
    export.export_file(
        None, None, output, file_format=name, weights="points", modality="points"
    )

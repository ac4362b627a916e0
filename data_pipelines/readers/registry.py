"""Data sets by the name that configs use (`config.data.name`)."""

import importlib
import pathlib

import ml_collections

from unipose_jax import errors

READERS = {
    "synthetic": "data_pipelines.rendered.data_set",
    "recording": "data_pipelines.readers.recordings.data_set",
    "itop": "data_pipelines.readers.itop",
    "ntu_rgbd": "data_pipelines.readers.ntu.data_set",
    "cmu_panoptic": "data_pipelines.readers.panoptic.data_set",
    "humaneva": "data_pipelines.readers.videopose.humaneva",
    "human36m": "data_pipelines.readers.videopose.human36m",
    "coco": "data_pipelines.readers.coco",
}
"""The module of each data set, with `open_data_set(source, data)`.

Imported where used: rendered people need no reader, recordings no renderer.
"""


def open_data_set(data: ml_collections.ConfigDict, source: pathlib.Path):
    """The original files at `source`, as a `sequence.DataSet`.

    Raises:
        errors.BadInput: `data.name` is unknown, or the files cannot be used.
    """
    if data.name not in READERS:
        raise errors.BadInput(
            f"config.data.name is {data.name!r}; use one of {', '.join(READERS)}"
        )
    return importlib.import_module(READERS[data.name]).open_data_set(source, data)

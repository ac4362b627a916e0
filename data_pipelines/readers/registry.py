"""Registry of data set readers by name (`config.data.name`)."""

import importlib
import pathlib
from collections.abc import Callable
from typing import Any

from data_pipelines.ground import settings
from unipose_jax import errors

# Returns a `sequence.DataSet`. Its module needs OpenCV and is not imported here.
Reader = Callable[[pathlib.Path, settings.DataSettings], Any]

READERS: dict[str, str | Reader] = {
    "synthetic": "data_pipelines.rendered.data_set",
    "recording": "data_pipelines.readers.recordings.data_set",
    "itop": "data_pipelines.readers.itop",
    "ntu_rgbd": "data_pipelines.readers.ntu.data_set",
    "cmu_panoptic": "data_pipelines.readers.panoptic.data_set",
    "humaneva": "data_pipelines.readers.videopose.humaneva",
    "human36m": "data_pipelines.readers.videopose.human36m",
    "coco": "data_pipelines.readers.coco",
}
"""The function `open_data_set(source, data)` of each data set, or the module with it.

Modules are imported on first use, because most runs need only one reader. Other code,
such as a config file, can add a reader in one line:
`registry.READERS["mine"] = open_mine` (examples/10_own_dataset.py).
"""


def open_data_set(data: settings.DataSettings, source: pathlib.Path):
    """Opens the original files of a data set, as a `sequence.DataSet`.

    Args:
        data: `name` is a key of `READERS`.
        source: folder or file with the original files.

    Raises:
        errors.BadInput: `data.name` is unknown, or the files are invalid.
    """
    if data.name not in READERS:
        raise errors.BadInput(
            f"config.data.name is {data.name!r}; use one of {', '.join(READERS)}"
        )
    reader = READERS[data.name]
    if isinstance(reader, str):
        reader = importlib.import_module(reader).open_data_set
    return reader(source, data)

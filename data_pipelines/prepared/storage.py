"""Prepared data sets on disk: TFDS array_record files and an index.

The kind of the data set determines the records: see `track_records` and
`image_records`. `index.json` maps sequences to records and has the size and SHA-256 of
every file. `tfds.builder_from_directory` can also open the folder.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from data_pipelines.ground import file_io, settings
from unipose_jax import errors

FORMAT = 2
INDEX = "index.json"


def folder_of(data: settings.DataSettings) -> pathlib.Path:
    """Where the data set of a config lies below `data.data_dir`."""
    name = "_".join(filter(None, (data.name, data.variant)))
    return pathlib.Path(data.data_dir).expanduser() / name


def open_split(
    data: settings.DataSettings, split: str, *, kind: str
) -> tuple[Sequence, list[dict[str, Any]], str]:
    """Opens a split: returns its records, its index entries, and the protocol.

    Raises:
        errors.BadInput: there is no data set, it is of another kind or was prepared for
            another skeleton, or a file is missing or has changed its size.
    """
    import tensorflow_datasets as tfds

    folder = folder_of(data)
    index = read_index(folder)
    if index["kind"] != kind:
        raise errors.BadInput(f"{folder} contains {index['kind']}, not {kind}")
    if index["skeleton"] != data.skeleton:
        raise errors.BadInput(
            f"{folder} was prepared for {index['skeleton']}, config.data.skeleton is "
            f"{data.skeleton}; prepare it again into another --data_dir"
        )
    check_sizes(folder, index)
    entries = index["splits"].get(split, [])
    if not entries:
        return [], [], index["protocol"]
    records = tfds.builder_from_directory(str(folder)).as_data_source(split=split)
    return records, entries, index["protocol"]


def read_index(folder: pathlib.Path) -> dict[str, Any]:
    """Reads the index of a prepared data set.

    Raises:
        errors.BadInput: there is no index, or its format version is different.
    """
    if not (folder / INDEX).is_file():
        raise errors.BadInput(
            f"no prepared data at {folder}; make it with --mode=prepare"
        )
    index = file_io.read_json(folder / INDEX)
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise errors.BadInput(
            f"{folder / INDEX} does not have format {FORMAT}; prepare the data again"
        )
    return index


def check_sizes(folder: pathlib.Path, index: Mapping[str, Any]) -> None:
    """Raises `errors.BadInput` for the first file that is missing or truncated."""
    for name, entry in index["files"].items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != entry["bytes"]:
            raise errors.BadInput(
                f"{path} has {'no file' if size is None else f'{size} bytes'},"
                f" expected {entry['bytes']} bytes; prepare the data again"
            )

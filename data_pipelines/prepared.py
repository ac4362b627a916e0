"""Data sets on disk: tracks as a TFDS data set of array_record files, and an index.

A record is a frame of a track. `index.json` says which records are which track, and
has size and SHA-256 of every file. `tfds.builder_from_directory` opens the folder, too.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections
import numpy as np

from data_pipelines import errors, files

FORMAT = 1
UNIT = 0.0005  # metres per count of a stored point: 0.25 mm of rounding, 16 m of reach
INDEX = "index.json"


def folder_of(data: ml_collections.ConfigDict) -> pathlib.Path:
    """Where the data set of a config lies below `data.data_dir`."""
    name = "_".join(filter(None, (data.name, data.variant)))
    return pathlib.Path(data.data_dir).expanduser() / name


def features(num_joints: int):
    """What a record holds, as TFDS features."""
    import tensorflow_datasets as tfds

    joints = (num_joints,)
    return tfds.features.FeaturesDict(
        {
            "points": tfds.features.Tensor(shape=(None, 3), dtype=np.int16),
            "uv": tfds.features.Tensor(shape=(*joints, 2), dtype=np.float32),
            "confidence": tfds.features.Tensor(shape=joints, dtype=np.float32),
            "xyz": tfds.features.Tensor(shape=(*joints, 3), dtype=np.float32),
            "xyz_valid": tfds.features.Tensor(shape=joints, dtype=np.bool_),
            "visible": tfds.features.Tensor(shape=joints, dtype=np.bool_),
            "time": tfds.features.Scalar(dtype=np.float32),
        }
    )


def to_record(frame: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """A frame of a track as a record; points out of reach are left out."""
    counts = np.rint(frame["points"] / UNIT)
    counts = counts[(np.abs(counts) <= np.iinfo(np.int16).max).all(axis=1)]
    return {
        **frame,
        "points": counts.astype(np.int16),
        "time": np.float32(frame["time"]),
    }


@dataclasses.dataclass(frozen=True, eq=False)
class StoredTrack:
    """One person on disk; `len` is the number of frames."""

    records: Sequence  # of the whole split
    first: int  # record of the first frame
    length: int
    constant: dict[str, np.ndarray]
    problem: str
    has_points: bool

    def __len__(self) -> int:
        return self.length

    def frame(self, position: int) -> dict[str, np.ndarray]:
        """`points`, `time` and the other schema fields of one frame."""
        record = self.records[self.first + position]
        return record | {"points": record["points"].astype(np.float32) * UNIT}


def open_tracks(
    data: ml_collections.ConfigDict, split: str
) -> tuple[list[StoredTrack], str]:
    """The tracks of a split, and the protocol of the data set.

    Raises:
        errors.BadInput: the data set is not there, was prepared for another skeleton,
            or a file is missing or has another size than when it was written.
    """
    import tensorflow_datasets as tfds

    folder = folder_of(data)
    index = read_index(folder)
    if index["skeleton"] != data.skeleton:
        raise errors.BadInput(
            f"{folder} was prepared for {index['skeleton']}, config.data.skeleton is "
            f"{data.skeleton}; prepare it again into another --data_dir"
        )
    check_sizes(folder, index)
    entries = index["splits"].get(split, [])
    if not entries:
        return [], index["protocol"]
    records = tfds.builder_from_directory(str(folder)).as_data_source(split=split)
    tracks, first = [], 0
    for entry in entries:
        constant = {
            "intrinsics": np.array(entry["intrinsics"], np.float32),
            "cam_from_points": np.array(entry["cam_from_points"], np.float32),
        }
        length = entry["frames"]
        tracks.append(
            StoredTrack(
                records,
                first,
                length,
                constant,
                problem=entry["problem"],
                has_points=entry["with_points"] > 0,
            )
        )
        first += length
    return tracks, index["protocol"]


def read_index(folder: pathlib.Path) -> dict[str, Any]:
    """The index of a prepared data set.

    Raises:
        errors.BadInput: there is none, or one of another version of the format.
    """
    if not (folder / INDEX).is_file():
        raise errors.BadInput(
            f"no prepared data at {folder}; make it with --mode=prepare"
        )
    index = files.read_json(folder / INDEX)
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise errors.BadInput(
            f"{folder / INDEX} is not of format {FORMAT}; prepare the data again"
        )
    return index


def check_sizes(folder: pathlib.Path, index: Mapping[str, Any]) -> None:
    """Raises `errors.BadInput` for the first file that is missing or cut short."""
    for name, entry in index["files"].items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != entry["bytes"]:
            raise errors.BadInput(
                f"{path} has {'no file' if size is None else f'{size} bytes'},"
                f" expected {entry['bytes']} bytes; prepare the data again"
            )

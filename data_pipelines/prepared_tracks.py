"""Tracks on disk: a record is a frame of a person (points, keypoints, truth, time)."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import ml_collections
import numpy as np

from data_pipelines import prepared, tracks

UNIT = 0.0005  # metres per count of a stored point: 0.25 mm of rounding, 16 m of reach


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


def records(
    one: Any,
    data: Mapping[str, Any],
    skipped: list[str] | None,
    read: Callable[..., tracks.Track] | None,
) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """A sequence's entry in the index, and its frames as records.

    Args:
        one: the sequence.
        data: settings: `skeleton`, `stored_points`.
        skipped: as in `tracks.read`.
        read: makes a track of the sequence; None is `tracks.read`.

    Raises:
        errors.BadInput: the sequence cannot be read.
    """
    track = (read or tracks.read)(
        one,
        skeleton=data["skeleton"],
        stored_points=data["stored_points"],
        skipped=skipped,
    )
    entry = {
        "name": one.name,
        "subject": one.subject,
        "frames": len(track),
        "with_points": sum(len(xyz) > 0 for xyz in track.points),
        "with_keypoints": int(track.per_frame["confidence"].any(axis=1).sum()),
        "with_joints": int(track.per_frame["xyz_valid"].any(axis=1).sum()),
        "problem": track.problem,
        **{name: value.tolist() for name, value in track.constant.items()},
    }
    return entry, (_record(track.frame(place)) for place in range(len(track)))


def _record(frame: Mapping[str, np.ndarray]) -> dict[str, Any]:
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
        errors.BadInput: as `prepared.open_split`.
    """
    stored, entries, protocol = prepared.open_split(data, split, kind="tracks")
    found, first = [], 0
    for entry in entries:
        constant = {
            name: np.array(entry[name], np.float32)
            for name in ("intrinsics", "cam_from_points")
        }
        found.append(
            StoredTrack(
                stored,
                first,
                entry["frames"],
                constant,
                problem=entry["problem"],
                has_points=entry["with_points"] > 0,
            )
        )
        first += entry["frames"]
    return found, protocol

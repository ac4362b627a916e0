"""Tracks on disk: each record is one frame (points, keypoints, ground truth, time)."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from data_pipelines.ground import schema, settings
from data_pipelines.prepared import storage
from data_pipelines.sequences import tracks
from unipose_jax import errors

UNIT = 0.0005  # metres per count of a stored point: rounding 0.25 mm, range 16 m
_JPEG = (  # high quality, without chroma subsampling
    *(cv2.IMWRITE_JPEG_QUALITY, 95),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
)


def features(num_joints: int, *, crops: bool = False):
    """TFDS features of a record.

    Args:
        num_joints: number of joints of the skeleton.
        crops: whether records have crops: depth as PNG, uint16 millimetres, and colour
            as JPEG, empty for a sequence without colour images.
    """
    import tensorflow_datasets as tfds

    joints = (num_joints,)
    encoded = tfds.features.Tensor(shape=(), dtype=np.object_)
    matrix = tfds.features.Tensor(shape=(3, 3), dtype=np.float32)
    added = {
        "depth_crop": encoded,
        "depth_crop_matrix": matrix,
        "color_crop": encoded,
        "color_crop_matrix": matrix,
        "reference_depth": tfds.features.Scalar(dtype=np.float32),
    }
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
        | (added if crops else {})
    )


def records(
    one: Any,
    data: settings.DataSettings,
    skipped: list[str] | None,
    read: Callable[..., tracks.Track] | None,
) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """Returns the index entry of a sequence, and its frames as records.

    Args:
        one: the sequence.
        data: gives `skeleton`, `stored_points` and `crop_size`.
        skipped: see `tracks.read_track`.
        read: function that makes a track of the sequence, or None for
            `tracks.read_track`.

    Raises:
        errors.BadInput: the sequence cannot be read, or has no images for crops.
    """
    track = (read or tracks.read_track)(
        one,
        skeleton=data.skeleton,
        stored_points=data.stored_points,
        skipped=skipped,
        crop_size=data.crop_size,
    )
    if data.crop_size and len(track) and not track.crops:
        raise errors.BadInput(
            f"{one.name} has no images to make crops from, but "
            f"config.data.crop_size is {data.crop_size}; for points only, use "
            "--config.stages=\"('points',)\""
        )
    entry = {
        "name": one.name,
        "subject": one.subject,
        "frames": len(track),
        "time": np.round(track.time, 6).tolist(),
        "with_points": sum(len(xyz) > 0 for xyz in track.points),
        "with_keypoints": int(track.per_frame["confidence"].any(axis=1).sum()),
        "with_joints": int(track.per_frame["xyz_valid"].any(axis=1).sum()),
        "problem": track.unusable_reason,
        "lacking": track.missing_joints_reason,
        "crop_size": data.crop_size,
        "crops": list(track.crops),
        **{name: value.tolist() for name, value in track.static_fields.items()},
    }
    return entry, (_record(track.frame(place)) for place in range(len(track)))


def _record(frame: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Converts a frame of a track to a record; drops points out of range."""
    counts = np.rint(frame["points"] / UNIT)
    counts = counts[(np.abs(counts) <= np.iinfo(np.int16).max).all(axis=1)]
    return {
        **frame,
        **_encoded(frame),
        "points": counts.astype(np.int16),
        "time": np.float32(frame["time"]),
    }


def _encoded(frame: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Encodes the crops of a frame for storage."""
    if "depth_crop" not in frame:
        return {}
    encoded = {"depth_crop": _bytes(".png", schema.pack(frame)["depth_crop"])}
    if "color_crop" in frame:
        bgr = np.ascontiguousarray(frame["color_crop"][..., ::-1])
        return encoded | {"color_crop": _bytes(".jpg", bgr, _JPEG)}
    nothing = {"color_crop": b"", "color_crop_matrix": np.zeros((3, 3), np.float32)}
    return encoded | nothing


def _bytes(kind: str, image: np.ndarray, options: Sequence[int] = ()) -> bytes:
    return cv2.imencode(kind, image, options)[1].tobytes()


def _decoded(record: Mapping[str, Any], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Decodes the crops of a record to the packed fields in `names`."""
    fields = {
        k: v for k, v in record.items() if k in names or k not in schema.CROP_FIELDS
    }
    for name in ("depth_crop", "color_crop"):
        if name in fields:
            content = np.frombuffer(fields[name], np.uint8)
            image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
            assert image is not None  # written by this module
            fields[name] = image if name == "depth_crop" else image[..., ::-1]
    if "reference_depth" in fields:  # TFDS returns a Python float
        fields["reference_depth"] = np.asarray(fields["reference_depth"], np.float32)
    return fields


@dataclasses.dataclass(frozen=True, eq=False)
class StoredTrack:
    """One person on disk; `len` is the number of frames."""

    records: Sequence  # of the whole split
    first: int  # index of the record of the first frame
    length: int
    static_fields: dict[str, np.ndarray]
    unusable_reason: str
    missing_joints_reason: str
    has_points: bool
    crops: Sequence[str]  # names of the crop fields of all frames
    name: str = ""  # of the sequence
    subject: str = ""  # identifier of the person
    stored_time: np.ndarray | None = None  # None in sets prepared by version 0.1.0

    def __len__(self) -> int:
        return self.length

    @functools.cached_property
    def time(self) -> np.ndarray:
        """(frames,), seconds."""
        if self.stored_time is not None:
            return self.stored_time
        stop = self.first + self.length
        return np.array([self.records[i]["time"] for i in range(self.first, stop)])

    def frame(self, position: int) -> dict[str, np.ndarray]:
        """Returns `points`, `time` and the other per-frame fields of one frame."""
        record = _decoded(self.records[self.first + position], self.crops)
        points = record["points"].astype(np.float32) * UNIT
        return schema.unpack(record | {"points": points})


def open_tracks(
    data: settings.DataSettings, split: str
) -> tuple[list[StoredTrack], str]:
    """Opens the tracks of a split; also returns the protocol of the data set.

    Raises:
        errors.BadInput: see `storage.open_split`.
        errors.MissingCrops: the config requires crops, but there are none or they have
            another size.
    """
    stored, entries, protocol = storage.open_split(data, split, kind="tracks")
    found, first = [], 0
    for entry in entries:
        size = entry.get("crop_size", 0)
        if data.crop_size and data.crop_size != size:
            raise errors.MissingCrops(
                f"{storage.folder_of(data)} was prepared with crop_size={size}, "
                f"config.data.crop_size is {data.crop_size}; prepare it again into "
                "another --data_dir"
            )
        constant = {
            name: np.array(entry[name], np.float32)
            for name in ("intrinsics", "cam_from_points", "floor")
            if name in entry
        }
        found.append(
            StoredTrack(
                stored,
                first,
                entry["frames"],
                constant,
                unusable_reason=entry["problem"],
                missing_joints_reason=entry.get("lacking", ""),
                has_points=entry["with_points"] > 0,
                crops=entry["crops"] if data.crop_size else (),
                name=entry["name"],
                subject=entry["subject"],
                stored_time=np.array(entry["time"]) if "time" in entry else None,
            )
        )
        first += entry["frames"]
    return found, protocol

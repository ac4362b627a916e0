"""ITOP, side or top view, from the original h5 files.

    ITOP_{side,top}_{train,test}_{depth_map,labels}.h5

The data set has x right, y up, z forward, in metres, and pixel centres at integers. Its
point clouds are x = 0.0035 (u - 160) z, y = 0.0035 (120 - v) z. Here 0.5 is added to
keypoints and principal point, because pixel centres are at +0.5. The segmentation is
not read: it is part of the labels, and results with it would not show the accuracy on
unlabelled data.
"""

import contextlib
import dataclasses
import functools
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file, settings
from data_pipelines.keypoints import detections
from data_pipelines.sequences import sequence
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

SKELETON = "ITOP15"
FPS = 15.0
_PIXEL_CENTER = 0.5
CAMERA = calibration.make_camera(
    320, 240, (1 / 0.0035, 1 / 0.0035, 160 + _PIXEL_CENTER, 120 + _PIXEL_CENTER)
)
_VALIDATION_PEOPLE = 2  # those with the highest numbers among the training people
_Y_DOWN = np.array([1, -1, 1], np.float32)
_VALID_FRAMES = {("side", "train"): 17_991, ("side", "test"): 4_863}

# HDF5 data set: accepted kinds of dtype, original dtype, shape of a frame.
_Layout = Mapping[str, tuple[str, str, tuple[int, ...]]]
_LABELS: _Layout = {
    "id": ("SO", "bytes", ()),
    "is_valid": ("iu", "uint8", ()),
    "image_coordinates": ("iu", "int16", (15, 2)),
    "real_world_coordinates": ("f", "float16", (15, 3)),
    "visible_joints": ("iu", "int16", (15,)),
}
_DEPTH_MAPS: _Layout = {"id": _LABELS["id"], "data": ("f", "float16", (240, 320))}


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ItopSequence(sequence.Sequence):
    """One person over consecutive frame numbers.

    Invalid frames have depth, but neither keypoints nor ground truth.
    """

    depth_maps: pathlib.Path
    rows: tuple[int, ...]  # rows of `frames` in the file
    truth: pose_file.PoseFile
    keypoint_labels: detections.Detections  # 2D labels of valid frames
    detector: pathlib.Path | None  # file or folder of detected keypoints, used instead

    def depth(self, index: int) -> np.ndarray:
        """Depth of a frame: float32 (240, 320), metres, 0 where missing."""
        with _open_h5(self.depth_maps) as file:
            depth = file["data"][self.rows[index]].astype(np.float32)
        return np.where((depth > 0) & (depth < np.inf), depth, np.float32(0))

    def joints(self) -> pose_file.PoseFile:
        """3D labels; not valid in invalid frames."""
        return self.truth

    def keypoint_detections(self) -> detections.Detections:
        """Detected keypoints if given, otherwise the 2D labels."""
        return self._detections

    @functools.cached_property
    def _detections(self) -> detections.Detections:
        if self.detector is None:
            return self.keypoint_labels
        return self.read_detections(self.detector)


def open_data_set(
    source: pathlib.Path, data: settings.DataSettings
) -> sequence.DataSet:
    """Opens one view, with the official test split.

    The two training people with the highest numbers are the validation split.

    Raises:
        errors.BadInput: `data.variant` is unknown, or a file is missing or invalid.
    """
    if data.variant not in ("side", "top"):
        raise errors.BadInput(
            f"config.data.variant is {data.variant!r}; use 'side' or 'top'"
        )
    _check_present(source, data.variant)
    skipped: list[str] = []
    train, test = (_read_sequences(source, s, data, skipped) for s in ("train", "test"))
    people = sorted({take.subject for take in train if _num_valid([take])})
    held_out = people[-_VALIDATION_PEOPLE:]
    validation = [take for take in train if take.subject in held_out]
    train = [take for take in train if take.subject not in held_out]
    splits = {"train": train, "validation": validation, "test": test}
    for split, takes in splits.items():
        if not _num_valid(takes):
            raise errors.BadInput(
                f"{source}: no valid frames for {split} (the last {_VALIDATION_PEOPLE}"
                f" of {len(people)} training people are for validation)"
            )
    return sequence.DataSet(
        name=f"itop_{data.variant}",
        sequences=splits,
        protocol=_protocol(data.variant, splits),
        skipped=skipped,
    )


def _check_present(source: pathlib.Path, variant: str) -> None:
    """Raises with the names of missing files."""
    missing = []
    for split in ("train", "test"):
        for path in _paths(source, variant, split):
            zipped = path.with_name(path.name + ".gz")
            if not path.exists():
                hint = f" (unpack {zipped.name})" if zipped.exists() else ""
                missing.append(path.name + hint)
    if missing:
        raise errors.BadInput(f"{source} lacks {', '.join(missing)}")


def _paths(source: pathlib.Path, variant: str, split: str) -> list[pathlib.Path]:
    """Paths of the depth maps and labels of an original split."""
    stem = f"ITOP_{variant}_{split}"
    return [source / f"{stem}_depth_map.h5", source / f"{stem}_labels.h5"]


def _read_sequences(
    source: pathlib.Path,
    split: str,
    data: settings.DataSettings,
    skipped: list[str],
) -> list[ItopSequence]:
    """Reads the sequences of an original split, in order of person and time."""
    depth_maps, labels_path = _paths(source, data.variant, split)
    labels = _read_labels(labels_path)
    _check_depth_maps(depth_maps, labels["id"])
    found = np.count_nonzero(labels["is_valid"])
    published = _VALID_FRAMES.get((data.variant, split), found)
    if data.check_counts and found != published:
        raise errors.BadInput(
            f"{labels_path} has {found} valid frames, but the original has {published};"
            " for a part of it set --config.data.check_counts=False"
        )
    takes = []
    for rows in _consecutive_rows(labels["person"], labels["frame"]):
        own = {name: values[rows] for name, values in labels.items()}
        # Both files may count people from 0.
        subject = f"{split}_{own['person'][0]:02d}"
        name = f"{data.variant}_{subject}_{own['frame'][0]:05d}"
        if np.isfinite(own["real_world_coordinates"][own["is_valid"] != 0]).all():
            takes.append(
                _make_sequence(own, rows, name, subject, depth_maps, data.keypoints)
            )
            continue
        line = f"{labels_path}: a valid frame of {name} has a joint that is not finite"
        if not data.skip_corrupt:
            raise errors.BadInput(line)
        skipped.append(line)
    return takes


def _read_labels(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads the arrays of `_LABELS`, and `person` and `frame` from the ids."""
    with _open_h5(path) as file:
        _check_layout(file, _LABELS, path)
        labels = {name: file[name][:] for name in _LABELS}
    numbers = []
    for text in labels["id"]:
        match = re.fullmatch(rb"(\d{1,9})_(\d{1,9})", text)
        if match is None:
            raise errors.BadInput(
                f"{path}: 'id' has {bytes(text)!r}, expected person and frame, SS_FFFFF"
            )
        numbers.append((int(match[1]), int(match[2])))
    if len(set(numbers)) < len(numbers):
        raise errors.BadInput(f"{path}: two frames have the same id")
    labels["person"], labels["frame"] = np.array(numbers).T
    return labels


def _check_depth_maps(path: pathlib.Path, ids: np.ndarray) -> None:
    """Raises if depth maps and labels do not have the same ids in the same order."""
    with _open_h5(path) as file:
        _check_layout(file, _DEPTH_MAPS, path)
        found = file["id"][:]
    if list(found) != list(ids):
        raise errors.BadInput(f"{path} and the labels have different frames (id)")


@contextlib.contextmanager
def _open_h5(path: pathlib.Path) -> Iterator[Any]:
    """Opens an h5 file; errors of HDF5 become `BadInput`, also while reading."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError) as error:
        line = str(error).splitlines()[0]
        raise errors.BadInput(f"{path} cannot be read: {line}") from error


def _check_layout(file: Any, layout: _Layout, path: pathlib.Path) -> None:
    """Raises if the arrays do not have the original dtypes and shapes."""
    frames = None
    for name, (kinds, dtype, shape) in layout.items():
        found = file.get(name)
        if not hasattr(found, "dtype"):
            raise errors.BadInput(f"{path} has no data set {name!r}")
        frames = found.size if frames is None else frames
        if found.dtype.kind not in kinds or found.shape != (frames, *shape):
            raise errors.BadInput(
                f"{path}: {name!r} is {found.dtype} {found.shape},"
                f" expected {dtype} {(frames, *shape)}"
            )
    if not frames:
        raise errors.BadInput(f"{path} has no frames")


def _consecutive_rows(person: np.ndarray, frame: np.ndarray) -> list[np.ndarray]:
    """Rows in order of person and time, split where frame numbers have a gap."""
    order = np.lexsort((frame, person))
    jump = (np.diff(person[order]) != 0) | (np.diff(frame[order]) != 1)
    return np.split(order, np.flatnonzero(jump) + 1)


def _make_sequence(
    labels: Mapping[str, np.ndarray],
    rows: np.ndarray,
    name: str,
    subject: str,
    depth_maps: pathlib.Path,
    keypoints: str,
) -> ItopSequence:
    """Makes a sequence from its rows of the labels."""
    time = (labels["frame"] - labels["frame"][0]) / FPS
    return ItopSequence(
        name=name,
        subject=subject,
        frames=tuple(labels["frame"].tolist()),
        time=time,
        depth_camera=CAMERA,
        depth_maps=depth_maps,
        rows=tuple(rows.tolist()),
        truth=_truth(labels, time),
        keypoint_labels=_keypoints(labels),
        detector=sequence.detector_path(keypoints, name) if keypoints else None,
    )


def _truth(labels: Mapping[str, np.ndarray], time: np.ndarray) -> pose_file.PoseFile:
    """3D labels with y down, NaN in invalid frames."""
    xyz = labels["real_world_coordinates"].astype(np.float32) * _Y_DOWN
    valid = np.repeat(labels["is_valid"][:, None] != 0, xyz.shape[1], axis=1)
    return pose_file.PoseFile(
        xyz=np.where(valid[..., None], xyz, np.nan).astype(np.float32),
        confidence=valid.astype(np.float32),
        skeleton=SKELETON,
        time=time,
        valid=valid,
        frame=labels["frame"],
    )


def _keypoints(labels: Mapping[str, np.ndarray]) -> detections.Detections:
    """2D labels of valid frames, by frame number."""
    uv = labels["image_coordinates"] + _PIXEL_CENTER
    # 0.5 for occluded joints, as for COCO (see `detections`).
    confidence = np.where(labels["visible_joints"] > 0, 1.0, 0.5)
    people = np.concatenate([uv, confidence[..., None]], axis=-1).astype(np.float32)
    frames = labels["frame"].tolist()
    valid = np.flatnonzero(labels["is_valid"])
    return detections.Detections(
        skeletons.ITOP15, {frames[i]: people[i][None] for i in valid}
    )


def _num_valid(takes: Sequence[ItopSequence]) -> int:
    """Number of valid frames of sequences."""
    return sum(int(take.truth.is_valid().all(axis=1).sum()) for take in takes)


def _protocol(variant: str, splits: Mapping[str, Sequence[ItopSequence]]) -> str:
    test = splits["test"]
    people = sorted({take.subject for take in splits["validation"]})
    return (
        f"ITOP {variant} view: share of joints within 10 cm, mean over 15 joints"
        f" (mAP@10cm), on the {_num_valid(test)} valid of {sum(map(len, test))} frames"
        f" of the official test split. Validation: {_num_valid(splits['validation'])}"
        f" valid frames of {' and '.join(people)}, held out of the official training"
        f" split, which leaves {_num_valid(splits['train'])}."
    )

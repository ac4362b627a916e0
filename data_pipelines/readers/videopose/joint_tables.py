"""HumanEva and Human3.6M in the format of VideoPose3D: 2D and 3D joints, no images.

    data_3d_NAME.npz      positions_3d: {subject: {action: (frames, joints, 3)}}
    data_2d_NAME_gt.npz   positions_2d: {subject: {action: [(frames, joints, 2), ...]}}

3D positions are in metres, in a world frame with z up. 2D positions are in pixels, one
array for each camera. Alternatively, a single flat file `NAME_*.npz` has the keys
`xyz_world_m|SUBJECT|ACTION` and `uv_px|SUBJECT|ACTION|camN`. The 2D positions are
projections of the 3D positions, so the cameras are fitted to both. (VideoPose3D has the
cameras in its code, those of HumanEva without lens distortion.)
"""

import dataclasses
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from data_pipelines.cameras import resection
from data_pipelines.ground import pose_file, settings
from data_pipelines.keypoints import detections
from data_pipelines.readers.videopose import safe_pickle
from data_pipelines.sequences import sequence, tracks
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

# Assumes pixel centres at integers, as in calibration tools. Rays and poses do not
# depend on this, because the cameras are fitted to the 2D positions.
_PIXEL_CENTER = 0.5
_MAX_RESIDUAL = (
    1.0  # pixels, RMS of a clip; much larger for detections or a wrong order
)
_MAX_XYZ, _MAX_UV = 100.0, 1e5  # metres and pixels; larger values are corrupt


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSetSpec:
    """Properties of one data set in this format."""

    name: str  # part of the file names
    skeleton: str
    fps: float
    sizes: Sequence[tuple[int, int]]  # width and height of each camera, in file order
    splits: Mapping[str, str]  # split of each subject
    # Action of the training subjects that is the validation split, or "".
    validation_action: str = ""
    joints: Mapping[
        int, Sequence[int]
    ]  # joints to keep, by the number of joints in a file
    is_invalid: Callable[[np.ndarray], np.ndarray] | None = None
    # Function of xyz (frames, joints, 3), metres, world frame, that returns bool
    # (frames, joints): True for joints with wrong ground truth.


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class CameraClip(sequence.Sequence):
    """One clip in one camera."""

    skeleton: str
    xyz: np.ndarray  # float32 (frames, joints, 3), metres, camera frame
    uv: np.ndarray  # float32 (frames, joints, 2), pixels as recorded
    valid: np.ndarray  # bool (frames, joints)
    floor: np.ndarray  # float32 (4,), as in the schema
    detector_file: pathlib.Path | None = None

    def joints(self) -> pose_file.PoseFile:
        """3D ground truth; NaN and not valid where it is known to be wrong."""
        return pose_file.PoseFile(
            xyz=np.where(self.valid[..., None], self.xyz, np.float32(np.nan)),
            confidence=self.valid.astype(np.float32),
            skeleton=self.skeleton,
            time=self.time,
            valid=self.valid,
        )

    def keypoint_detections(self) -> detections.Detections:
        """Detected keypoints if given, otherwise the 2D positions of the file."""
        if self.detector_file is not None:
            return self.read_detections(self.detector_file)
        uv = np.where(self.valid[..., None], self.uv, np.float32(np.nan))
        person = np.concatenate([uv, self.valid[..., None]], axis=-1, dtype=np.float32)
        people = {frame: person[i][None] for i, frame in enumerate(self.frames)}
        return detections.Detections(skeletons.by_name(self.skeleton), people)


def read_track(
    view: CameraClip,
    *,
    skeleton: str,
    stored_points: int,
    skipped: list[str] | None = None,
    crop_size: int = 0,
) -> tracks.Track:
    """Faster `tracks.read_track` for clips without images.

    Raises:
        errors.BadInput: see `tracks.read_track`.
    """
    if view.detector_file is not None or skeleton != view.skeleton:
        return tracks.read_track(
            view,
            skeleton=skeleton,
            stored_points=stored_points,
            skipped=skipped,
            crop_size=crop_size,
        )
    uv = view.keypoint_camera.undistort(view.uv)
    return tracks.Track(
        [np.zeros((0, 3), np.float32)] * len(view),
        view.time,
        per_frame={
            "uv": np.where(view.valid[..., None], uv, 0.0).astype(np.float32),
            "confidence": view.valid.astype(np.float32),
            "xyz": view.joints().xyz,
            "xyz_valid": view.valid,
            "visible": view.valid,
        },
        static_fields={
            "intrinsics": view.keypoint_camera.intrinsics,
            "cam_from_points": view.color_from_depth,
            "floor": view.floor,
        },
        name=view.name,
        subject=view.subject,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Clip:
    subject: str  # name in the file, e.g. Train/S1
    action: str
    xyz: np.ndarray  # float32 (frames, joints, 3), metres, world frame
    uv: np.ndarray  # float32 (cameras, frames, joints, 2), pixels

    @property
    def person(self) -> str:
        return self.subject.rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.subject}, {self.action!r}"


def open_clips(
    source: pathlib.Path, data: settings.DataSettings, layout: DataSetSpec
) -> tuple[dict[str, list[CameraClip]], list[str]]:
    """Opens the sequences of a data set by split, and lists the skipped clips.

    Raises:
        errors.BadInput: files, subjects or cameras are missing, a clip is corrupt, or
            its 2D positions are not projections of its 3D positions.
    """
    positions, pixels, path = _read(source, layout.name)
    _check_subjects(positions, layout, path, all_of_them=data.check_counts)
    clips, skipped = [], []
    for subject, actions in positions.items():
        for action, xyz in actions.items():
            try:
                uv = pixels.get(subject, {}).get(action, ())
                clips.append(_checked(subject, action, xyz, uv, layout))
            except errors.BadInput as error:
                skipped.append(f"{path}: {error}")
                if not data.skip_corrupt:
                    raise errors.BadInput(skipped[-1]) from error
    if not clips:
        raise errors.BadInput(f"{path} has no valid clip")
    cameras = {
        person: _fit_cameras([c for c in clips if c.person == person], layout, path)
        for person in {clip.person: None for clip in clips}
    }
    views: dict[str, list[CameraClip]] = {split: [] for split in sequence.SPLITS}
    for clip in clips:
        for number, placed in enumerate(cameras[clip.person]):
            view = _view(clip, number, placed, layout, data.keypoints)
            views[_split_of(clip, layout)].append(view)
    return views, skipped


def _split_of(clip: _Clip, layout: DataSetSpec) -> str:
    split = layout.splits[clip.subject]
    held_out = layout.validation_action and clip.action.startswith(
        layout.validation_action
    )
    return "validation" if split == "train" and held_out else split


def _read(
    source: pathlib.Path, name: str
) -> tuple[Mapping[str, Any], Mapping[str, Any], pathlib.Path]:
    """Reads 3D and 2D by subject and action; also returns the path for messages.

    `source` is a folder or the flat file.
    """
    if source.is_file():
        return *_unflatten(safe_pickle.read_npz(source)), source
    paths = source / f"data_3d_{name}.npz", source / f"data_2d_{name}_gt.npz"
    missing = [path.name for path in paths if not path.exists()]
    if not missing:
        solid = _read_entry(paths[0], "positions_3d")
        return solid, _read_entry(paths[1], "positions_2d"), paths[0]
    flat = sorted(source.glob(f"{name}_*.npz"))
    if len(missing) == 2 and flat:
        return *_unflatten(safe_pickle.read_npz(flat[0])), flat[0]
    raise errors.BadInput(f"{source} lacks {', '.join(missing)}")


def _read_entry(path: pathlib.Path, name: str) -> Mapping[str, Any]:
    value = safe_pickle.read_npz(path).get(name)
    if isinstance(value, dict) and all(isinstance(v, dict) for v in value.values()):
        return value
    raise errors.BadInput(f"{path} has no {name!r}: actions by subject")


def _unflatten(
    entries: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    solid: dict[str, Any] = {}
    flat: dict[str, Any] = {}
    for key in sorted(entries, key=_natural):
        kind, subject, action, *_ = [*key.split("|"), "", ""]
        if kind == "xyz_world_m":
            solid.setdefault(subject, {})[action] = entries[key]
        elif kind == "uv_px":
            flat.setdefault(subject, {}).setdefault(action, []).append(entries[key])
    return solid, flat


def _natural(text: str) -> list[Any]:
    """Key for natural sorting: chunk2 before chunk10."""
    return [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", text)]


def _check_subjects(
    positions: Mapping[str, Any],
    layout: DataSetSpec,
    path: pathlib.Path,
    all_of_them: bool,
) -> None:
    known = ", ".join(layout.splits)
    for subject in positions:
        if subject not in layout.splits:
            raise errors.BadInput(
                f"{path} has an unknown subject {subject!r}; known subjects: {known}"
            )
    missing = [subject for subject in layout.splits if subject not in positions]
    if missing and all_of_them:
        raise errors.BadInput(f"{path} lacks the subjects {', '.join(missing)}")


def _checked(
    subject: str, action: str, xyz: Any, uv: Any, layout: DataSetSpec
) -> _Clip:
    """Validates a clip, selects joints and drops 2D frames after the last 3D frame."""
    where = f"{subject}, {action!r}"
    if len(uv) != len(layout.sizes):
        raise errors.BadInput(
            f"{where}: 2D of {len(uv)} cameras, expected {len(layout.sizes)}"
        )
    xyz = _joints(xyz, 3, layout, where)
    uv = [_joints(view, 2, layout, where) for view in uv]
    frames = len(xyz)
    if not frames or any(len(view) < frames for view in uv):
        counts = [len(view) for view in uv]
        raise errors.BadInput(f"{where}: {frames} frames in 3D, {counts} in 2D")
    clip = _Clip(
        subject=subject,
        action=action,
        xyz=xyz,
        uv=np.stack([view[:frames] for view in uv]) + np.float32(_PIXEL_CENTER),
    )
    for values, most in ((clip.xyz[None], _MAX_XYZ), (clip.uv, _MAX_UV)):
        bad = ~(np.abs(values) < most).all(axis=(0, 2, 3))
        if bad.any():
            raise errors.BadInput(
                f"{where}: frame {int(bad.argmax())} has invalid values"
            )
    return clip


def _joints(values: Any, axes: int, layout: DataSetSpec, where: str) -> np.ndarray:
    shape = np.shape(values) if isinstance(values, np.ndarray) else ()
    if len(shape) != 3 or shape[1] not in layout.joints or shape[2] != axes:
        counts = " or ".join(map(str, layout.joints))
        raise errors.BadInput(
            f"{where}: an array {shape}, expected (frames, {counts}, {axes})"
        )
    return values[:, layout.joints[shape[1]]].astype(np.float32)


def _fit_cameras(
    clips: Sequence[_Clip], layout: DataSetSpec, path: pathlib.Path
) -> list[resection.PosedCamera]:
    """Fits the cameras to all clips of one person."""
    xyz = np.concatenate([clip.xyz for clip in clips])
    cameras = []
    for number, size in enumerate(layout.sizes):
        where = f"camera {number} of {clips[0].person}"
        uv = np.concatenate([clip.uv[number] for clip in clips])
        try:
            placed = resection.fit_camera(xyz.reshape(-1, 3), uv.reshape(-1, 2), size)
        except ValueError as error:
            raise errors.BadInput(f"{path}: {where}: {error}") from error
        for clip in clips:
            away = placed.project(clip.xyz) - clip.uv[number]
            residual = float(np.sqrt((away**2).sum(-1).mean()))
            if not residual < _MAX_RESIDUAL:
                raise errors.BadInput(
                    f"{path}: {clip}: 2D is {residual:.1f} px RMS from the projected"
                    f" 3D for {where}; the 2D must be the ground truth (gt)"
                )
        cameras.append(placed)
    return cameras


def _view(
    clip: _Clip,
    number: int,
    placed: resection.PosedCamera,
    layout: DataSetSpec,
    detector: str,
) -> CameraClip:
    name = re.sub(r"\W+", "_", f"{clip.subject} {clip.action} cam{number}")
    valid = np.ones(clip.xyz.shape[:2], bool)
    if layout.is_invalid is not None:
        valid &= ~layout.is_invalid(clip.xyz)
    frames = range(len(clip.xyz))
    return CameraClip(
        name=name,
        subject=clip.person,
        frames=tuple(frames),
        time=np.array(frames) / layout.fps,
        depth_camera=placed.camera,
        color_camera=placed.camera,
        skeleton=layout.skeleton,
        xyz=placed.to_camera(clip.xyz),
        uv=clip.uv[number],
        valid=valid,
        floor=_floor(placed),
        detector_file=sequence.detector_path(detector, name) if detector else None,
    )


def _floor(placed: resection.PosedCamera) -> np.ndarray:
    """The plane z = 0 of the world in the camera frame."""
    up = placed.rotation[:, 2]
    return np.array([*up, -up @ placed.translation], np.float32)

"""Recording folders: a user's own RGB-D sequence (docs/datasets/recording.md).

    camera.json  depth/000000.png  color/000000.{png,jpg}  mask/000000.png
    keypoints.json (or keypoints/*.json of OpenPose)  joints.npz

Frames are read on request. Pixel centres are at +0.5: add 0.5 to cx and cy of
intrinsics calibrated with centres at integers (OpenCV).
"""

import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np

from data_pipelines.cameras import calibration, camera_file, frame_times, orientation
from data_pipelines.ground import file_io, pose_file
from data_pipelines.keypoints import detections, settings
from data_pipelines.readers.recordings import depth_counts, image_files, masks
from data_pipelines.sequences import sequence
from unipose_jax import atomic, errors
from unipose_jax import skeleton as skeletons

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Recording(sequence.Sequence):
    """An opened recording folder; `len` is the number of depth frames.

    `frames` has the number in each depth file's name. All other files and keypoints of
    a frame have the same number.
    """

    path: pathlib.Path
    depth_unit: float  # metres per count
    file: camera_file.CameraFile  # cameras and poses as recorded
    invalid: tuple[int, ...] = ()  # counts that mean no depth, besides 0 and 65535

    @property
    def orientation(self) -> orientation.Orientation:
        """How the device is mounted; all that is read is upright and not mirrored."""
        return self.file.orientation

    def depth(self, index: int) -> np.ndarray:
        """Depth of a frame: float32 (height, width), metres, 0 where missing."""
        counts = image_files.read_depth_png(self._file("depth", index), self.file.depth)
        depth = depth_counts.to_metres(counts, self.depth_unit, self.invalid)
        return self.orientation.turn_image(depth)

    def color(self, index: int) -> np.ndarray | None:
        """Colour of a frame: uint8 RGB (height, width, 3), or None without a file."""
        path = self._find("color", index)
        if path is None or self.file.color is None:
            return None
        image = image_files.read_color(path, self.file.color)
        return self.orientation.turn_image(image)

    def has_color(self, index: int) -> bool:
        """Whether a frame has a file with its colour image."""
        return self.color_camera is not None and bool(self._find("color", index))

    def mask(self, index: int) -> np.ndarray | None:
        """Mask of the person in depth: bool (height, width), or None without a file."""
        path = self._find("mask", index)
        if path is None:
            return None
        person = masks.read_mask(path, self.file.depth, self.file.mask_values)
        return self.orientation.turn_image(person)

    def keypoint_detections(self) -> detections.Detections | None:
        """Detections from keypoints.json or the folder keypoints."""
        return self._detections

    @functools.cached_property
    def _detections(self) -> detections.Detections | None:
        path = next(filter(pathlib.Path.exists, _keypoint_paths(self.path)), None)
        if path is None:
            return None
        camera = self.file.color or self.file.depth  # as recorded
        picture, rule = settings.parse(
            self.file.keypoints,
            (camera.width, camera.height),
            str(self.path / "camera.json"),
        )
        found = detections.match_frames(
            detections.read(path, picture), self.frames, self.time, rule
        )
        for line in found.notes:
            errors.warn(f"{path}: {line}")
        if self.orientation.is_upright:
            return found
        people = {f: self._turn_people(p, found) for f, p in found.by_frame.items()}
        return dataclasses.replace(found, by_frame=people)

    def _turn_people(
        self, people: np.ndarray, found: detections.Detections
    ) -> np.ndarray:
        """Keypoints of a frame in the upright image, with the person's own sides.

        Whoever looks at a mirrored image takes left for right.
        """
        camera = self.file.color or self.file.depth
        uv = self.orientation.turn_uv(people[..., :2], camera)
        turned = np.concatenate([uv, people[..., 2:]], axis=-1).astype(np.float32)
        if self.orientation.mirrored:
            turned = turned[:, np.array(found.joints.mirror)]
        return turned

    def keypoints_to_recorded(
        self, uv: np.ndarray, confidence: np.ndarray, skeleton: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints as a detector finds them in the recorded images."""
        if self.orientation.is_upright:
            return uv, confidence
        camera = self.file.color or self.file.depth
        uv = self.orientation.turn_uv(uv, camera, back=True)
        if self.orientation.mirrored:
            order = np.array(skeletons.by_name(skeleton).mirror)
            uv, confidence = uv[..., order, :], confidence[..., order]
        return uv, confidence

    def joints(self) -> pose_file.PoseFile | None:
        """Ground truth, one pose per frame, or None without a file."""
        path = self.path / "joints.npz"
        if not path.exists():
            return None
        pose = pose_file.read(path)
        if len(pose) != len(self):
            raise errors.BadInput(
                f"{path} has {len(pose)} poses, but there are {len(self)} depth frames"
            )
        if pose.frame is not None and (apart := pose.frame != self.frames).any():
            first = int(apart.argmax())
            raise errors.BadInput(
                f"{path} has frame {pose.frame[first]} where the recording has frame "
                f"{self.frames[first]}"
            )
        return self.from_recorded(pose)

    def to_recorded(self, pose: pose_file.PoseFile) -> pose_file.PoseFile:
        """Poses in the frame of the depth camera as recorded, for a pose file.

        Left and right stay those of the person.
        """
        return self._turn_pose(pose, back=True)

    def from_recorded(self, pose: pose_file.PoseFile) -> pose_file.PoseFile:
        """Poses of a file in the frame of `depth_camera`: inverse of `to_recorded`."""
        return self._turn_pose(pose, back=False)

    def _turn_pose(self, pose: pose_file.PoseFile, *, back: bool) -> pose_file.PoseFile:
        if self.orientation.is_upright:
            return pose
        change = self.orientation.upright_from_recorded
        xyz = np.where(np.isfinite(pose.xyz), pose.xyz, np.nan)
        changes = {"xyz": (xyz @ (change if back else change.T)).astype(np.float32)}
        source, target = self.file.depth, self.depth_camera
        if back:
            source, target = target, source
        center, new_center = source.intrinsics[2:], target.intrinsics[2:]
        if pose.intrinsics is not None:
            if not np.allclose(pose.intrinsics, source.intrinsics, rtol=1e-4):
                # Another camera in the same place; its image size is not known.
                center = new_center = pose.intrinsics[2:]
            sides = np.abs(change[:2, :2])
            focal = (sides.T if back else sides) @ pose.intrinsics[:2]
            changes["intrinsics"] = np.append(focal, new_center).astype(np.float32)
        if pose.uv is not None:
            turn = change[:2, :2] if back else change[:2, :2].T
            uv = (pose.uv - center) @ turn + new_center
            changes["uv"] = uv.astype(np.float32)
        return dataclasses.replace(pose, **changes)

    def _find(self, kind: str, index: int) -> pathlib.Path | None:
        for suffix in ("png", "jpg", "jpeg"):
            path = self.path / kind / f"{self.frames[index]:06d}.{suffix}"
            if path.exists():
                return path
        return None

    def _file(self, kind: str, index: int) -> pathlib.Path:
        return self.path / kind / f"{self.frames[index]:06d}.png"


def open_recording(
    path: str | os.PathLike, name: str = "", *, skip_corrupt: bool = False
) -> Recording:
    """Opens a recording folder and checks it without decoding all frames.

    Depth frames are decoded only until one has a non-zero pixel.

    Args:
        path: the folder.
        name: name of the sequence; the folder name by default.
        skip_corrupt: True accepts unreadable depth frames, which are skipped later, if
            at least one frame is readable.

    Raises:
        errors.BadInput: the folder, camera.json or depth is missing or invalid, a file
            has a wrong size, or all depth pixels of the recording are 0.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        raise errors.BadInput(f"no recording folder at {path}")
    inside = sorted(found.parent.name for found in path.glob("*/camera.json"))
    if inside and not (path / "camera.json").exists():
        raise errors.BadInput(
            f"{path} has no camera.json; give one of the recordings in it, for example "
            f"{path / inside[0]}"
        )
    if not (path / "camera.json").exists():
        hint = "size and intrinsics of the images, see docs/datasets/recording.md"
        if (path.resolve().parent / "camera.json").exists():
            hint = f"give the recording itself, {path.resolve().parent}"
        raise errors.BadInput(f"{path} has no camera.json; {hint}")
    camera = camera_file.read_camera_file(path / "camera.json")
    frames = _depth_frames(path / "depth")
    mounting = camera.orientation
    world = _per_frame(camera.world_from_depth, len(frames), path)
    recording = Recording(
        name=name or path.resolve().name,
        subject=name or path.resolve().name,
        path=path,
        frames=frames,
        time=frame_times.frame_times(
            camera.time,
            camera.fps,
            frames,
            str(path / "camera.json"),
            unit=camera.time_unit,
        ),
        depth_unit=camera.depth_unit,
        depth_camera=mounting.turn_camera(camera.depth),
        color_camera=camera.color and mounting.turn_camera(camera.color),
        color_from_depth=mounting.turn_pose(camera.color_from_depth),
        world_from_depth=None if world is None else mounting.turn_world(world),
        file=camera,
        invalid=camera.invalid or (),
    )
    _check_not_empty(recording, skip_corrupt)
    masks.check_masks(path / "mask", frames, camera)
    invalid = depth_counts.find_invalid(path / "depth", frames, camera)
    return dataclasses.replace(recording, invalid=invalid)


def _check_not_empty(recording: Recording, skip_corrupt: bool) -> None:
    """Decodes depth frames until one has a pixel."""
    unreadable: errors.BadInput | None = None
    for index in range(len(recording)):
        try:
            if recording.depth(index).any():
                return
        except errors.BadInput as error:
            if not skip_corrupt:
                raise
            unreadable = unreadable or error
    raise unreadable or errors.BadInput(
        f"{recording.path}/depth: all {len(recording)} frames are empty (every pixel "
        "is 0 or no depth)"
    )


def write_recording(
    path: str | os.PathLike,
    *,
    depth: Iterable[np.ndarray],
    depth_camera: calibration.Camera,
    fps: float | None = None,
    time: Sequence[float] | None = None,
    depth_unit: float = 0.001,
    color: Iterable[np.ndarray] | None = None,
    color_camera: calibration.Camera | None = None,
    color_from_depth: np.ndarray | None = None,
    world_from_depth: np.ndarray | None = None,
    mask: Iterable[np.ndarray] | None = None,
    keypoints: Any = None,
    joints: pose_file.PoseFile | None = None,
    up: str = "top",
    mirrored: bool = False,
) -> None:
    """Writes a recording folder atomically.

    Args:
        path: the new folder; it must not exist.
        depth: (height, width) per frame, metres, 0 or NaN where missing; stored as
            uint16.
        depth_camera: depth camera.
        fps: frames per second; alternative to `time`.
        time: seconds of each frame.
        depth_unit: metres per stored count.
        color: uint8 RGB (height, width, 3) per frame, stored as PNG.
        color_camera: camera of `color` and `keypoints`; required with `color`.
        color_from_depth: 4x4, metres; identity by default.
        world_from_depth: one 4x4, or one for each frame, metres.
        mask: bool (height, width) per frame, mask of the person in depth.
        keypoints: content of keypoints.json (see `detections`).
        joints: ground truth, one pose per frame.
        up: side of the images that is up in the scene; see `cameras.orientation`. All
            arrays are as recorded, neither turned nor mirrored.
        mirrored: whether the images are mirror images.

    Raises:
        errors.BadInput: the folder exists or cannot be written.
    """
    camera = {
        "depth": calibration.to_json(depth_camera),
        "depth_unit": depth_unit,
        "fps": fps,
        "time": _to_list(time),
        "color": color_camera and calibration.to_json(color_camera),
        "color_from_depth": _to_list(color_from_depth) or np.eye(4).tolist(),
        "world_from_depth": _to_list(world_from_depth),
    }
    camera |= {"up": up} if up != "top" else {}
    camera |= {"mirrored": True} if mirrored else {}
    file_io.check_absent(path)
    with atomic.replacing(path) as folder:
        folder.mkdir()
        (folder / "camera.json").write_text(json.dumps(camera, indent=1))
        kinds = {
            "depth": (depth, lambda d: _depth_counts(d, depth_unit), depth_camera),
            "color": (color, lambda rgb: rgb[..., ::-1], color_camera),
            "mask": (mask, lambda pixels: np.uint8(255) * pixels, depth_camera),
        }
        for kind, (images, encode, its_camera) in kinds.items():
            if images is not None:
                _write_images(folder / kind, map(encode, images), its_camera)
        if keypoints is not None:
            (folder / "keypoints.json").write_text(json.dumps(keypoints))
        if joints is not None:
            pose_file.write(folder / "joints.npz", joints)


def _keypoint_paths(path: pathlib.Path) -> tuple[pathlib.Path, ...]:
    return path / "keypoints.json", path / "keypoints"


def _depth_frames(folder: pathlib.Path) -> tuple[int, ...]:
    """Frame numbers of the depth files, sorted."""
    pictures = [path for path in folder.glob("*") if path.suffix.lower() in _PICTURES]
    if others := sorted(path.name for path in pictures if path.suffix != ".png"):
        raise errors.BadInput(f"{folder}/{others[0]}: depth files are 16-bit .png")
    names = [path.stem for path in pictures]
    for name in names:
        if not (name.isdecimal() and len(name) == 6):
            raise errors.BadInput(
                f"{folder}/{name}.png: a depth file is named by six digits, 000000.png"
            )
    if not names:
        line = f"{folder} has no depth frames (000000.png, ...)"
        if (folder.parent / "color").is_dir():
            line += "; colour alone is for Python: OnlineEstimator.from_keypoints"
        raise errors.BadInput(line)
    return tuple(sorted(int(name) for name in names))


def _per_frame(
    transforms: np.ndarray | None, frames: int, path: pathlib.Path
) -> np.ndarray | None:
    """Returns one 4x4 per frame, from one for all frames or one for each."""
    if transforms is None or transforms.ndim == 3 and len(transforms) == frames:
        return transforms
    if transforms.ndim == 3:
        raise errors.BadInput(
            f"{path}/camera.json: 'world_from_depth' has {len(transforms)} transforms"
            f" for {frames} frames"
        )
    return np.broadcast_to(transforms, (frames, 4, 4))


def _depth_counts(depth: np.ndarray, unit: float) -> np.ndarray:
    """Depth in metres as uint16 counts; 0 where missing or out of range."""
    counts = np.rint(np.nan_to_num(np.asarray(depth, np.float64), posinf=0.0) / unit)
    return np.where((counts < 0) | (counts > 65535), 0, counts).astype(np.uint16)


def _to_list(values: Any) -> list | None:
    return None if values is None else np.asarray(values, np.float64).tolist()


def _write_images(
    folder: pathlib.Path,
    images: Iterable[np.ndarray],
    camera: calibration.Camera | None,
) -> None:
    if camera is None:
        raise errors.BadInput(f"{folder}: images are given without their camera")
    folder.mkdir()
    for index, image in enumerate(images):
        path = folder / f"{index:06d}.png"
        image_files.check_size(path, image.shape[1::-1], camera)
        if not cv2.imwrite(str(path), np.ascontiguousarray(image)):
            raise errors.BadInput(f"cannot write {path}; is the disk full?")

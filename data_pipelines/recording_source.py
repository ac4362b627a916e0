"""Recordings as a source of clips: the person's points, keypoints and truth."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import ml_collections
import numpy as np

from data_pipelines import errors, loader, recording, segmentation, transforms
from unipose_jax import skeleton as skeletons

# Where a folder has no train, validation and test of its own, time is cut instead.
_PARTS = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.01)}
_OCCLUDED = 0.2  # metres: a surface this far in front of a joint is another limb.


class Cloud(NamedTuple):
    """The person in one frame."""

    xyz: np.ndarray  # float32 (points, 3), metres, depth-camera frame; may be empty
    mask: np.ndarray  # bool (height, width)
    depth: np.ndarray  # float32 (height, width), metres


class Keypoints(NamedTuple):
    """2D keypoints of a whole recording."""

    uv: np.ndarray  # float32 (frames, joints, 2), undistorted pixels
    confidence: np.ndarray  # float32 (frames, joints)


def person_clouds(
    source: recording.Recording, keypoints: Keypoints | None = None
) -> Iterator[Cloud]:
    """The person in each frame, in order.

    The recording's mask is used where there is one; otherwise the person is segmented,
    under the keypoints if they are given.
    """
    segmenter = segmentation.Segmenter(source.rays, source.depth_camera.intrinsics)
    for index in range(len(source)):
        depth = source.depth(index)
        mask = source.mask(index)
        if mask is None:
            hint = keypoints and segmentation.Hint(
                keypoints.uv[index],
                keypoints.confidence[index],
                source.keypoint_camera.intrinsics,
                source.color_from_depth,
            )
            mask = segmenter(depth, hint).mask
        yield Cloud(points_in(mask, depth, source.rays), mask, depth)


def points_in(mask: np.ndarray, depth: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """The points of the pixels in a mask, without flying ones.

    Args:
        mask: bool (height, width).
        depth: (height, width), metres, 0 where there is none.
        rays: (height, width, 2), x/z and y/z of each pixel.

    Returns:
        float32 (points, 3), metres.
    """
    index = np.flatnonzero(mask & (depth > 0))
    z = depth.ravel()[index, None]
    xyz = np.concatenate([rays.reshape(-1, 2)[index] * z, z], axis=1)
    return xyz[transforms.inliers(xyz)].astype(np.float32)


class RecordingSource:
    """Clips of one or several recordings, as examples of the schema.

    Reads and segments every frame once, at the start, and keeps `stored_points` of each
    person in memory (12 bytes a point).
    """

    def __init__(
        self,
        recordings: Sequence[recording.Recording],
        *,
        skeleton: str,
        num_frames: int,
        num_points: int,
        stride: int | None = None,
        part: tuple[float, float] = (0.0, 1.0),
        stored_points: int = 2048,
        seed: int = 0,
    ):
        """Reads the recordings.

        Args:
            recordings: opened folders.
            skeleton: name of the skeleton of keypoints and truth.
            num_frames: frames per clip.
            num_points: points per frame.
            stride: frames between clips; `num_frames` by default (no overlap).
            part: clips start at these shares of each recording, for a split in time.
            stored_points: points per frame that examples are drawn from.
            seed: of the choice of points.

        Raises:
            errors.BadInput: no recordings, or one that cannot be read.
        """
        if not recordings:
            raise errors.BadInput("no recordings are given")
        self._num_points, self._seed = num_points, seed
        stored = max(stored_points, num_points)
        self._recordings, self._skeleton = list(recordings), skeleton
        self._tracks = [_read(r, skeleton, stored, seed) for r in recordings]
        stride = stride or num_frames
        self.clips = [
            (number, window)
            for number, opened in enumerate(recordings)
            for window in _windows(len(opened), num_frames, stride, part)
        ]
        """(recording number, frame positions) of each example."""

    def __len__(self) -> int:
        return len(self.clips)

    def check_supervision(self) -> None:
        """Refuses recordings that nothing can be learnt from.

        Raises:
            errors.BadInput: a recording has neither keypoints nor joints for any of
                its frames, or keypoints that lack joints of the skeleton.
        """
        for opened, track in zip(self._recordings, self._tracks, strict=True):
            if track.per_frame["xyz_valid"].any():
                continue
            if not track.per_frame["confidence"].any():
                raise errors.BadInput(
                    f"{opened.path} has no keypoints to learn from: none belongs to a "
                    "frame (image_id is the number in the depth file's name)"
                )
            if lacking := opened.lacking(self._skeleton):
                raise errors.BadInput(
                    f"{opened.path}: the keypoints have no {', '.join(lacking)} of "
                    f"{self._skeleton}; choose another skeleton, for example "
                    "--config.data.skeleton=COCO17"
                )

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Example `index`, always with the same points."""
        return self.example(index, np.random.default_rng((self._seed, index)))

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Example `index` with points that `rng` draws from the stored ones."""
        number, window = self.clips[index]
        track = self._tracks[number]
        drawn = [
            transforms.sample_points(track.points[frame], self._num_points, rng)
            for frame in window
        ]
        time = track.time[window]
        return track.constant | {
            "points": np.stack([points for points, _ in drawn]),
            "points_valid": np.stack([valid for _, valid in drawn]),
            "time": (time - time[0]).astype(np.float32),
            **{name: value[window] for name, value in track.per_frame.items()},
        }


def read_keypoints(source: recording.Recording, skeleton: str) -> Keypoints | None:
    """The keypoints of the person in the masks, or of the most visible person.

    Args:
        source: the recording.
        skeleton: name of the skeleton to express them in.
    """
    near = None
    if source.mask(0) is not None:
        clouds = person_clouds(source)
        center = np.stack([_center(cloud.xyz) for cloud in clouds])
        # Undistorted, where the detections are not yet: pixels off, bodies are large.
        near = source.keypoint_camera.project(
            center @ source.color_from_depth[:3, :3].T + source.color_from_depth[:3, 3]
        )
    found = source.keypoints(skeleton, near)
    return None if found is None else Keypoints(*found)


def open_train(
    config: ml_collections.ConfigDict, *, host: int, hosts: int
) -> loader.Loader:
    """Endless training batches of one host from the recordings at `config.data.path`.

    Raises:
        errors.BadInput: as `open_split` and `RecordingSource.check_supervision`.
    """
    source = open_split(config, "train")
    source.check_supervision()
    return loader.Loader(
        source,
        batch_size=config.global_batch_size,
        seed=config.seed,
        host=host,
        hosts=hosts,
    )


def open_split(config: ml_collections.ConfigDict, split: str) -> RecordingSource:
    """The clips of a split.

    `config.data.path` is a recording, or a folder of them, or has the folders train,
    validation and test with recordings in them. Without those folders the first 80 %
    of every recording's clips train, the next and the last 10 % are the other two.

    Raises:
        errors.BadInput: nothing there, or a recording that cannot be used.
    """
    data = config.data
    root = pathlib.Path(data.path)
    divided = (root / "train").is_dir()
    folders = find_recordings(root / split if divided else root)
    source = RecordingSource(
        [recording.open_recording(folder) for folder in folders],
        skeleton=data.skeleton,
        num_frames=data.frames,
        num_points=data.num_points,
        part=(0.0, 1.0) if divided else _PARTS[split],
    )
    if not len(source):
        raise errors.BadInput(f"{root} is too short to hold a {split} split")
    return source


def find_recordings(path: pathlib.Path) -> list[pathlib.Path]:
    """The recording at `path`, or all in the folder, sorted.

    Raises:
        errors.BadInput: there is none.
    """
    found = sorted(file.parent for file in path.rglob("camera.json"))
    if not found:
        raise errors.BadInput(f"no recording (a folder with camera.json) at {path}")
    return found


class _Track(NamedTuple):
    """One recording in memory."""

    points: list[np.ndarray]  # float32 (points, 3) of each frame
    time: np.ndarray  # (frames,), seconds
    per_frame: dict[str, np.ndarray]
    constant: dict[str, np.ndarray]


def _windows(
    length: int, num_frames: int, stride: int, part: tuple[float, float]
) -> list[np.ndarray]:
    """Clips that start in a part of a recording and share no frame with another part.

    The last clip of a recording is put at its end and may overlap the one before; where
    a recording is divided it is left out.
    """
    windows = list(transforms.clip_windows(length, num_frames, stride))
    if (
        part != (0.0, 1.0)
        and len(windows) > 1
        and windows[-1][0] < windows[-2][0] + stride
    ):
        windows.pop()
    return [w for w in windows if part[0] <= w[0] / length < part[1]]


def _read(
    source: recording.Recording, skeleton: str, stored_points: int, seed: int
) -> _Track:
    """Segments a recording and keeps what examples are made of."""
    keypoints = read_keypoints(source, skeleton)
    xyz = _truth(source, skeleton)
    points, visible = [], []
    for index, cloud in enumerate(person_clouds(source, keypoints)):
        rng = np.random.default_rng((seed, index))
        drawn, valid = transforms.sample_points(cloud.xyz, stored_points, rng)
        points.append(drawn[valid])
        visible.append(_is_visible(xyz[index], cloud.depth, source))
    known = np.isfinite(xyz).all(axis=-1)
    if keypoints is None:
        keypoints = Keypoints(np.zeros_like(xyz[..., :2]), np.zeros_like(xyz[..., 0]))
    return _Track(
        points,
        source.time,
        per_frame={
            "uv": np.nan_to_num(keypoints.uv),
            "confidence": keypoints.confidence,
            "xyz": xyz,
            "xyz_valid": known,
            "visible": np.stack(visible) & known,
        },
        constant={
            "intrinsics": source.keypoint_camera.intrinsics,
            "cam_from_points": source.color_from_depth,
        },
    )


def _truth(source: recording.Recording, skeleton: str) -> np.ndarray:
    """joints.npz in `skeleton`: float32 (frames, joints, 3), NaN where unknown."""
    pose = source.joints()
    if pose is None:
        joints = skeletons.by_name(skeleton).num_joints
        return np.full((len(source), joints, 3), np.nan, np.float32)
    xyz = np.where(pose.is_valid()[..., None], pose.xyz, np.nan).astype(np.float32)
    return np.asarray(skeletons.convert(xyz, pose.skeleton, skeleton)[0], np.float32)


def _is_visible(
    xyz: np.ndarray, depth: np.ndarray, source: recording.Recording
) -> np.ndarray:
    """Whether no surface lies well in front of a joint: bool (joints,)."""
    uv = np.nan_to_num(source.depth_camera.project(xyz), nan=-1.0)
    u, v = np.floor(np.clip(uv, -1, 1e6)).astype(int).T
    inside = (u >= 0) & (v >= 0) & (u < depth.shape[1]) & (v < depth.shape[0])
    surface = np.where(inside, depth[v * inside, u * inside], 0.0)
    return (surface == 0) | (surface > xyz[:, 2] - _OCCLUDED)


def _center(xyz: np.ndarray) -> np.ndarray:
    return np.median(xyz, axis=0) if len(xyz) else np.full(3, np.nan)

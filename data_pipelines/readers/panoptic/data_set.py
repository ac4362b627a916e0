"""CMU Panoptic: ten Kinects, in the file layout of panoptic-toolbox.

    <recording>/  calibration_<recording>.json  kcalibration_<recording>.json
        ksynctables_<recording>.json  hdPose3d_stage1_coco19[.tar]
        kinect_shared_depth/KINECTNODE1/depthdata.dat
        kinectVideos/kinect_50_01.mp4  or  kinectImgs/50_01/50_01_00000001.jpg

A sequence is one tracked person in the view of one Kinect, over an interval without
gaps in the poses. The world frame is that of the studio, in metres. Files are read as
the toolbox reads them, except for `M_color`: see `files.read_calibration`.
"""

import dataclasses
import functools
import itertools
import pathlib
import zlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from data_pipelines.ground import pose_file, settings
from data_pipelines.keypoints import detections
from data_pipelines.readers.panoptic import files, sync
from data_pipelines.sequences import sequence
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

SKELETON = "PANOPTIC19"

# Test recordings of VoxelPose (H. Tu et al., ECCV 2020) and later papers.
TEST = ("160906_pizza1", "160422_haggling1", "160906_ian5", "160906_band4")
VALIDATION_SHARE = 7  # every seventh of the others, by a hash of the name

_POSE_AWAY = 17.0  # milliseconds, limit of the toolbox: half an HD frame
_COLOR_AWAY = 6.5  # milliseconds, limit of the toolbox
_GAP = 200.0  # milliseconds; a longer interval without poses ends a sequence
_PROTOCOL = (
    "CMU Panoptic, Kinects: 19 joints of hdPose3d (cm to m), in the frame of each"
    " Kinect's depth camera, at depth frames within 17 ms of an HD frame ({used} of"
    " {stamped}). Test: {test}; validation: other recordings with"
    " crc32(name) % {share} == 0. {keypoints}."
)
_LABELS = "2D keypoints are projections of hdPose3d, not detections"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class KinectSequence(sequence.Sequence):
    """One person in one Kinect; `frames` are image indices in depthdata.dat, from 0."""

    folder: pathlib.Path  # of the recording
    node: int  # number of the Kinect, 1 to 10
    body: int
    placed: files.KinectCalibration
    poses: np.ndarray  # int64 (frames,), index of the body's pose
    color_frames: (
        np.ndarray
    )  # int64 (frames,), image index in the video, -1 if none is near in time
    detector: str  # folder with files of a 2D detector, or ""

    def depth(self, index: int) -> np.ndarray:
        """Depth of a frame: float32 (height, width), metres, 0 where missing."""
        place = self.frames[index]
        return files.read_depth(self.folder, self.node, place, self.placed.depth)

    def color(self, index: int) -> np.ndarray | None:
        """Colour of a frame: uint8 RGB, or None without an image near in time."""
        place = int(self.color_frames[index])
        if place < 0:
            return None
        return files.read_color(self.folder, self.node, place, self.placed.color)

    def joints(self) -> pose_file.PoseFile:
        """Ground truth, one pose per frame."""
        body = sync.read_scenes(self.folder).bodies[self.body]
        values = body.joints[self.poses]
        valid = values[..., 3] > 0
        xyz = np.where(valid[..., None], values[..., :3] * 0.01, np.nan)
        depth_from_world = np.linalg.inv(self.placed.world_from_depth)
        return pose_file.PoseFile(
            xyz=_apply_transform(xyz, depth_from_world).astype(np.float32),
            confidence=np.clip(values[..., 3], 0, 1),
            skeleton=SKELETON,
            time=self.time,
            valid=valid,
            frame=np.array(self.frames),
        )

    def keypoint_detections(self) -> detections.Detections:
        """Keypoints of this person: detections, or the projected ground truth."""
        return self._detections

    @functools.cached_property
    def _detections(self) -> detections.Detections:
        truth = self._projected()
        if not self.detector:
            people = {f: t[None] for f, t in zip(self.frames, truth, strict=True)}
            return detections.Detections(skeletons.by_name(SKELETON), people)
        view = f"{self.folder.name}_50_{self.node:02d}"
        found = self.read_detections(sequence.detector_path(self.detector, view))
        people = {}
        for frame, place, own in zip(
            self.frames, self.color_frames, truth, strict=True
        ):
            seen = found.by_frame.get(int(place), np.zeros((0, 1, 3)))
            people[frame] = _match_person(seen, own)
        return detections.Detections(found.joints, people)

    def _projected(self) -> np.ndarray:
        """Ground truth in distorted colour pixels, with confidence: (frames, 19, 3)."""
        pose, camera = self.joints(), self.placed.color
        size = np.array([camera.width, camera.height])
        xyz = _apply_transform(pose.xyz, self.color_from_depth)
        pinhole = camera.project(xyz)
        uv = camera.distort_uv(pinhole)
        inside = (uv >= 0) & (uv < size)
        # Far outside the image, the lens model is not invertible.
        inside &= np.abs(pinhole - size / 2) < 0.55 * size
        seen = inside.all(axis=-1, keepdims=True)
        confidence = pose.confidence[..., None]
        values = [np.where(seen, uv, np.nan), np.where(seen, confidence, 0.0)]
        return np.concatenate(values, axis=-1).astype(np.float32)


def open_data_set(
    source: pathlib.Path, data: settings.DataSettings
) -> sequence.DataSet:
    """Opens one recording's folder, or a folder of them.

    Args:
        source: the folder.
        data: with `check_counts`, all ten Kinects must be there.

    Raises:
        errors.BadInput: there is no recording, or a file is missing or invalid.
    """
    if data.variant:
        raise errors.BadInput(
            f"config.data.variant is {data.variant!r}; cmu_panoptic has no variants"
        )
    folders = files.recordings(source)
    _check_complete(folders, files.NODES if data.check_counts else ())
    splits: dict[str, list[KinectSequence]] = {split: [] for split in sequence.SPLITS}
    skipped: list[str] = []
    stamped = used = 0
    for folder, node in itertools.product(folders, files.NODES):
        if not files.depth_path(folder, node).exists():
            continue
        try:
            view = _open_view(folder, node)
        except errors.BadInput as error:
            if not data.skip_corrupt:
                raise
            if str(error) not in skipped:
                skipped.append(str(error))
            continue
        splits[split_of(folder.name)] += _sequences(view, data.keypoints)
        stamped, used = stamped + view.stamped, used + len(view.frames)
    protocol = _PROTOCOL.format(
        used=used,
        stamped=stamped,
        test=", ".join(TEST),
        share=VALIDATION_SHARE,
        keypoints="2D keypoints are detections" if data.keypoints else _LABELS,
    )
    return sequence.DataSet(
        name="cmu_panoptic", sequences=splits, protocol=protocol, skipped=skipped
    )


def split_of(recording: str) -> str:
    """Split of a recording, determined by its name."""
    if recording in TEST:
        return "test"
    # The data set has no person identifiers.
    chosen = zlib.crc32(recording.encode()) % VALIDATION_SHARE == 0
    return "validation" if chosen else "train"


@dataclasses.dataclass(frozen=True, eq=False)
class _KinectView:
    """The depth frames of one Kinect that have poses."""

    folder: pathlib.Path
    node: int
    placed: files.KinectCalibration
    stamped: int  # number of depth frames with a time stamp
    frames: np.ndarray  # (frames,), image index in depthdata.dat
    time: np.ndarray  # (frames,), milliseconds
    scenes: np.ndarray  # (frames,), index of the nearest HD poses
    color_frames: np.ndarray  # (frames,), image index in the video, or -1


def _open_view(folder: pathlib.Path, node: int) -> _KinectView:
    placed = files.read_calibration(folder, node)
    files.check_pictures(folder, node, placed.depth)
    depth_time, color_time = files.read_table(folder, node)
    frames = sync.increasing_indices(depth_time)
    scenes = sync.read_scenes(folder)
    nearest, away = sync.nearest_in_time(scenes.time, depth_time[frames])
    near = away <= _POSE_AWAY
    if not near.any():
        raise errors.BadInput(
            f"{folder}: no depth image of KINECTNODE{node} is within"
            f" {_POSE_AWAY:g} ms of a pose of {sync.POSES}"
        )
    time = depth_time[frames[near]]
    pictures, away = sync.nearest_in_time(color_time, time)
    return _KinectView(
        folder=folder,
        node=node,
        placed=placed,
        stamped=len(frames),
        frames=frames[near],
        time=time,
        scenes=nearest[near],
        color_frames=np.where(away <= _COLOR_AWAY, pictures, -1),
    )


def _sequences(view: _KinectView, detector: str) -> Iterator[KinectSequence]:
    """Sequences of each person in the view of a Kinect, split at gaps."""
    bodies = sync.read_scenes(view.folder).bodies
    for number, body in bodies.items():
        held = np.flatnonzero(np.isin(view.scenes, body.scene))
        gaps = np.flatnonzero(np.diff(view.time[held]) > _GAP) + 1
        for chosen in filter(len, np.split(held, gaps)):
            time, first = view.time[chosen], view.frames[chosen[0]]
            person = f"{view.folder.name}_body{number}"
            yield KinectSequence(
                name=f"{view.folder.name}_50_{view.node:02d}_body{number}_{first:06d}",
                subject=person,
                frames=tuple(view.frames[chosen].tolist()),
                time=(time - time[0]) * 0.001,
                depth_camera=view.placed.depth,
                color_camera=view.placed.color,
                color_from_depth=view.placed.color_from_depth,
                world_from_depth=np.broadcast_to(
                    view.placed.world_from_depth, (len(chosen), 4, 4)
                ),
                folder=view.folder,
                node=view.node,
                placed=view.placed,
                body=number,
                poses=np.searchsorted(body.scene, view.scenes[chosen]),
                color_frames=view.color_frames[chosen],
                detector=detector,
            )


def _check_complete(folders: Sequence[pathlib.Path], nodes: Iterable[int]) -> None:
    """Raises with a list of all missing files."""
    lacking = [x for folder in folders for x in files.missing_files(folder, nodes)]
    if lacking:
        more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
        raise errors.BadInput(
            f"{folders[0].parent} is incomplete: no {', '.join(lacking[:5])}{more}"
        )


def _apply_transform(xyz: np.ndarray, transform: np.ndarray) -> np.ndarray:
    return xyz @ transform[:3, :3].T + transform[:3, 3]


def _match_person(people: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Finds the detected person nearest to the projected ground truth.

    Args:
        people: (people, joints, 3), u, v, confidence.
        own: (19, 3), projected ground truth: u, v, confidence.

    Returns:
        (1, joints, 3), or (0, joints, 3) if no person is near.
    """
    mine = own[own[:, 2] > 0, :2]
    people = people[(people[..., 2] > 0).any(axis=1)]
    if not len(mine) or not len(people):
        return people[:0]
    middle = np.nanmedian(people[..., :2], axis=1) - np.median(mine, axis=0)
    away = np.linalg.norm(middle, axis=1)
    closest = int(away.argmin())
    near = away[closest] < np.ptp(mine, axis=0).max() / 2
    return people[[closest]] if near else people[:0]

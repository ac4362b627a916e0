"""Reader interface: sequences of one person, and data sets of sequences.

A reader is a module with `SKELETON`, the name of the skeleton of its labels, and
`open_data_set(source, data) -> DataSet`. Sequences store only paths and read a frame
on request, so they are cheap to open and to send to worker processes.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Listed
from typing import Any

import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file
from data_pipelines.keypoints import detections, picture
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Sequence:
    """Frames of one person from one sensor; `len` is the number of frames.

    Methods take a position in `frames`. They return None for data that the data set
    does not have. Subclasses override `depth` and the methods whose data they have.
    """

    name: str  # unique in the data set, valid as a file name
    subject: str  # person identifier, or ""; splits do not share subjects
    frames: tuple[int, ...]  # numbers of the frames in the original files
    time: np.ndarray  # float64 (frames,), seconds since the first frame
    depth_camera: calibration.Camera  # points and truth are in its frame
    color_camera: calibration.Camera | None = None
    color_from_depth: np.ndarray = dataclasses.field(
        default_factory=lambda: np.eye(4, dtype=np.float32)
    )  # float32 (4, 4), metres
    world_from_depth: np.ndarray | None = None  # float32 (frames, 4, 4), metres

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def keypoint_camera(self) -> calibration.Camera:
        """The camera of the keypoints: colour camera if there is one, else depth."""
        return self.color_camera or self.depth_camera

    @property
    def rays(self) -> np.ndarray:
        """(x/z, y/z) of each depth pixel, undistorted: float32 (height, width, 2)."""
        return _cached_rays(self.depth_camera)

    def depth(self, index: int) -> np.ndarray | None:
        """Depth of a frame: float32 (height, width), metres, 0 where missing.

        Raises:
            errors.BadInput: names the file that cannot be read.
        """
        return None

    def color(self, index: int) -> np.ndarray | None:
        """Colour of a frame: uint8 RGB (height, width, 3).

        Raises:
            errors.BadInput: names the file that cannot be read.
        """
        return None

    def mask(self, index: int) -> np.ndarray | None:
        """Mask of the person in the depth image: bool (height, width).

        Raises:
            errors.BadInput: names the file that cannot be read.
        """
        return None

    def joints(self) -> pose_file.PoseFile | None:
        """3D ground truth, one pose per frame, in the frame of `depth_camera`."""
        return None

    def keypoint_detections(self) -> detections.Detections | None:
        """2D keypoints of all people by frame number, distorted pixels."""
        return None

    def keypoints_to_recorded(
        self, uv: np.ndarray, confidence: np.ndarray, skeleton: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints found in the images of `color` or `depth`, as a file has them.

        They differ where the images that are read are turned or mirrored against those
        of the files.

        Args:
            uv: (..., joints, 2), distorted pixels.
            confidence: (..., joints).
            skeleton: name of their skeleton.
        """
        return uv, confidence

    def read_detections(self, path: pathlib.Path) -> detections.Detections:
        """Reads a keypoint file, checks it against the camera and prints its notes.

        Raises:
            errors.BadInput: the file cannot be read or is of another picture.
        """
        camera = self.keypoint_camera
        found = detections.read(path, picture.Picture(camera.width, camera.height))
        for line in found.notes:
            errors.warn(f"{path}: {line}")
        return found

    def keypoints(
        self, skeleton: str, person_uv: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """2D keypoints of one person in the whole sequence.

        Args:
            skeleton: name of the skeleton of the result. Joints that the detector does
                not have are computed (midpoints) or get confidence 0.
            person_uv: (frames, 2), distorted pixels, known position of the person, NaN
                where unknown. If None, the most visible person is tracked.

        Returns:
            float32 (frames, joints, 2), undistorted pixels of `keypoint_camera`, NaN
            where there is none, and float32 (frames, joints), confidence; or None
            if the sequence has no keypoints.
        """
        found = self.keypoint_detections()
        if found is None:
            return None
        uv, confidence = detections.track_person(found, self.frames, person_uv)
        uv, confidence = detections.convert_keypoints(
            uv, confidence, found.joints, skeleton
        )
        return self.keypoint_camera.undistort(uv), confidence

    def missing_joints(self, skeleton: str) -> list[str]:
        """Joints of a skeleton that cannot be computed from the keypoints."""
        target = skeletons.by_name(skeleton)
        found = self.keypoint_detections()
        source = found.joints if found else target
        nothing = np.zeros((source.num_joints, 1), np.float32)
        given = skeletons.convert(nothing, source, target, derive=True)[1]
        return [n for n, known in zip(target.joints, given, strict=True) if not known]


@functools.lru_cache(maxsize=4)  # many sequences share a few cameras
def _cached_rays(camera: calibration.Camera) -> np.ndarray:
    return camera.rays()


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class SubSequence(Sequence):
    """Consecutive frames of another sequence."""

    whole: Sequence
    first: int  # position in `whole`

    @classmethod
    def of(cls, whole: Sequence, first: int, stop: int) -> "SubSequence":
        """Makes the subsequence of positions `first` to `stop` (exclusive)."""
        world = whole.world_from_depth
        return cls(
            name=f"{whole.name}-{first}",
            subject=whole.subject,
            frames=whole.frames[first:stop],
            time=whole.time[first:stop],
            depth_camera=whole.depth_camera,
            color_camera=whole.color_camera,
            color_from_depth=whole.color_from_depth,
            world_from_depth=None if world is None else world[first:stop],
            whole=whole,
            first=first,
        )

    def depth(self, index: int) -> np.ndarray | None:
        """Depth of a frame of the whole sequence; see `Sequence.depth`."""
        return self.whole.depth(self.first + index)

    def color(self, index: int) -> np.ndarray | None:
        return self.whole.color(self.first + index)

    def mask(self, index: int) -> np.ndarray | None:
        return self.whole.mask(self.first + index)

    def joints(self) -> pose_file.PoseFile | None:
        pose = self.whole.joints()
        return pose and pose.part(self.first, self.first + len(self))

    def keypoint_detections(self) -> detections.Detections | None:
        return self.whole.keypoint_detections()


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class DataSet:
    """An opened data set.

    `skipped` has one line for each file that was skipped because it cannot be read.
    Files are skipped only if `data.skip_corrupt` is set in the config.
    """

    name: str
    sequences: Mapping[str, Listed[Any]]  # by split, see SPLITS
    protocol: str  # evaluation protocol: frames, joints, split; one or two sentences
    skipped: Listed[str] = ()
    # Makes a track of a sequence; None for `tracks.read_track`.
    read: Callable | None = None
    kind: str = "tracks"  # prepared form on disk: "tracks" or "images"
    source_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    # Settings that change the sequences but not their names; JSON-serialisable.


def detector_path(folder: str, name: str) -> pathlib.Path:
    """Path of the detected 2D keypoints of a sequence: a COCO file or a folder.

    Args:
        folder: folder with the keypoints of all sequences (`config.data.keypoints`).
        name: name of the sequence.

    Raises:
        errors.BadInput: there is neither a file `<name>.json` nor a folder `<name>`.
    """
    path = pathlib.Path(folder).expanduser() / name
    for choice in (path.with_name(f"{name}.json"), path):
        if choice.exists():
            return choice
    raise errors.BadInput(
        f"no keypoints of {name}: found neither {path}.json nor {path}/"
    )

"""What every reader gives: frames of one person, in our frames, units and pixels.

A reader of a data set is a module with `SKELETON`, the name of the skeleton of its
labels, and `open_data_set(source, data) -> DataSet`. Its sequences know where their
files are and read a frame when asked for it, so that they are cheap to open and can
travel to worker processes.
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
from data_pipelines.keypoints import detections
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Sequence:
    """Frames of one person seen by one sensor; `len` is their number.

    Methods take the position in `frames`. What a data set does not have is None.
    Subclasses override `depth` and what else they have.
    """

    name: str  # of its own in the data set, and fit for a file name
    subject: str  # the person; splits of a data set share none where it says who
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
        """The camera of the keypoints: colour, or depth where there is no colour."""
        return self.color_camera or self.depth_camera

    @property
    def rays(self) -> np.ndarray:
        """(x/z, y/z) of each depth pixel, undistorted; float32 (height, width, 2)."""
        return _cached_rays(self.depth_camera)

    def depth(self, index: int) -> np.ndarray | None:
        """Depth of a frame: float32 (height, width), metres, 0 where there is none.

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
        """The person's depth pixels: bool (height, width).

        Raises:
            errors.BadInput: names the file that cannot be read.
        """
        return None

    def joints(self) -> pose_file.PoseFile | None:
        """The 3D truth, one pose per frame, in the frame of `depth_camera`."""
        return None

    def keypoint_detections(self) -> detections.Detections | None:
        """2D keypoints of all people by frame number, recorded pixels."""
        return None

    def keypoints(
        self, skeleton: str, person_uv: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """2D keypoints of one person through the whole sequence.

        Args:
            skeleton: name of the skeleton to express them in; joints that the
                detector lacks are derived (midpoints) or get confidence 0.
            person_uv: (frames, 2), recorded pixels where the person wanted is known to
                be, NaN where not; without it the most visible person is followed.

        Returns:
            float32 (frames, joints, 2), undistorted pixels of `keypoint_camera`, NaN
            where there is none, and float32 (frames, joints), confidence; or None
            where there are no keypoints.
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
        """Joints of a skeleton that the keypoints cannot give."""
        target = skeletons.by_name(skeleton)
        found = self.keypoint_detections()
        source = found.joints if found else target
        nothing = np.zeros((source.num_joints, 1), np.float32)
        given = skeletons.convert(nothing, source, target, derive=True)[1]
        return [n for n, known in zip(target.joints, given, strict=True) if not known]


@functools.lru_cache(maxsize=4)  # a data set's sequences are many, their cameras few
def _cached_rays(camera: calibration.Camera) -> np.ndarray:
    return camera.rays()


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class SubSequence(Sequence):
    """Consecutive frames of another sequence."""

    whole: Sequence
    first: int  # position in `whole`

    @classmethod
    def of(cls, whole: Sequence, first: int, stop: int) -> "SubSequence":
        """Positions `first` to `stop` of a sequence."""
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
        """As of the whole sequence; so are the other methods."""
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

    `skipped` has a line for everything that was left out because it cannot be read,
    which happens only where the config allows it (`data.skip_corrupt`).
    """

    name: str
    sequences: Mapping[str, Listed[Any]]  # by split, see SPLITS
    protocol: str  # how it is evaluated: frames, joints, split; a sentence or two
    skipped: Listed[str] = ()
    # Makes a track of a sequence; None is `tracks.read_track`
    read: Callable | None = None
    kind: str = "tracks"  # what it is on disk: "tracks" or "images"
    source_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    # Settings, as JSON, that shape the sequences and are not seen in their names.


def detector_path(folder: str, name: str) -> pathlib.Path:
    """Where a 2D detector's keypoints of a sequence lie: a COCO file or a folder.

    Args:
        folder: of all sequences of the data set (`config.data.keypoints`).
        name: of the sequence.

    Raises:
        errors.BadInput: there is neither `<name>.json` nor a folder `<name>`.
    """
    path = pathlib.Path(folder).expanduser() / name
    for choice in (path.with_name(f"{name}.json"), path):
        if choice.exists():
            return choice
    raise errors.BadInput(f"no keypoints of {name}: neither {path}.json nor {path}/")

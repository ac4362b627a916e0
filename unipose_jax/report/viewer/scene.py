"""What an interactive page shows, as plain arrays."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera.

    Attributes:
        width: pixels.
        height: pixels.
        intrinsics: (fx, fy, cx, cy), pixels.
        cam_from_scene: rigid transform into the camera's frame, metres.
    """

    width: int
    height: int
    intrinsics: Float[np.ndarray, "4"]
    cam_from_scene: Float[np.ndarray, "4 4"] = dataclasses.field(
        default_factory=lambda: np.eye(4)
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cloud:
    """Points with colours.

    Attributes:
        xyz: metres, frame of the scene.
        rgb: colours; by depth where absent.
    """

    xyz: Float[np.ndarray, "points 3"]
    rgb: UInt8[np.ndarray, "points 3"] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Poses:
    """Joints over time. A joint that is NaN is not drawn.

    Attributes:
        name: "prediction", "truth", "before", "after".
        xyz: metres, frame of the scene.
        confidence: in [0, 1].
    """

    name: str
    xyz: Float[np.ndarray, "frames joints 3"]
    confidence: Float[np.ndarray, "frames joints"] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Keypoints:
    """Detected 2D keypoints, which are drawn over the picture and as rays.

    Attributes:
        uv: pixels of `camera`; NaN where there is none.
        confidence: in [0, 1]; 0 where there is none.
        camera: that took the image of the detector.
    """

    uv: Float[np.ndarray, "frames joints 2"]
    confidence: Float[np.ndarray, "frames joints"]
    camera: Camera


@dataclasses.dataclass(frozen=True, kw_only=True)
class Person:
    """One person.

    Attributes:
        name: to choose among several people.
        skeleton: name of the joints' skeleton.
        poses: the first is what the page is about; the second, if any, is the truth or
            an earlier state, to which the first is compared.
        quality: of each frame, in [0, 1].
        keypoints: that the poses were found with.
        clouds: the person's points in each frame of `Scene.shown`; may be empty.
    """

    name: str
    skeleton: str
    poses: Sequence[Poses]
    quality: Float[np.ndarray, " frames"] | None = None
    keypoints: Keypoints | None = None
    clouds: Sequence[Cloud] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures without lens distortion.

    Attributes:
        images: one for each frame of `Scene.shown`: uint8 colours (height, width, 3),
            or float depth (height, width) in metres, 0 where there is none.
        camera: of these images.
    """

    images: Sequence[np.ndarray]
    camera: Camera


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """People in one recording or clip.

    The frame of a scene is that of its depth camera: x right, y down, z forward.

    Attributes:
        name: of the recording or clip.
        people: at least one; all with the same number of frames.
        time: of the frames, seconds, increasing; 0, 1, 2, ... where absent.
        numbers: of the frames in the recording; 0, 1, 2, ... where absent.
        shown: frames that have clouds and a picture, increasing; None: all.
        depth_camera: drawn as a frustum, and its view can be taken.
        pictures: colour images, or depth maps.
        room: static surroundings.
        floor: plane (nx, ny, nz, offset) with n.p + offset = 0 and the unit normal n
            up, metres; the page shows the scene upright on it.
    """

    name: str
    people: Sequence[Person]
    time: Float[np.ndarray, " frames"] | None = None
    numbers: Sequence[int] | None = None
    shown: Sequence[int] | None = None
    depth_camera: Camera | None = None
    pictures: Pictures | None = None
    room: Cloud | None = None
    floor: Float[np.ndarray, "4"] | None = None

    def __post_init__(self) -> None:
        frames = {len(poses.xyz) for person in self.people for poses in person.poses}
        if len(frames) != 1:
            raise ValueError(f"scene {self.name!r} has poses of {frames} frames")
        shown = len(self.shown_frames)
        counts = [len(person.clouds) for person in self.people if person.clouds]
        counts += [len(self.pictures.images)] if self.pictures else []
        if any(count != shown for count in counts):
            raise ValueError(
                f"scene {self.name!r} shows {shown} frames, but has {counts} clouds or "
                "pictures"
            )

    @property
    def num_frames(self) -> int:
        return len(self.people[0].poses[0].xyz)

    @property
    def shown_frames(self) -> Sequence[int]:
        """Frames that have clouds and a picture."""
        return range(self.num_frames) if self.shown is None else self.shown

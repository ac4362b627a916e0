"""What every depth camera gives: its cameras, and frames in metres and seconds."""

import contextlib
import dataclasses
import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import depth_counts
from unipose_jax import errors

TIMEOUT = 5.0  # seconds without a frame, after which a device counts as lost
_MAX_STEP = 10.0  # seconds; a larger step of time stamps is a change of their clock


class Frame(NamedTuple):
    """One frame of a depth camera."""

    # From 0, at the camera's rate: where frames are lost or dropped, numbers are left
    # out. Of a recording, the number of the recorded frame.
    number: int
    time: float  # seconds since the first frame, by the camera's clock
    depth: np.ndarray  # float32 (height, width), metres, 0 where missing
    color: np.ndarray | None  # uint8 RGB (height, width, 3)
    arrived: float  # `time.monotonic()` when the frame was read
    dropped: int = 0  # frames that were read and left out since the one before


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Device:
    """An opened depth camera, or a recording in its place.

    Iteration gives all frames; `newest` skips those that arrive too fast. Leaving
    the context `with device:` closes the device.
    """

    name: str  # for messages
    depth_camera: calibration.Camera
    depth_unit: float  # metres per count of the device, for recording
    rate: float  # frames per second
    read: Callable[[], Frame | None]  # waits for the next frame; None at the end
    close: Callable[[], None] = lambda: None
    color_camera: calibration.Camera | None = None
    color_from_depth: np.ndarray = dataclasses.field(
        default_factory=lambda: np.eye(4, dtype=np.float32)
    )  # float32 (4, 4), metres
    # Poses of a recording that is turned or mirrored, in the frame of its files.
    to_recorded: Callable[[pose_file.PoseFile], pose_file.PoseFile] | None = None

    @property
    def keypoint_camera(self) -> calibration.Camera:
        """The camera of 2D keypoints: colour camera if there is one, else depth."""
        return self.color_camera or self.depth_camera

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.read()) is not None:
            yield frame

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class Image(NamedTuple):
    """A frame as a device delivers it."""

    counts: np.ndarray  # uint16 (height, width), depth; a copy of the device's memory
    color: np.ndarray | None  # uint8 RGB
    stamp: float | None  # seconds by the device's clock, if it has one


class Clock:
    """Numbers and times of frames, from the time stamps of a device.

    Where stamps do not increase or jump, as when a device changes its clock, the time
    between two frames is that of the computer's clock.
    """

    def __init__(self, rate: float):
        """Takes the frames per second."""
        self._rate = rate
        self._number, self._time = -1, 0.0
        self._before: tuple[float | None, float] | None = None

    def __call__(self, stamp: float | None, arrived: float) -> tuple[int, float]:
        """Number and time, seconds since the first frame, of the next frame.

        Args:
            stamp: seconds by the device's clock; None without one.
            arrived: seconds by the computer's clock.
        """
        if self._before is not None:
            earlier, then = self._before
            step = 0.0
            if stamp is not None and earlier is not None:
                step = stamp - earlier
            if not 0 < step < _MAX_STEP:
                step = max(arrived - then, 1e-3)
            self._time += step
        self._before = stamp, arrived
        self._number = max(self._number + 1, round(self._time * self._rate))
        return self._number, self._time


def reader(
    grab: Callable[[], Image], *, depth_unit: float, rate: float, name: str
) -> Callable[[], Frame]:
    """Makes `Device.read` of a function that waits for the next image.

    Args:
        grab: raises whatever the SDK does where no frame comes.
        depth_unit: metres per count.
        rate: frames per second.
        name: of the device, for messages.
    """
    clock = Clock(rate)

    def read() -> Frame:
        with one_line(name):
            image = grab()
        arrived = time.monotonic()
        depth = depth_counts.to_metres(image.counts, depth_unit, ())
        return Frame(*clock(image.stamp, arrived), depth, image.color, arrived)

    return read


@contextlib.contextmanager
def one_line(name: str) -> Iterator[None]:
    """Context manager: whatever an SDK raises becomes one line.

    Raises:
        errors.BadInput: in place of any other exception.
    """
    try:
        yield
    except errors.BadInput:
        raise
    except Exception as error:  # the errors of the SDKs have no common class
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise errors.BadInput(f"{name}: {line or type(error).__name__}") from error


def import_sdk(package: str, name: str, install: str) -> Any:
    """Imports the Python package of a vendor.

    Args:
        package: to import.
        name: of the device, for messages.
        install: command that installs the package.

    Raises:
        errors.BadInput: it is not installed, or lacks a library.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            line = f"{name} needs the package {package}: {install}"
        else:
            line = f"{name}: {package} is installed and cannot be imported: {error}"
        raise errors.BadInput(line) from error


def nothing_connected(name: str, advice: str = "") -> errors.BadInput:
    """The error where no such device is connected."""
    return errors.BadInput(
        f"{name}: no device is connected, or this user may not use it{advice}"
    )

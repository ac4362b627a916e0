"""Structural types of the settings, poses and recordings that reports read.

`DataSettings`, `PoseFile` and the sequences of `data_pipelines` have these attributes.
So reports do not import `data_pipelines`.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class ClipSettings(Protocol):
    """Which clips a network was scored on.

    Attributes:
        name: of the data set.
        variant: of the data set, or "".
        motion: file of the motion of rendered people, or "".
        skeleton: name of the skeleton.
        frames: per clip.
        is_synthetic: whether every clip shows rendered people.
    """

    @property
    def name(self) -> str: ...

    @property
    def variant(self) -> str: ...

    @property
    def motion(self) -> str: ...

    @property
    def skeleton(self) -> str: ...

    @property
    def frames(self) -> int: ...

    @property
    def is_synthetic(self) -> bool: ...


@runtime_checkable
class PoseSequence(Protocol):
    """Poses of one person over time.

    Attributes:
        xyz: (frames, joints, 3), metres, camera frame.
        confidence: (frames, joints), in [0, 1].
        skeleton: name of the skeleton.
        time: (frames,), seconds.
        frame: (frames,), numbers of the recording's frames; None: 0, 1, 2, ...
    """

    @property
    def xyz(self) -> np.ndarray: ...

    @property
    def confidence(self) -> np.ndarray: ...

    @property
    def skeleton(self) -> str: ...

    @property
    def time(self) -> np.ndarray: ...

    @property
    def frame(self) -> np.ndarray | None: ...

    def __len__(self) -> int: ...

    def is_valid(self) -> np.ndarray:
        """Which joints exist: (frames, joints)."""


@runtime_checkable
class ImageSequence(Protocol):
    """Frames of a recording with their cameras.

    Attributes:
        frames: number of each frame in the recording.
        color_camera: camera of the colour images; None without colour.
        color_from_depth: (4, 4), from the depth to the colour camera, metres.
    """

    @property
    def frames(self) -> Sequence[int]: ...

    @property
    def color_camera(self) -> Any: ...

    @property
    def color_from_depth(self) -> np.ndarray: ...

    def color(self, index: int) -> np.ndarray | None:
        """Colour image of a frame, uint8 (height, width, 3); None without one."""

"""Structural type of the settings that reports read.

`DataSettings` has these attributes, so that reports do not import `data_pipelines`.
"""

from typing import Protocol, runtime_checkable


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

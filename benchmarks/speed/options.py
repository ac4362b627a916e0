"""Settings that the rows share."""

import dataclasses
import functools
import pathlib

from data_pipelines.readers.recordings import recording as recordings
from unipose_jax.cli import sample


@dataclasses.dataclass(frozen=True)
class Options:
    """Settings of all rows.

    Attributes:
        folder: for temporary files.
        quick: fewer repeats and smaller networks.
        recording: whose frames are predicted; None for a rendered sample.
        model: the files of MoveNet; None for the cache folder.
    """

    folder: pathlib.Path
    quick: bool = False
    recording: pathlib.Path | None = None
    model: pathlib.Path | None = None

    @property
    def variant(self) -> str:
        """Of the configs whose steps are timed."""
        return "smoke" if self.quick else "quick"

    def open_recording(self) -> recordings.Recording:
        """The recording, opened once."""
        return _open(self.recording or sample.cached())


@functools.cache
def _open(path: pathlib.Path) -> recordings.Recording:
    return recordings.open_recording(path)


def size(opened: recordings.Recording) -> str:
    """Size of the depth maps of a recording, for `Measured.shapes`."""
    camera = opened.depth_camera
    return f"depth {camera.width}x{camera.height}"

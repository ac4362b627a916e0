"""Makes a recording folder of another tool's recording: `run.py --mode=convert`."""

import pathlib

from data_pipelines.readers.poses import any_file
from data_pipelines.readers.recordings import convert
from unipose_jax import errors


def convert_recording(
    source: pathlib.Path,
    output: pathlib.Path,
    *,
    fps: float | None,
    depth_unit: float | None,
    mirrored: bool,
) -> int:
    """Makes a recording folder of the recording of another tool.

    Raises:
        errors.BadInput: the input cannot be read, or is a pose file.
    """
    if source.is_file() and source.suffix.lower() in any_file.READABLE:
        endings = ", ".join((*any_file.WRITABLE, ".rrd"))
        raise errors.BadInput(f"{output}: poses are written as {endings}")
    frames = convert.convert(
        source, output, fps=fps, depth_unit=depth_unit, mirrored=mirrored
    )
    print(f"{frames} frames: {output}")
    return 0

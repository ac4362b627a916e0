"""Makes a recording folder of another tool's recording: `run.py --mode=convert`."""

import pathlib

from data_pipelines.readers.recordings import convert


def convert_recording(
    source: pathlib.Path,
    output: pathlib.Path,
    *,
    fps: float | None,
    depth_unit: float | None,
    mirrored: bool,
) -> int:
    """Makes a recording folder of the recording of another tool."""
    frames = convert.convert(
        source, output, fps=fps, depth_unit=depth_unit, mirrored=mirrored
    )
    print(f"{frames} frames: {output}")
    return 0

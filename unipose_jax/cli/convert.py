"""Makes a recording folder of aligned pictures: `run.py --mode=convert`."""

import pathlib

from data_pipelines.readers.recordings import aligned_rgbd


def convert_recording(
    source: pathlib.Path,
    output: pathlib.Path,
    *,
    fps: float | None,
    depth_unit: float | None,
) -> int:
    """Makes a recording folder of aligned colour and depth pictures."""
    frames = aligned_rgbd.convert(source, output, fps=fps, depth_unit=depth_unit)
    print(f"{frames} frames: {output}")
    return 0

"""Makes recording folders of the recordings of other tools, by their format."""

import dataclasses
import os
import pathlib

from data_pipelines.readers.recordings import (
    aligned_rgbd,
    conversion,
    device_files,
    image_folders,
    tum_rgbd,
)
from unipose_jax import errors


def convert(
    source: str | os.PathLike,
    output: str | os.PathLike,
    *,
    fps: float | None = None,
    depth_unit: float | None = None,
    mirrored: bool = False,
) -> int:
    """Writes a recording folder from the recording of another tool.

    Read are folders of Open3D and RealSense (`aligned_rgbd`), of the TUM RGB-D
    benchmark, other folders of depth files, and files of Azure Kinect and OpenNI.

    Args:
        source: folder or file.
        output: the new recording; it must not exist.
        fps: frames per second. None: from the source, or 30.
        depth_unit: metres per unit of depth. None: from the source or its format.
        mirrored: whether the images are mirror images; those of .oni files are.

    Returns:
        The number of frames.

    Raises:
        errors.BadInput: the source cannot be used.
    """
    source = pathlib.Path(source)
    conversion.check_options(fps, depth_unit)
    if depth_unit is not None:
        conversion.check_unit(depth_unit, "--depth_unit")
    found = _read(source, fps, depth_unit)
    if found is None:
        return aligned_rgbd.convert(
            source, output, fps=fps, depth_unit=depth_unit, mirrored=mirrored
        )
    if fps is not None:
        found = dataclasses.replace(found, fps=fps, time=None)
    if depth_unit is not None:
        found = dataclasses.replace(found, depth_unit=depth_unit)
    if mirrored:
        found = dataclasses.replace(found, mirrored=True)
    return conversion.write(found, output)


def _read(
    source: pathlib.Path, fps: float | None, depth_unit: float | None
) -> conversion.Source | None:
    """The source by its format; None for a folder of Open3D's recorders."""
    kind = source.suffix.lower()
    if not source.exists():
        raise errors.BadInput(f"nothing at {source}")
    if source.is_file():
        if kind == ".mkv":
            return device_files.read_mkv(source)
        if kind == ".oni":
            return device_files.read_oni(source)
        if kind == ".bag":
            raise errors.BadInput(
                f'{source}: unpack .bag files first: python -c "import open3d; '
                f"open3d.t.io.RGBDVideoReader.create('{source.name}')"
                ".save_frames('OUT')\", then convert OUT"
            )
        raise errors.BadInput(f"{source}: expected a folder, .mkv or .oni")
    if tum_rgbd.is_source(source):
        return tum_rgbd.read(source, depth_unit=depth_unit)
    if aligned_rgbd.is_source(source):
        return None
    return image_folders.read(source, fps=fps, depth_unit=depth_unit)

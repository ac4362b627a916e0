"""Page of a refinement: the poses before and after, in the recording if any."""

import pathlib

import numpy as np

from data_pipelines.ground import pose_file
from data_pipelines.sequences import sequence
from unipose_jax import errors
from unipose_jax.cli import prediction_page, recorded_scene
from unipose_jax.report import page
from unipose_jax.report.viewer import scene


def report_refinement(
    before: pose_file.PoseFile,
    after: pose_file.PoseFile,
    output: pathlib.Path,
    opened: sequence.Sequence | None = None,
) -> pathlib.Path:
    """Writes the page of a refinement beside its pose file.

    Args:
        before: what was refined.
        after: the same frames, refined.
        output: the refined pose file.
        opened: the recording, whose pictures and points are shown.

    Returns:
        Path of the page.
    """
    person = scene.Person(
        name="poses",
        skeleton=after.skeleton,
        poses=[_poses("after", after), _poses("before", before)],
    )
    numbers = range(len(after)) if after.frame is None else after.frame.tolist()
    shown = scene.Scene(
        name=output.stem, people=[person], time=after.time, numbers=numbers
    )
    if opened is not None:
        try:
            shown = recorded_scene.add_recording(shown, opened, _places(after, opened))
        except errors.BadInput as error:
            errors.warn(f"the page shows the poses alone: {error}")
    path = prediction_page.page_of(output)
    page.write_page(
        path,
        [page.Section("", scenes=[shown])],
        title=f"Refined poses: {output.name}",
        subtitle=f"{len(after)} frames, {after.skeleton}",
    )
    return path


def _poses(name: str, poses: pose_file.PoseFile) -> scene.Poses:
    xyz = np.where(poses.is_valid()[..., None], poses.xyz, np.nan)
    return scene.Poses(name=name, xyz=xyz, confidence=poses.confidence)


def _places(poses: pose_file.PoseFile, opened: sequence.Sequence) -> list[int]:
    """Position in the recording of each frame of the poses."""
    if poses.frame is None:
        return list(range(len(poses)))
    where = {int(frame): place for place, frame in enumerate(opened.frames)}
    return [where[int(frame)] for frame in poses.frame]

"""A refinement, to be looked at: poses before and after, in the recording if any."""

import dataclasses
import pathlib
from collections.abc import Mapping

import numpy as np

from data_pipelines.ground import pose_file
from data_pipelines.sequences import sequence
from unipose_jax import refine
from unipose_jax.cli import views
from unipose_jax.report.viewer import scene

_PAGE = views.Views()


def report_refinement(
    before: pose_file.PoseFile,
    after: pose_file.PoseFile,
    output: pathlib.Path,
    wanted: views.Views = _PAGE,
    opened: sequence.Sequence | None = None,
    keypoints: refine.Keypoints | None = None,
) -> None:
    """Writes what is to be looked at beside a refined pose file, with a line for each.

    Args:
        before: what was refined.
        after: the same frames, refined.
        output: the refined pose file.
        wanted: a page, a film or a viewer's scene.
        opened: the recording, whose pictures and points are shown.
        keypoints: that were used.
    """
    shown = poses_scene(output.stem, {"after": after, "before": before})
    if keypoints is not None:
        seen = _keypoints(keypoints, opened)
        person = dataclasses.replace(shown.people[0], keypoints=seen)
        shown = dataclasses.replace(shown, people=[person])
    wanted.write(
        shown,
        output,
        title=f"Refined poses: {output.name}",
        opened=opened,
        places=[] if opened is None else _places(after, opened),
    )


def poses_scene(name: str, poses: Mapping[str, pose_file.PoseFile]) -> scene.Scene:
    """One person of one or more pose files of the same frames.

    Args:
        name: of the scene.
        poses: by name; the first is what the scene is about.
    """
    first = next(iter(poses.values()))
    layers = [
        scene.Poses(
            name=layer,
            xyz=np.where(own.is_valid()[..., None], own.xyz, np.nan),
            confidence=own.confidence,
        )
        for layer, own in poses.items()
    ]
    person = scene.Person(name="poses", skeleton=first.skeleton, poses=layers)
    numbers = range(len(first)) if first.frame is None else first.frame.tolist()
    return scene.Scene(name=name, people=[person], time=first.time, numbers=numbers)


def _keypoints(
    used: refine.Keypoints, opened: sequence.Sequence | None
) -> scene.Keypoints | None:
    """Keypoints in the camera that took them; None if none were used."""
    confidence = np.asarray(used.confidence)
    if not confidence.any():
        return None
    intrinsics = np.asarray(used.intrinsics)
    own = None if opened is None else opened.keypoint_camera
    if own is not None and np.allclose(own.intrinsics, intrinsics):
        width, height = own.width, own.height
    else:  # of a pose file, which has no size of the picture
        width, height = (round(2 * float(center)) for center in intrinsics[2:])
    camera = scene.Camera(
        width=width,
        height=height,
        intrinsics=intrinsics,
        cam_from_scene=np.asarray(used.cam_from_xyz),
    )
    uv = np.where((confidence > 0)[..., None], used.uv, np.nan)
    return scene.Keypoints(uv=uv, confidence=confidence, camera=camera)


def _places(poses: pose_file.PoseFile, opened: sequence.Sequence) -> list[int]:
    """Position in the recording of each frame of the poses."""
    if poses.frame is None:
        return list(range(len(poses)))
    where = {int(frame): place for place, frame in enumerate(opened.frames)}
    return [where[int(frame)] for frame in poses.frame]

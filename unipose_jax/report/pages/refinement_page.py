"""The report of a refinement: poses, bones and hands, before and after."""

import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from unipose_jax import errors
from unipose_jax import skeleton as skeletons
from unipose_jax.report import inputs, optional, page

FRAMES = 8  # drawn
_ENDS = ("wrist", "hand", "ankle", "foot")  # whose paths are drawn; first two found


def report_refinement(
    before: inputs.PoseSequence,
    after: inputs.PoseSequence,
    output: pathlib.Path,
    opened: inputs.ImageSequence | None = None,
) -> pathlib.Path | None:
    """Draws a refinement into a folder beside its pose file.

    Args:
        before: what was refined.
        after: the same frames, refined.
        output: the refined pose file; the folder has its name without the suffix.
        opened: the recording, whose colour frames are shown where it has any.

    Returns:
        Path of the page; None where matplotlib is not installed.
    """
    before_after = optional.module("pages.before_after")
    if before_after is None:
        return None
    folder = output.with_suffix("")
    index, title = folder / "index.html", f"Refined poses: {output.name}"
    page.begin_page(index, title=title)
    chosen = frames_of_largest_change(before, after)
    bones, paths = folder / "bones.png", folder / "paths.png"
    poses = folder / "poses.png"
    before_after.draw_bones(bones, before, after)
    before_after.draw_paths(paths, before, after, joints=limb_ends(before.skeleton))
    over = {} if opened is None else _colors(opened, chosen, before)
    before_after.draw_poses(poses, before, after, frames=chosen, **over)
    figures = [
        page.Figure(poses, "Poses before (above) and after (below), by frame."),
        page.Figure(bones, "Length of every bone over time: grey before, blue after."),
        page.Figure(paths, "Where joints are over time: grey before, blue after."),
    ]
    page.write_page(
        index,
        [page.Section("Before and after", figures=figures)],
        title=title,
        subtitle=f"{len(before)} frames, {before.skeleton}",
    )
    return index


def _colors(
    opened: inputs.ImageSequence, chosen: Sequence[int], poses: inputs.PoseSequence
) -> dict[str, Any]:
    """Colour images of some poses, and how to draw over them; nothing without them."""
    camera = opened.color_camera
    where = {frame: place for place, frame in enumerate(opened.frames)}
    places = [i if poses.frame is None else where[int(poses.frame[i])] for i in chosen]
    try:
        images = [opened.color(place) for place in places]
    except errors.BadInput as error:
        print(f"pictures have no colour: {error}", file=sys.stderr)
        return {}
    if camera is None:
        return {}
    ideal = [camera.undistort_image(image) for image in images if image is not None]
    if len(ideal) < len(images):
        return {}

    def project(xyz: np.ndarray) -> np.ndarray:
        turned = xyz @ opened.color_from_depth[:3, :3].T
        return camera.project(turned + opened.color_from_depth[:3, 3])

    return {"images": ideal, "project": project}


def frames_of_largest_change(
    before: inputs.PoseSequence, after: inputs.PoseSequence
) -> Sequence[int]:
    """Frames to show: of equal parts of the sequence, the one with the most change."""
    moved = np.linalg.norm(after.xyz - before.xyz, axis=-1)
    moved = np.where(before.is_valid(), np.nan_to_num(moved), 0.0).sum(axis=1)
    parts = np.array_split(np.arange(len(before)), min(FRAMES, len(before)))
    return [int(part[np.argmax(moved[part])]) for part in parts]


def limb_ends(skeleton: str) -> Sequence[int]:
    """The joints at the ends of arms and legs."""
    joints = skeletons.by_name(skeleton).joints
    found = [
        [joints.index(f"{side}_{name}") for side in ("left", "right")]
        for name in _ENDS
        if f"left_{name}" in joints
    ]
    return [*found[0], *found[-1]]

"""Refines poses of the Kinect's own tracker and draws them over the video.

    python -m benchmarks.refine_kinect_clip FOLDER S001C001P001R001A001 clip.npz

FOLDER holds CLIP.skeleton and CLIP_rgb.avi of NTU RGB+D. Writes the refined poses of
the first person, and the page `clip.html`.
"""

import pathlib
import sys

from data_pipelines.ground import pose_file
from data_pipelines.readers.ntu import data_set, skeleton_file
from unipose_jax import errors
from unipose_jax.cli import refine, refinement_page, views


def main(folder: pathlib.Path, clip: str, output: pathlib.Path) -> None:
    """Refines the first person of a clip."""
    person = first_person(folder, clip)
    before = person.joints()
    after = refine.to_pose_file(before, refine.refine_poses(before))
    pose_file.write(output, after)
    refinement_page.report_refinement(before, after, output, views.Views(), person)


def first_person(folder: pathlib.Path, clip: str) -> data_set.PersonSequence:
    """The first body of a clip, with cameras that are fitted to all bodies in it."""
    path = folder / f"{clip}.skeleton"
    bodies = skeleton_file.read(path)
    cameras = skeleton_file.fit_cameras(
        [skeleton_file.point_correspondences(body) for body in bodies]
    )
    frames = bodies[0].frames
    return data_set.PersonSequence(
        name=clip,
        subject=clip[8:12],
        frames=tuple(frames.tolist()),
        time=(frames - frames[0]) / data_set.FPS,
        depth_camera=cameras.depth,
        color_camera=cameras.color,
        color_from_depth=cameras.color_from_depth,
        clip=clip,
        body=0,
        skeleton_path=path,
        depth_folder=folder,
        video=folder / f"{clip}_rgb.avi",
        keypoint_folder="",
    )


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: refine_kinect_clip.py FOLDER CLIP OUTPUT.npz")
    with errors.exit_on_bad_input():
        main(pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]))

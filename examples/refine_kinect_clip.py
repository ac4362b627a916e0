"""Refines poses of the Kinect's own tracker and draws them over the video.

    python examples/refine_kinect_clip.py FOLDER S001C001P001R001A001 clip.npz

FOLDER holds CLIP.skeleton and CLIP_rgb.avi of NTU RGB+D. Writes the refined poses of
the first person, and pictures in `clip/index.html`.
"""

import pathlib
import sys

from data_pipelines import errors, ntu_rgbd, ntu_skeleton, pose_file
from unipose_jax import refinement
from unipose_jax.report import refinement as report


def main(folder: pathlib.Path, clip: str, output: pathlib.Path) -> None:
    """Refines the first person of a clip."""
    person = first_person(folder, clip)
    before = person.joints()
    after = refinement.as_file(before, refinement.refine_poses(before))
    pose_file.write(output, after)
    print(report.report_refinement(before, after, output, person))


def first_person(folder: pathlib.Path, clip: str) -> ntu_rgbd.Person:
    """The first body of a clip, with cameras that are fitted to all bodies in it."""
    path = folder / f"{clip}.skeleton"
    bodies = ntu_skeleton.read(path)
    cameras = ntu_skeleton.fit([ntu_skeleton.matches(body) for body in bodies])
    frames = bodies[0].frames
    return ntu_rgbd.Person(
        name=clip,
        subject=clip[8:12],
        frames=tuple(frames.tolist()),
        time=(frames - frames[0]) / ntu_rgbd.FPS,
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
    with errors.told():
        main(pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]))

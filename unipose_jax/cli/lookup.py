"""Poses by looking up depth at 2D keypoints: `run.py --mode=lookup`.

The baseline without learning: median depth around each keypoint plus the typical depth
of the joint below the skin. Keypoints come from any detector (`--mode=keypoints`).
"""

import pathlib

import jax.numpy as jnp
import numpy as np

from data_pipelines.ground import file_io, pose_file
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import keypoint_check, tracks
from unipose_jax import errors, skeleton
from unipose_jax.cli import conventions, prediction_page, recorded_scene, views
from unipose_jax.geometry import camera, depth_lookup
from unipose_jax.physics import bone_fill, skin_depths

MIN_CONFIDENCE = 0.3  # of a keypoint; detectors give hidden and missing joints less
WINDOW = 5.0  # pixels of the depth map
_PAGE = views.Views()


def look_up(
    source: pathlib.Path,
    output: pathlib.Path,
    *,
    skeleton: str,
    fill: str | None,
    wanted: views.Views = _PAGE,
    convention: str = skin_depths.ANATOMY,
) -> int:
    """Writes the poses that depth gives at the keypoints, and a page beside.

    Args:
        source: recording folder with 2D keypoints.
        output: pose file to write.
        skeleton: name of the skeleton of the poses.
        fill: "bones" also puts joints without depth on their rays, by bone lengths.
        wanted: what is made to be looked at.
        convention: one of `skin_depths.CONVENTIONS`: how deep joints lie.

    Raises:
        errors.BadInput: no keypoints, or the recording cannot be used.
    """
    _check_names(skeleton, convention)
    if output.suffix != ".npz":
        raise errors.BadInput(f"a pose file must end in .npz, got {output}")
    opened = recording.open_recording(source)
    file_io.check_writable(output)
    wanted.check(output)
    pose, seen = poses_in_recording(opened, skeleton, fill=fill, convention=convention)
    pose_file.write(output, opened.to_recorded(pose))
    print(f"{_summary(opened, pose)}; poses: {output}")
    prediction_page.report_people(opened, [(pose, seen)], output, wanted)
    return 0


def poses_in_recording(
    opened: recording.Recording,
    name: str,
    *,
    fill: str | None,
    convention: str = skin_depths.ANATOMY,
) -> prediction_page.Found:
    """Poses of all frames, and the person in some of them for pictures.

    Args:
        opened: recording with keypoints.
        name: of the skeleton.
        fill: see `look_up`.
        convention: see `look_up`.

    Raises:
        errors.BadInput: no keypoints, or they miss the person, or no joint is found.
    """
    keypoints = tracks.read_keypoints(opened, name)
    if keypoints is None:
        raise errors.BadInput(
            f"{opened.path} has no 2D keypoints; --mode=keypoints finds some"
        )
    body, frames = skeleton.by_name(name), len(opened)
    known = keypoints.confidence >= MIN_CONFIDENCE
    below = np.asarray(conventions.skin_depths_of(body, convention))
    xyz = np.zeros((frames, body.num_joints, 3), np.float32)
    valid = np.zeros((frames, body.num_joints), bool)
    seen = keypoint_check.Silhouettes(opened)
    drawn = recorded_scene.shown_frames(frames)
    shown: dict[int, np.ndarray] = {}
    for index, cloud in enumerate(tracks.person_clouds(opened, keypoints)):
        seen.add(index, cloud.xyz)
        if not len(cloud.xyz):
            continue
        xyz[index], valid[index] = _look_up_frame(
            opened, cloud.xyz, keypoints.uv[index], known[index], below
        )
        if index in drawn and valid[index].any():
            shown[index] = recorded_scene.sampled(cloud.xyz)
    tracks.check_keypoints(opened, keypoints, seen)
    if not valid.any():
        raise errors.BadInput(f"{opened.path}: no keypoint lies on a person in depth")
    if fill == "bones":
        xyz, valid = _fill(opened, xyz, valid, keypoints.uv, known, body)
    depth_from_color = np.linalg.inv(opened.color_from_depth.astype(np.float64))
    pose = pose_file.PoseFile(
        xyz=np.where(valid[..., None], _moved(xyz, depth_from_color), np.nan),
        confidence=np.where(valid, keypoints.confidence, 0.0).astype(np.float32),
        skeleton=name,
        time=opened.time,
        intrinsics=opened.depth_camera.intrinsics,
        valid=valid,
        frame=np.asarray(opened.frames, np.int64),
    )
    return pose, prediction_page.Seen(shown, keypoints)


def _look_up_frame(
    opened: recording.Recording,
    points: np.ndarray,
    uv: np.ndarray,
    known: np.ndarray,
    skin_depth: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Joints of a frame in the frame of the keypoints' camera, and which are valid."""
    own = opened.keypoint_camera.intrinsics
    # The window has the size of depth pixels, however many pixels colour has.
    window = WINDOW * float(own[0] / opened.depth_camera.intrinsics[0])
    return depth_lookup.look_up_joints(
        uv,
        own,
        _moved(points, opened.color_from_depth),
        skin_depth=skin_depth,
        where=known,
        window=window,
    )


def _fill(
    opened: recording.Recording,
    xyz: np.ndarray,
    valid: np.ndarray,
    uv: np.ndarray,
    known: np.ndarray,
    body: skeleton.Skeleton,
) -> tuple[np.ndarray, np.ndarray]:
    """Adds joints that have a keypoint and no depth, by bone lengths."""
    rays = camera.ray_dirs_from_uv(np.nan_to_num(uv), opened.keypoint_camera.intrinsics)
    joints, seen, rays, where = map(jnp.asarray, (xyz, valid, rays, known))
    filled, found = bone_fill.fill_from_bones(
        joints,
        seen,
        rays,
        skeleton=body,
        where=where,
        stature=bone_fill.stature_from_bones(joints, seen, skeleton=body),
    )
    return np.asarray(filled), np.asarray(found)


def _moved(xyz: np.ndarray, transform: np.ndarray) -> np.ndarray:
    return (xyz @ transform[:3, :3].T + transform[:3, 3]).astype(np.float32)


def _check_names(name: str, convention: str) -> None:
    if name not in skeleton.NAMES:
        raise errors.BadInput(
            f"unknown skeleton {name!r}; use one of {', '.join(skeleton.NAMES)}"
        )
    conventions.skin_depths_of(skeleton.by_name(name), convention)


def _summary(opened: recording.Recording, pose: pose_file.PoseFile) -> str:
    """One line: frames with joints, share of joints found, joints without keypoints."""
    valid = pose.is_valid()
    line = f"{int(valid.any(axis=1).sum())} of {len(pose)} frames have joints"
    lacking = opened.missing_joints(pose.skeleton)
    share = valid.sum() / max(len(pose) * (valid.shape[1] - len(lacking)), 1)
    line += f", {share:.0%} of their joints were found"
    if lacking:
        line += f" ({', '.join(lacking)} have no keypoints)"
    return line

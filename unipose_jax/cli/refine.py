"""Refines a pose file: `run.py --mode=refine`."""

import dataclasses
import pathlib

import jax
import numpy as np

from data_pipelines.ground import file_io, pose_file, sampling
from data_pipelines.readers.poses import any_file
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import tracks
from unipose_jax import compiling, errors, progress, refine, skeleton
from unipose_jax.cli import conventions, refinement_page, views
from unipose_jax.physics import skin_depths
from unipose_jax.refine import padding, person_ids, segments
from unipose_jax.refine import prior as learnt_prior
from unipose_jax.weights import store

POINTS = 128  # sampled on the surface of the person, per frame
_PAGE = views.Views()

Evidence = tuple[refine.Keypoints | None, refine.Clouds | None]


def refine_file(
    source: pathlib.Path,
    output: pathlib.Path,
    *,
    recording_path: pathlib.Path | None = None,
    wanted: views.Views = _PAGE,
    skeleton_name: str | None = None,
    fps: float | None = None,
    convention: str = skin_depths.ANATOMY,
    prior: str = "",
) -> int:
    """Refines a pose file; writes the result and a report of before and after.

    Args:
        source: poses of any tracker, in any format that `any_file` reads. Its `uv` and
            `intrinsics`, where it has both, are used as 2D keypoints.
        output: file to write, in any format that `any_file` writes.
        recording_path: recording folder of the same frames; its keypoints, if it has
            any, replace those of the pose file, and its depth gives the surface.
        wanted: what is made to be looked at.
        skeleton_name: of the joints, where the file does not name it.
        fps: frames per second, where the file has no times.
        convention: one of `skin_depths.CONVENTIONS`, for the depth of the recording.
        prior: as in `refine_poses`.

    Raises:
        errors.BadInput: the poses cannot be refined, or belong to another recording.
    """
    any_file.check_writable(output)
    poses = any_file.read(source, skeleton=skeleton_name, fps=fps)
    _check(poses, source)
    file_io.check_writable(output)
    wanted.check(output, recorded=recording_path is not None)
    opened = recording.open_recording(recording_path) if recording_path else None
    if opened is not None:
        poses = opened.from_recorded(poses)
    evidence = evidence_of(poses, opened, convention)
    with progress.Bar(len(poses), "refine", "frame") as bar:
        refined = refine_poses(
            poses, opened, convention, prior=prior, evidence=evidence
        )
        bar.update(len(poses))
    after = to_pose_file(poses, refined)
    recorded = after if opened is None else opened.to_recorded(after)
    notes = any_file.write(output, recorded)
    print("\n".join([_summary(poses, after, refined), *notes, f"poses: {output}"]))
    refinement_page.report_refinement(poses, after, output, wanted, opened, evidence[0])
    return 0


def refine_poses(
    poses: pose_file.PoseFile,
    opened: recording.Recording | None = None,
    convention: str = skin_depths.ANATOMY,
    *,
    prior: str = "",
    evidence: Evidence | None = None,
) -> refine.Refined:
    """Refined poses of a file, from all available keypoints and depth.

    Args:
        poses: three frames or more; several people are distinguished by bone lengths.
        opened: recording of the same frames.
        convention: one of `skin_depths.CONVENTIONS`.
        prior: weights of a learnt prior, a path without suffix; "" or "none" for none.
        evidence: of `evidence_of`, where it is known.

    Raises:
        errors.BadInput: the recording lacks a frame of the poses, or cannot be read.
    """
    body = skeleton.by_name(poses.skeleton)
    valid = poses.is_valid()
    xyz = np.where(valid[..., None], poses.xyz, 0.0).astype(np.float32)
    # float32 cannot hold seconds since 1970 precisely.
    time = (poses.time - poses.time[0]).astype(np.float32)
    segment = _segments(xyz, time, valid, body)
    person = person_ids.assign_person_ids(xyz, segment, valid=valid, skeleton=body)
    network = _open_prior(prior)
    keypoints, clouds = evidence or evidence_of(poses, opened, convention)
    expected = None
    if network is not None:
        predict = jax.jit(learnt_prior.predict, static_argnames="skeleton")
        confidence = _on_device(np.where(valid, poses.confidence, 0.0))
        found = predict(
            network,
            _on_device(xyz),
            confidence,
            _on_device(time),
            skeleton=body,
            segment=segment,
        )
        expected = refine.Prior(*found)
    try:
        return padding.refine(
            xyz,
            skeleton=body,
            valid=valid,
            confidence=poses.confidence,
            time=time,
            person=person,
            keypoints=keypoints,
            clouds=clouds,
            prior=expected,
        )
    except ValueError as error:  # such as another unit
        raise errors.BadInput(f"the poses cannot be refined: {error}") from error


def _segments(
    xyz: np.ndarray, time: np.ndarray, valid: np.ndarray, body: skeleton.Skeleton
) -> np.ndarray:
    """Segment of each frame, (frames,), by a program for the padded length."""
    added = padding.padded_length(len(xyz)) - len(xyz)
    find = compiling.quick_jit(segments.find_segments, static_argnames="skeleton")
    found = find(
        padding.fill(xyz, added=added),
        padding.fill_time(time, added=added),
        valid=padding.fill(valid, added=added),
        skeleton=body,
    )
    return np.asarray(found)[: len(xyz)]


def evidence_of(
    poses: pose_file.PoseFile,
    opened: recording.Recording | None = None,
    convention: str = skin_depths.ANATOMY,
) -> Evidence:
    """2D keypoints and points of the person in the frames of a pose file, if any.

    Args:
        poses: may have keypoints.
        opened: recording of the same frames, whose keypoints replace them.
        convention: as in `refine_poses`.

    Raises:
        errors.BadInput: the recording lacks a frame of the poses, or cannot be read.
    """
    keypoints = _own_keypoints(poses)
    if opened is None:
        return keypoints, None
    keypoints, clouds = _evidence(poses, opened, keypoints)
    body = skeleton.by_name(poses.skeleton)
    below = conventions.skin_depths_of(body, convention)
    return keypoints, dataclasses.replace(clouds, skin_depth=below)


def _open_prior(name: str) -> learnt_prior.Network | None:
    """The learnt prior of `refine_poses`."""
    if name in ("", "none"):
        return None
    path = pathlib.Path(name)
    if not store.exists(path):
        raise errors.BadInput(
            f"--prior: no weights {path}.npz and .json; use none to refine without"
        )
    return learnt_prior.load(path)


def to_pose_file(
    poses: pose_file.PoseFile, refined: refine.Refined
) -> pose_file.PoseFile:
    """Refined poses with the other fields of the pose file.

    The confidence of joints is swapped with the joints where sides are swapped. Joints
    that are bridged over a gap, and have none, get half of the joint's median.
    """
    valid = np.asarray(refined.valid)
    xyz = np.where(valid[..., None], refined.xyz, np.nan).astype(np.float32)
    mirrored = poses.confidence[:, list(skeleton.by_name(poses.skeleton).mirror)]
    confidence = np.where(refined.swapped, mirrored, poses.confidence)
    for joint, column in enumerate(confidence.T):
        bridged = valid[:, joint] & (column == 0)
        if bridged.any():
            column[bridged] = 0.5 * np.median(column[column > 0])
    return dataclasses.replace(poses, xyz=xyz, valid=valid, confidence=confidence)


def _check(poses: pose_file.PoseFile, source: pathlib.Path) -> None:
    if len(poses) < 3:
        raise errors.BadInput(
            f"{source} has {len(poses)} frames; refinement needs three or more"
        )
    if not poses.is_valid().any():
        raise errors.BadInput(f"{source}: no joint of any frame is valid")
    if not (np.diff(poses.time) > 0).any():
        raise errors.BadInput(f"{source}: 'time' never increases (seconds)")


def _own_keypoints(poses: pose_file.PoseFile) -> refine.Keypoints | None:
    if poses.uv is None or poses.intrinsics is None:
        return None
    return _keypoints(poses.uv, poses.is_valid(), poses.intrinsics, np.eye(4))


def _keypoints(uv, confidence, intrinsics, cam_from_xyz) -> refine.Keypoints:
    known = np.isfinite(uv).all(axis=-1)
    return refine.Keypoints(
        uv=_on_device(np.nan_to_num(uv)),
        confidence=_on_device(np.where(known, confidence, 0.0)),
        intrinsics=_on_device(intrinsics),
        cam_from_xyz=_on_device(cam_from_xyz),
    )


def _on_device(values: np.ndarray) -> jax.Array:
    """Numbers as an array of JAX; `jnp.asarray` would compile a program for each."""
    return jax.device_put(np.asarray(values, np.float32))


def _evidence(
    poses: pose_file.PoseFile,
    opened: recording.Recording,
    own: refine.Keypoints | None,
) -> tuple[refine.Keypoints | None, refine.Clouds]:
    """Keypoints and clouds of the frames of the poses."""
    place = _recording_indices(poses, opened)
    points = np.zeros((len(opened), POINTS, 3), np.float32)
    valid = np.zeros((len(opened), POINTS), bool)

    def take(index: int, cloud: tracks.PersonCloud) -> None:
        rng = np.random.default_rng(index)
        points[index], valid[index] = sampling.sample_points(cloud.xyz, POINTS, rng)

    found = tracks.visit(opened, poses.skeleton, take)
    if found is not None:
        own = _keypoints(
            found.uv[place],
            found.confidence[place],
            opened.keypoint_camera.intrinsics,
            opened.color_from_depth,
        )
    clouds = refine.Clouds(_on_device(points[place]), jax.device_put(valid[place]))
    return own, clouds


def _recording_indices(
    poses: pose_file.PoseFile, opened: recording.Recording
) -> np.ndarray:
    """Index in the recording of each pose's frame."""
    if poses.frame is None:
        if len(poses) != len(opened):
            raise errors.BadInput(
                f"the poses have {len(poses)} frames and no 'frame' numbers, but "
                f"{opened.path} has {len(opened)} frames"
            )
        return np.arange(len(poses))
    where = {frame: place for place, frame in enumerate(opened.frames)}
    for frame in poses.frame.tolist():
        if frame not in where:
            raise errors.BadInput(f"{opened.path} has no frame {frame} of the poses")
    return np.array([where[frame] for frame in poses.frame.tolist()])


def _summary(
    before: pose_file.PoseFile, after: pose_file.PoseFile, refined: refine.Refined
) -> str:
    """Three lines: people and noise, changes of joints, bone lengths."""
    spread = {
        name: 1000.0 * float(np.median(_length_spread(poses)))
        for name, poses in {"before": before, "after": after}.items()
    }
    valid = before.is_valid()
    moved = np.linalg.norm(after.xyz - before.xyz, axis=-1)[valid]
    swapped = int(np.asarray(refined.swapped).sum())
    bridged = int((after.is_valid() & ~valid).sum())
    runs = int(np.asarray(refined.segment)[-1]) + 1
    people_seen = len(np.unique(np.asarray(refined.length), axis=0))
    return (
        f"{len(before)} frames, {runs} runs between cuts, "
        f"{people_seen} {'person' if people_seen == 1 else 'people'}; noise "
        f"{1000 * np.median(np.asarray(refined.noise)):.0f} mm (median over joints)\n"
        f"joints moved by {1000 * np.median(moved):.0f} mm (median), "
        f"{swapped} swapped left and right, {bridged} bridged\n"
        f"bone lengths spread by {spread['before']:.1f} mm before, "
        f"{spread['after']:.1f} mm after (median absolute deviation, median bone)"
    )


def _length_spread(poses: pose_file.PoseFile) -> np.ndarray:
    """Median absolute deviation of each bone's length, metres."""
    body = skeleton.by_name(poses.skeleton)
    child, parent = body.bone_ends
    known = poses.is_valid()[:, child] & poses.is_valid()[:, parent]
    vectors = poses.xyz[:, child] - poses.xyz[:, parent]
    lengths = np.ma.masked_where(~known, np.linalg.norm(vectors, axis=-1))
    deviation = np.ma.median(np.ma.abs(lengths - np.ma.median(lengths, axis=0)), axis=0)
    return np.ma.filled(deviation, 0.0)

"""Poses of `benchmarks.refine`: true joints, simulated errors and keypoints."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from data_pipelines.ground import pose_file
from unipose_jax import skeleton
from unipose_jax.geometry import camera
from unipose_jax.physics import finite_differences
from unipose_jax.synthesis.motion import retargeting
from unipose_jax.synthesis.sensing import pose_errors

FPS = 15.0  # of ITOP and MSR Action3D
# Camera of the keypoints: ITOP's, 320 x 240 pixels.
INTRINSICS = np.array([285.71, 285.71, 160.0, 120.0], np.float32)
_PAUSE = 10.0  # seconds between clips
_DISTANCE = 3.0  # metres of motion capture from the camera
_MAX_METRES = 100.0


def itop(data: pathlib.Path) -> pose_file.PoseFile:
    """True joints of the first 2,451 test frames of ITOP's side view."""
    with np.load(data / "itop" / "side_test_joints_first2451.npz") as file:
        xyz = file["xyz_m"] * np.float32([1, -1, 1])
    return truth_of(xyz, np.arange(len(xyz)) / FPS, skeleton.ITOP15)


def motion_capture(data: pathlib.Path, *, every: int = 3) -> pose_file.PoseFile:
    """Every n-th clip of CMU's motion capture, in front of the camera, 30 Hz."""
    path = data / "cmu_mocap" / "cmu_joints_30fps_dev.npz"
    poses, times = [], []
    for clip in list(retargeting.load_clips(path).values())[::every]:
        body = retargeting.to_body(clip)
        xyz, _ = skeleton.convert(body, "BODY", "ITOP15")
        middle = np.median(xyz, axis=(0, 1))
        middle[2] = xyz[..., 2].min()
        poses.append(xyz - middle + np.float32([0, 0, _DISTANCE]))
        start = times[-1][-1] + _PAUSE if times else 0.0
        times.append(start + np.arange(len(xyz)) / clip.fps)
    return truth_of(np.concatenate(poses), np.concatenate(times), skeleton.ITOP15)


def tracked(data: pathlib.Path) -> dict[str, pose_file.PoseFile]:
    """Kinect's joints in MSR Action3D by sequence, aAA_sSS_eEE.

    Without joints beyond 100 m, and without frames in which all are at the origin: the
    tracker had lost the person.
    """
    found = {}
    with np.load(data / "msr_action3d" / "msr_action3d_a01_a12.npz") as file:
        for name in file.files:
            if not name.endswith("real3d"):
                continue
            xyz = file[name][..., :3] * np.float32([1, -1, 1])
            xyz[np.abs(xyz).max(axis=-1) > _MAX_METRES] = np.nan
            xyz[~xyz.any(axis=(1, 2))] = np.nan
            time = np.arange(len(xyz)) / FPS
            found[name.removesuffix("_real3d")] = truth_of(xyz, time, skeleton.MSR20)
    return found


def joined(sequences: list[pose_file.PoseFile]) -> pose_file.PoseFile:
    """Sequences one after the other, with pauses in between."""
    xyz = np.concatenate([sequence.xyz for sequence in sequences])
    times: list[np.ndarray] = []
    for sequence in sequences:
        start = times[-1][-1] + _PAUSE if times else 0.0
        times.append(start + sequence.time - sequence.time[0])
    body = skeleton.by_name(sequences[0].skeleton)
    return truth_of(xyz, np.concatenate(times), body)


def truth_of(
    xyz: np.ndarray, time: np.ndarray, body: skeleton.Skeleton
) -> pose_file.PoseFile:
    """Poses that count as true; joints that are not finite are not valid."""
    xyz = np.asarray(xyz, np.float32)
    valid = np.isfinite(xyz).all(axis=-1)
    return pose_file.PoseFile(
        xyz=xyz,
        confidence=valid.astype(np.float32),
        skeleton=body.name,
        time=np.asarray(time, np.float64),
        valid=valid,
    )


def with_lasting_errors(
    truth: pose_file.PoseFile, *, seed: int, errors=pose_errors.NETWORK
) -> pose_file.PoseFile:
    """Poses with errors as networks make them, see `pose_errors`."""
    xyz, confidence = pose_errors.add_errors(
        jax.random.key(seed),
        jnp.asarray(truth.xyz),
        jnp.asarray(truth.time, jnp.float32),
        errors,
        skeleton=skeleton.by_name(truth.skeleton),
    )
    return dataclasses.replace(
        truth,
        xyz=np.asarray(xyz),
        confidence=truth.confidence * np.asarray(confidence),
    )


def with_white_errors(truth: pose_file.PoseFile, *, seed: int) -> pose_file.PoseFile:
    """Poses with errors that have no memory.

    2 cm (trunk) to 6 cm (hands, feet) per coordinate, Student's t there; 5 % outliers
    of 20 to 60 cm and 3 % exchanged sides, both in bursts of three frames on average.
    """
    rng = np.random.default_rng(seed)
    body = skeleton.by_name(truth.skeleton)
    count, joints = truth.xyz.shape[:2]
    xyz = truth.xyz.copy()
    sides = _bursts(rng, (count, 1), share=0.03)[..., None]
    xyz = np.where(sides, xyz[:, list(body.mirror)], xyz)
    kinds = [
        joint.removeprefix("left_").removeprefix("right_") for joint in body.joints
    ]
    size = np.array([_WHITE.get(kind, 0.02) for kind in kinds])[None, :, None]
    normal = rng.normal(size=xyz.shape)
    heavy = rng.standard_t(4, size=xyz.shape)
    xyz = xyz + size * np.where(size > 0.05, heavy, normal)
    far = rng.normal(size=xyz.shape)
    far /= np.linalg.norm(far, axis=-1, keepdims=True)
    far *= rng.uniform(0.2, 0.6, size=(count, joints, 1))
    wild = _bursts(rng, (count, joints), share=0.05)[..., None]
    xyz = np.where(wild, xyz + far, xyz)
    return dataclasses.replace(truth, xyz=xyz.astype(np.float32))


_WHITE = {"elbow": 0.035, "knee": 0.035, "wrist": 0.045, "ankle": 0.045}
_WHITE |= {"hand": 0.055, "foot": 0.055, "shoulder": 0.025, "hip": 0.025}


def _bursts(rng, shape, *, share, mean=3.0):
    """Mask in which bursts of `mean` frames on average cover a share of the frames."""
    active = np.zeros(shape, bool)
    active[0] = rng.random(shape[1]) < share
    begin = share / (1.0 - share) / mean
    for frame in range(1, len(active)):
        draw = rng.random(shape[1])
        active[frame] = np.where(active[frame - 1], draw >= 1.0 / mean, draw < begin)
    return active


def with_keypoints(
    poses: pose_file.PoseFile,
    truth: pose_file.PoseFile,
    *,
    pixels: float,
    seed: int,
    correlation: float = 0.0,
) -> pose_file.PoseFile:
    """Adds the projections of the true joints with noise.

    Args:
        poses: with errors.
        truth: the true joints.
        pixels: standard deviation of the noise per coordinate.
        seed: of the noise.
        correlation: of the noise in successive frames.
    """
    rng = np.random.default_rng(seed)
    uv = np.asarray(camera.uv_from_xyz(jnp.asarray(truth.xyz), jnp.asarray(INTRINSICS)))
    noise = rng.normal(size=uv.shape)
    for frame in range(1, len(noise)):
        fresh = np.sqrt(1.0 - correlation**2) * noise[frame]
        noise[frame] = correlation * noise[frame - 1] + fresh
    uv = (uv + pixels * noise).astype(np.float32)
    return dataclasses.replace(poses, uv=uv, intrinsics=INTRINSICS)


def back_projected(poses: pose_file.PoseFile) -> pose_file.PoseFile:
    """Joints on the rays of their keypoints, at the depth of the input."""
    fx, fy, cx, cy = poses.intrinsics
    z = poses.xyz[..., 2]
    x = (poses.uv[..., 0] - cx) / fx * z
    y = (poses.uv[..., 1] - cy) / fy * z
    return dataclasses.replace(poses, xyz=np.stack([x, y, z], axis=-1))


def running_median(poses: pose_file.PoseFile, frames: int) -> pose_file.PoseFile:
    """Median of each coordinate over successive frames of a clip."""
    cuts = np.flatnonzero(np.diff(poses.time) > finite_differences.MAX_GAP) + 1
    parts = [
        ndimage.median_filter(part, size=(frames, 1, 1), mode="nearest")
        for part in np.split(poses.xyz, cuts)
    ]
    return dataclasses.replace(poses, xyz=np.concatenate(parts))

"""Checks predictions on real recordings that have no 3D labels.

    python examples/make_sample_recordings.py SAMPLES recordings
    python examples/check_on_real_data.py recordings [WEIGHTS]

WEIGHTS are those that ship with the package for a modality ("points" by default, or
"depth"), or exported ones (a path without a suffix). Prints one JSON object:

- turning_person: the person stands still while the camera moves around, so a correctly
  predicted joint does not move in the world frame. Scatter of head, neck and shoulders
  over the frames, and the share of joints in view that lie inside the mask.
- panoptic: one moment recorded by ten depth cameras. Scatter of each joint over the
  views in the world frame, and the distance from the rays of the marked 2D keypoints
  to the depth surface.
"""

import json
import pathlib
import sys

import numpy as np

from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import tracks
from unipose_jax import errors, estimator, skeleton
from unipose_jax.cli import predict
from unipose_jax.train.checkpoints import folders

STILL = ("head", "neck", "right_shoulder", "left_shoulder")


def world_joints(
    network: estimator.Estimator, opened: recording.Recording
) -> tuple[np.ndarray, np.ndarray, list[tracks.PersonCloud]]:
    """Joints (frames, joints, 3) in the world and camera frames, metres, and clouds."""
    clouds = list(tracks.person_clouds(opened))
    xyz = predict.predict_recording(network, opened, pictures=False)[0].xyz
    pose = opened.world_from_depth
    if pose is None:
        raise errors.BadInput(f"{opened.path} has no world_from_depth in camera.json")
    world = np.einsum("tij,tnj->tni", pose[:, :3, :3], xyz) + pose[:, None, :3, 3]
    return world, xyz, clouds


def scatter_mm(xyz: np.ndarray) -> np.ndarray:
    """RMS distance of each joint from its median over the first axis, millimetres."""
    center = np.nanmedian(xyz, axis=0, keepdims=True)
    return 1e3 * np.sqrt(np.nanmean(((xyz - center) ** 2).sum(-1), axis=0))


def inside_mask(
    xyz: np.ndarray, clouds: list[tracks.PersonCloud], opened: recording.Recording
) -> float:
    """Share of the joints in view whose pixel belongs to the person."""
    hits = []
    for joints, cloud in zip(xyz, clouds, strict=True):
        uv = opened.depth_camera.project(joints)
        u, v = np.floor(np.nan_to_num(uv, nan=-1.0)).astype(int).T
        height, width = cloud.mask.shape
        seen = (u >= 0) & (v >= 0) & (u < width) & (v < height)
        hits.append(cloud.mask[v[seen], u[seen]])
    return float(np.concatenate(hits).mean())


def ray_gaps_mm(opened: recording.Recording, depth: np.ndarray) -> np.ndarray:
    """Distance from the ray of each marked keypoint to the nearest depth point, mm."""
    keypoints = opened.keypoints("COCO17")
    if keypoints is None:
        return np.zeros(0)
    uv, confidence = (values[0] for values in keypoints)
    camera = opened.keypoint_camera.intrinsics
    dirs = np.concatenate(
        [(uv - camera[2:]) / camera[:2], np.ones_like(uv[:, :1])], axis=1
    )[confidence > 0]
    dirs = dirs / np.linalg.norm(dirs, axis=1, keepdims=True)
    rotation, shift = opened.color_from_depth[:3, :3], opened.color_from_depth[:3, 3]
    z = depth.ravel()
    cloud = np.concatenate(
        [opened.rays.reshape(-1, 2) * z[:, None], z[:, None]], axis=1
    )
    cloud = cloud[z > 0] @ rotation.T + shift
    return 1e3 * np.array(
        [np.linalg.norm(np.cross(cloud, ray), axis=1).min() for ray in dirs]
    )


def load(weights: str) -> estimator.Estimator:
    """Loads the network that ships for a modality, or an exported one.

    Raises:
        errors.BadInput: there are no such weights.
    """
    if weights in folders.MODALITIES:
        return estimator.load_shipped(weights)
    try:
        return estimator.load(weights)
    except FileNotFoundError as error:
        known = ", ".join(folders.MODALITIES)
        raise errors.BadInput(f"no weights {weights}; use a path, {known}") from error


def main(folder: pathlib.Path, weights: str = "points") -> None:
    """Prints the report."""
    network = load(weights)
    names = skeleton.by_name(network.skeleton).joints
    person = recording.open_recording(folder / "turning_person")
    world, xyz, clouds = world_joints(network, person)
    still = scatter_mm(world)
    report = {
        "turning_person": {
            "scatter_mm": {n: round(float(still[names.index(n)])) for n in STILL},
            "inside_mask": round(inside_mask(xyz, clouds, person), 3),
        }
    }
    views, gaps = [], {}
    for path in sorted(folder.glob("panoptic_*")):
        opened = recording.open_recording(path)
        world, _, clouds = world_joints(network, opened)
        views.append(world[0])
        found = ray_gaps_mm(opened, clouds[0].depth)
        if len(found):
            gaps[path.name] = [round(float(x), 1) for x in np.quantile(found, [0.5, 1])]
    spread = scatter_mm(np.stack(views))
    report["panoptic"] = {
        "views": len(views),
        "scatter_mm": {n: round(float(s)) for n, s in zip(names, spread, strict=True)},
        "ray_to_surface_mm_median_max": gaps,
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: check_on_real_data.py RECORDINGS [points|depth|PATH]")
    with errors.exit_on_bad_input():
        main(pathlib.Path(sys.argv[1]), *sys.argv[2:])

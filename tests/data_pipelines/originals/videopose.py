"""Writes the pickled npz files of VideoPose3D's HumanEva and Human3.6M.

A person with random joints walks through a room with cameras on all sides. Each data
set has its own projection for 2D: that of HumanEva is OpenCV's, that of Human3.6M has
a different tangential term, as in VideoPose3D.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

HUMANEVA_SUBJECTS = (
    *("Train/S1", "Train/S2", "Train/S3"),
    *("Validate/S1", "Validate/S2", "Validate/S3"),
)
H36M_SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")


class Lens(NamedTuple):
    """Intrinsics with pixel centres at integers, and distortion."""

    focal: Sequence[float]
    center: Sequence[float]
    radial: Sequence[float]  # k1, k2, k3
    tangential: Sequence[float]


# Camera 54138969 of Human3.6M in VideoPose3D, and a lens similar to HumanEva's.
H36M_LENS = Lens(
    (1145.05, 1143.78), (512.54, 515.45), (-0.207, 0.248, -0.0031), (-9.8e-4, -1.42e-3)
)
HUMANEVA_LENS = Lens(
    (765.8, 765.3), (299.8, 232.4), (-0.29, 0.1, 0.0), (-1.4e-3, 1.1e-3)
)


def write_humaneva(folder: pathlib.Path, *, frames: int = 8, **changes: Any) -> None:
    """Writes two chunks for each subject; see `write` for `changes`."""
    chunks = [f"Walking 1 chunk{n}" for n in (0, 2)]
    truth = {
        subject: {c: person(15, frames, seed=i + 10 * n) for n, c in enumerate(chunks)}
        for i, subject in enumerate(HUMANEVA_SUBJECTS)
    }
    write(folder, "humaneva15", truth, HUMANEVA_LENS, cameras=3, **changes)


def write_h36m(
    folder: pathlib.Path, *, frames: int = 8, joints: int = 32, **changes: Any
) -> None:
    """Writes one action for each subject; 2D has 17 joints, 3D has `joints`."""
    truth = {
        subject: {"Directions 1": person(32, frames, seed=i)}
        for i, subject in enumerate(H36M_SUBJECTS)
    }
    kept = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
    if joints == 17:
        truth = {s: {a: v[:, kept] for a, v in t.items()} for s, t in truth.items()}
        kept = list(range(17))
    write(folder, "h36m", truth, H36M_LENS, cameras=4, kept=kept, **changes)


def write(
    folder: pathlib.Path,
    name: str,
    truth: Mapping[str, Mapping[str, np.ndarray]],
    lens: Lens,
    *,
    cameras: int,
    kept: Sequence[int] | None = None,
    alter: Any = None,
) -> None:
    """Writes both files.

    Args:
        folder: output folder.
        name: part of the file names.
        truth: (frames, joints, 3) by subject and action, metres, world frame.
        lens: lens of all cameras.
        cameras: number of cameras.
        kept: joints that have 2D; all by default.
        alter: function that modifies the nested 3D and 2D before they are written.
    """
    kept = slice(None) if kept is None else list(kept)
    solid = {s: dict(actions) for s, actions in truth.items()}
    flat = {
        subject: {
            action: [
                project(in_camera(xyz[:, kept], number), lens, h36m=name == "h36m")
                for number in range(cameras)
            ]
            for action, xyz in actions.items()
        }
        for subject, actions in truth.items()
    }
    if alter is not None:
        alter(solid, flat)
    metadata = {"layout_name": name, "keypoints_symmetry": [[1], [2]]}
    np.savez_compressed(folder / f"data_3d_{name}.npz", positions_3d=np.array(solid))
    np.savez_compressed(
        folder / f"data_2d_{name}_gt.npz",
        positions_2d=np.array(flat),
        metadata=np.array(metadata),
    )


def person(joints: int, frames: int, *, seed: int) -> np.ndarray:
    """Joints in a box of human size that crosses the room; z up, metres.

    The second joint (HumanEva's thorax) is below the fifteenth (its head).
    """
    rng = np.random.default_rng(seed)
    xyz = rng.uniform([-0.4, -0.4, 0.0], [0.4, 0.4, 1.8], (joints, 3))
    xyz[1, 2], xyz[14, 2] = 1.4, 1.65
    path = np.linspace(rng.uniform(-1, 1, 3), rng.uniform(-1, 1, 3), frames)
    return (xyz + path[:, None] * [1, 1, 0]).astype(np.float32)


def in_camera(xyz: np.ndarray, number: int) -> np.ndarray:
    """World points in the frame of a camera 5 m from the centre, 1.5 m high."""
    angle = 0.3 + 2 * np.pi * number / 5
    away = np.array([np.cos(angle), np.sin(angle), 0.0])
    forward, down = -away, np.array([0.0, 0.0, -1.0])
    rotation = np.stack([np.cross(down, forward), down, forward])
    return (xyz - (5.0 * away + [0, 0, 1.5])) @ rotation.T


def project(xyz: np.ndarray, lens: Lens, *, h36m: bool = False) -> np.ndarray:
    """Pixels with centres at integers, float32 (..., 2)."""
    xy = xyz[..., :2] / xyz[..., 2:]
    r2 = (xy**2).sum(-1, keepdims=True)
    k1, k2, k3 = lens.radial
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    p = np.array(lens.tangential)
    if h36m:
        xy = xy * (radial + (p * xy).sum(-1, keepdims=True)) + p * r2
    else:
        both = 2 * xy.prod(-1, keepdims=True)
        xy = xy * radial + p * both + p[::-1] * (r2 + 2 * xy**2)
    return (xy * lens.focal + lens.center).astype(np.float32)

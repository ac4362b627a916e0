"""Writes the four h5 files of ITOP's side view from rendered people.

Uses the documented formula of the data set instead of the reader's camera: pixel
(u, v), counted from 0, is at x = 0.0035 (u - 160) z, y = 0.0035 (120 - v) z, with y up.
"""

import pathlib
from collections.abc import Mapping, Sequence

import h5py
import numpy as np

PEOPLE = {"train": (4, 5, 6, 7), "test": (0, 1)}
INVALID_FRAME = 1  # of the first person of each split
_JUMP = 100  # gap in the frame numbers of that person, half-way


def write(folder: pathlib.Path, clips: Mapping[str, np.ndarray]) -> None:
    """Writes a clip for each of the six people.

    Args:
        folder: output folder.
        clips: from `pools.render_pool`, ITOP15: `depth` (6, frames, 240, 320), `xyz`
            (6, frames, 15, 3), `visible` (6, frames, 15), `depth_intrinsics` (6, 4).
    """
    first = 0
    for split, people in PEOPLE.items():
        own = slice(first, first + len(people))
        depth, visible = clips["depth"][own], clips["visible"][own]
        frames = np.tile(np.arange(depth.shape[1]), (len(people), 1))
        frames[0] += _JUMP * (frames[0] >= depth.shape[1] // 2)
        write_split(
            folder,
            split,
            ids=[
                f"{p:02d}_{f:05d}"
                for p, n in zip(people, frames, strict=True)
                for f in n
            ],
            depth=depth.reshape(-1, 240, 320),
            xyz=in_itop(clips["xyz"][own], clips["depth_intrinsics"][own]),
            visible=visible.reshape(-1, 15),
            invalid=[INVALID_FRAME],
        )
        first += len(people)


def in_itop(xyz: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Joint positions with the same pixels and depth in the camera of ITOP.

    Args:
        xyz: (clips, frames, 15, 3), metres, y down.
        intrinsics: (clips, 4), pixels, centres at +0.5.

    Returns:
        (clips x frames, 15, 3), metres, y up.
    """
    focal, center = np.split(intrinsics[:, None, None].astype(np.float64), 2, axis=-1)
    z = xyz[..., 2:]
    u, v = np.moveaxis(xyz[..., :2] / z * focal + center - 0.5, -1, 0)[..., None]
    x, y = 0.0035 * (u - 160) * z, 0.0035 * (120 - v) * z
    return np.concatenate([x, y, z], axis=-1).reshape(-1, 15, 3)


def write_split(
    folder: pathlib.Path,
    split: str,
    *,
    ids: Sequence[str],
    depth: np.ndarray,
    xyz: np.ndarray,
    visible: np.ndarray,
    invalid: Sequence[int] = (),
) -> None:
    """Writes the depth maps and the labels of one split.

    Args:
        folder: output folder.
        split: "train" or "test".
        ids: "SS_FFFFF" of each frame.
        depth: (up to frames, 240, 320), metres; missing depth maps are empty.
        xyz: (frames, 15, 3), metres, y up.
        visible: bool (frames, 15).
        invalid: frames without usable labels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    xyz = np.array(xyz, np.float16)
    is_valid = np.ones(len(ids), np.uint8)
    is_valid[list(invalid)] = 0
    xyz[is_valid == 0] = 9.0  # noise, as in the original
    x, y, z = np.moveaxis(xyz.astype(np.float64), -1, 0)
    uv = np.stack([160 + x / (0.0035 * z), 120 - y / (0.0035 * z)], axis=-1)
    with h5py.File(folder / f"ITOP_side_{split}_labels.h5", "w") as file:
        file["id"] = np.array(ids, "S8")
        file["is_valid"] = is_valid
        file["image_coordinates"] = np.rint(uv).astype(np.int16)
        file["real_world_coordinates"] = xyz
        file["visible_joints"] = visible.astype(np.int16)
        shape = (len(ids), 240, 320)
        file.create_dataset("segmentation", shape, "i1", chunks=True, fillvalue=-1)
    with h5py.File(folder / f"ITOP_side_{split}_depth_map.h5", "w") as file:
        file["id"] = np.array(ids, "S8")
        options = {"chunks": (1, 240, 320), "compression": "gzip"}
        file.create_dataset("data", shape, "f2", **options)[: len(depth)] = depth

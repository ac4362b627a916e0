"""Weight files without pickle: `name.npz` with its metadata in `name.json`.

The `.npz` holds one array per parameter, named by its path in the tree. The `.json`
holds what is needed to use them: the model's config, skeleton, frames and points.
"""

import io
import json
import os
import pathlib
from typing import Any

import numpy as np
from flax import traverse_util

from unipose_jax import atomic

FOLDER = pathlib.Path(__file__).parent
SHIPPED = "points"
WITH_KEYPOINTS = "points_keypoints"
"""Of a point network that takes 2D keypoints, too."""


def save(path: str | os.PathLike, params, meta: dict[str, Any]) -> None:
    """Writes `path`.npz and `path`.json.

    Args:
        path: path without a suffix.
        params: a pytree of nested dicts; stored as float16, whose effect on joints is
            below the resolution of a depth sensor.
        meta: metadata that JSON can represent.
    """
    flat = traverse_util.flatten_dict(params, sep="/")
    arrays: dict[str, Any] = {
        name: np.asarray(value, np.float16) for name, value in flat.items()
    }
    arrays_path, _ = _paths(path)
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    atomic.write_bytes(arrays_path, stream.getvalue())
    write_meta(path, meta)


def write_meta(path: str | os.PathLike, meta: dict[str, Any]) -> None:
    """Writes `path`.json."""
    text = json.dumps(meta, indent=1) + "\n"
    atomic.write_bytes(_paths(path)[1], text.encode())


def load(path: str | os.PathLike = FOLDER / SHIPPED) -> tuple[Any, dict[str, Any]]:
    """Reads (float32 params, meta) that `save` wrote; default: the shipped weights."""
    with np.load(_paths(path)[0], allow_pickle=False) as arrays:
        flat = {name: arrays[name].astype(np.float32) for name in arrays.files}
    return traverse_util.unflatten_dict(flat, sep="/"), read_meta(path)


def read_meta(path: str | os.PathLike = FOLDER / SHIPPED) -> dict[str, Any]:
    """Reads the metadata only; by default of the shipped weights."""
    return json.loads(_paths(path)[1].read_text())


def exists(path: str | os.PathLike) -> bool:
    """Whether both files of `path` exist."""
    return all(each.is_file() for each in _paths(path))


def _paths(path: str | os.PathLike) -> tuple[pathlib.Path, pathlib.Path]:
    """Paths of the two files; a dot in the name, as in "v1.2", is kept."""
    path = pathlib.Path(path)
    name = path.name.removesuffix(".npz").removesuffix(".json")
    return path.with_name(f"{name}.npz"), path.with_name(f"{name}.json")

"""Weights in one file that needs no pickle: `name.npz` beside its `name.json`.

The `.npz` holds one array per parameter, under its path in the tree; the `.json` holds
what is needed to use them: the model's settings, skeleton, frames and points.
"""

import json
import os
import pathlib
from typing import Any

import numpy as np
from flax import traverse_util

FOLDER = pathlib.Path(__file__).parent
SHIPPED = "points"


def save(path: str | os.PathLike, params, meta: dict[str, Any]) -> None:
    """Writes `path`.npz and `path`.json.

    Args:
        path: without a suffix.
        params: a pytree of nested dicts; kept as float16, which costs no accuracy that
            a depth sensor could tell.
        meta: JSON-able.
    """
    flat = traverse_util.flatten_dict(params, sep="/")
    arrays = {name: np.asarray(value, np.float16) for name, value in flat.items()}
    path = pathlib.Path(path)
    np.savez_compressed(path.with_suffix(".npz"), allow_pickle=False, **arrays)
    path.with_suffix(".json").write_text(json.dumps(meta, indent=1) + "\n")


def load(path: str | os.PathLike = FOLDER / SHIPPED) -> tuple[Any, dict[str, Any]]:
    """Reads (float32 params, meta) that `save` wrote; the shipped ones by default."""
    path = pathlib.Path(path)
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
        flat = {name: arrays[name].astype(np.float32) for name in arrays.files}
    params = traverse_util.unflatten_dict(flat, sep="/")
    return params, json.loads(path.with_suffix(".json").read_text())

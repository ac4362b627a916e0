"""Reads the JSON-lines log of a training run as curves.

Each line is one object, `{"step": 100, "split": "train", "time": 1.7e9, "loss/total":
0.31, ...}`: three reserved names, and any number of scalars.
"""

import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from unipose_jax import atomic

RESERVED = ("step", "split", "time")

Record = Mapping[str, Any]


def read_log(path: atomic.Path) -> list[dict[str, Any]]:
    """Reads the records of a log; returns none if the file is absent.

    Invalid lines are skipped: a killed run can leave an incomplete line, to which the
    next run appends.

    Args:
        path: a file of JSON lines.

    Returns:
        The records in file order.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    parsed = (_parse(line) for line in lines)
    return [record for record in parsed if record is not None]


def series(
    records: Sequence[Record], name: str, *, split: str
) -> tuple[Float[np.ndarray, " steps"], Float[np.ndarray, " steps"]]:
    """One scalar by step.

    If a step occurs more than once, as after a resume, the last record is used.

    Args:
        records: what `read_log` returned.
        name: the scalar, for example "loss/total".
        split: "train", "validation" or "test".

    Returns:
        Steps in rising order, and the values there; both empty if there are none.
    """
    chosen = {
        float(record["step"]): float(record[name])
        for record in records
        if record.get("split") == split and _is_number(record.get(name))
    }
    steps = np.array(sorted(chosen), dtype=np.float64)
    return steps, np.array([chosen[step] for step in steps], dtype=np.float64)


def scalar_names(records: Sequence[Record], *, split: str) -> list[str]:
    """Names of a split's scalars, in order of first appearance."""
    names: dict[str, None] = {}
    for record in records:
        if record.get("split") == split:
            names |= dict.fromkeys(k for k, v in record.items() if _is_number(v))
    return [name for name in names if name not in RESERVED]


def smoothed(
    values: Float[np.ndarray, " steps"], *, halflife: float
) -> Float[np.ndarray, " steps"]:
    r"""Exponential moving average without initial bias; ignores non-finite values.

    m_t = sum_i w^(t-i) v_i / sum_i w^(t-i) with w = 2^(-1/halflife).

    Args:
        values: a curve; NaN and infinities have no weight.
        halflife: number of entries after which the weight of a value halves.
    """
    decay = 0.5 ** (1.0 / halflife)
    total = weight = 0.0
    result = np.full(values.shape, np.nan)
    for index, value in enumerate(values):
        finite = math.isfinite(value)
        total = decay * total + (float(value) if finite else 0.0)
        weight = decay * weight + finite
        result[index] = total / weight if weight > 0.0 else np.nan
    return result


def _parse(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return None
    if isinstance(record, dict) and _is_number(record.get("step")):
        return record
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

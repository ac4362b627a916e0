"""Tables of a study: configs over seeds and, in a sweep, over values of a setting."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.figures import sweeps
from unipose_jax.report import tables

KEYS = ("map_10cm", "mpjpe_mm", "pa_mpjpe_mm", "accel_error", "bone_length_error_mm")
GROUPS = ("all", "visible", "occluded")

# By row, value of the setting ("" without one) and seed.
Records = Mapping[tuple[str, str, str], dict[str, Any]]


def to_markdown(
    records: Records, *, setting: str = "", overrides: Sequence[str] = ()
) -> str:
    """Tables for each value of a setting and each group of joints.

    Below each table its first row is compared with the others, seed by seed. Runs of a
    seed use the same data in the same order, so that differences vary less than
    results.

    Args:
        records: contents of the evaluations' `metrics.json`, all of one protocol.
        setting: name of the varied setting; "" for none.
        overrides: settings that were changed in all configs.
    """
    record = next(iter(records.values()))
    seeds = list(dict.fromkeys(seed for _, _, seed in records))
    note = (
        f"{len(seeds)} seeds, mean ± standard deviation; {record['protocol']}; "
        f"{provenances(r['provenance'] for r in records.values())}; "
        f"overrides: {' '.join(overrides) or 'none'}"
    )
    parts = []
    for value in dict.fromkeys(value for _, value, _ in records):
        where = f", {setting}={value}" if setting else ""
        for group in GROUPS:
            rows = _rows(records, value, group)
            title = f"{group} joints{where}"
            table = tables.metrics_table(rows, keys=KEYS, title=title, note=note)
            parts.append(tables.to_markdown(table))
            if len(rows) > 1 and len(seeds) > 1:
                table = tables.metrics_table(differences(rows), keys=KEYS)
                parts.append(tables.to_markdown(table))
    return "\n".join(parts)


def provenances(made: Iterable[Mapping[str, str]]) -> str:
    """Describes the origin of results: each commit, library version and device once."""
    return "; ".join(dict.fromkeys(", ".join(one.values()) for one in made))


def curves_of(records: Records) -> dict[str, sweeps.Values]:
    """The metrics of all joints, by row and by value of the setting."""
    values = list(dict.fromkeys(value for _, value, _ in records))
    by_value = {value: _rows(records, value, "all") for value in values}
    return {
        name: {value: by_value[value][name] for value in values}
        for name in by_value[values[0]]
    }


def differences(
    rows: Mapping[str, Mapping[str, list[float]]],
) -> dict[str, dict[str, list[float]]]:
    """The first row minus each of the others, seed by seed."""
    # Metrics that a run could not measure are None in its records.
    values = {
        name: {key: np.array(row[key], np.float64) for key in KEYS}
        for name, row in rows.items()
    }
    first, *others = values
    return {
        f"{first} less {other}": {
            key: list(values[first][key] - values[other][key]) for key in KEYS
        }
        for other in others
    }


def _rows(records: Records, value: str, group: str) -> dict[str, dict[str, list]]:
    rows: dict[str, dict[str, list]] = {}
    for (name, at, _), record in records.items():
        if at == value:
            row = rows.setdefault(name, {key: [] for key in KEYS})
            for key in KEYS:
                row[key].append(record["results"][group][key])
    return rows

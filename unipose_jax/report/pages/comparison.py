"""Page that compares several training runs."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from unipose_jax.report import curves, logs, page, tables
from unipose_jax.report.pages import run_page

GROUPS = ("all", "visible", "occluded")


class Run(NamedTuple):
    """What a run has written.

    Attributes:
        name: by which the page calls it.
        record: content of `metrics.json`; empty before the evaluation.
        config: of the run.
        log: of the training.
        skeleton: name of the joints' skeleton.
    """

    name: str
    record: Mapping[str, Any]
    config: Mapping[str, Any]
    log: Sequence[logs.Record]
    skeleton: str


def write(path: pathlib.Path, runs: Sequence[Run]) -> None:
    """Writes the page: results, curves over each other, and configs that differ.

    Args:
        path: of the page.
        runs: two or more, with different names.
    """
    differing = differences(runs)
    settings = page.Section("Settings that differ", numbers=[differing])
    if not differing.rows:
        settings = page.Section("Settings that differ", text="None.")
    sections = [
        page.Section("Results", text=_protocols(runs), numbers=_results(runs)),
        page.Section("Learning", charts=curves.of_runs({r.name: r.log for r in runs})),
        settings,
        page.Section("Joints", numbers=_joints(runs)),
    ]
    page.write_page(
        path,
        sections,
        title=f"{len(runs)} runs compared",
        subtitle=" · ".join(run.name for run in runs),
    )


def _protocols(runs: Sequence[Run]) -> str:
    """How the runs were scored, with a warning if they were not scored alike."""
    found = {run.name: run.record["protocol"] for run in runs if run.record}
    if len(set(found.values())) < 2:
        return "".join(set(found.values()))
    parts = (f"{name}: {protocol}" for name, protocol in found.items())
    return " ".join(["The figures are of different frames or data.", *parts])


def _results(runs: Sequence[Run]) -> list[tables.Table | tables.Words]:
    """A table for each group of joints, a row for each run; and where runs are from."""
    found: list[tables.Table | tables.Words] = []
    for group in GROUPS:
        rows = {run.name: run.record["results"][group] for run in runs if run.record}
        rows = {name: own for name, own in rows.items() if own["num_frames"]}
        if rows:
            title = f"{group} joints"
            found.append(tables.metrics_table(rows, keys=run_page.KEYS, title=title))
    origin = tuple(
        (run.name, str(run.record.get("step", tables.MISSING)), *_origin(run))
        for run in runs
    )
    columns = ("step", "commit", "jax", "device")
    return [*found, tables.Words("Where they come from", columns, origin)]


def _origin(run: Run) -> tuple[str, ...]:
    made = run.record.get("provenance", {})
    return tuple(made.get(name, tables.MISSING) for name in ("commit", "jax", "device"))


def differences(runs: Sequence[Run]) -> tables.Words:
    """The settings in which the configs differ, a row for each."""
    flat = [_flat(run.config) for run in runs]
    keys = dict.fromkeys(key for own in flat for key in own)
    rows = tuple(
        (key, *values)
        for key in keys
        if len(set(values := [own.get(key, tables.MISSING) for own in flat])) > 1
    )
    return tables.Words("", tuple(run.name for run in runs), rows)


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = json.dumps(value, default=str)
    return flat


def _joints(runs: Sequence[Run]) -> list[tables.Table]:
    """Errors of each joint, runs side by side, of those with the same skeleton."""
    first = runs[0].skeleton
    rows = {
        run.name: tables.joint_values(
            run.record["results"]["all"]["joint_mpjpe_mm"], skeleton=first
        )
        for run in runs
        if run.skeleton == first and run.record
        if run.record["results"]["all"]["num_frames"]
    }
    if not rows:
        return []
    title = "Mean error of each joint [mm]"
    return [tables.joint_table(rows, skeleton=first, title=title)]

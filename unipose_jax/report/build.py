"""The report of a run: one folder with tables and `index.html`."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from unipose_jax import atomic
from unipose_jax.report import curves, logs, page, tables
from unipose_jax.report.viewer import scene

RENDERED = (
    "The people behind these figures and pictures are rendered by "
    "unipose_jax.synthesis, not recorded: the truth is exact, and the figures tell "
    "nothing yet about real cameras, rooms and clothes."
)


def write_report(
    folder: atomic.Path,
    *,
    title: str,
    skeleton: str,
    rendered: bool,
    subtitle: str = "",
    results: Mapping[str, tables.Table] | None = None,
    headlines: Sequence[page.Headline] = (),
    log: atomic.Path | None = None,
    joint_errors_mm: Mapping[str, Float[np.ndarray, "*seeds joints"]] | None = None,
    scenes: Sequence[scene.Scene] = (),
    config: Mapping[str, Any] | None = None,
    sections: Sequence[page.Section] = (),
) -> pathlib.Path:
    """Writes tables and the page that shows them; replaces an older report.

    Args:
        folder: created if missing; tables go to `tables/`.
        title: of the page.
        skeleton: name of the skeleton of `joint_errors_mm`.
        rendered: whether the data are synthetic; the page then has a notice at the top.
        subtitle: command, commit, device, time.
        results: file name -> table, in the order of the page.
        headlines: the most important figures.
        log: JSON lines of the training; an absent file gives no curves.
        joint_errors_mm: run name -> error per joint, millimetres, over leading axes
            (seeds) if there are any; NaN where unknown. A chart and a table.
        scenes: shown in a viewer, one at a time.
        config: shown as JSON in a folded section.
        sections: additional sections after the joints.

    Returns:
        Path of the page.
    """
    folder = pathlib.Path(folder)
    path = folder / "index.html"
    page.begin_page(path, title=title)
    results = dict(results or {})
    joint_errors_mm = joint_errors_mm or {}
    for stem, table in results.items():
        tables.write_table(folder / "tables", stem, table)
    content = [page.Section("Results", numbers=list(results.values()))]
    content.append(page.Section("Examples", scenes=scenes))
    content += _run_sections(folder, log, joint_errors_mm, skeleton)
    content += sections
    if config is not None:
        code = json.dumps(config, indent=2, default=str, ensure_ascii=False)
        content.append(page.Section("Configuration", code=code))
    page.write_page(
        path,
        [section for section in content if _has_content(section)],
        title=title,
        subtitle=subtitle,
        notice=RENDERED * rendered,
        headlines=headlines,
    )
    return path


def _run_sections(
    folder: pathlib.Path,
    log: atomic.Path | None,
    joint_errors_mm: Mapping[str, Float[np.ndarray, "*seeds joints"]],
    skeleton: str,
) -> list[page.Section]:
    """Learning curves and errors per joint."""
    records = logs.read_log(log) if log is not None else []
    by_joint = []
    if joint_errors_mm:
        table = tables.joint_table(
            joint_errors_mm, skeleton=skeleton, title="Mean error of each joint [mm]"
        )
        tables.write_table(folder / "tables", "joints", table)
        by_joint.append(table)
    return [
        page.Section("Learning", charts=curves.of_run(records)),
        page.Section("Joints", numbers=by_joint),
    ]


def _has_content(section: page.Section) -> bool:
    return bool(
        section.text
        or section.is_interactive
        or section.numbers
        or section.figures
        or section.code
    )

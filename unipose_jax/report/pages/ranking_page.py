"""Table and page of a WSP run: accuracy of the depth order of keypoints."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unipose_jax import atomic
from unipose_jax.report import page, tables

_HEIGHT = 480  # pixels, at least, of a picture
_LABELS = (
    "What the rule says of a few pictures: arrows lead from the farther person to the "
    "nearer one; a pair without an arrow has no label."
)
_TITLES = {
    "pair_accuracy": "pairs of keypoints of different people, by true depth",
    "label_accuracy": "pairs that the rule labels, by its labels",
    "inside_accuracy": "pairs within one person, by true depth (never labelled)",
    "rule_precision": "the rule's labels, by true depth",
    "rule_coverage": "pairs of different people that the rule labels",
}


def table_of(scores: Mapping[str, float | None]) -> tables.Table:
    """The accuracies of `train.evaluation.ranking_study` as a table; shares."""
    rows: dict[str, dict[str, Any]] = {
        title: {"share": _known(scores[name]), "pairs": scores[f"{name}_pairs"]}
        for name, title in _TITLES.items()
    }
    return tables.metrics_table(rows, title="Depth order of keypoints")


def _known(value: float | None) -> float | tuple[()]:
    return () if value is None else value


def write_run(
    workdir: pathlib.Path,
    studied: Mapping[str, Any],
    *,
    step: int,
    protocol: str,
    config: Mapping[str, Any],
) -> pathlib.Path:
    """Writes `metrics.json` and the page of a run; returns the page.

    Args:
        workdir: of the run.
        studied: from `train.evaluation.ranking_study.run_study`.
        step: of the checkpoint.
        protocol: how it was scored.
        config: of the run.
    """
    scores = studied["scores"]
    record = {"step": step, "protocol": protocol, **scores}
    atomic.write_text(
        workdir / "metrics.json", json.dumps(tables.plain(record), indent=1)
    )
    folder = workdir / "report"
    figures = _figures(folder / "figures", studied["shown"])
    target = folder / "index.html"
    page.write_page(
        target,
        [
            page.Section("Accuracy", numbers=[table_of(scores)]),
            page.Section("Labels", text=_LABELS, figures=figures),
            page.Section("Config", code=json.dumps(config, indent=1, default=str)),
        ],
        title="WSP: depth order from 2D keypoints",
        subtitle=f"checkpoint of step {step}",
        notice=protocol,
    )
    return target


def _figures(
    folder: pathlib.Path, shown: Sequence[Mapping[str, Any]]
) -> list[page.Figure]:
    """A few pictures with their labels; none without OpenCV."""
    try:
        import cv2

        from unipose_jax.report.draw import overlay
    except ModuleNotFoundError:
        return []
    figures = []
    for number, example in enumerate(shown):
        image = np.ascontiguousarray(example["image"])
        scale = max(1, -(-_HEIGHT // image.shape[0]))
        image = image.repeat(scale, axis=0).repeat(scale, axis=1)
        overlay.draw_order(
            image,
            scale * np.asarray(example["people_uv"]),
            example["people_confidence"],
            example["label"],
        )
        path = folder / f"order_{number}.png"
        _, file = cv2.imencode(".png", image[..., ::-1])
        atomic.write_bytes(path, file.tobytes())
        figures.append(page.Figure(path, "", wide=False))
    return figures

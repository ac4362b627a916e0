"""Charts of a report and their captions."""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from unipose_jax.report import learning_curves, logs, page

FIGURES = "figures"  # folder below that of the page


def curve_figures(
    folder: pathlib.Path, records: Sequence[logs.Record]
) -> list[page.Figure]:
    """Figure of the learning curves; an empty list if there are no records."""
    if not records:
        return []
    path = folder / FIGURES / "curves.png"
    learning_curves.draw_curves(path, records)
    caption = (
        "Training losses (logarithmic, smoothed; the raw total behind them) and "
        "validation metrics, the best one circled."
    )
    return [page.Figure(path, caption)]


def joint_figures(
    folder: pathlib.Path,
    rows: Mapping[str, Float[np.ndarray, "*seeds joints"]],
    *,
    skeleton: str,
) -> list[page.Figure]:
    """Bar chart of the error per joint; an empty list if there are no rows."""
    if not rows:
        return []
    path = folder / FIGURES / "joint_errors.png"
    learning_curves.draw_joint_errors(path, rows, skeleton=skeleton)
    caption = (
        "Mean error of each joint; a line shows the spread over seeds, if several."
    )
    return [page.Figure(path, caption)]

"""Scores methods on real recordings: `python -m benchmarks.real`.

    python -m benchmarks.real --data=../shared/data --output=runs/real

Prints one table, each cell with its count, and writes it with all figures by joint to
`real.md` and `real.json`. `--rows` and `--columns` choose; `--weights` (exported
weights) or `--workdir` (a run) score other points than those that ship. Columns whose
data are absent are left empty, with the reason below the table.

2D keypoints of ITOP are true projections with Gaussian noise (`--noise` pixels of maps
of 320 x 240); those of recordings with colour are MoveNet's. Skin depths of the look-up
come from `physics.anthropometry`; a row with depths from labels says so.
"""

import pathlib
from collections.abc import Mapping

import jax
import numpy as np
from absl import app, flags

from benchmarks.real import adaptation, columns, itop, rows, still, table, unlabelled
from unipose_jax import errors, estimator
from unipose_jax.cli import commands
from unipose_jax.train.checkpoints import restore

_DATA = flags.DEFINE_string("data", "../shared/data", "Folder of the sample data.")
_OUTPUT = flags.DEFINE_string("output", "runs/real", "Folder for real.md, real.json.")
_CACHE = flags.DEFINE_string(
    "cache", "~/.cache/unipose_jax/real", "Folder of recordings with keypoints."
)
_ROWS = flags.DEFINE_list("rows", [], "Rows, by key; all by default.")
_COLUMNS = flags.DEFINE_list("columns", [], "Columns, by key; all by default.")
_WEIGHTS = flags.DEFINE_string("weights", "", "Exported weights (.npz) of points.")
_WORKDIR = flags.DEFINE_string("workdir", "", "Run whose points are scored.")
_NOISE = flags.DEFINE_float("noise", 3.0, "Of ITOP's keypoints, px at 320 x 240.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the noise and the adaptation.")
_FOLDS = flags.DEFINE_integer("folds", 4, "Of the cross-validation.")
_STEPS = flags.DEFINE_integer("steps", None, "Of an adaptation; None: the config's.")
_FRAMES = flags.DEFINE_integer("frames", None, "Most frames of an adaptation.")
_MASKS = flags.DEFINE_bool("masks", False, "Use masks that come with recordings.")

COLUMNS = {
    column.key: column
    for column in (
        *(columns.SIDE, columns.TOP, still.CELLO, still.TURNING),
        *(unlabelled.PCL, unlabelled.DDRNET, unlabelled.UR_FALL),
        unlabelled.ITOP_TRAIN,
    )
}


def main(argv: list[str]) -> None:
    """Prints and writes the table."""
    del argv
    commands.silence_library_logs()
    with errors.exit_on_bad_input():
        print(make_table(), end="")


def make_table() -> str:
    """Scores all rows on all columns and writes the table; returns it.

    Raises:
        errors.BadInput: a flag names nothing, or the output cannot be written.
    """
    options = columns.Options(
        data=pathlib.Path(_DATA.value),
        cache=pathlib.Path(_CACHE.value).expanduser(),
        noise=_NOISE.value,
        seed=_SEED.value,
        masks=_MASKS.value,
    )
    if not options.data.is_dir():
        raise errors.BadInput(f"no sample data at {options.data}; use --data=FOLDER")
    known = all_rows()
    chosen_rows = rows.choose(known, _ROWS.value or list(known))
    chosen = columns.choose(COLUMNS, _COLUMNS.value or list(COLUMNS))
    cells: dict[tuple[str, str], table.Cell] = {}
    for column in chosen:
        cells |= score_column(column, chosen_rows, options)
    text = table.to_markdown(
        cells,
        {row.key: row.heading for row in chosen_rows},
        {column.key: column.heading for column in chosen},
        notes(),
    )
    table.write(pathlib.Path(_OUTPUT.value), text, cells, settings())
    return text


def score_column(
    column: columns.Column, chosen: list[rows.Row], options: columns.Options
) -> dict[tuple[str, str], table.Cell]:
    """The cells of one column."""
    try:
        found = column.load(options)
    except errors.BadInput as error:
        return {(row.key, column.key): table.skipped(str(error)) for row in chosen}
    cells = {}
    for row in chosen:
        rows.log(f"{column.key}: {row.key}")
        if row.needs_keypoints and not any(case.has_keypoints for case in found):
            cells[row.key, column.key] = table.skipped("no 2D keypoints")
            continue
        try:
            cell = column.score(found, row.poses(found), options)
        except errors.BadInput as error:
            cell = table.skipped(str(error))
        cells[row.key, column.key] = cell
        rows.log(f"{column.key}: {row.key}: {cell.shown}")
    return cells


def all_rows() -> Mapping[str, rows.Row]:
    """All rows by key."""
    skin = rows.package_skin_depths()
    points = points_network()
    how = adaptation.Adaptation(
        steps=_STEPS.value,
        seed=_SEED.value,
        frames=_FRAMES.value,
        weights=_WORKDIR.value,
    )
    found = [
        rows.lookup_row(
            "lookup",
            "look-up (3x3 median of the depth map)",
            np.zeros_like(skin),
            person_only=False,
            window=3.0,
        ),
        rows.lookup_row(
            "lookup_skin",
            "look-up in the person's mask + skin (`--mode=lookup`)",
            skin,
            person_only=True,
            window=5.0,
        ),
        rows.lookup_row(
            "lookup_labels",
            "the same with ITOP's skin depths (from labels)",
            np.asarray(itop.SKIN_DEPTHS_FROM_LABELS),
            person_only=True,
            window=5.0,
        ),
        rows.network_row("points", "points", points),
        rows.network_row("depth", "depth", estimator.load_shipped("depth")),
        rows.network_row(
            "points_keypoints", "points with keypoints", points, keypoints=True
        ),
        rows.adapted_row("adapted", "adapted", how, folds=_FOLDS.value),
        rows.adapted_row(
            "adapted_keypoints",
            "adapted, with keypoints",
            how,
            folds=_FOLDS.value,
            keypoints=True,
        ),
    ]
    return {row.key: row for row in found}


def points_network() -> estimator.Estimator:
    """The points that are scored.

    Raises:
        errors.BadInput: there are no such weights.
    """
    if _WEIGHTS.value and _WORKDIR.value:
        raise errors.BadInput("--weights and --workdir exclude each other")
    if _WORKDIR.value:
        folder = pathlib.Path(_WORKDIR.value)
        params = jax.device_get(restore.restore_params(folder))
        return estimator.from_config(restore.read_config(folder), params)
    if not _WEIGHTS.value:
        return estimator.load_shipped("points")
    try:
        return estimator.load(_WEIGHTS.value)
    except FileNotFoundError as error:
        raise errors.BadInput(f"no weights at {_WEIGHTS.value}") from error


def settings() -> dict[str, object]:
    """What the figures depend on."""
    return {
        "noise_px": _NOISE.value,
        "seed": _SEED.value,
        "folds": _FOLDS.value,
        "steps": _STEPS.value,
        "frames": _FRAMES.value,
        "masks": _MASKS.value,
        "weights": _WEIGHTS.value or _WORKDIR.value or "shipped",
    }


def notes() -> list[str]:
    """What the figures are."""
    return [
        f"2D keypoints of ITOP are true projections with Gaussian noise of "
        f"{_NOISE.value:g} px at 320 x 240 (seed {_SEED.value}); those of recordings "
        "with colour are MoveNet's.",
        f"Adapted rows on ITOP: {_FOLDS.value} folds of contiguous rows, trained on "
        "the 2D keypoints of the other folds, the step chosen by held-out keypoints; "
        "elsewhere on the keypoints of the same recording.",
        "In brackets: frames. Weights: "
        f"{_WEIGHTS.value or _WORKDIR.value or 'those that ship'}.",
    ]


if __name__ == "__main__":
    app.run(main)

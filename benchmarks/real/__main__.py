"""Scores methods on real recordings: `python -m benchmarks.real`.

    python -m benchmarks.real --data=../shared/data --output=runs/real

Prints one table, each cell with its count, and writes it with all figures by joint to
`real.md` and `real.json` after each cell; cells that the same settings have given
before stay in the table. `--rows` and `--columns` choose what is scored; `--weights`
(exported weights) or `--workdir` (a run) score other points than those that ship.
Columns whose data are absent are left empty, with the reason below the table.

2D keypoints of ITOP are true projections with Gaussian noise (`--noise` pixels of maps
of 320 x 240); those of recordings with colour are MoveNet's. Skin depths of the look-up
come from `physics.anthropometry`; a row with depths from labels says so.
"""

import contextlib
import dataclasses
import itertools
import pathlib
import sys
from collections.abc import Iterator, Mapping

import jax
import numpy as np
from absl import app, flags

from benchmarks.real import adaptation, columns, rows, still, table, unlabelled
from data_pipelines.ground import file_io
from unipose_jax import errors, estimator
from unipose_jax.cli import commands
from unipose_jax.physics import skin_depths
from unipose_jax.train.checkpoints import restore
from unipose_jax.weights import store

_DATA = flags.DEFINE_string("data", "../shared/data", "Folder of the sample data.")
_OUTPUT = flags.DEFINE_string("output", "runs/real", "Folder for real.md, real.json.")
_CACHE = flags.DEFINE_string(
    "cache", "~/.cache/unipose_jax/real", "Folder of recordings with keypoints."
)
_ROWS = flags.DEFINE_list("rows", [], "Rows, by key; all by default.")
_COLUMNS = flags.DEFINE_list("columns", [], "Columns, by key; all by default.")
_WEIGHTS = flags.DEFINE_string("weights", "", "Exported weights (.npz) of points.")
_WORKDIR = flags.DEFINE_string("workdir", "", "Run whose points are scored.")
# Adapted rows start from these, which serve with keypoints and without.
_ADAPTED_WEIGHTS = str(store.FOLDER / f"{store.WITH_KEYPOINTS}.npz")
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
    folder = pathlib.Path(_OUTPUT.value)
    with contextlib.redirect_stdout(sys.stderr):  # only the table is output
        known = all_rows()
        chosen_rows = rows.choose("row", known, _ROWS.value or list(known))
        chosen = rows.choose("column", COLUMNS, _COLUMNS.value or list(COLUMNS))
        cells = table.read(folder, settings())
        text = ""
        for column in chosen:
            for key, cell in score_column(column, chosen_rows, options):
                cells[key] = cell
                text = show(cells, known)
                table.write(folder, text, cells, settings())
    return text


def show(
    cells: Mapping[tuple[str, str], table.Cell], known: Mapping[str, rows.Row]
) -> str:
    """The table of all cells so far, in the order of all rows and columns."""
    given = [key for key in known if any(row == key for row, _ in cells)]
    by = [key for key in COLUMNS if any(column == key for _, column in cells)]
    missing = table.skipped("not scored in this run")
    return table.to_markdown(
        {key: cells.get(key, missing) for key in itertools.product(given, by)},
        {key: known[key].heading for key in given},
        {key: COLUMNS[key].heading for key in by},
        notes(),
    )


def score_column(
    column: columns.Column, chosen: list[rows.Row], options: columns.Options
) -> Iterator[tuple[tuple[str, str], table.Cell]]:
    """The cells of one column, by keys of row and column, one after another."""
    try:
        found = column.load(options)
    except errors.BadInput as error:
        for row in chosen:
            yield (row.key, column.key), table.skipped(str(error))
        return
    for row in chosen:
        rows.log(f"{column.key}: {row.key}")
        if row.needs_keypoints and not any(case.has_keypoints for case in found):
            yield (row.key, column.key), table.skipped("no 2D keypoints")
            continue
        try:
            cell = column.score(found, row.poses(found), options)
        except errors.BadInput as error:
            cell = table.skipped(str(error))
        rows.log(f"{column.key}: {row.key}: {cell.shown}")
        yield (row.key, column.key), cell


def all_rows() -> Mapping[str, rows.Row]:
    """All rows by key."""
    found = [*lookup_rows(), *network_rows(), *adapted_rows()]
    return {row.key: row for row in found}


def lookup_rows() -> list[rows.Row]:
    """Depth at the keypoints."""
    anatomy = np.asarray(skin_depths.typical(rows.BODY))
    labels = np.asarray(skin_depths.typical(rows.BODY, convention="ITOP"))
    in_mask = {"person_only": True, "window": 5.0}
    return [
        rows.lookup_row(
            "lookup",
            "look-up (3x3 median of the depth map)",
            np.zeros_like(anatomy),
            person_only=False,
            window=3.0,
        ),
        rows.lookup_row(
            "lookup_skin",
            "look-up in the person's mask + skin (`--mode=lookup`)",
            anatomy,
            **in_mask,
        ),
        rows.lookup_row(
            "lookup_labels",
            "the same with ITOP's skin depths (from labels)",
            labels,
            **in_mask,
        ),
    ]


def network_rows() -> list[rows.Row]:
    """Networks as they ship, or as `--weights` and `--workdir` say."""
    points, informed = points_network(), keypoint_network()
    labels = {"convention": "ITOP"}
    moved = "moved to ITOP's skin depths (from labels)"
    with_keypoints = "points with keypoints"
    return [
        rows.network_row("points", "points", points),
        rows.network_row("points_labels", f"points, {moved}", points, **labels),
        rows.network_row("depth", "depth", estimator.load_shipped("depth")),
        rows.network_row("points_keypoints", with_keypoints, informed, keypoints=True),
        rows.network_row(
            "points_keypoints_labels",
            f"{with_keypoints}, {moved}",
            informed,
            keypoints=True,
            **labels,
        ),
    ]


def adapted_rows() -> list[rows.Row]:
    """Networks adapted to the keypoints of the cases, tested without and with them."""
    how = adaptation.Adaptation(
        steps=_STEPS.value,
        seed=_SEED.value,
        frames=_FRAMES.value,
        weights=_WORKDIR.value or _WEIGHTS.value or _ADAPTED_WEIGHTS,
    )
    settings = {
        "adapted": ("adapted", how),
        "adapted_labels": (
            "adapted with ITOP's skin depths (from labels)",
            dataclasses.replace(how, overrides={"loss.skin_depths": "ITOP"}),
        ),
    }
    networks: rows.Networks = {}
    shared = {"folds": _FOLDS.value, "networks": networks}
    found = []
    for key, (heading, used) in settings.items():
        found += [
            rows.adapted_row(key, heading, used, **shared),
            rows.adapted_row(
                f"{key}_keypoints",
                f"{heading}, with keypoints",
                used,
                keypoints=True,
                **shared,
            ),
        ]
    return found


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
    return adaptation.load_exported(pathlib.Path(_WEIGHTS.value).with_suffix(""))


def keypoint_network() -> estimator.Estimator:
    """The points with keypoints that are scored.

    Raises:
        errors.BadInput: there are no such weights.
    """
    if _WEIGHTS.value or _WORKDIR.value:
        return points_network()
    return estimator.load_shipped(store.WITH_KEYPOINTS)


def settings() -> dict[str, object]:
    """What the figures depend on."""
    return {
        "noise_px": _NOISE.value,
        "seed": _SEED.value,
        "folds": _FOLDS.value,
        "steps": _STEPS.value,
        "frames": _FRAMES.value,
        "masks": _MASKS.value,
        "weights": weights_name(),
    }


def weights_name() -> str:
    """The points that are scored, with the start of the digest of their file."""
    if _WORKDIR.value:
        with restore.open_checkpoints(pathlib.Path(_WORKDIR.value)) as checkpoints:
            return f"step {checkpoints.best_step()} of {_WORKDIR.value}"
    path = store.FOLDER / store.SHIPPED
    if _WEIGHTS.value:
        path = pathlib.Path(_WEIGHTS.value)
    digest = file_io.digest([path.with_suffix(".npz")])
    return f"{_WEIGHTS.value or 'those that ship'} ({digest[:8]})"


def notes() -> list[str]:
    """What the figures are."""
    return [
        f"2D keypoints of ITOP are true projections with Gaussian noise of "
        f"{_NOISE.value:g} px at 320 x 240 (seed {_SEED.value}); those of recordings "
        "with colour are MoveNet's.",
        f"Adapted rows: sets of single frames in {_FOLDS.value} folds of contiguous "
        "frames, trained on the 2D keypoints of the other folds, the step chosen by "
        "held-out keypoints; recordings on their own keypoints. No 3D label is read.",
        f"In brackets: frames. Weights of points: {weights_name()}.",
    ]


if __name__ == "__main__":
    app.run(main)

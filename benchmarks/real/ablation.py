"""Loss terms and conventions on real frames: `python -m benchmarks.real.ablation`.

    python -m benchmarks.real.ablation --data=../shared/data --frames=54 --noise=3

Adapts points to the ITOP side-view development frames from 2D keypoints (true
projections with Gaussian noise) and scores the frames that were left out:
cross-validation over contiguous blocks of rows. A seed draws the noise of the keypoints
and the order of the frames. The seeds take turns over the blocks, so that every frame
is scored once; `--crossed` adapts to every block with every seed. Prints one table, and
appends every adaptation to `runs/real_ablation.jsonl`; what that file holds is not
repeated.

The row "offsets" trains nothing: `skeleton.body_offsets.fit_to_rays` moves the joints
of the network by offsets in the body's frame.

`--layers=output` (the default) trains the layer that votes for the joints, on stored
tokens of the others (`output_layer`), in seconds. `--layers=all` is `adapt`, with all
weights (`adaptation.adapt_on`): minutes each on two CPU cores.
"""

import itertools
import json
import pathlib
import sys
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from absl import app, flags

from benchmarks.real import adaptation, itop, output_layer, scores
from unipose_jax import errors, estimator
from unipose_jax.cli import commands
from unipose_jax.physics import skin_depths
from unipose_jax.skeleton import body_offsets

# Other commands have flags of the same names; tests import several in one process.
_FLAGS = flags.FLAGS if __name__ == "__main__" else flags.FlagValues()
_DATA = flags.DEFINE_string(
    "data", "../shared/data", "Folder of the sample data.", flag_values=_FLAGS
)
_OUTPUT = flags.DEFINE_string(
    "output",
    "runs/real_ablation.jsonl",
    "Record of all adaptations.",
    flag_values=_FLAGS,
)
_CELLS = flags.DEFINE_list(
    "cells", [], "Rows of the table, by name; all by default.", flag_values=_FLAGS
)
_LAYERS = flags.DEFINE_enum(
    "layers", "output", ("output", "all"), "What is trained.", flag_values=_FLAGS
)
_WEIGHTS = flags.DEFINE_string(
    "weights", "", "Exported weights (.npz) of points.", flag_values=_FLAGS
)
_FRAMES = flags.DEFINE_list("frames", ["54"], "Training frames.", flag_values=_FLAGS)
_NOISE = flags.DEFINE_list(
    "noise", ["3"], "Of keypoints, px at 320 x 240.", flag_values=_FLAGS
)
_SEEDS = flags.DEFINE_list(
    "seeds", ["0", "1", "2"], "Seeds of each cell.", flag_values=_FLAGS
)
_FOLDS = flags.DEFINE_integer(
    "folds", 8, "Blocks of the cross-validation.", flag_values=_FLAGS
)
_CROSSED = flags.DEFINE_bool(
    "crossed", False, "Every block with every seed.", flag_values=_FLAGS
)
_STEPS = flags.DEFINE_integer(
    "steps", 150, "Of an adaptation of all layers.", flag_values=_FLAGS
)

DATA_TERMS = {
    "rays": {"point_to_ray": 1.0},
    # Pixels: the same slope as rays for a person at 2.5 m.
    "reprojection": {"reprojection": 2.5 / 119.05},
}
DEPTH = {"surface": 0.5, "surface_hinge": 0.5}
PHYSICS = {"symmetry": 0.05, "bone_ratio": 0.1, "joint_limit": 0.01}
EXTRA_TERMS = {
    "": {},
    "physics": PHYSICS,
    "depth": DEPTH,
    "depth + physics": DEPTH | PHYSICS,
}
ALL = DATA_TERMS["rays"] | DEPTH | PHYSICS


def all_cells() -> dict[str, output_layer.Cell]:
    """What is compared, by name: terms, then conventions with all terms and rays."""
    cell = output_layer.Cell
    cells = {
        " + ".join(filter(None, (data, extra))): cell(
            weights=DATA_TERMS[data] | EXTRA_TERMS[extra]
        )
        for data, extra in itertools.product(DATA_TERMS, EXTRA_TERMS)
    }
    itop_skin, learnt = "ITOP", skin_depths.LEARNT
    return cells | {
        "rays + head": cell(weights=DATA_TERMS["rays"], head=True),
        "all + head": cell(weights=ALL, head=True),
        "all + head + learnt skin": cell(weights=ALL, skin=learnt, head=True),
        "all + ITOP skin": cell(weights=ALL, skin=itop_skin),
        "all + head + ITOP skin": cell(weights=ALL, skin=itop_skin, head=True),
    }


OFFSETS = "offsets"


def overrides(cell: output_layer.Cell) -> dict[str, object]:
    """Values of `configs/recording.py:adapt` for a cell."""
    values: dict[str, object] = {
        f"loss_weights.{name}": cell.weights.get(name, 0.0)
        for name in output_layer.TERMS
    }
    values["loss.reprojection_delta"] = 2.4
    values["loss.skin_depths"] = cell.skin
    values["model.convention_head"] = itop.SKELETON if cell.head else ""
    values["optimizer.head_steps"] = output_layer.HEAD_STEPS if cell.head else 0
    values["data.num_points"] = output_layer.POINTS
    return values


def training_rows(count: int, held: np.ndarray, wanted: int) -> np.ndarray:
    """`wanted` rows, equally spaced, of those that are not held out.

    Raises:
        errors.BadInput: fewer are left.
    """
    left = np.setdiff1d(np.arange(count), held)
    if not 2 <= wanted <= len(left):
        raise errors.BadInput(
            f"--frames={wanted}: a fold leaves {len(left)} frames; use 2 to that many"
        )
    return left[np.linspace(0, len(left) - 1, wanted).round().astype(int)]


def main(argv: Sequence[str]) -> None:
    """Prints the table."""
    del argv
    commands.silence_library_logs()
    commands.enable_compilation_cache("~/.cache/unipose_jax/compiled")
    with errors.exit_on_bad_input():
        print(run_study(), end="")


def run_study() -> str:
    """Runs what the record lacks, and makes the table.

    Raises:
        errors.BadInput: a flag does not fit.
    """
    cells = all_cells()
    known = [*cells, OFFSETS]
    names = _CELLS.value or known
    if unknown := sorted(set(names) - set(known)):
        raise errors.BadInput(f"--cells: no {unknown[0]!r}; use {'; '.join(known)}")
    frames = itop.side_frames(pathlib.Path(_DATA.value))
    path = pathlib.Path(_OUTPUT.value)
    path.parent.mkdir(parents=True, exist_ok=True)
    adapt, before = _backend(frames)
    blocks = itop.folds(len(frames), _FOLDS.value)
    # Cells are innermost: a study that is stopped early still compares all of them.
    places = list(itertools.product(_SEEDS.value, range(_FOLDS.value)))
    if not _CROSSED.value:
        turns = itertools.cycle(_SEEDS.value)
        places = list(zip(turns, range(_FOLDS.value), strict=False))
    jobs = itertools.product(_FRAMES.value, _NOISE.value, places, names)
    done = _read(path)
    for count, noise, (seed, fold), name in jobs:
        key = (_LAYERS.value, name, int(count), float(noise), int(seed), fold)
        if key in done:
            continue
        held = blocks[fold]
        rows = training_rows(len(frames), held, int(count))
        keypoints = frames.keypoints(noise=float(noise), seed=int(seed))
        if name == OFFSETS:
            xyz = with_offsets(before, rows, keypoints, frames.intrinsics)
        else:
            xyz = adapt(cells[name], rows, keypoints, int(seed))
        done[key] = _scores(xyz[held], frames.xyz[held])
        with path.open("a") as file:
            file.write(json.dumps([*key, done[key]]) + "\n")
        print(f"{key}: {done[key]}", file=sys.stderr, flush=True)
    return table(done, names)


def with_offsets(xyz, rows, keypoints, intrinsics) -> np.ndarray:
    """Joints moved by the offsets that rays of some frames give, metres.

    Args:
        xyz: (frames, joints, 3), of a network, metres.
        rows: the frames whose keypoints are known.
        keypoints: (frames, joints, 3): u, v and confidence.
        intrinsics: (fx, fy, cx, cy), pixels.
    """
    body = output_layer.BODY
    offset = body_offsets.fit_to_rays(
        jnp.asarray(xyz[rows]),
        jnp.asarray(keypoints[rows, :, :2]),
        jnp.asarray(intrinsics, jnp.float32),
        confidence=jnp.asarray(keypoints[rows, :, 2]),
        skeleton=body,
    )
    return np.asarray(body_offsets.add_offsets(jnp.asarray(xyz), offset, skeleton=body))


def _scores(xyz: np.ndarray, truth: np.ndarray) -> dict[str, list[float]]:
    """Distances of each joint and frame, mm: the table weighs all frames alike."""
    apart = 1e3 * np.linalg.norm(xyz - truth, axis=-1)
    return {"mm": np.round(apart, 1).tolist()}


Record = dict[tuple, dict[str, list]]


def _read(path: pathlib.Path) -> Record:
    if not path.is_file():
        return {}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {tuple(key): value for *key, value in rows}


Adapt = Callable[[output_layer.Cell, np.ndarray, np.ndarray, int], np.ndarray]


def _backend(frames: itop.Frames) -> tuple[Adapt, np.ndarray]:
    """The adaptation that `--layers` names, and the joints before any."""
    shipped = not _WEIGHTS.value
    network = estimator.load_shipped() if shipped else estimator.load(_WEIGHTS.value)
    tokens = output_layer.tokens_of(frames, network)
    adapter = output_layer.Adapter(tokens, network, frames.intrinsics)
    before = adapter.zero_shot()
    print(f"before: {scores.position(before, frames.xyz)}", file=sys.stderr)
    if _LAYERS.value == "output":

        def adapt_output(cell, rows, keypoints, seed):
            return adapter(cell, rows, keypoints[..., :2], seed)[0]

        return adapt_output, before

    def adapt(cell, rows, keypoints, seed):
        given = frames.sequences(keypoints)
        how = adaptation.Adaptation(
            overrides=overrides(cell), steps=_STEPS.value, seed=seed, held_out=0.0
        )
        adapted = adaptation.adapt_on([given[row] for row in rows], how)
        tokens = output_layer.tokens_of(frames, adapted)
        return output_layer.Adapter(tokens, adapted, frames.intrinsics).zero_shot()

    return adapt, before


def table(record: Record, names: Sequence[str]) -> str:
    """Scores over all frames and seeds, in Markdown, and differences to the first row.

    The difference of mAP has the standard error over blocks and seeds, which all rows
    share.
    """
    lines = []
    for layers, count, noise in sorted({(key[0], *key[2:4]) for key in record}):
        lines += [
            f"{layers} layers, {count} frames, {noise:g} px",
            "",
            "| cell | mAP@10cm [%] | difference | MPJPE [mm] | frames |",
            "| --- | --- | --- | --- | --- |",
        ]
        cells = {
            name: {
                key[4:]: np.asarray(value["mm"])
                for key, value in record.items()
                if key[:4] == (layers, name, count, noise)
            }
            for name in names
        }
        first = next(iter(cells.values()))
        lines += [_row(name, cell, first) for name, cell in cells.items() if cell]
        lines.append("")
    return "\n".join(lines)


def _row(name: str, cell: dict[tuple, np.ndarray], first: dict) -> str:
    """A row of the table, with the cells of the first row to compare it with."""
    apart = np.concatenate(list(cell.values()))
    shared = [place for place in cell if place in first]
    gain = [
        100.0 * ((cell[place] < 100.0).mean() - (first[place] < 100.0).mean())
        for place in shared
    ]
    error = np.std(gain) / np.sqrt(max(len(gain) - 1, 1)) if gain else np.nan
    return (
        f"| {name} | {100.0 * (apart < 100.0).mean():.1f} | {np.mean(gain):+.1f} ± "
        f"{error:.1f} | {apart.mean():.1f} | {len(apart)} |"
    )


if __name__ == "__main__":
    app.run(main)

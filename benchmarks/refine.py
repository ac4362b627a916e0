"""Accuracy of refinement on simulated errors and on a tracker's poses.

    python -m benchmarks.refine

Simulated errors are added to real poses: those of ITOP's test set (15 Hz), of CMU's
motion capture (30 Hz) and of a Kinect (MSR Action3D, two halves of its subjects); they
last as those of networks, or are white. Keypoints are simulated: true projections with
noise of 3 or 8 pixels in pictures of 320 x 240. Prints Markdown tables.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import tabulate
from absl import app, flags

from benchmarks import refine_data
from data_pipelines.ground import pose_file
from unipose_jax import errors, skeleton
from unipose_jax.cli import commands
from unipose_jax.cli import refine as refine_mode
from unipose_jax.physics import finite_differences

_KNOWN = ("ITOP", "CMU", "MSR")
# Other commands have flags of the same names; tests import several in one process.
_FLAGS = flags.FLAGS if __name__ == "__main__" else flags.FlagValues()
_DATA = flags.DEFINE_string(
    "data", "../shared/data", "Folder of the sample data.", flag_values=_FLAGS
)
_SEEDS = flags.DEFINE_list(
    "seeds", ["0", "1"], "Draws of the errors.", flag_values=_FLAGS
)
_SETS = flags.DEFINE_list("sets", list(_KNOWN), "Data sets.", flag_values=_FLAGS)
_PRIOR = flags.DEFINE_string(
    "prior", "", "Learnt prior, as --prior of run.py.", flag_values=_FLAGS
)
_CACHE = flags.DEFINE_string(
    "compile_cache",
    "~/.cache/unipose_jax/compiled",
    "Folder; empty for none.",
    flag_values=_FLAGS,
)
# Keypoints of the rows: name, pixels, correlation in successive frames.
_KEYPOINTS = (("3 px", 3.0, 0.0), ("8 px", 8.0, 0.0), ("3 px, lasting", 3.0, 0.85))
_KEPT = (64, 128)  # frames to which sequences of a tracker are padded
_PER_SUBJECT = 4  # sequences of the tracker
# Subjects of MSR Action3D by sequences that set constants (12 of them), and others.
_HALVES = {"odd": (1, 3, 5, 7, 9), "even": (2, 4, 6, 8, 10)}

Poses = pose_file.PoseFile


def main(argv: list[str]) -> None:
    """Prints the tables."""
    del argv
    commands.silence_library_logs()
    commands.enable_compilation_cache(_CACHE.value)
    data = pathlib.Path(_DATA.value)
    if not data.is_dir():
        raise errors.BadInput(f"no sample data at {data}; use --data=FOLDER")
    if unknown := set(_SETS.value) - set(_KNOWN):
        raise errors.BadInput(f"no set {min(unknown)!r}; use {', '.join(_KNOWN)}")
    seeds = [int(seed) for seed in _SEEDS.value]
    for name, truth in data_sets(data).items():
        rows = accuracy_rows(truth, seeds)
        heading = (f"{name}, {len(truth)} frames", "mAP@10cm [%]", "MPJPE [mm]")
        print(
            tabulate.tabulate(rows, heading, "pipe", floatfmt=".1f") + "\n", flush=True
        )
    if "MSR" in _SETS.value:
        heading = ("Kinect, refined / input", "bones", "median accel.", "mean accel.")
        rows = tracker_rows(refine_data.tracked(data))
        print(
            tabulate.tabulate(rows, heading, "pipe", floatfmt=".2f") + "\n", flush=True
        )


def data_sets(data: pathlib.Path) -> dict[str, Poses]:
    """True poses by name, as far as they are asked for."""
    found = {}
    if "ITOP" in _SETS.value:
        found["ITOP"] = refine_data.itop(data)
    if "CMU" in _SETS.value:
        found["CMU"] = refine_data.motion_capture(data)
    if "MSR" in _SETS.value:
        everything = refine_data.tracked(data)
        for half, subjects in _HALVES.items():
            chosen = list(of_subjects(everything, subjects).values())
            found[f"MSR, {half} subjects"] = refine_data.joined(chosen)
    return found


def accuracy_rows(truth: Poses, seeds: list[int]) -> list[list]:
    """Rows of the table of one data set, means over the seeds."""
    moved = position_scores(refined(truth), truth)
    rows = [["truth itself, refined", *moved]]
    kinds = {
        "white": refine_data.with_white_errors,
        "lasting": refine_data.with_lasting_errors,
    }
    for kind, add in kinds.items():
        draws = [add(truth, seed=seed) for seed in seeds]
        for name, method in _METHODS.items():
            scores = [position_scores(method(draw), truth) for draw in draws]
            rows.append([f"{kind}: {name}", *np.mean(scores, axis=0)])
    for name, pixels, correlation in _KEYPOINTS:
        for method_name, method in _KEYPOINT_METHODS.items():
            scores = []
            for seed, draw in zip(seeds, draws, strict=True):
                seen = refine_data.with_keypoints(
                    draw, truth, pixels=pixels, seed=seed + 10, correlation=correlation
                )
                scores.append(position_scores(method(seen), truth))
            rows.append([f"{name}: {method_name}", *np.mean(scores, axis=0)])
    return rows


def refined(poses: Poses) -> Poses:
    """Poses as `--mode=refine` refines them."""
    return dataclasses.replace(
        poses, xyz=np.asarray(refine_mode.refine_poses(poses, prior=_PRIOR.value).xyz)
    )


def position_scores(poses: Poses, truth: Poses) -> tuple[float, float]:
    """Share of joints within 10 cm, mean over joints, %; and mean error, mm."""
    error = np.linalg.norm(poses.xyz - truth.xyz, axis=-1)
    valid = truth.is_valid()
    within = np.sum(valid & (error < 0.1), axis=0) / np.sum(valid, axis=0)
    return 100.0 * float(within.mean()), 1000.0 * float(error[valid].mean())


_METHODS: dict[str, Callable[[Poses], Poses]] = {
    "input": lambda poses: poses,
    "median of 3": functools.partial(refine_data.running_median, frames=3),
    "median of 5": functools.partial(refine_data.running_median, frames=5),
    "refined": refined,
}
_KEYPOINT_METHODS: dict[str, Callable[[Poses], Poses]] = {
    "back-projected": refine_data.back_projected,
    "back-projected, depth: median of 5": lambda poses: refine_data.back_projected(
        refine_data.running_median(poses, 5)
    ),
    "refined": refined,
}


def of_subjects(
    sequences: dict[str, Poses], subjects: tuple[int, ...]
) -> dict[str, Poses]:
    """The first sequences of each subject, of names aAA_sSS_eEE."""
    found: dict[str, Poses] = {}
    for subject in subjects:
        own = [name for name in sorted(sequences) if f"_s{subject:02d}_" in name]
        step = max(len(own) // _PER_SUBJECT, 1)  # of different actions
        for name in own[::step][:_PER_SUBJECT]:
            found[name] = sequences[name]
    return found


def tracker_rows(sequences: dict[str, Poses]) -> list[list]:
    """Variation of bone lengths and acceleration after refinement, over before."""
    rows = []
    for half, subjects in _HALVES.items():
        before, after = [], []
        for poses in of_subjects(sequences, subjects).values():
            before.append(smoothness(poses))
            found = refined(padded(poses)).part(0, len(poses))
            after.append(smoothness(found))
        bones, median, mean = (
            function(np.concatenate([one[part] for one in after]))
            / function(np.concatenate([one[part] for one in before]))
            for part, function in ((0, np.mean), (1, np.median), (1, np.mean))
        )
        rows.append([f"MSR, {half} subjects", bones, median, mean])
    return rows


def smoothness(poses: Poses) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation of each bone's length; all accelerations, m/s^2."""
    body = skeleton.by_name(poses.skeleton)
    child, parent = body.bone_ends
    length = np.linalg.norm(poses.xyz[:, child] - poses.xyz[:, parent], axis=-1)
    second = finite_differences.acceleration(
        jnp.asarray(poses.xyz), jnp.asarray(poses.time, jnp.float32)
    )
    size = np.linalg.norm(np.asarray(second), axis=-1).ravel()
    return np.nanstd(length, axis=0), size[np.isfinite(size)]


def padded(poses: Poses) -> Poses:
    """Poses with missing frames at the end, so that few programs are compiled."""
    count = next(size for size in _KEPT if size >= len(poses))
    missing = count - len(poses)
    last = poses.time[-1] + (1 + np.arange(missing)) / refine_data.FPS
    pad = ((0, missing), (0, 0))
    return dataclasses.replace(
        poses,
        xyz=np.pad(poses.xyz, (*pad, (0, 0))),
        confidence=np.pad(poses.confidence, pad),
        valid=np.pad(poses.is_valid(), pad),
        time=np.concatenate([poses.time, last]),
    )


if __name__ == "__main__":
    with errors.exit_on_bad_input():
        app.run(main)

"""What a pose machine is worth: by action, by noise of keypoints, by correction.

Millimetres relative to the root, and after Procrustes alignment, as means over actions
(the custom on HumanEva-I and Human3.6M); cameras have equal numbers of frames.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unipose_jax import metrics, skeleton
from unipose_jax.train.augment import keypoint_augment as augment_poses
from unipose_jax.train.evaluation import evaluate
from unipose_jax.train.recipes import self_correction
from unipose_jax.train.stage import Stage

Scores = dict[str, float]


def run_study(stage: Stage, params, source) -> dict[str, dict[str, Scores]]:
    """Scores of a trained network on a split.

    Args:
        stage: of recipe pose_machine. Its `study` lists what is compared: `noise`,
            deviations of keypoints in pixels; `steps` of correction; `kinds`, of
            `self_correction.KINDS`.
        params: of the network, not replicated.
        source: random access to test clips, with `groups()` or all of one.

    Returns:
        "actions": by "S1 Walking" and so on, and "mean": corrected, coarse and
        without steps. "noise": by "rays, 2 px, 5 steps" and so on. All in millimetres;
        `ms_per_frame` is the time of a frame on this machine, compilation excepted.
    """
    skel, recipe = stage.skeleton, stage.recipe
    correction, compared = recipe.settings.correction, recipe.settings.study
    truth = evaluate.collate(source[index] for index in range(len(source)))
    groups = source.groups() if hasattr(source, "groups") else ["all"] * len(source)
    most = max((*compared.steps, correction.steps))
    noise: dict[str, Scores] = {}
    actions: dict[str, Scores] = {}
    for kind in compared.kinds:
        settings = dataclasses.replace(correction, kind=kind, steps=most)
        run = _make_runner(recipe, settings, skel, params, stage.batch_size)
        for size in compared.noise:
            seen = _add_noise(truth, size, stage.seed)
            estimates, cost = run(seen)
            for steps in compared.steps:
                scores = errors_by_group(
                    estimates["xyz"][:, steps], truth, groups, skel
                )
                shown = f"{kind}, {size:g} px, {steps} steps"
                noise[shown] = scores["mean"]
                if steps == most:
                    noise[shown] |= {"ms_per_frame": cost}
            if kind == correction.kind and size == 0:
                actions = _errors_by_action(
                    estimates, truth, groups, skel, correction.steps
                )
    return {"actions": actions, "noise": noise}


def _errors_by_action(estimates, truth, groups, skel, steps: int) -> dict[str, Scores]:
    poses = {
        "coarse": estimates["coarse_xyz"][:, 0],
        "uncorrected": estimates["xyz"][:, 0],
        "corrected": estimates["xyz"][:, steps],
    }
    found = {
        name: errors_by_group(xyz, truth, groups, skel, absolute=True)
        for name, xyz in poses.items()
    }
    return {
        f"{group}, {name}": scores
        for group in found["corrected"]
        for name, scores in ((name, found[name][group]) for name in poses)
    }


def errors_by_group(
    xyz: np.ndarray,
    truth: Mapping[str, np.ndarray],
    groups: Sequence[str],
    skel: skeleton.Skeleton,
    *,
    absolute: bool = False,
) -> dict[str, Scores]:
    """Errors of each group of clips in millimetres, and their mean over the groups.

    Args:
        xyz: predicted joints (clips, frames, joints, 3), metres.
        truth: `xyz` and `xyz_valid` of the same clips.
        groups: name of the group of each clip.
        skel: of the poses.
        absolute: also the error in the camera's frame.
    """
    scores: dict[str, Scores] = {}
    for group in dict.fromkeys(groups):
        chosen = np.array([name == group for name in groups])
        chosen = chosen & truth["xyz_valid"].any(axis=(1, 2))
        if not chosen.any():
            continue
        known = truth["xyz_valid"][chosen]
        some = known.any(-1)
        pair = [jnp.asarray(values[chosen][some]) for values in (xyz, truth["xyz"])]
        valid = jnp.asarray(known[some])
        root = metrics.root(skel)
        scores[group] = {
            "root_mpjpe_mm": _mm(metrics.root_mpjpe(*pair, valid=valid, root=root)),
            "pa_mpjpe_mm": _mm(metrics.pa_mpjpe(*pair, valid=valid)),
        }
        if absolute:
            scores[group]["mpjpe_mm"] = _mm(metrics.mpjpe(*pair, valid=valid))
    if not scores:
        return {"mean": {}}
    names = next(iter(scores.values()))
    mean = {k: float(np.mean([s[k] for s in scores.values()])) for k in names}
    return scores | {"mean": mean}


def _mm(sums) -> float:
    return 1000.0 * float(sums.mean())


def _add_noise(truth: Mapping[str, np.ndarray], size: float, seed: int):
    key = jax.random.fold_in(jax.random.key(seed), int(10 * size))
    uv = augment_poses.add_noise(key, jnp.asarray(truth["uv"]), size)
    return {**truth, "uv": np.asarray(uv)}


def _make_runner(recipe, settings, skel, params, batch_size: int) -> Callable:
    """Builds `run(clips) -> ({"xyz", "coarse_xyz"} (clips, 1 + steps, ...), ms)`."""
    apply = self_correction.make_correction_steps(recipe.network, settings, skel)
    params = jax.device_put(params)

    @jax.jit
    def poses(params, inputs):
        estimate = apply(params, **inputs)
        return {"xyz": estimate.xyz, "coarse_xyz": estimate.lift.coarse_xyz}

    def run(clips: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], float]:
        count = len(clips["uv"])
        places = np.arange(-(-count // batch_size) * batch_size) % count
        batches = [
            {name: clips[name][part] for name in recipe.inputs}
            for part in places.reshape(-1, batch_size)
        ]
        jax.block_until_ready(poses(params, batches[0]))  # compiles
        start = time.perf_counter()
        parts = [jax.device_get(poses(params, batch)) for batch in batches]
        taken = time.perf_counter() - start
        frames = places.size * clips["uv"].shape[1]
        found = {
            name: np.concatenate([part[name] for part in parts])[:count]
            for name in ("xyz", "coarse_xyz")
        }
        return found, 1000.0 * taken / frames

    return run

"""Predictions and scores of a network over a whole split, on all devices and hosts."""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data_pipelines.ground import schema
from unipose_jax import errors, metrics
from unipose_jax.skeleton import definitions
from unipose_jax.train import parallel
from unipose_jax.train.recipes import Recipe

LABELS = ("xyz", "xyz_valid")
TRUTH = (*LABELS, "visible", "time")
"""Fields that poses are scored with."""
VALIDATION_METRICS = ("mpjpe_mm", "pa_mpjpe_mm", "map_10cm")
"""Metrics that validation writes to the log while a network trains."""
DISTANCE_EDGES = (1.5, 2.5, 3.5)
"""Bounds of the groups of distance from the camera, metres."""
YAW_EDGES = (45, 90, 135)
"""Bounds of the groups of the yaw away from the camera, degrees."""


def make_predict(apply_fn: Callable, inputs: tuple[str, ...]) -> Callable:
    """Builds `predict(replicated params, batch) -> {"xyz", "confidence"}`.

    Args:
        apply_fn: `apply_fn(params, **inputs)` returns a `models.PoseEstimate`.
        inputs: the fields of a batch that the network takes.

    Returns:
        A function that returns without waiting; its results stay on the devices.
    """

    def apply(params, batch):
        estimate = apply_fn(params, **batch)
        confidence = jax.nn.sigmoid(estimate.confidence_logit)
        return {"xyz": estimate.xyz, "confidence": confidence}

    mapped = parallel.map_apply(apply)

    def predict(params, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
        fed = {name: batch[name] for name in inputs}
        return parallel.unshard(mapped(params, parallel.shard(fed)))

    return predict


def predict_split(
    predict: Callable,
    params,
    source,
    *,
    batch_size: int,
    progress: Callable[[int], None] | None = None,
    keep: tuple[str, ...] = (),
) -> dict[str, np.ndarray]:
    """Predicts all clips of a source, shared among hosts; each host gets all results.

    Args:
        predict: from `make_predict`.
        params: replicated parameters.
        source: random access to examples (`len`, `[index]`).
        batch_size: clips at a time over all hosts; a multiple of the device count.
        progress: called after each batch with the number of clips so far.
        keep: fields of the clips, of which each is decoded once.

    Returns:
        What `predict` returns of all clips, such as `xyz` (clips, frames, joints, 3),
        metres, camera frame, and `confidence`; and "clip/<field>" of each of `keep`.
    """
    local = parallel.local_batch_size(batch_size)
    host, hosts = jax.process_index(), jax.process_count()
    parts = []
    for start in range(0, len(source), batch_size):
        # The last batch is filled with repetitions, which are cut off below.
        places = np.arange(local) * hosts + host + start
        batch = collate(source[int(min(place, len(source) - 1))] for place in places)
        kept = {f"clip/{name}": batch[name] for name in keep}
        parts.append({**predict(params, batch), **kept})
        if progress is not None:
            progress(min(start + batch_size, len(source)))
    mine = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    # Host h holds places h, h + hosts, ...: interleave, then cut.
    everyone = parallel.gather_hosts(mine)
    return {
        key: value.swapaxes(0, 1).reshape(-1, *value.shape[2:])[: len(source)]
        for key, value in everyone.items()
    }


def read_ground_truth(source) -> dict[str, np.ndarray]:
    """Ground truth of a split, stacked, without its points, which may be too large."""
    examples = (source[index] for index in range(len(source)))
    return collate({name: example[name] for name in TRUTH} for example in examples)


def collate(examples: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Stacks examples to a batch."""
    listed = list(examples)
    return {key: np.stack([example[key] for example in listed]) for key in listed[0]}


def make_eval_step(
    recipe: Recipe, apply_fn: Callable, skeleton: definitions.Skeleton
) -> Callable:
    """Builds `validate(replicated params, batch) -> (terms, metrics)`, device sums.

    Args:
        recipe: defines the terms, computed without augmentation.
        apply_fn: of the network.
        skeleton: of the poses.
    """

    def measure(params, fed, batch):
        estimate = apply_fn(params, **{name: fed[name] for name in recipe.inputs})
        terms = recipe.validation_terms(estimate, batch)
        if recipe.metrics_fn is not None:
            return terms, recipe.metrics_fn(estimate, batch)
        return terms, metrics.accumulate(
            estimate.xyz, batch["xyz"], valid=batch["xyz_valid"], skeleton=skeleton
        )

    def apply(params, batch):
        views = [(batch, batch)]
        if recipe.validation_views is not None:
            views = recipe.validation_views(batch)
        found = [measure(params, *view) for view in views]
        total = jax.tree.map(lambda *parts: sum(parts), *found)
        return jax.lax.psum(total, parallel.AXIS)

    mapped = parallel.map_apply(apply)
    labels = () if recipe.metrics_fn is not None else LABELS

    def validate(params, batch: Mapping[str, np.ndarray]):
        fed = {name: batch[name] for name in {*recipe.fields, *labels}}
        return parallel.first_replica(mapped(params, parallel.shard(fed)))

    return validate


def check_fields(
    source,
    names: Iterable[str],
    *,
    data: str,
    consumer: str,
) -> None:
    """Checks that examples have the fields that a network or its terms need.

    Args:
        source: random access to examples.
        names: the fields that are needed.
        data: name of the data set, for the error.
        consumer: name of what needs them, for the error.

    Raises:
        errors.BadInput: fields are missing.
        errors.MissingCrops: fields of crops are missing.
    """
    if missing := sorted(set(names) - source[0].keys()):
        crops = not set(missing).isdisjoint(schema.CROP_FIELDS)
        raise (errors.MissingCrops if crops else errors.BadInput)(
            f"{data} has no {', '.join(missing)}, which {consumer} needs"
        )


def choose_batch_size(
    source, max_size: int, *, description: str = "the validation split"
) -> int:
    """Batch size, divisible by the device count, that leaves out the fewest clips.

    It lies between half and all of `max_size`, or of the number of clips if smaller.

    Args:
        source: random access to examples.
        max_size: clips.
        description: names the source in an error.

    Raises:
        errors.BadInput: the source has fewer clips than there are devices.
    """
    count, devices = len(source), jax.device_count()
    largest = min(max_size, count) // devices * devices
    if not largest:
        raise errors.BadInput(
            f"{description} has {count} clips, fewer than the {devices} devices"
        )
    sizes = range(largest, largest // 2, -devices)
    return min(sizes, key=lambda size: count % size)


def score_split(
    validate: Callable,
    params,
    source,
    *,
    skeleton: definitions.Skeleton,
    weights: Mapping[str, float],
    batch_size: int,
    custom_metrics: bool = False,
) -> dict[str, float]:
    """The training objective on a split, and metrics where 3D ground truth exists.

    Checkpoints are ranked by `loss/total`, so weak supervision needs no 3D labels to
    select one. The metrics are logged only. Incomplete batches are omitted.

    Args:
        validate: from `make_eval_step`.
        params: replicated parameters.
        source: random access to examples (`len`, `[index]`).
        skeleton: of the poses.
        weights: of the terms, by name.
        batch_size: clips at a time over all hosts, from `choose_batch_size`.
        custom_metrics: whether the recipe has its own `metrics_fn`; its means are
            returned instead.

    Returns:
        `loss/<term>`, `loss/total` and, with a truth, the metrics in
        `VALIDATION_METRICS`.
    """
    local = parallel.local_batch_size(batch_size)
    host = jax.process_index()
    sums: tuple[dict, dict] | None = None
    for start in range(0, len(source) - batch_size + 1, batch_size):
        places = start + host * local + np.arange(local)
        batch = collate(source[int(place)] for place in places)
        found = validate(params, batch)
        sums = jax.tree.map(jnp.add, sums, found) if sums else found
    assert sums is not None  # there is at least one batch
    terms, measured = sums
    means = {name: float(term.mean()) for name, term in terms.items()}
    scores = {f"loss/{name}": value for name, value in means.items()}
    scores["loss/total"] = sum(weights[name] * means[name] for name in weights)
    if custom_metrics:
        counted = {name: mean for name, mean in measured.items() if mean.weight > 0}
        return scores | {name: float(mean.mean()) for name, mean in counted.items()}
    summary: Mapping[str, Any] = metrics.summarize(measured, skeleton=skeleton)
    known = {
        name: summary[name]
        for name in VALIDATION_METRICS
        if math.isfinite(summary[name])
    }
    return scores | known


def compute_metrics(
    predicted: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray], skeleton
) -> dict[str, dict[str, Any]]:
    """Every metric over all joints, visible joints and occluded joints.

    All joints are aligned together, so aligned errors of the groups are comparable.

    Args:
        predicted: `xyz` (clips, frames, joints, 3), metres.
        truth: of the same clips, from `read_ground_truth`.
        skeleton: of both.

    Returns:
        `{"all": summary, "visible": summary, "occluded": summary}`.
    """
    groups = {
        "all": np.ones_like(truth["visible"]),
        "visible": truth["visible"],
        "occluded": ~truth["visible"],
    }
    return _summaries(predicted, truth, groups, skeleton)


def metrics_by_condition(
    predicted: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray], skeleton
) -> dict[str, dict[str, Any]]:
    """All metrics in groups of distance from the camera and of yaw.

    Args:
        predicted: `xyz` (clips, frames, joints, 3), metres.
        truth: of the same clips, from `read_ground_truth`.
        skeleton: of both.

    Returns:
        A summary by condition, such as "1.5 to 2.5 m" or "turned below 45°"; empty
        groups are omitted.
    """
    masks = _condition_masks(truth["xyz"], truth["xyz_valid"], skeleton)
    groups = {name: mask for name, mask in jax.device_get(masks).items() if mask.any()}
    return _summaries(predicted, truth, groups, skeleton)


@functools.partial(jax.jit, static_argnames="skeleton")
def _condition_masks(xyz, valid, skeleton) -> dict[str, jax.Array]:
    """Masks of joints by the name of the condition; compiled as one program."""
    groups = {}
    for near, far in itertools.pairwise((0.0, *DISTANCE_EDGES, math.inf)):
        groups[_range_text(near, far, " m")] = metrics.within_distance(
            xyz, valid=valid, near=near, far=far
        )
    for least, most in itertools.pairwise((0, *YAW_EDGES, math.inf)):
        groups[f"turned {_range_text(least, most, '°')}"] = metrics.within_facing_angle(
            xyz,
            valid=valid,
            skeleton=skeleton,
            least=math.radians(least),
            most=math.radians(most),
        )
    return groups


def _range_text(least: float, most: float, unit: str) -> str:
    if not least:
        return f"below {most}{unit}"
    return f"{least}{unit} or more" if math.isinf(most) else f"{least} to {most}{unit}"


def _summaries(
    predicted: Mapping[str, np.ndarray],
    truth: Mapping[str, np.ndarray],
    groups: Mapping[str, Any],
    skeleton: definitions.Skeleton,
) -> dict[str, dict[str, Any]]:
    """Metrics of each group; a group is a mask of joints.

    Of NumPy arrays, because operations of JAX would be compiled one by one.
    """
    time = np.asarray(truth["time"])
    return {
        name: metrics.summary(
            np.asarray(predicted["xyz"]),
            np.asarray(truth["xyz"]),
            valid=np.asarray(truth["xyz_valid"]),
            counted=np.asarray(counted),
            time=time if time.shape[-1] > 2 else None,  # three make an acceleration
            skeleton=skeleton,
        )
        for name, counted in groups.items()
    }

"""Predictions and scores of a network over a whole split, on all devices and hosts."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unipose_jax import metrics
from unipose_jax.reduction import WeightedMean
from unipose_jax.train import parallel


def make_predict(apply_fn: Callable, inputs: tuple[str, ...]) -> Callable:
    """Builds `predict(replicated params, batch) -> {"xyz", "confidence"}` as NumPy.

    Args:
        apply_fn: `apply_fn(params, **inputs)` returns a `models.PoseEstimate`.
        inputs: the fields of a batch that the network takes.
    """

    def apply(params, batch):
        estimate = apply_fn(params, **batch)
        confidence = jax.nn.sigmoid(estimate.confidence_logit)
        return {"xyz": estimate.xyz, "confidence": confidence}

    mapped = parallel.map_apply(apply)

    def predict(params, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        fed = {name: batch[name] for name in inputs}
        return parallel.merge(mapped(params, parallel.split(fed)))

    return predict


def predict_split(
    predict: Callable, params, source, *, batch_size: int
) -> dict[str, np.ndarray]:
    """Predicts every clip of a source; hosts take turns, and all get all results.

    Args:
        predict: from `make_predict`.
        params: replicated parameters.
        source: random access to examples (`len`, `[index]`).
        batch_size: clips at a time over all hosts; a multiple of the device count.

    Returns:
        `xyz` (clips, frames, joints, 3), metres, camera frame, and `confidence`.
    """
    local = parallel.local_batch_size(batch_size)
    host, hosts = jax.process_index(), jax.process_count()
    parts = []
    for start in range(0, len(source), batch_size):
        # The last batch is filled with repetitions, which are cut off below.
        places = np.arange(local) * hosts + host + start
        batch = stack(source[int(min(place, len(source) - 1))] for place in places)
        parts.append(predict(params, batch))
    mine = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    # Host h holds places h, h + hosts, ...: interleave, then cut.
    everyone = parallel.gather_hosts(mine)
    return {
        key: value.swapaxes(0, 1).reshape(-1, *value.shape[2:])[: len(source)]
        for key, value in everyone.items()
    }


def stack(examples: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Stacks examples to a batch."""
    listed = list(examples)
    return {key: np.stack([example[key] for example in listed]) for key in listed[0]}


def make_validate(compute_terms: Callable, apply_fn: Callable) -> Callable:
    """Builds `validate(replicated params, batch) -> dict of WeightedMean`, all devices.

    Args:
        compute_terms: the recipe's, without augmentation.
        apply_fn: of the network.
    """

    def apply(params, batch) -> dict[str, WeightedMean]:
        count = jax.tree.leaves(batch)[0].shape[0]
        keys = parallel.example_keys(jax.random.key(0), count)
        terms = compute_terms(apply_fn, params, batch, keys)
        return {name: term.psum(parallel.AXIS) for name, term in terms.items()}

    mapped = parallel.map_apply(apply)

    def validate(params, batch: Mapping[str, np.ndarray]) -> dict[str, WeightedMean]:
        return parallel.first(mapped(params, parallel.split(batch)))

    return validate


def score_split(
    validate: Callable,
    params,
    source,
    *,
    fields: tuple[str, ...],
    weights: Mapping[str, float],
    batch_size: int,
) -> dict[str, float]:
    """The training objective on a split, as `loss/<term>` and `loss/total`.

    This is what ranks checkpoints, so weak supervision selects without 3D labels. Only
    whole batches count; a split smaller than one batch is an error.
    """
    local = parallel.local_batch_size(batch_size)
    host = jax.process_index()
    if len(source) < batch_size:
        raise ValueError(
            f"the validation split has {len(source)} clips, fewer than one batch of "
            f"{batch_size}"
        )
    total: dict[str, WeightedMean] = {}
    for start in range(0, len(source) - batch_size + 1, batch_size):
        places = start + host * local + np.arange(local)
        batch = stack(source[int(place)] for place in places)
        terms = validate(params, {name: batch[name] for name in fields})
        total = jax.tree.map(jnp.add, total, terms) if total else terms
    means = {name: float(term.mean()) for name, term in total.items()}
    scores = {f"loss/{name}": value for name, value in means.items()}
    scores["loss/total"] = sum(weights[name] * means[name] for name in weights)
    return scores


def measure(
    predicted: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray], skeleton
) -> dict[str, dict[str, Any]]:
    """Every metric over all joints, visible joints and occluded joints.

    Args:
        predicted: `xyz` (clips, frames, joints, 3), metres.
        truth: `xyz`, `xyz_valid`, `visible`, `time` of the same clips.
        skeleton: of both.

    Returns:
        `{"all": summary, "visible": summary, "occluded": summary}`.
    """
    groups = {
        "all": truth["xyz_valid"],
        "visible": truth["xyz_valid"] & truth["visible"],
        "occluded": truth["xyz_valid"] & ~truth["visible"],
    }
    return {
        name: metrics.summary(
            jnp.asarray(predicted["xyz"]),
            jnp.asarray(truth["xyz"]),
            valid=jnp.asarray(valid),
            time=jnp.asarray(truth["time"]),
            skeleton=skeleton,
        )
        for name, valid in groups.items()
    }

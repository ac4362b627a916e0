"""What a ranking network has learnt of depth: accuracies on a split, and examples."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unipose_jax import models
from unipose_jax.train.evaluation import evaluate
from unipose_jax.train.recipes import wsp
from unipose_jax.train.stage import Stage

_NUM_EXAMPLES = 6  # pictures


def run_study(stage: Stage, params, source) -> dict[str, Any]:
    """Accuracies of a trained network on a split, and of the rule that labels pairs.

    Args:
        stage: of recipe wsp.
        params: of the network, not replicated.
        source: random access to pictures.

    Returns:
        "scores": by measure of `wsp.accuracies`, shares, None where nothing was to be
        counted, and their "<measure>_pairs"; "shown": a few pictures with their
        keypoints, labels of people (-1, 0, +1) and predicted depths.
    """
    skel, recipe = stage.skeleton, stage.recipe

    @jax.jit
    def score(params, batch):
        fed = {name: batch[name] for name in models.IMAGE_FIELDS}
        estimate = recipe.network.apply(params, **fed)
        found = wsp.accuracies(estimate, batch, label_config=recipe.settings, skel=skel)
        return (
            found,
            wsp.ordinal_labels(batch, recipe.settings, skel).label,
            estimate.depth,
        )

    size = min(stage.batch_size, len(source))
    sums = None
    shown: list[dict[str, np.ndarray]] = []
    for start in range(0, len(source), size):  # the last batch may be smaller
        indices = range(start, min(start + size, len(source)))
        batch = evaluate.collate(source[index] for index in indices)
        fields = {name: jnp.asarray(batch[name]) for name in recipe.fields}
        found, label, depth = score(params, fields)
        sums = jax.tree.map(jnp.add, sums, found) if sums else found
        batch |= {"label": np.asarray(label), "depth": np.asarray(depth)}
        room = max(0, _NUM_EXAMPLES - len(shown))
        each = [{n: v[i] for n, v in batch.items()} for i in range(len(indices))]
        shown += each[:room]
    assert sums is not None  # a source is never empty
    scores: dict[str, float | None] = {}
    for name, mean in sums.items():
        pairs = float(mean.weight)
        scores[name] = float(mean.mean()) if pairs else None
        scores[f"{name}_pairs"] = pairs
    return {"scores": scores, "shown": shown}

"""What a training run computes on several devices and hosts, at its smallest.

    python -m tests.train.host_program OUTPUT [PORT PROCESSES PROCESS]

Process 0 writes the results to OUTPUT, an .npz file.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from unipose_jax import models, reduction, skeleton
from unipose_jax.train import parallel, teacher
from unipose_jax.train.evaluation import evaluate

CLIPS, BATCH = 7, 4  # the last batch is not full


class Clips:
    """Clips of one frame with two points; some of their joints are hidden."""

    def __len__(self):
        return CLIPS

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        points = rng.normal(size=(1, 2, 3)).astype(np.float32)
        return {"points": points, "visible": rng.random((1, 2)) < (index + 1) / CLIPS}


def apply(params, points):
    return models.PoseEstimate(
        xyz=points * params["w"], confidence_logit=points[..., 0]
    )


def term(params, batch, axis=parallel.AXIS):
    error = (apply(params, batch["points"]).xyz - 1.0) ** 2
    mean = reduction.weighted_mean(error.sum(-1), where=batch["visible"])
    return mean.psum(axis)


def step(params, batch, key):
    """A step of gradient descent; each example has noise of its own key."""
    keys = parallel.per_example_keys(key, len(batch["points"]))
    noise = jax.vmap(lambda key: jax.random.normal(key, (1, 2, 3)))(keys)
    batch = batch | {"points": batch["points"] + 0.1 * noise}
    weight = jax.lax.psum(batch["visible"].sum().astype(jnp.float32), parallel.AXIS)

    def share(params):
        error = (apply(params, batch["points"]).xyz - 1.0) ** 2
        return (error.sum(-1) * batch["visible"]).sum() / weight

    loss, grads = jax.value_and_grad(share)(params)
    loss, grads = jax.lax.psum((loss, grads), parallel.AXIS)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), {"loss": loss}


def results() -> dict[str, np.ndarray]:
    """Trained parameters (by both maps), labels, predictions and scores."""
    params, clips = {"w": jnp.ones((1, 1, 1, 3))}, Clips()
    found = {}
    local = parallel.local_batch_size(BATCH)
    first = jax.process_index() * local
    batch = evaluate.collate(clips[index] for index in range(first, first + local))
    for name in ("map_step", "shard_map_step"):
        run = getattr(parallel, name)(step)
        state = parallel.replicate(params)
        for _ in range(3):
            state, scalars = run(state, parallel.shard(batch), jax.random.key(0))
        found[f"{name} w"] = parallel.unreplicate(state)["w"]
        found[f"{name} loss"] = parallel.unreplicate(scalars)["loss"]
    labeler = teacher.Teacher(apply, params, inputs=("points",), batch_size=BATCH)
    labelled = labeler.label_source(clips)
    found["labels"] = np.stack([labelled[i]["teacher_xyz"] for i in range(CLIPS)])

    def measure(params, batch):
        mean = term(params, batch)
        return {"error": mean}, {"seen": mean}

    mapped = parallel.map_apply(measure)
    scores = evaluate.score_split(
        lambda params, batch: parallel.first_replica(
            mapped(params, parallel.shard(batch))
        ),
        parallel.replicate(params),
        clips,
        skeleton=skeleton.by_name("ITOP15"),
        weights={"error": 2.0},
        batch_size=BATCH,
        custom_metrics=True,
    )
    return found | {name: np.asarray(value) for name, value in scores.items()}


def main(output: str, *where: str) -> None:
    """Writes the results, as one of several processes if `where` says so."""
    if where:
        port, processes, process = where
        parallel.initialize(f"127.0.0.1:{port}", int(processes), int(process))
    found = results()
    if parallel.is_main_process():
        np.savez(output, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Scores the weights that ship on rendered test people.

    python -m benchmarks.weights --modality=points

Prints tables of all, visible and occluded joints, and by distance and orientation of
the person. Overrides change the people: `--config.data.motion=CLIPS.npz`, uniformly
distributed orientations (`--config.data.scene.view.frontal_share=0.0`), or fewer points
(`--config.data.num_points=256`), which are then repeated as in recordings.
"""

import pathlib

import ml_collections
import numpy as np
from absl import app, flags
from ml_collections import config_flags

from configs import unipose
from data_pipelines.ground import sampling
from data_pipelines.loading import sources
from unipose_jax import errors, estimator, models, skeleton
from unipose_jax.cli import commands
from unipose_jax.report.pages import run_page
from unipose_jax.train import parallel, plan
from unipose_jax.train.checkpoints import folders
from unipose_jax.train.evaluation import evaluate
from unipose_jax.weights import store

_MODALITY = flags.DEFINE_enum(
    "modality", "points", folders.MODALITIES, "Input of the network."
)
_BATCH = 32  # clips, at most


def default_config() -> ml_collections.ConfigDict:
    """The config of the main job, with the number of points of the weights."""
    config = unipose.get_config("quick")
    config.data.num_points = store.read_meta()["num_points"]
    config.student.teacher.kind = "truth"  # no teacher is loaded
    return config


_CONFIG = config_flags.DEFINE_config_dict(
    "config", default_config(), "Config of the test people."
)


class RepeatedPoints:
    """Test clips whose points are repeated up to the number that a network expects."""

    def __init__(self, source, num_points: int):
        """Wraps `source`, a random-access source of clips with at most `num_points`."""
        self._source, self._num_points = source, num_points

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        clip, rng = self._source[index], np.random.default_rng(index)
        frames = [
            sampling.sample_points(xyz[valid], self._num_points, rng, repeat=True)
            for xyz, valid in zip(clip["points"], clip["points_valid"], strict=True)
        ]
        points, valid = (np.stack(part) for part in zip(*frames, strict=True))
        return {**clip, "points": points, "points_valid": valid}


def main(argv: list[str]) -> None:
    """Scores the weights."""
    del argv
    commands.silence_library_logs()
    with errors.exit_on_bad_input():
        score()


def score() -> None:
    """Predicts the test clips and prints the tables."""
    network = estimator.load_shipped(_MODALITY.value)
    stage = plan.resolve_stage(_CONFIG.value, pathlib.Path(), _MODALITY.value)
    test = sources.open_split(stage.data, "test")
    skel = skeleton.by_name(network.skeleton)
    apply_fn = models.build(network.model, num_joints=skel.num_joints).apply
    predicted = evaluate.predict_split(
        evaluate.make_predict(apply_fn, network.inputs),
        parallel.replicate(network.params),
        RepeatedPoints(test, network.num_points),
        batch_size=evaluate.choose_batch_size(
            test, _BATCH, description="the test split"
        ),
    )
    truth = evaluate.read_ground_truth(test)
    results = evaluate.compute_metrics(predicted, truth, skel)
    print(run_page.protocol(stage.data, results, test.protocol))
    print(run_page.summary_text(results))
    conditions = evaluate.metrics_by_condition(predicted, truth, skel)
    print(run_page.conditions_text(conditions))


if __name__ == "__main__":
    app.run(main)

"""How good the weights that ship are on rendered test people, and where they are not.

    python -m benchmarks.weights --modality=points

Prints tables: all, visible and occluded joints; by distance and by where people face.
Settings of the people may differ, for example `--config.data.motion=CLIPS.npz`, all
sides alike (`--config.data.scene.view.frontal_share=0.0`) or fewer points, which are
taken again as those of recordings are (`--config.data.num_points=256`).
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
from unipose_jax.report.pages import experiment
from unipose_jax.train import parallel
from unipose_jax.train.checkpoints import folders
from unipose_jax.train.evaluation import evaluate
from unipose_jax.train.plan import stages
from unipose_jax.weights import store

_MODALITY = flags.DEFINE_enum(
    "modality", "points", folders.MODALITIES, "What the network looks at."
)
_BATCH = 32  # clips at a time, at most


def people() -> ml_collections.ConfigDict:
    """The test people of the main job, with as many points as the weights learnt from.

    Nobody teaches here.
    """
    config = unipose.get_config("quick")
    config.data.num_points = store.read_meta()["num_points"]
    config.student.teacher.kind = "truth"
    return config


_CONFIG = config_flags.DEFINE_config_dict("config", people(), "Of the test people.")


class Filled:
    """Test clips whose clouds have as many points as a network is used to."""

    def __init__(self, source, num_points: int):
        """Takes a source of clips of at most so many points."""
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
    """Scores them."""
    del argv
    commands.quiet_logs()
    with errors.told():
        score()


def score() -> None:
    """Predicts the test clips and prints the tables."""
    network = estimator.load_shipped(_MODALITY.value)
    stage = stages.config_of(_CONFIG.value, _MODALITY.value, pathlib.Path())
    test = sources.open_split(stage, "test")
    skel = skeleton.by_name(network.skeleton)
    apply_fn = models.build(network.model, num_joints=skel.num_joints).apply
    predicted = evaluate.predict_split(
        evaluate.make_predict(apply_fn, network.inputs),
        parallel.replicate(network.params),
        Filled(test, network.num_points),
        batch_size=evaluate.fitting_batch_size(test, _BATCH, what="the test split"),
    )
    truth = evaluate.truth_of(test)
    results = evaluate.measure(predicted, truth, skel)
    print(experiment.protocol(stage, results, test.protocol))
    print(experiment.summary_text(results))
    conditions = evaluate.measure_conditions(predicted, truth, skel)
    print(experiment.conditions_text(conditions))


if __name__ == "__main__":
    app.run(main)

"""From the weights that ship to weights that fit a recording."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import recording
from tests import config_data, filmed_people, stages
from unipose_jax import errors, models, skeleton
from unipose_jax.report import logs
from unipose_jax.train import loop, teacher
from unipose_jax.train.checkpoints import checkpoint
from unipose_jax.train.evaluation import evaluate

pytestmark = pytest.mark.usefixtures("shared_programs")


@pytest.fixture(scope="module")
def filmed(rendered_people, tmp_path_factory):
    """Recordings of rendered people with COCO17 keypoints, all of them right."""
    folder = tmp_path_factory.mktemp("recordings")
    filmed_people.write(folder, rendered_people)
    return folder


@pytest.fixture
def config(filmed):
    config = recording.get_config("adapt")
    config.data.path = str(filmed)
    config.global_batch_size = 4
    config.num_train_steps, config.checkpoint_every = 2, 1
    return stages.values(config, "points", filmed)


@pytest.mark.slow
def test_adapting_starts_with_the_shipped_weights_and_keeps_the_best(
    config, tmp_path, final_state
):
    assert loop.train(stages.stage(config, tmp_path))
    log = logs.read_log(tmp_path / "log.jsonl")
    scores = {r["step"]: r["loss/total"] for r in log if r["split"] == "validation"}
    assert list(scores) == [0, 1, 2]
    checkpoints = checkpoint.Checkpoints(tmp_path)
    assert scores[checkpoints.best_step()] == min(scores.values())
    checkpoints.close()
    shipped = jax.tree.leaves(teacher.load(stages.stage(config, tmp_path)).params)
    adapted = jax.tree.leaves(final_state(config, tmp_path).params)
    moved = [np.abs(a - b).max() for a, b in zip(adapted, shipped, strict=True)]
    assert 0 < max(moved) < 0.1  # the same network, a little different


def test_only_joints_without_keypoints_keep_to_the_teacher(config):
    for name in config.loss_weights:
        config.loss_weights[name] = float(name == "pseudo_position")
    recipe = stages.recipe(config)
    assert recipe.needs_teacher
    source = config_data.open_split(config, "validation")
    batch = evaluate.collate([source[0]])
    silent = batch["confidence"] == 0
    lacking = skeleton.ITOP15.index("right_hand")  # of which COCO17 knows nothing
    assert silent[..., lacking].all()
    assert not silent.all()
    batch |= {
        "teacher_xyz": np.nan_to_num(batch["xyz"]),
        "teacher_confidence": np.ones_like(batch["confidence"]),
    }
    batch = jax.tree.map(jnp.asarray, batch)

    def loss(away):
        xyz = batch["teacher_xyz"] + 0.1 * jnp.asarray(away, jnp.float32)[..., None]
        estimate = models.PoseEstimate(xyz=xyz, confidence_logit=jnp.zeros(away.shape))
        return float(recipe.validation_terms(estimate, batch)["pseudo_position"].mean())

    assert loss(np.zeros_like(silent)) == 0.0
    assert loss(~silent) == 0.0
    assert loss(silent) > 0.03


def test_joints_without_keypoints_need_a_teacher_who_knows_them(
    config, filmed, tmp_path
):
    """Hands of ITOP15, of a recording with COCO17 keypoints and no truth at all."""
    folder = shutil.copytree(filmed, tmp_path / "filmed")
    for truth in folder.rglob("joints.npz"):
        truth.unlink()
    config.data.path = str(folder)
    with pytest.raises(errors.BadInput, match="no right_hand.*skeleton: .*COCO17"):
        config_data.open_train(config, host=0, hosts=1)
    batches = config_data.open_train(
        config, host=0, hosts=1, teacher=teacher.load(stages.stage(config, tmp_path))
    )
    batch = next(batches)
    lacking = skeleton.ITOP15.index("right_hand")
    assert not batch["confidence"][..., lacking].any()
    assert np.isfinite(batch["teacher_xyz"][..., lacking, :]).all()


def test_another_network_cannot_start_with_the_weights(config, tmp_path):
    config.model.width //= 2
    with pytest.raises(errors.BadInput, match="weights are of another network .*there"):
        loop.train(stages.stage(config, tmp_path))
    assert not (tmp_path / "checkpoints").exists()

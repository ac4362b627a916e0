"""Facts about whole runs of WSP pre-training, on a tiny collection in a folder."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import wsp as config_file
from tests import config_data, stages
from tests.data_pipelines.originals import coco as original
from tests.perspective import people
from unipose_jax import errors, models, skeleton
from unipose_jax.cli import evaluate as cli_evaluate
from unipose_jax.train import loop, parallel
from unipose_jax.train.checkpoints import restore
from unipose_jax.train.evaluation import ranking_study
from unipose_jax.train.recipes import wsp


def photographs(folder, *scales):
    """Pictures of two people, 20 and 8 pixels per metre, and of those of `scales`."""
    found = []
    for pair in ((20.0, 8.0), *scales):
        uv = [
            people.standing(s, u=15.0 + 25.0 * i, floor=40.0 - i)
            for i, s in enumerate(pair)
        ]
        flags = np.full((len(pair), 17, 1), 2.0)
        found.append(np.concatenate([np.asarray(uv), flags], axis=-1))
    return "@".join(map(str, original.write(folder, found)))


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    # A twentieth of them, which validates, is one for each of the tests' devices.
    return photographs(folder, *[(20.0, 8.0)] * 79)


def smoke(collection):
    config = config_file.get_config("smoke")
    config.data.collections, config.data.max_people = collection, 2
    return config


def test_run_trains_evaluates_and_reports(collection, tmp_path):
    config = smoke(collection)
    values = stages.values(config, "points", tmp_path)
    assert loop.train(stages.stage(values, tmp_path))
    assert cli_evaluate.evaluate_run(config, tmp_path) == 0
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert record["pair_accuracy"] is None  # photographs have no true depth
    assert record["label_accuracy_pairs"] > 0
    assert 0 <= record["label_accuracy"] <= 1
    page = (tmp_path / "report" / "index.html").read_text()
    assert "by true depth" in page
    assert (tmp_path / "report" / "figures" / "order_0.png").is_file()
    log = (tmp_path / "log.jsonl").read_text()
    assert "label_accuracy" in log
    assert "pair_accuracy" not in log  # 0 of 0 pairs
    assert "mpjpe" not in log


def test_every_picture_is_scored_whatever_the_batch(collection, tmp_path):
    config = stages.values(smoke(collection), "points", tmp_path)
    recipe, source = stages.recipe(config), config_data.open_split(config, "validation")
    data = config_data.typed(config.data)
    example = jax.tree.map(jnp.asarray, restore.dummy_inputs(data, recipe.inputs))
    params = jax.jit(recipe.network.init)(jax.random.key(0), **example)
    scores = {}
    for size in (len(source) - 1, len(source)):
        config.global_batch_size = size
        stage = stages.stage(config, tmp_path)
        scores[size] = ranking_study.run_study(stage, params, source)["scores"]
    some, every = scores.values()
    assert every["label_accuracy_pairs"] > 0
    for name, value in every.items():
        if name.endswith("_pairs"):
            assert some[name] == value, name


def test_one_person_per_picture_leaves_nothing_to_train_on(tmp_path):
    config = smoke("@".join(map(str, original.write(tmp_path, original.people(1, 1)))))
    stage = stages.stage(stages.values(config, "points", tmp_path), tmp_path / "run")
    with pytest.raises(errors.BadInput, match="no pairs of people to train on"):
        loop.train(stage)


def example():
    """Two people, the first of whom is larger and nearer; and the truth."""
    uv = jnp.stack(
        [people.standing(20.0, floor=40.0), people.standing(8.0, floor=39.0)]
    )
    z = jnp.broadcast_to(jnp.array([2.0, 5.0])[:, None], (2, 17))
    xyz = jnp.zeros((2, 17, 3)).at[..., 2].set(z)
    batch = {
        "people_uv": uv,
        "people_confidence": jnp.ones((2, 17)),
        "people_xyz": xyz,
        "people_visible": jnp.ones((2, 17), bool),
    }
    return {name: value[None] for name, value in batch.items()}, z[None]


@pytest.mark.parametrize(("sign", "expected"), [(1.0, 1.0), (-1.0, 0.0)])
def test_accuracy_is_that_of_the_order(sign, expected):
    batch, depth = example()
    rule = stages.recipe(smoke("rendered")).settings
    score = functools.partial(wsp.accuracies, label_config=rule, skel=skeleton.COCO17)
    found = jax.jit(score)(models.RankEstimate(sign * depth, 0.0 * depth), batch)
    assert found["pair_accuracy"].mean() == expected
    assert found["label_accuracy"].mean() == expected
    assert found["rule_precision"].mean() == 1.0
    assert found["rule_coverage"].mean() == 1.0
    assert found["pair_accuracy"].weight == 2 * 17**2
    assert found["inside_accuracy"].weight == 0


def test_the_right_order_costs_less_and_one_person_nothing():
    batch, depth = example()
    config = smoke("rendered")
    rule = stages.recipe(config).settings
    keys = jax.random.split(jax.random.key(0), 1)

    @jax.jit
    def cost(depth, confidence):
        seen = batch | {"people_confidence": confidence}
        estimate = models.RankEstimate(depth, 0.0 * depth)
        return wsp.sampled_ranking_loss(
            estimate, seen, keys, rule, config.pairs_per_image, skeleton.COCO17
        ).mean()

    everyone = jnp.ones((1, 2, 17))
    assert cost(depth, everyone) < np.log(2.0) < cost(-depth, everyone)
    assert cost(depth, everyone.at[:, 1].set(0.0)) == 0.0


def test_validation_draws_the_same_pairs_on_any_number_of_devices():
    batch, depth = example()
    config = smoke("rendered")
    rng = np.random.default_rng(0)
    depth = depth + jnp.asarray(rng.normal(size=(4, *depth.shape[1:])), jnp.float32)
    batch = {name: jnp.repeat(value, 4, axis=0) for name, value in batch.items()}
    batch |= {"image": jnp.zeros((4, 2, 2, 3))}
    recipe = stages.recipe(config)

    def cost(devices):
        def shared(value):
            return value.reshape(devices, 4 // devices, *value.shape[1:])

        def terms(depth, batch):
            estimate = models.RankEstimate(depth, 0.0 * depth)
            ranking = recipe.validation_terms(estimate, batch)["ranking"]
            return jax.lax.psum(ranking, parallel.AXIS)

        split = jax.tree.map(shared, (depth, batch))
        return jax.jit(jax.vmap(terms, axis_name=parallel.AXIS))(*split).mean()[0]

    # Sums in another order.
    np.testing.assert_allclose(cost(4), cost(1), rtol=1e-5)


def test_location_costs_the_nats_of_believed_keypoints():
    batch, depth = example()
    rule = stages.recipe(smoke("rendered")).settings
    shares = jnp.log(jnp.full((1, 2, 17), 0.25)).at[0, 1].set(-jnp.inf)
    trust = batch["people_confidence"].at[0, 1].set(0.0)  # nobody knows where
    trust = trust.at[0, 0, :8].set(0.5)
    shares = shares.at[0, 0, :8].set(jnp.log(0.5))
    loss = wsp.heatmap_loss(
        models.RankEstimate(depth, shares), {"people_confidence": trust}, rule
    )
    expected = (4.0 * np.log(2.0) + 9.0 * np.log(4.0)) / 13.0
    np.testing.assert_allclose(loss.mean(), expected, rtol=1e-6)


def test_measured_depth_orders_limbs_of_one_person():
    batch, depth = example()
    config = smoke("rendered")
    config.ordinal_labels.source = "depth"
    rule = stages.recipe(config).settings
    alone = jnp.arange(17.0).at[3].set(jnp.nan) * 0.1 + depth[0, 0, 0]
    seen = batch | {
        "people_depth": jnp.stack([alone, jnp.full(17, jnp.nan)])[None],
        "people_visible": jnp.isfinite(jnp.stack([alone, alone * jnp.nan]))[None],
    }
    keys = jax.random.split(jax.random.key(0), 1)

    @jax.jit
    def cost(guess):
        estimate = models.RankEstimate(guess, 0.0 * guess)
        return wsp.sampled_ranking_loss(
            estimate, seen, keys, rule, config.pairs_per_image, skeleton.COCO17
        )

    right = jnp.stack([jnp.arange(17.0), jnp.zeros(17)])[None]
    assert cost(right).weight == config.pairs_per_image
    assert cost(right).mean() < np.log(2.0) < cost(-right).mean()


@pytest.mark.parametrize(
    ("source", "collection", "message"),
    [
        ("guess", "rendered", "source is 'guess'; use one of keypoints, depth"),
        (
            "depth",
            "people.json",
            "ordinal_labels.source .*photographs lack; .* is 'people.json', not 'ren",
        ),
    ],
)
def test_source_that_there_is_not(source, collection, message):
    config = smoke(collection)
    config.ordinal_labels.source = source
    with pytest.raises(errors.BadInput, match=message):
        stages.recipe(config)

"""Other ways to compute a step: with less memory, or in bfloat16."""

import math
import pathlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import unipose
from data_pipelines.loading import sources
from tests import stages
from unipose_jax.train import optimizer, parallel, plan
from unipose_jax.train import state as train_state
from unipose_jax.train import step as train_step
from unipose_jax.train.checkpoints import restore


@pytest.fixture(scope="module")
def compute(pools):
    """`compute(remat, dtype)`: the gradients and the metrics of a step."""
    config = unipose.get_config("smoke")
    config.data.cache_dir = pools
    stages.keep_one_term(config)
    stage = stages.stage(config)
    batch = next(
        sources.open_train(
            stage.data, seed=0, batch_size=stage.batch_size, host=0, hosts=1
        )
    )
    fed = parallel.put({name: batch[name] for name in stage.recipe.fields})
    inputs = restore.dummy_inputs(stage.data, stage.recipe.inputs)

    def one(*, remat=False, dtype="float32"):
        config.model.dtype = dtype
        recipe = stages.recipe(config)
        weights = optimizer.make_weight_schedule(recipe.objective, 10)
        step = train_step.make_train_step(recipe.train_terms, weights, 0.9, remat=remat)
        # The parameters lose their gradients.
        state = train_state.create(
            recipe.network, optax.sgd(1.0), inputs, jax.random.key(0)
        )
        mapped = parallel.map_step(step)
        after, metrics = mapped(parallel.replicate(state), fed, jax.random.key(0))
        before, after = state.params, parallel.unreplicate(after.params)
        gradients = jax.tree.map(lambda x, y: np.asarray(x) - y, before, after)
        return gradients, parallel.unreplicate(metrics)

    return one


@pytest.fixture(scope="module")
def usual(compute):
    return compute()


def test_remat_gives_equal_gradients(compute, usual):
    gradients, metrics = compute(remat=True)
    chex.assert_trees_all_close(gradients, usual[0], atol=1e-6)
    chex.assert_trees_all_close(metrics, usual[1], rtol=1e-5)
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(gradients)) > 1e-3


def test_bfloat16_activations_give_about_the_same_loss(compute, usual):
    gradients, metrics = compute(dtype="bfloat16")
    assert {leaf.dtype.name for leaf in jax.tree.leaves(gradients)} == {"float32"}
    for name in ("loss/total", "grad_norm"):
        assert metrics[name] != usual[1][name]
        np.testing.assert_allclose(metrics[name], usual[1][name], rtol=0.02)


def test_remat_keeps_less_for_the_gradient():
    stage = plan.resolve_stage(
        unipose.get_config("full"), pathlib.Path("nowhere"), "points"
    )
    network, inputs = stage.recipe.network, stage.recipe.inputs
    clips = jax.tree.map(jnp.asarray, restore.dummy_inputs(stage.data, inputs))
    params = jax.eval_shape(network.init, jax.random.key(0), **clips)

    def kept(apply):
        def pull_back(params):
            return jax.vjp(lambda params: apply(params, **clips), params)[1]

        arrays = jax.tree.leaves(jax.eval_shape(pull_back, params))
        return sum(math.prod(x.shape) * x.dtype.itemsize for x in arrays)

    assert kept(train_step.rematerialized(network.apply)) < kept(network.apply) / 2

"""One training step on one device, to be mapped over all of them."""

from collections.abc import Callable, Mapping

import jax
import optax

from unipose_jax.train import objective, parallel
from unipose_jax.train.state import TrainState


def make_train_step(
    compute_terms: Callable,
    weights_at: Callable,
    ema_decay: float,
    *,
    remat: bool = False,
) -> Callable:
    """Builds `step(state, batch, key) -> (state, metrics)`.

    Args:
        compute_terms: `compute_terms(apply_fn, params, batch, keys)` returns a dict of
            `WeightedMean`; `keys` has one key per example.
        weights_at: step to the weight of each term; a term it does not name is logged,
            not optimised.
        ema_decay: of the moving average of the parameters.
        remat: whether the network is `rematerialized`.
    """

    def step(state: TrainState, batch: Mapping, key: jax.Array):
        # Randomness is a function of (seed, step, place in the global batch): neither
        # resuming nor another number of devices changes it.
        key = jax.random.fold_in(key, state.step)
        count = jax.tree.leaves(batch)[0].shape[0]
        keys = parallel.per_example_keys(key, count)
        weights = weights_at(state.step)
        apply_fn = rematerialized(state.apply_fn) if remat else state.apply_fn

        def loss_fn(params):
            terms = compute_terms(apply_fn, params, batch, keys)
            return objective.device_share(terms, weights, parallel.AXIS), terms

        (share, terms), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
        share, grads = jax.lax.psum((share, grads), parallel.AXIS)
        metrics = {
            f"loss/{name}": term.psum(parallel.AXIS).mean()
            for name, term in terms.items()
        }
        metrics |= {"loss/total": share, "grad_norm": optax.tree.norm(grads)}
        return state.apply_gradients(grads=grads).update_ema(ema_decay), metrics

    return step


def rematerialized(apply_fn: Callable) -> Callable:
    """A network that keeps the outputs of its dense layers alone for the gradient.

    The gradient computes the other activations again: a step needs less memory and
    more time. XLA for CPU undoes it.
    """
    keep = jax.checkpoint_policies.dots_with_no_batch_dims_saveable
    return jax.checkpoint(apply_fn, policy=keep)

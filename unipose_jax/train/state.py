"""What a training run carries from step to step."""

import flax
import jax
import jax.numpy as jnp
import optax
from flax.training import train_state


class TrainState(train_state.TrainState):
    """Flax's train state with a moving average of the parameters."""

    ema_params: flax.core.FrozenDict

    def update_ema(self, decay: float) -> "TrainState":
        """Moves the average towards the parameters; faster in the first steps."""
        kept = jnp.minimum(decay, (1.0 + self.step) / (10.0 + self.step))
        ema = optax.incremental_update(self.params, self.ema_params, 1.0 - kept)
        return self.replace(ema_params=ema)

    def checkpoint_tree(self) -> dict:
        """The part that a checkpoint holds, as a plain pytree."""
        return {
            "step": self.step,
            "params": self.params,
            "ema_params": self.ema_params,
            "opt_state": self.opt_state,
        }


def create(network, optimizer, example: dict, key: jax.Array) -> TrainState:
    """Initialises a network from one batch of inputs.

    Args:
        network: Flax module called as `network(**example)`.
        optimizer: an optax transformation.
        example: keyword inputs of the network, with a batch axis.
        key: a `jax.random.key`.
    """
    params = jax.jit(network.init)(key, **example)
    return TrainState.create(
        apply_fn=network.apply, params=params, ema_params=params, tx=optimizer
    ).replace(step=jnp.zeros((), jnp.int32))

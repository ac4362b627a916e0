import logging

import jax
import jax.numpy as jnp
import numpy as np

from unipose_jax.train import parallel


def test_a_step_compiles_once_for_fresh_and_for_returned_states(caplog):
    def step(state, batch, key):
        noise = jax.random.uniform(key)
        return jax.tree.map(lambda x: x + batch.sum() * noise, state), batch.mean()

    run = parallel.map_step(step)
    state = parallel.replicate({"weights": jnp.zeros(3), "bias": np.zeros(())})
    batch = parallel.shard(np.ones((4 * jax.local_device_count(), 2), np.float32))
    key = jax.random.key(0)
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        for _ in range(3):
            state, _ = run(state, batch, key)
    compiled = [r for r in caplog.messages if "Finished XLA compilation" in r]
    assert sum("_fun" in message for message in compiled) == 1, compiled

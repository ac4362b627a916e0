"""Batches from a pool of examples in memory, shuffled in every epoch."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipelines.loading import loader


class PoolBatches:
    """Infinite shuffled batches from a pool; a batch is a function of (seed, step)."""

    def __init__(
        self, pool: loader.Source, *, seed: int, batch_size: int, host: int, hosts: int
    ):
        """Sets up the batches of one host.

        Args:
            pool: clips or other examples in memory.
            seed: seed of the order and of the sampling of points.
            batch_size: examples per global batch.
            host: index of this host, which gets the contiguous part `host` of a batch.
            hosts: number of hosts.
        """
        self._pool, self._seed, self._batch_size = pool, seed, batch_size
        share = batch_size // hosts
        self._share = np.arange(host * share, (host + 1) * share)
        self._step = 0
        self._order = functools.lru_cache(maxsize=2)(self._permutation)

    def _permutation(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng((self._seed, 0, epoch))
        return rng.permutation(len(self._pool))

    def __next__(self) -> dict[str, np.ndarray]:
        places = self._step * self._batch_size + self._share
        examples = [self._example(int(place)) for place in places]
        self._step += 1
        return {name: np.stack([e[name] for e in examples]) for name in examples[0]}

    def _example(self, place: int) -> dict[str, np.ndarray]:
        epoch, offset = divmod(place, len(self._pool))
        order = self._order(epoch)
        rng = np.random.default_rng((self._seed, 1, place))
        return self._pool.example(int(order[offset]), rng)

    def get_state(self) -> dict[str, Any]:
        """Returns the position in the data, JSON-serialisable."""
        return {"step": self._step}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restores a position from `get_state`."""
        self._step = int(state["step"])

"""Infinite stream of batches from a random-access source, with grain."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

Example = dict[str, np.ndarray]


class Source(Protocol):
    """Random-access source of schema examples."""

    def __len__(self) -> int: ...

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """Returns example `index`; `rng` makes the random choices."""


class Loader:
    """Infinite shuffled batches; the order depends only on the seed.

    The global batch k is the same for any number of hosts; host h has its contiguous
    part h. The state is the number of batches drawn, so a run resumes exactly, also
    with a different number of workers or hosts.
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        host: int = 0,
        hosts: int = 1,
        workers: int = 0,
        prefetch: int = 2,
    ):
        """Sets up the stream of one host.

        Args:
            source: the examples; must be picklable if `workers` > 0.
            batch_size: examples per global batch.
            seed: seed of the order and of random choices in examples.
            shuffle: True shuffles in every epoch; False keeps the order of the source.
            host: index of this host.
            hosts: number of hosts; must divide `batch_size`.
            workers: number of reader processes; 0 reads in threads of this process.
            prefetch: number of batches read in advance.

        Raises:
            ValueError: the source is empty, or `hosts` does not divide `batch_size`.
        """
        import grain

        if len(source) == 0:
            raise ValueError("the source has no examples")
        if batch_size % hosts or not 0 <= host < hosts:
            raise ValueError(
                f"host {host} of {hosts} cannot share batches of {batch_size}"
            )
        places = grain.MapDataset.range(len(source)).seed(seed)
        places = places.shuffle() if shuffle else places
        examples = places.repeat(None).random_map(source.example)
        local = examples.batch(batch_size // hosts, drop_remainder=True)
        self._batches = local[host::hosts]
        self._workers, self._prefetch = workers, prefetch
        self._step = 0
        self._iterator: Iterator[Example] | None = None

    def __iter__(self) -> "Loader":
        return self

    def __next__(self) -> Example:
        if self._iterator is None:
            self._iterator = self._open()
        batch = next(self._iterator)
        self._step += 1
        return batch

    def get_state(self) -> dict[str, Any]:
        """Returns the position, JSON-serialisable."""
        return {"step": self._step}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restores a position from `get_state`."""
        self._step = int(state["step"])
        self._iterator = None

    def _open(self) -> Iterator[Example]:
        """Starts prefetching from the current position."""
        import grain

        options = grain.ReadOptions(
            num_threads=min(self._prefetch, 16), prefetch_buffer_size=self._prefetch
        )
        batches = self._batches[self._step :].to_iter_dataset(options)
        if self._workers:
            batches = batches.mp_prefetch(
                grain.MultiprocessingOptions(num_workers=self._workers)
            )
        return iter(batches)

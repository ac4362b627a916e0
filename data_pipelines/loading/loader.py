"""Endless batches from random-access sources, with grain."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import grain
import numpy as np

Example = dict[str, np.ndarray]


class Source(Protocol):
    """Random-access source of schema examples."""

    def __len__(self) -> int: ...

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """Returns example `index`; `rng` makes the random choices."""


def shuffle(source: Source, *, seed: int) -> grain.MapDataset:
    """Endless examples of a source; every epoch has each once, in a new order.

    Args:
        source: the examples; must be picklable if a `Loader` has workers.
        seed: seed of the order and of random choices in examples.

    Raises:
        ValueError: the source is empty.
    """
    if len(source) == 0:
        raise ValueError("the source has no examples")
    places = grain.MapDataset.range(len(source)).seed(seed)
    return places.shuffle().repeat(None).random_map(source.example)


def mix(
    sources: Sequence[Source], shares: Sequence[float], *, seed: int
) -> grain.MapDataset:
    """Endless examples of several sources, in proportion to their shares.

    Each source has its own epochs. Examples have the fields that all sources have.

    Args:
        sources: none may be empty.
        shares: positive share of each source.
        seed: seed of the orders and of random choices in examples.

    Raises:
        ValueError: a source is empty.
    """
    shuffled = [shuffle(one, seed=seed + number) for number, one in enumerate(sources)]
    rng = np.random.default_rng(0)
    names = set.intersection(*(set(one.example(0, rng)) for one in sources))
    select = functools.partial(_select, names)
    return grain.MapDataset.mix(shuffled, shares).map(select)


def _select(names: set[str], example: Example) -> Example:
    return {name: example[name] for name in names}


def batch(
    examples: grain.MapDataset, *, batch_size: int, host: int = 0, hosts: int = 1
) -> grain.MapDataset:
    """Batches of one host: the contiguous part `host` of each global batch.

    Args:
        examples: endless examples, or other elements.
        batch_size: examples per global batch, which any number of hosts shares.
        host: index of this host.
        hosts: number of hosts; must divide `batch_size`.

    Raises:
        ValueError: `hosts` does not divide `batch_size`.
    """
    if batch_size % hosts or not 0 <= host < hosts:
        raise ValueError(f"host {host} of {hosts} cannot share batches of {batch_size}")
    return examples.batch(batch_size // hosts, drop_remainder=True)[host::hosts]


class Loader:
    """Iterator over endless batches, whose state is the number of batches drawn.

    A batch depends only on the data set and its number, so a run resumes exactly, also
    with a different number of workers or hosts.
    """

    def __init__(
        self, batches: grain.MapDataset, *, workers: int = 0, prefetch: int = 2
    ):
        """Sets up the iterator.

        Args:
            batches: endless batches of this host.
            workers: number of reader processes; 0 reads in threads of this process.
            prefetch: number of batches read in advance; 0 makes each when it is drawn.
        """
        self._batches, self._workers, self._prefetch = batches, workers, prefetch
        self._step = 0
        self._iterator: Iterator[Example] | None = None

    def __iter__(self) -> "Loader":
        return self

    def __next__(self) -> Example:
        if self._iterator is None:
            self._iterator = self._open()
        drawn = next(self._iterator)
        self._step += 1
        return drawn

    def get_state(self) -> dict[str, Any]:
        """Returns the position, JSON-serialisable."""
        return {"step": self._step}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restores a position from `get_state`."""
        self._step = int(state["step"])
        self._iterator = None

    def _open(self) -> Iterator[Example]:
        """Starts prefetching from the current position."""
        options = grain.ReadOptions(
            num_threads=min(self._prefetch, 16), prefetch_buffer_size=self._prefetch
        )
        batches = self._batches[self._step :].to_iter_dataset(options)
        if self._workers:
            batches = batches.mp_prefetch(
                grain.MultiprocessingOptions(num_workers=self._workers)
            )
        return iter(batches)

"""From a random-access source of clips to an endless stream of batches, on grain."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

Example = dict[str, np.ndarray]


class Source(Protocol):
    """Random access to examples of the schema."""

    def __len__(self) -> int: ...

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """Example `index`; `rng` decides what differs from one time to the next."""


class Loader:
    """Shuffled batches without end; the order is a function of the seed alone.

    Batch k of all hosts together is the same set of examples for any number of hosts:
    host h has its contiguous part h. The state is the number of batches drawn, so a
    run resumes exactly, also with other workers or hosts.
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
        """Prepares the stream of one host.

        Args:
            source: the examples; picklable where `workers` > 0.
            batch_size: examples over all hosts.
            seed: of the order and of what examples draw at random.
            shuffle: anew in every epoch; otherwise in the order of the source.
            host: number of this host.
            hosts: how many there are; must divide `batch_size`.
            workers: processes that read; 0 reads in threads of this process.
            prefetch: batches read ahead.

        Raises:
            ValueError: an empty source, or a batch that the hosts cannot share.
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
        """The position, as JSON."""
        return {"step": self._step}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Goes to a position from `get_state`."""
        self._step = int(state["step"])
        self._iterator = None

    def _open(self) -> Iterator[Example]:
        """Reads on from the current position, ahead of what is asked for."""
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

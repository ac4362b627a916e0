"""Mixture of several prepared data sets as one training source."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from data_pipelines.ground import settings
from data_pipelines.loading import loader


class Mixture:
    """Examples of several sources; an epoch has each example of the first one once.

    The examples of the other sources are drawn at random, in proportion to their
    shares. Examples have the fields that all sources have.
    """

    def __init__(self, sources: Sequence[loader.Source], shares: Sequence[float]):
        """Mixes sources.

        Args:
            sources: the main source, then others; none may be empty.
            shares: share of each source in an epoch; they sum to 1.
        """
        whole = len(sources[0]) / shares[0]
        counts = [len(sources[0]), *(round(whole * share) for share in shares[1:])]
        self._sources = sources
        self._ends = np.cumsum(counts)
        rng = np.random.default_rng(0)
        names = [set(source.example(0, rng)) for source in sources]
        self._names = set.intersection(*names)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Returns example `index` of the main source, or a random one of another."""
        number = int(np.searchsorted(self._ends, index, side="right"))
        source = self._sources[number]
        place = index if number == 0 else int(rng.integers(len(source)))
        example = source.example(place, rng)
        return {name: example[name] for name in self._names}


def other_settings(data: settings.DataSettings, name: str) -> settings.DataSettings:
    """Settings of another data set of the mixture, which is in the same `data_dir`.

    Args:
        data: settings of the main data set.
        name: "name" or "name/variant", as in `data.mixture_shares`.
    """
    name, _, variant = name.partition("/")
    return dataclasses.replace(data, name=name, variant=variant, mixture="")


def describe_mixture(shares: Mapping[str, float]) -> str:
    """Describes the mixture in words."""
    listed = ", ".join(f"{share:.0%} {name}" for name, share in shares.items())
    return f"training examples: {listed}, the rest from the main data set"

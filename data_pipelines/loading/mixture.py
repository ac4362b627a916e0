"""Mixture of several prepared data sets as one training source."""

from collections.abc import Mapping, Sequence

import ml_collections
import numpy as np

from data_pipelines.loading import loader
from unipose_jax import errors


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


def parse_mixture(text: str) -> dict[str, float]:
    """Parses the shares of the other data sets, by "name" or "name/variant".

    Args:
        text: of a config, for example "ntu_rgbd/cross_subject=0.4,recording=0.1".

    Raises:
        errors.BadInput: the text is invalid, or the shares sum to 1 or more.
    """
    shares: dict[str, float] = {}
    for part in filter(None, text.replace(" ", "").split(",")):
        name, _, number = part.partition("=")
        try:
            shares[name] = float(number)
        except ValueError:
            shares[name] = -1.0
    if (
        any(not 0.0 < share < 1.0 for share in shares.values())
        or sum(shares.values()) >= 1.0
    ):
        raise errors.BadInput(
            f"config.data.mixture is {text!r}; expected shares such as "
            "'ntu_rgbd/cross_subject=0.4,recording=0.1', together below 1"
        )
    return shares


def other_data_config(
    data: ml_collections.ConfigDict, name: str
) -> ml_collections.ConfigDict:
    """The `data` of one of the other data sets, in the same folder as the main one."""
    other = ml_collections.ConfigDict(data.to_dict())
    other.name, _, other.variant = name.partition("/")
    other.mixture = ""
    return other


def describe_mixture(shares: Mapping[str, float]) -> str:
    """Describes the mixture in words."""
    listed = ", ".join(f"{share:.0%} {name}" for name, share in shares.items())
    return f"training examples: {listed}, the rest from the main data set"

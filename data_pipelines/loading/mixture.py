"""Several prepared data sets as one source to train on, each with its share."""

from collections.abc import Mapping, Sequence

import ml_collections
import numpy as np

from data_pipelines.loading import loader
from unipose_jax import errors


class Mixture:
    """Examples of several sources; an epoch shows the first of them whole.

    Of the others it shows as many, drawn at random, as their shares ask for. Examples
    have the fields that all sources have.
    """

    def __init__(self, sources: Sequence[loader.Source], shares: Sequence[float]):
        """Mixes sources.

        Args:
            sources: the main one, then others; none is empty.
            shares: of the examples of an epoch; they add up to 1.
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
        """Example `index` of the main source, or one that `rng` draws from another."""
        number = int(np.searchsorted(self._ends, index, side="right"))
        source = self._sources[number]
        place = index if number == 0 else int(rng.integers(len(source)))
        example = source.example(place, rng)
        return {name: example[name] for name in self._names}


def parse_mixture(text: str) -> dict[str, float]:
    """The shares of the other data sets, by "name" or "name/variant".

    Args:
        text: of a config, for example "ntu_rgbd/cross_subject=0.4,recording=0.1".

    Raises:
        errors.BadInput: it does not read so, or leaves nothing for the main set.
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
    """The `data` of one of the other sets, which lies beside the main one."""
    other = ml_collections.ConfigDict(data.to_dict())
    other.name, _, other.variant = name.partition("/")
    other.mixture = ""
    return other


def describe_mixture(shares: Mapping[str, float]) -> str:
    """The mixture in words, for people to read."""
    listed = ", ".join(f"{share:.0%} {name}" for name, share in shares.items())
    return f"training examples: {listed}, the rest of the main set"

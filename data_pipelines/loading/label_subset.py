"""Random subset of training clips, to train with a fraction of the 3D labels."""

import math

import numpy as np

from data_pipelines.loading import loader
from unipose_jax import errors


class LabeledSubset:
    """Random subset of a source. A larger fraction contains a smaller one.

    The subset depends only on the number of examples and on the seed.
    """

    def __init__(self, source: loader.Source, share: float, *, seed: int):
        """Draws the subset.

        Args:
            source: random-access source of examples.
            share: fraction of the examples, in (0, 1]; at least one is drawn.
            seed: seed of the choice.
        """
        self._source = source
        order = np.random.default_rng((seed, 2)).permutation(len(source))
        # A float such as 0.1 is slightly more than a tenth.
        count = math.ceil(round(share * len(source), 6))
        self.indices = np.sort(order[:count])

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Returns example `index` of the subset, always the same."""
        return self.example(index, np.random.default_rng(index))

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Returns example `index` of the subset; the source uses `rng`."""
        return self._source.example(int(self.indices[index]), rng)


def labeled_subset(source: loader.Source, share: float, *, seed: int) -> loader.Source:
    """The examples of a training source that have labels.

    Args:
        source: all examples.
        share: `config.data.labeled_fraction`; 1.0 returns `source`.
        seed: of the choice.

    Raises:
        errors.BadInput: the fraction is not in (0, 1].
    """
    if not 0.0 < share <= 1.0:
        raise errors.BadInput(
            f"config.data.labeled_fraction is {share}; expected a fraction in (0, 1]"
        )
    return source if share == 1.0 else LabeledSubset(source, share, seed=seed)

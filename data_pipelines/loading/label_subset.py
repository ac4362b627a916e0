"""The share of the training clips that have 3D labels; the others are left out."""

import math

import numpy as np

from data_pipelines.loading import loader
from unipose_jax import errors


class LabeledSubset:
    """Some examples of a source, drawn once; of two shares, the larger has all of both.

    Which ones depends on the number of examples and on the seed alone.
    """

    def __init__(self, source: loader.Source, share: float, *, seed: int):
        """Draws the examples.

        Args:
            source: random access to examples.
            share: of its examples, in (0, 1]; one at least is drawn.
            seed: of the choice.
        """
        self._source = source
        order = np.random.default_rng((seed, 2)).permutation(len(source))
        # A share such as 0.1 is a hair more than a tenth.
        count = math.ceil(round(share * len(source), 6))
        self.indices = np.sort(order[:count])

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Example `index` of those drawn, always the same."""
        return self.example(index, np.random.default_rng(index))

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Example `index` of those drawn; `rng` as of the source."""
        return self._source.example(int(self.indices[index]), rng)


def labeled_subset(source: loader.Source, share: float, *, seed: int) -> loader.Source:
    """The examples of a training source that have labels.

    Args:
        source: all examples.
        share: `config.data.labeled_fraction`; 1.0 returns `source`.
        seed: of the choice.

    Raises:
        errors.BadInput: the share is not in (0, 1].
    """
    if not 0.0 < share <= 1.0:
        raise errors.BadInput(
            f"config.data.labeled_fraction is {share}; expected a share in (0, 1]"
        )
    return source if share == 1.0 else LabeledSubset(source, share, seed=seed)

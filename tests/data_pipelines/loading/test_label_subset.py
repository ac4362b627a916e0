"""Random subsets of labelled clips: choice and number."""

import numpy as np
import pytest

from data_pipelines.ground import settings
from data_pipelines.loading import label_subset, sources
from unipose_jax import errors


class Numbers:
    """A source whose examples are their indices."""

    def __init__(self, count):
        self._count = count

    def __len__(self):
        return self._count

    def example(self, index, rng):
        return {"number": np.array(index), "drawn": rng.integers(1_000)}


def drawn(share, *, count=1_000, seed=0):
    source = label_subset.labeled_subset(Numbers(count), share, seed=seed)
    rng = np.random.default_rng(0)
    return {int(source.example(i, rng)["number"]) for i in range(len(source))}


@pytest.mark.parametrize(
    ("share", "count"), [(0.01, 10), (0.1, 100), (0.0001, 1), (0.3, 300), (1.0, 1_000)]
)
def test_a_fraction_gives_the_expected_number_of_clips(share, count):
    assert len(drawn(share)) == count


def test_a_larger_subset_contains_a_smaller_one():
    assert drawn(0.01) < drawn(0.1) < drawn(0.5) < drawn(1.0)


def test_the_subset_depends_only_on_the_seed():
    assert drawn(0.1) == drawn(0.1)
    assert drawn(0.1) != drawn(0.1, seed=1)


def test_clips_are_spread_over_the_whole_source():
    assert 300 < np.mean(list(drawn(0.1))) < 700


def test_an_example_uses_the_random_generator_of_the_source():
    source = label_subset.labeled_subset(Numbers(50), 0.1, seed=0)
    first, again = (source.example(3, np.random.default_rng(7)) for _ in range(2))
    assert first == again == source[3] | {"drawn": first["drawn"]}


def test_all_data_have_labels_by_default():
    source, data = Numbers(5), settings.DataSettings(name="itop")
    share = data.labeled_fraction
    assert label_subset.labeled_subset(source, share, seed=0) is source


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_an_invalid_fraction_is_bad_input(share):
    with pytest.raises(
        errors.BadInput, match=r"labeled_fraction is .*fraction in \(0, 1\]"
    ):
        drawn(share)


def test_fresh_clips_have_no_labeled_subset():
    data = settings.DataSettings(name="synthetic", train_clips=0, labeled_fraction=0.1)
    with pytest.raises(
        errors.BadInput, match="labeled_fraction=0.1 needs a fixed number"
    ):
        sources.open_train(data, seed=0, batch_size=4, host=0, hosts=1)

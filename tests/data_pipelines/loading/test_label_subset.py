"""Shares of labelled clips: which ones, and how many."""

import ml_collections
import numpy as np
import pytest

from data_pipelines.loading import label_subset, sources
from unipose_jax import errors


class Numbers:
    """Examples that are their own number."""

    def __init__(self, count):
        self._count = count

    def __len__(self):
        return self._count

    def example(self, index, rng):
        return {"number": np.array(index), "drawn": rng.integers(1_000)}


def drawn(share, *, count=1_000, seed=0):
    data = ml_collections.ConfigDict({"labeled_fraction": share, "seed": seed})
    source = label_subset.labeled_subset(Numbers(count), data)
    rng = np.random.default_rng(0)
    return {int(source.example(i, rng)["number"]) for i in range(len(source))}


@pytest.mark.parametrize(
    ("share", "count"), [(0.01, 10), (0.1, 100), (0.0001, 1), (0.3, 300), (1.0, 1_000)]
)
def test_a_share_has_so_many_clips(share, count):
    assert len(drawn(share)) == count


def test_a_larger_share_has_the_clips_of_a_smaller_one():
    assert drawn(0.01) < drawn(0.1) < drawn(0.5) < drawn(1.0)


def test_the_choice_depends_on_the_seed_of_the_data_alone():
    assert drawn(0.1) == drawn(0.1)
    assert drawn(0.1) != drawn(0.1, seed=1)


def test_clips_come_from_all_over_the_source():
    assert 300 < np.mean(list(drawn(0.1))) < 700


def test_an_example_draws_as_the_source_does():
    data = ml_collections.ConfigDict({"labeled_fraction": 0.1, "seed": 0})
    source = label_subset.labeled_subset(Numbers(50), data)
    first, again = (source.example(3, np.random.default_rng(7)) for _ in range(2))
    assert first == again == source[3] | {"drawn": first["drawn"]}


def test_all_data_have_labels_where_no_share_is_named():
    source = Numbers(5)
    assert label_subset.labeled_subset(source, ml_collections.ConfigDict()) is source


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_that_is_none(share):
    with pytest.raises(
        errors.BadInput, match=r"labeled_fraction is .*fraction in \(0, 1\]"
    ):
        drawn(share)


def test_fresh_clips_have_no_share():
    data = {"name": "synthetic", "data_dir": "", "mixture": "", "train_clips": 0}
    config = ml_collections.ConfigDict(
        {"data": data | {"labeled_fraction": 0.1}, "global_batch_size": 4}
    )
    with pytest.raises(
        errors.BadInput, match="labeled_fraction=0.1 needs a fixed number"
    ):
        sources.open_train(config, host=0, hosts=1)

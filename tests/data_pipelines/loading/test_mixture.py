import numpy as np
import pytest

from data_pipelines.ground import settings
from data_pipelines.loading import loader, mixture, sources
from unipose_jax import errors


class Numbers:
    """A source whose examples contain its name and their indices."""

    def __init__(self, name, count, fields=("place",)):
        self.name, self.count, self.fields = name, count, fields

    def __len__(self):
        return self.count

    def example(self, index, rng):
        del rng
        assert 0 <= index < self.count
        return {name: np.array([self.name, index]) for name in self.fields}


def drawn(mixed, seed=0):
    rng = np.random.default_rng(seed)
    return np.array([mixed.example(i, rng)["place"] for i in range(len(mixed))])


def test_an_epoch_has_the_whole_main_set_and_shares_of_the_others():
    mixed = mixture.Mixture(
        [Numbers(0, 50), Numbers(1, 1000), Numbers(2, 3)], [0.5, 0.4, 0.1]
    )
    seen = drawn(mixed)
    names, counts = np.unique(seen[:, 0], return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {0: 50, 1: 40, 2: 10}
    np.testing.assert_array_equal(seen[:50, 1], np.arange(50))
    # Over several epochs, large sets are seen completely and small ones repeatedly.
    assert len(np.unique(seen[50:90, 1])) > 30
    assert set(seen[90:, 1]) == {0, 1, 2}
    assert not np.array_equal(drawn(mixed, seed=1)[50:90], seen[50:90])


def test_examples_have_the_fields_that_all_sources_have():
    plain = Numbers(0, 4)
    colored = Numbers(1, 4, fields=("place", "color_crop"))
    mixed = mixture.Mixture([colored, plain], [0.5, 0.5])
    rng = np.random.default_rng(0)
    assert all(set(mixed.example(i, rng)) == {"place"} for i in range(len(mixed)))


def test_batches_are_a_function_of_the_seed():
    def first():
        mixed = mixture.Mixture([Numbers(0, 8), Numbers(1, 30)], [0.5, 0.5])
        batches = loader.Loader(mixed, batch_size=8, seed=3)
        return [next(batches)["place"] for _ in range(4)]

    np.testing.assert_array_equal(first(), first())


def test_other_data_sets_of_the_mixture_are_in_the_same_folder():
    data = settings.DataSettings(
        name="itop", variant="side", data_dir="D", mixture="recording=0.5"
    )
    other = mixture.other_settings(data, "ntu_rgbd/cross_subject")
    assert (other.name, other.variant) == ("ntu_rgbd", "cross_subject")
    assert (other.data_dir, other.mixture_shares) == ("D", {})
    assert mixture.other_settings(data, "recording").variant == ""


def test_rendered_people_can_be_mixed_only_if_prepared():
    data = settings.DataSettings(name="synthetic", mixture="recording=0.5")
    with pytest.raises(errors.BadInput, match="needs prepared data sets"):
        sources.open_train(data, seed=0, batch_size=4, host=0, hosts=1)

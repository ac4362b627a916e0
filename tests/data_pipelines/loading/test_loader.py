import json

import numpy as np
import pytest

from data_pipelines.loading import loader


class Numbers:
    """A source whose example i is the number i."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def example(self, index, rng):
        assert 0 <= index < self.count
        return {
            "value": np.array(index),
            "vector": np.full(2, index, np.float32),
            "noise": rng.uniform(size=3),
        }


class Shifted(Numbers):
    """Numbers from `first` on, with the fields `fields`."""

    def __init__(self, first, count, fields=("value",)):
        super().__init__(count)
        self.first, self.fields = first, fields

    def example(self, index, rng):
        value = super().example(index, rng)["value"] + self.first
        return dict.fromkeys(self.fields, value)


def batches(source, *, seed=0, **options):
    return loader.batch(loader.shuffle(source, seed=seed), **options)


def open_loader(source, **options):
    return loader.Loader(batches(source, **options))


def draw(stream, count):
    return np.stack([next(stream)["value"] for _ in range(count)])


def test_batches_stack_examples():
    batch = next(open_loader(Numbers(10), batch_size=4))
    np.testing.assert_array_equal(batch["vector"], np.stack([batch["value"]] * 2, 1))
    assert batch["vector"].shape == (4, 2)
    assert batch["vector"].dtype == np.float32


def test_every_epoch_has_every_example_in_another_order():
    values = draw(open_loader(Numbers(12), batch_size=4), 9).reshape(3, 12)
    np.testing.assert_array_equal(np.sort(values, axis=1), [np.arange(12)] * 3)
    assert (values[0] != values[1]).any()
    assert (values[1] != values[2]).any()


def test_order_is_a_function_of_the_seed():
    def first(seed):
        return draw(open_loader(Numbers(50), batch_size=5, seed=seed), 7)

    for seed in (3, 2**40):
        np.testing.assert_array_equal(first(seed), first(seed))
    assert (first(3) != first(4)).any()


@pytest.mark.parametrize("hosts", [2, 3])
def test_hosts_divide_a_batch_without_overlap(hosts):
    whole = draw(open_loader(Numbers(25), batch_size=6, seed=1), 10)
    shares = [
        draw(open_loader(Numbers(25), batch_size=6, seed=1, host=host, hosts=hosts), 10)
        for host in range(hosts)
    ]
    np.testing.assert_array_equal(np.concatenate(shares, axis=1), whole)


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("step", [0, 1, 5, 23])
def test_a_run_resumes_exactly(step, prefetch):
    def make():
        return loader.Loader(batches(Numbers(11), batch_size=4), prefetch=prefetch)

    straight = make()
    for _ in range(step):
        next(straight)
    state = json.loads(json.dumps(straight.get_state()))
    resumed = make()
    resumed.set_state(state)
    for _ in range(4):
        expected, batch = next(straight), next(resumed)
        np.testing.assert_array_equal(batch["value"], expected["value"])
        np.testing.assert_array_equal(batch["noise"], expected["noise"])
    assert resumed.get_state() == straight.get_state() == {"step": step + 4}


def test_random_values_differ_between_examples_and_epochs():
    stream = open_loader(Numbers(2), batch_size=2)
    noise = np.stack([next(stream)["noise"] for _ in range(3)])
    assert len(np.unique(noise)) == noise.size


def test_a_loader_is_its_own_iterator():
    stream = open_loader(Numbers(4), batch_size=2)
    assert iter(stream) is stream
    for count, _ in enumerate(stream):
        if count == 5:
            break
    assert stream.get_state() == {"step": 6}


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (0, {}, "no examples"),
        (4, {"hosts": 2, "batch_size": 3}, "cannot share"),
        (4, {"hosts": 2, "host": 2}, "host 2 of 2"),
    ],
)
def test_invalid_batch_settings_are_rejected(count, options, message):
    with pytest.raises(ValueError, match=message):
        batches(Numbers(count), **{"batch_size": 2} | options)


def test_a_mixture_has_the_shares_of_its_sources_in_every_part():
    sources = [Shifted(0, 50), Shifted(100, 1000), Shifted(2000, 3)]
    mixed = loader.mix(sources, [0.5, 0.4, 0.1], seed=0)
    values = np.array([mixed[i]["value"] for i in range(100)])
    origins = np.digitize(values, [100, 2000])
    for part in (origins, origins[:50], origins[30:60]):
        np.testing.assert_allclose(
            np.bincount(part) / len(part), [0.5, 0.4, 0.1], atol=1 / 30
        )
    # Each source has its own epochs: a small one repeats.
    np.testing.assert_array_equal(np.sort(values[origins == 0]), np.arange(50))
    assert len(np.unique(values[origins == 1])) == 40
    assert set(values[origins == 2]) == {2000, 2001, 2002}


def test_equal_sources_of_a_mixture_have_different_orders():
    mixed = loader.mix([Numbers(20), Numbers(20)], [0.5, 0.5], seed=0)
    values = np.array([mixed[i]["value"] for i in range(40)]).reshape(20, 2)
    assert (values[:, 0] != values[:, 1]).sum() > 10


def test_examples_of_a_mixture_have_the_fields_that_all_sources_have():
    plain, colored = Shifted(0, 4), Shifted(9, 4, fields=("value", "color_crop"))
    mixed = loader.mix([colored, plain], [0.5, 0.5], seed=0)
    assert all(set(mixed[i]) == {"value"} for i in range(8))


def test_a_mixture_is_a_function_of_the_seed():
    def first(seed):
        mixed = loader.mix([Shifted(0, 8), Shifted(9, 30)], [0.5, 0.5], seed=seed)
        return draw(loader.Loader(loader.batch(mixed, batch_size=8)), 4)

    np.testing.assert_array_equal(first(3), first(3))
    assert (first(3) != first(4)).any()

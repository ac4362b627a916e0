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
        return {
            "value": np.array(index),
            "vector": np.full(2, index, np.float32),
            "noise": rng.uniform(size=3),
        }


def draw(batches, count):
    return np.stack([next(batches)["value"] for _ in range(count)])


def test_batches_stack_examples():
    batch = next(loader.Loader(Numbers(10), batch_size=4, shuffle=False))
    np.testing.assert_array_equal(batch["value"], [0, 1, 2, 3])
    assert batch["vector"].shape == (4, 2)
    assert batch["vector"].dtype == np.float32


def test_every_epoch_has_every_example_in_another_order():
    values = draw(loader.Loader(Numbers(12), batch_size=4), 9).reshape(3, 12)
    np.testing.assert_array_equal(np.sort(values, axis=1), [np.arange(12)] * 3)
    assert (values[0] != values[1]).any()
    assert (values[1] != values[2]).any()


def test_order_is_a_function_of_the_seed():
    def first(seed):
        return draw(loader.Loader(Numbers(50), batch_size=5, seed=seed), 7)

    np.testing.assert_array_equal(first(3), first(3))
    assert (first(3) != first(4)).any()


@pytest.mark.parametrize("hosts", [2, 3])
def test_hosts_divide_a_batch_without_overlap(hosts):
    whole = draw(loader.Loader(Numbers(25), batch_size=6, seed=1), 10)
    shares = [
        draw(
            loader.Loader(Numbers(25), batch_size=6, seed=1, host=host, hosts=hosts), 10
        )
        for host in range(hosts)
    ]
    np.testing.assert_array_equal(np.concatenate(shares, axis=1), whole)


@pytest.mark.parametrize("step", [0, 1, 5, 23])
def test_a_run_resumes_exactly(step):
    def make():
        return loader.Loader(Numbers(11), batch_size=4)

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
    batches = loader.Loader(Numbers(2), batch_size=2, shuffle=False)
    noise = np.stack([next(batches)["noise"] for _ in range(3)])
    assert len(np.unique(noise)) == noise.size


def test_a_loader_is_its_own_iterator():
    batches = loader.Loader(Numbers(4), batch_size=2)
    assert iter(batches) is batches
    for count, _ in enumerate(batches):
        if count == 5:
            break
    assert batches.get_state() == {"step": 6}


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
        loader.Loader(Numbers(count), **{"batch_size": 2} | options)

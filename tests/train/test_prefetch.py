import jax
import numpy as np
import pytest

from unipose_jax.train import parallel, prefetch

SIZE = 4


class Batches:
    """Numbered batches, and how many were drawn."""

    def __init__(self, drawn=0):
        self.drawn = drawn

    def __next__(self):
        self.drawn += 1
        return {"x": np.full((SIZE, 2), self.drawn), "unused": np.zeros(SIZE)}

    def get_state(self):
        return {"step": self.drawn}


def numbers(batches):
    return [int(batch["x"].addressable_data(0)[0, 0, 0]) for batch in batches]


@pytest.mark.parametrize("used", range(4))
def test_a_batch_that_was_not_used_is_drawn_again(used):
    ahead = prefetch.Prefetch(Batches(), ["x"], count=4)
    before = numbers(next(ahead) for _ in range(used))
    resumed = Batches(ahead.get_state()["step"])
    after = prefetch.Prefetch(resumed, ["x"], count=4 - used)
    assert before + numbers(after) == [1, 2, 3, 4]


def test_it_is_one_batch_ahead_until_the_last():
    batches = Batches()
    ahead = prefetch.Prefetch(batches, ["x"], count=3)
    assert batches.drawn == 0
    drawn = [batches.drawn for _ in ahead]
    assert drawn == [2, 3, 3]
    assert ahead.get_state() == {"step": 3}


def test_batches_are_split_over_the_devices_that_a_step_uses():
    (batch,) = prefetch.Prefetch(Batches(), ["x"], count=1)
    assert batch.keys() == {"x"}
    devices = jax.local_device_count()
    assert batch["x"].shape == (devices, SIZE // devices, 2)
    replicated = parallel.replicate({"x": np.zeros(2)})["x"]
    assert batch["x"].sharding.is_equivalent_to(replicated.sharding, 3)

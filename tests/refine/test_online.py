import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.refine import online

BODY, WINDOW, LAG = skeleton.ITOP15, 24, 4


@pytest.fixture(scope="module")
def live():
    """`live(poses)`: (poses refined `LAG` later, which are known), of all pushes."""
    push = jax.jit(functools.partial(online.push, skeleton=BODY, lag=LAG))

    def call(poses):
        history = online.begin(skeleton=BODY, window=WINDOW)
        found = []
        for frame, xyz in enumerate(poses):
            time = jnp.float32(frame / 15.0)
            history, *pose = push(history, jnp.asarray(xyz, jnp.float32), time)
            found.append(pose)
        return tuple(np.stack(part) for part in zip(*found, strict=True))

    return call


def test_live_poses_are_better_than_what_came_in(live, person):
    rng = np.random.default_rng(0)
    noisy = person + 0.03 * rng.normal(size=person.shape)
    refined, known = live(noisy)
    assert not known[:LAG].any()
    assert known[LAG:].all()
    wrong = np.linalg.norm(refined[LAG:] - person[:-LAG], axis=-1)
    before = np.linalg.norm(noisy - person, axis=-1)
    assert wrong[WINDOW:].mean() < 0.7 * before.mean()


def test_live_poses_know_nothing_of_what_comes_later(live, person):
    other = person[:32].copy()
    other[30:] += 0.5
    np.testing.assert_array_equal(live(person[:32])[0][:30], live(other)[0][:30])

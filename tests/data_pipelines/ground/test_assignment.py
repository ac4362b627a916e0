import itertools

import numpy as np
import pytest

from data_pipelines.ground import assignment


def best_by_trial(cost):
    """Most pairs, then least cost, over all partial one-to-one assignments."""
    rows, columns = cost.shape
    best = (0, 0.0, [])
    choices = [*range(columns), *[None] * rows]
    for chosen in set(itertools.permutations(choices, rows)):
        pairs = [(i, j) for i, j in enumerate(chosen) if j is not None]
        if all(np.isfinite(cost[pair]) for pair in pairs):
            best = min(best, (-len(pairs), sum(cost[p] for p in pairs), pairs))
    return best[2]


@pytest.mark.parametrize("possible", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(1, 4), (2, 3), (3, 3)])
def test_as_many_pairs_as_possible_of_the_least_cost(shape, possible):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        cost = np.where(rng.random(shape) < possible, 2 * rng.random(shape), np.inf)
        assert assignment.assign(cost) == best_by_trial(cost)


def test_a_second_pair_comes_before_a_low_cost():
    cost = np.array([[0.0, 900.0], [900.0, np.nan]])
    assert assignment.assign(cost) == [(0, 1), (1, 0)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (2, 0), (2, 2)])
def test_no_pair_is_possible(shape):
    assert assignment.assign(np.full(shape, np.inf)) == []

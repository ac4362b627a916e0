import numpy as np
import pytest

from data_pipelines.ground import sampling


def test_sampling_draws_each_point_once():
    xyz = np.arange(300.0).reshape(100, 3)
    points, valid = sampling.sample_points(xyz, 60, np.random.default_rng(0))
    assert points.dtype == np.float32
    assert valid.all()
    assert len(np.unique(points[:, 0])) == 60
    assert np.isin(points, xyz).all()


def test_sampling_is_a_function_of_the_generator():
    xyz = np.random.default_rng(0).normal(size=(100, 3))
    first = sampling.sample_points(xyz, 9, np.random.default_rng(1))[0]
    same = sampling.sample_points(xyz, 9, np.random.default_rng(1))[0]
    other = sampling.sample_points(xyz, 9, np.random.default_rng(2))[0]
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_every_point_is_equally_likely():
    xyz = np.arange(20.0)[:, None] * np.ones(3)
    rng = np.random.default_rng(0)
    draws = [sampling.sample_points(xyz, 5, rng)[0][:, 0] for _ in range(2000)]
    count = np.bincount(np.concatenate(draws).astype(int), minlength=20)
    # 500 expected, standard deviation 19.
    assert np.abs(count - 500).max() < 80


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("have", [60, 64, 100, 5000, 20_000])
def test_any_prefix_is_a_random_sample(have, repeat):
    # Points come in image rows: without shuffling, a prefix is the upper body.
    height = np.arange(have) / (have - 1)
    xyz = height[:, None] * np.ones(3)
    rng = np.random.default_rng(0)
    draws = [sampling.sample_points(xyz, 64, rng, repeat=repeat) for _ in range(300)]
    first = np.array([points[:16, 0] for points, _ in draws])
    # Uniform in [0, 1]: mean 1/2 and variance 1/12 at each position of the prefix.
    assert np.abs(first.mean(axis=0) - 0.5).max() < 4.0 * np.sqrt(1 / 12 / 300)
    assert np.abs(first.var(axis=0) - 1 / 12).max() < 0.02


@pytest.mark.parametrize("have", [0, 3, 5])
def test_few_points_are_padded(have):
    xyz = np.ones((have, 3))
    points, valid = sampling.sample_points(xyz, 5, np.random.default_rng(0))
    np.testing.assert_array_equal(valid, np.arange(5) < have)
    np.testing.assert_array_equal(points[~valid], 0)


@pytest.mark.parametrize("have", [0, 3, 5, 9])
def test_few_points_are_repeated_on_request(have):
    xyz = np.arange(have, dtype=np.float32)[:, None] * np.ones((1, 3), np.float32)
    rng = np.random.default_rng(0)
    points, valid = sampling.sample_points(xyz, 8, rng, repeat=True)
    assert valid.all() == (have > 0)
    times = np.bincount(points[valid, 0].astype(int), minlength=have)
    if have:
        assert times.sum() == 8
        assert times.max() - times.min() <= 1
    else:
        assert not valid.any()


@pytest.mark.parametrize(
    ("frames", "length", "stride", "starts"),
    [
        (8, 4, 4, [0, 4]),
        (9, 4, 4, [0, 4, 5]),
        (9, 4, 2, [0, 2, 4, 5]),
        (4, 4, 4, [0]),
        (5, 1, 1, [0, 1, 2, 3, 4]),
    ],
)
def test_clips_cover_a_sequence(frames, length, stride, starts):
    windows = sampling.clip_windows(frames, length, stride)
    np.testing.assert_array_equal(windows[:, 0], starts)
    np.testing.assert_array_equal(np.unique(windows), np.arange(frames))
    np.testing.assert_array_equal(np.diff(windows, axis=1), 1)


def test_a_short_sequence_repeats_its_last_frame():
    np.testing.assert_array_equal(sampling.clip_windows(2, 4, 4), [[0, 1, 1, 1]])


@pytest.mark.parametrize("stride", [0, 5])
def test_a_stride_with_gaps_is_rejected(stride):
    with pytest.raises(ValueError, match="stride must be in 1..4"):
        sampling.clip_windows(9, 4, stride)

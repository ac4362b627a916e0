import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import point_cloud

ARRAYS = pytest.mark.parametrize("asarray", [np.asarray, jnp.asarray])


def make_person(count=2000, seed=0):
    """A person at 3 m: points in a box of 0.4 x 1.2 x 0.1 m."""
    rng = np.random.default_rng(seed)
    box = rng.uniform(-1, 1, size=(count, 3)) * [0.2, 0.6, 0.05]
    return np.float32(box + [0, 0, 3])


def inliers_by_pairs(xyz, valid, *, voxel, min_share):
    """The definition: compares the voxels of all pairs of points."""
    place = np.floor(xyz / np.float32(voxel))
    near = np.abs(place[:, None] - place[None]).max(axis=-1) <= 1
    count = (near & valid[None]).sum(axis=1)
    return valid & (count >= max(4, min_share * valid.sum()))


@ARRAYS
@pytest.mark.parametrize(
    "place",
    [
        [-13.0, 0.0, 3.0],
        [13.0, 0.0, 3.0],
        [0.0, -13.0, 3.0],
        [0.0, 13.0, 3.0],
        [0.0, 0.0, 0.5],
        [0.0, 0.0, -13.0],
        [0.0, 0.0, 20.0],
        [0.0, 0.0, 100.0],
        [-1e9, 0.0, 3.0],
        [np.inf, 0.0, 3.0],
        [0.0, np.nan, 3.0],
    ],
    ids=str,
)
def test_one_flying_pixel_removes_only_itself(asarray, place):
    cloud = np.concatenate([make_person(), np.float32([place])])
    found = point_cloud.inliers(asarray(cloud))
    np.testing.assert_array_equal(found, np.arange(2001) < 2000)


@ARRAYS
def test_a_few_flying_pixels_together_are_outliers(asarray):
    flying = [[0.9, 0, 3.2], [0.9, 0.01, 3.21], [-1, -1, 3.9], [9, 9, 9]]
    cloud = np.concatenate([make_person(), np.float32(flying)])
    found = point_cloud.inliers(asarray(cloud))
    np.testing.assert_array_equal(found, np.arange(2004) < 2000)


@ARRAYS
@pytest.mark.parametrize(("apart", "together"), [(0.06, True), (0.11, False)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_points_count_in_neighbouring_voxels_by_hand(asarray, apart, together, axis):
    # 3 points in the voxel of [0, 0.05) and one some voxels of 0.05 m further.
    cloud = np.full((4, 3), 0.01, np.float32)
    cloud[3, axis] += apart
    found = point_cloud.inliers(asarray(cloud))
    np.testing.assert_array_equal(found, [together] * 4)


@ARRAYS
@pytest.mark.parametrize("seed", [0, 1])
def test_matches_the_comparison_of_all_pairs(asarray, seed):
    rng = np.random.default_rng(seed)
    cloud = np.float32(rng.normal(0.0, 0.15, (400, 3)) + [0.0, 0.0, 0.3])
    valid = rng.random(400) < 0.7
    options = {"voxel": 0.05, "min_share": 0.02}
    expected = inliers_by_pairs(cloud, valid, **options)
    assert 0.1 < expected.mean() < 0.6
    found = point_cloud.inliers(asarray(cloud), valid=asarray(valid), **options)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0.1, 1.0, 30.0])  # metres; the last is too large
@pytest.mark.parametrize("place", [0.0, 4e3, np.nan, np.inf])
def test_counts_of_all_voxels_and_sorted_ones_agree(kind, size, place):
    rng = np.random.default_rng(0)
    xyz = (size * rng.normal(size=(300, 3)) + [0.0, 0.0, 3.0]).astype(kind)
    xyz[7, 1] += place
    for min_share in (0.0, 0.05):
        np.testing.assert_array_equal(
            point_cloud.inliers(xyz, min_share=min_share),
            point_cloud.inliers(xyz, valid=np.ones(300, bool), min_share=min_share),
        )


@ARRAYS
def test_invalid_points_change_nothing_even_if_nan(asarray):
    rng = np.random.default_rng(2)
    cloud = np.float32(rng.normal(0.0, 0.15, (300, 3)))
    valid = rng.random(300) < 0.5
    dirty = np.where(valid[:, None], cloud, np.nan)
    found = point_cloud.inliers(asarray(dirty), valid=asarray(valid), min_share=0.05)
    alone = point_cloud.inliers(asarray(cloud[valid]), min_share=0.05)
    assert 0.1 < np.mean(alone) < 0.9
    np.testing.assert_array_equal(np.asarray(found)[valid], alone)
    assert not np.asarray(found)[~valid].any()
    nobody = point_cloud.inliers(asarray(cloud), valid=asarray(np.zeros(300, bool)))
    assert not np.asarray(nobody).any()


def test_a_cloud_without_points_has_no_inliers():
    assert point_cloud.inliers(np.zeros((0, 3))).shape == (0,)


def test_jit_and_vmap_agree_with_single_clouds():
    clouds = jnp.stack([jnp.asarray(make_person(300, seed)) for seed in range(3)])
    valid = jnp.asarray(np.arange(300) < np.array([[300], [200], [0]]))

    def find(xyz, valid):
        return point_cloud.inliers(xyz, valid=valid, min_share=0.05)

    many = jax.jit(jax.vmap(find))(clouds, valid)
    alone = [find(xyz, kept) for xyz, kept in zip(clouds, valid, strict=True)]
    chex.assert_trees_all_equal(many, jnp.stack(alone))

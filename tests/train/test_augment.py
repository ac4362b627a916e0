import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.train import augment

MIRROR = skeleton.ITOP15.mirror
DRAW = {"pan": 0.4, "tilt": 0.3, "roll": 0.2, "scale": 0.2, "mirror": True}


def pose(seed: int = 0):
    xyz = jax.random.normal(jax.random.key(seed), (2, 15, 3))
    return xyz + jnp.array([0.0, 0.0, 3.0]).reshape(1, 1, 3)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_seen_through_a_view_comes_back(seed):
    view = augment.draw_view(jax.random.key(seed), **DRAW)
    seen = augment.to_view(view, pose())
    # The joint that looks like the left hand in a mirror is the right hand.
    named = jnp.where(view.mirrored, seen[:, jnp.array(MIRROR)], seen)
    back = augment.joints_from_view(view, named, mirror=MIRROR)
    np.testing.assert_allclose(back, pose(), atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_view_keeps_shape_up_to_its_size(seed):
    view = augment.draw_view(jax.random.key(seed), **DRAW)
    gram = view.matrix @ view.matrix.T
    size = np.cbrt(abs(np.linalg.det(view.matrix)))
    np.testing.assert_allclose(gram, size**2 * np.eye(3), atol=1e-5)
    assert 1 / 1.2 - 1e-5 <= size <= 1.2 + 1e-5
    assert (np.linalg.det(view.matrix) < 0) == bool(view.mirrored)


def test_no_augmentation_is_the_identity():
    view = augment.draw_view(
        jax.random.key(0), pan=0.0, tilt=0.0, roll=0.0, scale=0.0, mirror=False
    )
    np.testing.assert_allclose(view.matrix, np.eye(3), atol=1e-6)


def test_half_of_the_views_are_mirrored():
    keys = jax.random.split(jax.random.key(0), 400)
    views = jax.vmap(lambda key: augment.draw_view(key, **DRAW))(keys)
    assert 0.4 < views.mirrored.mean() < 0.6


def test_scores_swap_sides_in_a_mirror():
    score = jnp.arange(30.0).reshape(2, 15)
    view = augment.View(matrix=jnp.eye(3), mirrored=jnp.array(True))
    swapped = augment.scores_from_view(view, score, mirror=MIRROR)
    left, right = (skeleton.ITOP15.index(f"{side}_hand") for side in ("left", "right"))
    np.testing.assert_array_equal(swapped[:, left], score[:, right])


def test_hole_is_a_ball_around_a_point():
    points = jax.random.uniform(jax.random.key(1), (2, 200, 3))
    valid = jnp.ones((2, 200), bool).at[0, 0].set(False)
    options = {"probability": 1.0, "radius": (0.3, 0.3)}
    kept = augment.cut_out(jax.random.key(2), points, valid, **options)
    assert not kept[0, 0]
    hidden = np.asarray(points)[np.asarray(valid & ~kept)]
    assert 0 < len(hidden) < 200
    spread = np.linalg.norm(hidden[:, None] - hidden[None], axis=-1).max()
    assert spread <= 0.6 + 1e-6
    never = augment.cut_out(
        jax.random.key(2), points, valid, **options | {"probability": 0.0}
    )
    np.testing.assert_array_equal(never, valid)

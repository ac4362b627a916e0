import functools

import jax
import jax.numpy as jnp
import numpy as np

from unipose_jax import skeleton
from unipose_jax.perspective import pairs

SKELETON = skeleton.Skeleton("chain", ("nose", "neck", "pelvis"), (-1, 0, 1))


draw = jax.jit(
    functools.partial(pairs.sample_pairs, num_classes=60, count=4_000),
)


def test_pairs_are_drawn_from_each_class_equally_often():
    labelled = jnp.zeros((6, 6), bool).at[0, 3:].set(True).at[3, 0].set(True)
    label = jnp.zeros((6, 6), int).at[0, 3:].set(1).at[3, 0].set(-1)
    classes = pairs.pair_classes(label, skeleton=SKELETON)
    first, second, valid = draw(jax.random.key(0), labelled, classes=classes)
    assert valid.all()
    assert labelled[first, second].all()
    shares = np.unique(classes[first, second], return_counts=True)[1] / 4_000
    np.testing.assert_allclose(shares, 0.25, atol=0.03)  # 4 sigma of 4,000 draws


def test_without_labelled_pairs_there_is_nothing_to_draw():
    none = jnp.zeros((6, 6), bool)
    classes = pairs.pair_classes(jnp.zeros((6, 6), int), skeleton=SKELETON)
    first, second, valid = draw(jax.random.key(0), none, classes=classes)
    assert not valid.any()
    assert (first < 6).all()
    assert (second < 6).all()


def test_classes_stay_below_their_number():
    label = jnp.ones((6, 6), int)
    classes = pairs.pair_classes(label, skeleton=SKELETON)
    assert 0 <= classes.min()
    assert classes.max() < pairs.num_classes(2)

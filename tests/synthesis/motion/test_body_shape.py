import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.skeleton import definitions
from unipose_jax.synthesis.motion import body_shape

BODY = definitions.BODY
ADULTS = body_shape.ShapeParams(child_share=0.0)


def people(count, params=ADULTS, seed=0):
    keys = jax.random.split(jax.random.key(seed), count)
    return jax.jit(jax.vmap(lambda key: body_shape.sample_shape(key, params)))(keys)


@pytest.fixture(scope="module")
def crowd():
    return people(4000)


def lengths(shapes, name):
    return np.linalg.norm(np.asarray(shapes.offsets)[:, BODY.index(name)], axis=-1)


def test_stature_is_the_height_of_the_rest_pose(crowd):
    down = np.zeros(len(crowd.stature))
    joint = BODY.index("head_top")
    while joint >= 0:
        down += np.asarray(crowd.offsets)[:, joint, 1]
        joint = BODY.parents[joint]
    np.testing.assert_allclose(-down, crowd.stature, rtol=1e-5)


def test_soles_are_on_the_floor_in_the_rest_pose(crowd):
    drop = jax.vmap(body_shape.sole_drop)(crowd)
    # The reference person's ankle is 7.5 cm above the sole; the scale follows stature.
    ratio = np.asarray(drop / crowd.stature)
    assert np.all((ratio > 0.034) & (ratio < 0.050))


def test_adult_statures_follow_both_sexes(crowd):
    stature = np.asarray(crowd.stature)
    assert stature.min() >= 1.50
    assert stature.max() <= 1.95
    # Half women (1.63), half men (1.76); clipping moves the mean by millimetres.
    assert abs(stature.mean() - 1.695) < 0.01
    assert 0.08 < stature.std() < 0.10


def test_children_have_the_given_share_and_stature_range():
    params = body_shape.ShapeParams(child_share=0.5)
    stature = np.asarray(people(2000, params).stature)
    assert abs(np.mean(stature < 1.5) - 0.5) < 0.05
    assert stature.min() >= params.child_stature_range[0]


@pytest.mark.parametrize(
    ("joint", "itop"),
    [
        ("head", 0.246),
        ("right_shoulder", 0.183),
        ("right_elbow", 0.324),
        ("right_knee", 0.504),
    ],
)
def test_reference_bones_agree_with_itop_medians(joint, itop):
    # ITOP annotates the head's joint 3 cm higher and the hip 2 cm higher than anatomy.
    length = np.linalg.norm(body_shape.REST_OFFSETS[BODY.index(joint)])
    assert abs(length - itop) < 0.035


def test_elbow_to_hand_and_knee_to_foot_agree_with_itop():
    rest = {
        n: body_shape.REST_OFFSETS[BODY.index(f"right_{n}")]
        for n in ("wrist", "hand", "ankle", "foot")
    }
    assert abs(np.linalg.norm(rest["wrist"] + rest["hand"]) - 0.330) < 0.03
    assert abs(np.linalg.norm(rest["ankle"] + rest["foot"]) - 0.484) < 0.03


@pytest.mark.parametrize("joint", ["elbow", "wrist", "knee", "ankle", "shoulder"])
def test_limbs_vary_by_a_few_per_cent_of_stature(crowd, joint):
    relative = lengths(crowd, f"right_{joint}") / np.asarray(crowd.stature)
    assert 0.02 < relative.std() / relative.mean() < 0.05


@pytest.mark.parametrize("joint", ["elbow", "wrist", "knee", "ankle"])
def test_left_and_right_differ_by_about_a_centimetre_at_most(crowd, joint):
    left, right = lengths(crowd, f"left_{joint}"), lengths(crowd, f"right_{joint}")
    difference = left - right
    assert 0.0003 < difference.std() < 0.005
    assert abs(difference.mean()) < 0.0003


def test_tall_people_have_relatively_smaller_heads(crowd):
    head = lengths(crowd, "head_top") / np.asarray(crowd.stature)
    tall = np.asarray(crowd.stature) > 1.8
    assert head[tall].mean() < head[~tall].mean()


def test_no_spread_gives_the_reference_proportions():
    params = body_shape.ShapeParams(segment_sd=0.0, asymmetry_sd=0.0, head_exponent=1.0)
    person = body_shape.sample_shape(jax.random.key(3), params)
    scale = person.stature / body_shape.REFERENCE_STATURE
    expected = jnp.asarray(body_shape.REST_OFFSETS) * scale
    np.testing.assert_allclose(person.offsets, expected, atol=1e-6)


def test_girth_stays_in_range(crowd):
    girth = np.asarray(crowd.girth)
    assert girth.min() >= ADULTS.girth_range[0]
    assert girth.max() <= ADULTS.girth_range[1]
    assert abs(np.log(girth).mean()) < 0.01


def test_a_person_depends_on_the_key_only():
    many, few = people(16), people(3)
    first = jax.tree.map(lambda x: x[:3], many)
    chex.assert_trees_all_close(first, few, rtol=1e-6)
    keys = jax.random.split(jax.random.key(0), 16)
    chex.assert_trees_all_close(
        jax.tree.map(lambda x: x[5], many),
        body_shape.sample_shape(keys[5], ADULTS),
        rtol=1e-5,  # compiled and not
    )


def test_normal_quantiles_match_the_table():
    u = jnp.asarray([0.5, 0.841345, 0.022750])
    np.testing.assert_allclose(body_shape.normal_from_uniform(u), [0, 1, -2], atol=1e-4)


@pytest.mark.parametrize("u", [0.0, 1.0 - 2.0**-24])
def test_normal_values_are_finite_at_the_ends(u):
    assert jnp.isfinite(body_shape.normal_from_uniform(jnp.asarray(u)))


def test_sides_of_joint_names_are_split():
    assert body_shape.split_side("left_knee") == ("knee", -1)
    assert body_shape.split_side("right_knee") == ("knee", 1)
    assert body_shape.split_side("nose") == ("nose", 0)

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import losses, reduction
from unipose_jax.geometry import numerics
from unipose_jax.physics import anthropometry, constraints
from unipose_jax.skeleton import definitions

ITOP = definitions.ITOP15
MIDDLE = {"elbow", "knee"}  # of limbs
HAND, ELBOW = ITOP.index("left_hand"), ITOP.index("left_elbow")


def weighted_term(loss, of_joints, skeleton=ITOP):
    """A loss as training uses it: scaled gradients, and the weights that belong to it.

    `free` is how far each joint may move.
    """

    def term(xyz, free=None, where=None, **options):
        free = jnp.ones_like(xyz[..., 0]) if free is None else free
        xyz = numerics.scale_gradient(xyz, free)
        penalty = loss(xyz, skeleton=skeleton, where=where, **options)
        weights = of_joints(free, skeleton=skeleton, where=where)
        return reduction.weighted_mean(penalty, weights)

    return term


any_bone = functools.partial(losses.bone_weights, rigid=False)
LOSSES = {
    "symmetry": (losses.symmetry, losses.bone_pair_weights),
    "constancy": (losses.bone_constancy, losses.bone_weights),
    "ratio": (losses.bone_ratio, any_bone),
    "limits": (losses.joint_limit, losses.hinge_weights),
}
PLAIN = {name: weighted_term(*parts) for name, parts in LOSSES.items()}
TERMS = {name: jax.jit(term, static_argnames="delta") for name, term in PLAIN.items()}
every_term = pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)


def standing(skeleton=ITOP, stature=1.7, frames=4):
    """A clip of a person of the sizes in `limits`, upright, facing the camera."""
    rows = []
    for name in skeleton.joints:
        figures = anthropometry.JOINTS[anthropometry.joint_kind(name)]
        side = -1.0 if name.startswith("right_") else 1.0
        rows.append([side * figures.lateral, -figures.height, -figures.forward])
    xyz = stature * jnp.array(rows) + jnp.array([[0.0, 0.0, 3.0]])
    return jnp.broadcast_to(xyz, (frames, *xyz.shape))


def broken(frames=4):
    """A clip in which every term finds fault with many joints."""
    noise = 0.25 * jax.random.normal(jax.random.key(0), (frames, 15, 3))
    return standing(frames=frames) + noise


def gradient(term, xyz, **options):
    return jax.jit(jax.grad(lambda x: term(x, **options).mean()))(xyz)


def stretched(factor, joint=HAND, parent=ELBOW, xyz=None):
    xyz = standing() if xyz is None else xyz
    bone = xyz[..., joint, :] - xyz[..., parent, :]
    return xyz.at[..., joint, :].set(xyz[..., parent, :] + factor * bone)


@every_term
def test_a_typical_person_breaks_nothing(term):
    np.testing.assert_allclose(term(standing()).mean(), 0.0, atol=1e-8)


@every_term
def test_turning_and_moving_the_person_changes_nothing(term):
    turn = jnp.array([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0], [-0.8, 0.0, 0.6]])
    moved = jnp.matmul(broken(), turn.T, precision="highest") + 1.0
    np.testing.assert_allclose(term(moved).mean(), term(broken()).mean(), rtol=1e-4)


@every_term
def test_invalid_joints_change_nothing_even_if_nan(term):
    where = jnp.ones((4, 15), dtype=bool).at[:, jnp.array([HAND, 0, 12])].set(False)
    clean = broken()
    dirty = jnp.where(where[..., None], clean, jnp.nan)
    moved = jnp.where(where[..., None], clean, clean + 0.3)
    expected = term(clean, where=where)
    chex.assert_trees_all_close(term(dirty, where=where), expected)
    chex.assert_trees_all_close(term(moved, where=where), expected)
    assert expected.mean() > 0
    grad = gradient(term, dirty, where=where)
    chex.assert_tree_all_finite(grad)
    np.testing.assert_array_equal(grad[~where], 0.0)
    chex.assert_trees_all_close(grad, gradient(term, clean, where=where))


@every_term
def test_bones_and_hinges_of_invalid_joints_do_not_count(term):
    # Without the left hand go one pair of six, one bone of 14, one hinge of four.
    where = jnp.ones((4, 15), dtype=bool).at[:, HAND].set(False)
    whole, part = term(standing()).weight, term(standing(), where=where).weight
    np.testing.assert_allclose(whole - part, 4.0, rtol=1e-5)


@every_term
@pytest.mark.parametrize("joint", [HAND, ITOP.index("right_hand")])
def test_one_joint_that_may_move_makes_its_bone_or_hinge_count(term, joint):
    weight = jnp.zeros((4, 15)).at[:, joint].set(0.5)
    np.testing.assert_array_equal(term(broken(), free=weight).weight, 4 * 0.5)


@every_term
def test_weights_scale_gradients_joint_by_joint(term):
    weight = jax.random.uniform(jax.random.key(1), (4, 15)).at[:, ELBOW].set(0.0)
    free = jax.jit(jax.grad(lambda x: term(x).total))(broken())
    # Totals weigh each bone by its freest joint; with one joint at 1 in every bone
    # and hinge they are those of the plain term.
    weight = weight.at[:, jnp.array([1, 3, 4, 6, 7, 8, 11, 12])].set(1.0)
    held = jax.jit(jax.grad(lambda x: term(x, free=weight).total))(broken())
    np.testing.assert_allclose(held, weight[..., None] * free, atol=1e-5)
    np.testing.assert_array_equal(held[:, ELBOW], 0.0)


@every_term
def test_nothing_moves_where_all_weights_are_zero(term):
    result = term(broken(), free=jnp.zeros((4, 15)))
    np.testing.assert_array_equal(result.weight, 0.0)
    np.testing.assert_array_equal(result.mean(), 0.0)


@every_term
def test_gradient_of_a_collapsed_person_is_finite(term):
    size = jnp.array([0.0, 1e-20, 1e-4]).reshape(3, 1, 1, 1)
    xyz = size * jax.random.normal(jax.random.key(2), (1, 4, 15, 3))
    grad = jax.vmap(lambda x: gradient(term, x))(xyz)
    chex.assert_tree_all_finite(grad)
    assert jnp.max(jnp.abs(grad)) < 1.0 / constraints.SOFTENING


@every_term
def test_vmap_equals_batched_equals_jit(term):
    xyz = jnp.stack([broken(), 1.1 * broken(), standing()])
    weight = jax.random.uniform(jax.random.key(3), (3, 4, 15))
    batched = term(xyz, free=weight)
    mapped = jax.jit(jax.vmap(lambda x, w: term(x, free=w)))(xyz, weight)
    chex.assert_trees_all_close(jax.tree.map(jnp.sum, mapped), batched, rtol=1e-4)


def test_symmetry_matches_hand_computed_log_ratio():
    factor, delta = 1.2, 0.1
    value = TERMS["symmetry"](stretched(factor), delta=delta)
    # One of six pairs differs; knee-foot counts 0.3.
    expected = delta * (np.sqrt(1 + (np.log(factor) / delta) ** 2) - 1) / 5.3
    # Bones of 30 cm are softened by (1 cm / 30 cm)^2.
    np.testing.assert_allclose(value.mean(), expected, rtol=2e-3)


def test_symmetry_lengthens_the_short_and_shortens_the_long():
    grad = gradient(TERMS["symmetry"], stretched(1.2))
    assert jnp.all(grad[:, HAND, 1] > 0)  # the long forearm points down (+y)
    assert jnp.all(grad[:, ITOP.index("right_hand"), 1] < 0)


@pytest.mark.parametrize("name", ["symmetry", "constancy"])
def test_scale_free_terms_gain_nothing_by_shrinking(name):
    value = TERMS[name](broken()).mean()
    np.testing.assert_allclose(TERMS[name](0.7 * broken()).mean(), value, rtol=0.02)


def test_constancy_matches_hand_computed_deviation():
    # Lengths l, l, l, 1.3 l: the mean of logs is log(1.3) / 4 above l. Of 14 bones two
    # (knee-foot) count 0.3.
    xyz = standing().at[3].set(stretched(1.3)[3])
    delta = 0.1
    ratio = np.array([-0.25, -0.25, -0.25, 0.75]) * np.log(1.3)
    penalty = delta * (np.sqrt(1 + (ratio / delta) ** 2) - 1)
    value = TERMS["constancy"](xyz, delta=delta).mean()
    np.testing.assert_allclose(value, penalty.mean() / 12.6, rtol=2e-3)


def test_constancy_follows_the_frames_with_weight():
    # The last frame is wrong and has no weight in the mean: only it is corrected.
    xyz = standing().at[3].set(stretched(1.3)[3])
    confidence = jnp.ones((4, 15)).at[3, HAND].set(0.0)
    grad = gradient(TERMS["constancy"], xyz, weights=confidence)
    np.testing.assert_allclose(grad[:3], 0.0, atol=1e-5)
    assert grad[3, HAND, 1] > 0


def test_constancy_compares_with_valid_frames_only():
    where = jnp.ones((4, 15), dtype=bool).at[3, HAND].set(False)
    xyz = jnp.where(where[..., None], standing(), jnp.nan)
    np.testing.assert_allclose(
        TERMS["constancy"](xyz, where=where).mean(), 0.0, atol=1e-8
    )


def test_constancy_without_any_weight_uses_all_frames():
    xyz = standing().at[3].set(stretched(1.3)[3])
    value = TERMS["constancy"](xyz, weights=jnp.zeros((4, 15)))
    chex.assert_trees_all_close(value, TERMS["constancy"](xyz), rtol=1e-4)


def test_constancy_does_not_ask_for_equal_people():
    clips = jnp.stack([standing(stature=1.5), standing(stature=1.9)])
    np.testing.assert_allclose(TERMS["constancy"](clips).mean(), 0.0, atol=1e-8)


def test_lines_that_are_no_bones_may_change_length():
    coco = definitions.COCO17
    xyz = standing(coco).at[2:, coco.index("nose")].add(0.1)
    # Eyes hang on the nose and are bones: move them along.
    face = jnp.array(
        [coco.index(f"{s}_{j}") for s in ("left", "right") for j in ("eye", "ear")]
    )
    xyz = xyz.at[2:, face].add(0.1)
    for loss in (losses.bone_constancy, losses.symmetry):
        penalty = jax.jit(functools.partial(loss, skeleton=coco))(xyz)
        np.testing.assert_allclose(penalty, 0.0, atol=1e-8)


def test_ratio_matches_hand_computed_excess():
    bone = ITOP.bone_names.index("left_elbow-left_hand")
    hi = float(anthropometry.plausible_bone_ratios(ITOP)[1][bone]) * 1.7
    length = float(anthropometry.bone_ratios(ITOP)[bone]) * 1.7
    excess, delta = 0.03, 0.04  # a 3-4-5 triangle
    xyz = stretched((hi + excess) / length)
    value = TERMS["ratio"](xyz, delta=delta).mean()
    np.testing.assert_allclose(value, 0.01 / 14, rtol=1e-3)


@pytest.mark.parametrize("stature", [1.2, 1.95])
def test_ratio_accepts_people_of_any_stature(stature):
    np.testing.assert_allclose(
        TERMS["ratio"](standing(stature=stature)).mean(), 0.0, atol=1e-8
    )


def test_ratio_to_a_known_stature_scales_a_person():
    term = functools.partial(TERMS["ratio"], stature=jnp.full(4, 1.8))
    small = standing(stature=1.0)
    assert term(small).mean() > 0.01
    grow = -jnp.sum(gradient(term, small) * (small - small[:, 8:9]))
    assert grow > 0


def test_ratio_estimates_stature_from_the_joints_that_count():
    masked = [j for j, name in enumerate(ITOP.joints) if name.split("_")[-1] in MIDDLE]
    where = jnp.ones((4, 15), bool).at[:, jnp.array(masked)].set(False)
    penalty = losses.bone_ratio(standing(), skeleton=ITOP, where=where)
    np.testing.assert_allclose(penalty, 0.0, atol=1e-8)


def test_ratio_takes_no_gradient_through_stature():
    # Only the outlier and its parent move; the median bone does not.
    grad = gradient(TERMS["ratio"], stretched(3.0))
    moved = jnp.any(grad != 0, axis=(0, 2))
    np.testing.assert_array_equal(jnp.flatnonzero(moved), sorted([HAND, ELBOW]))


def test_limits_match_hand_computed_hyperextension():
    # A left shank bent 60 degrees to the front, one hinge of four.
    foot, knee = ITOP.index("left_foot"), ITOP.index("left_knee")
    angle = np.radians(60.0)
    bone = 0.45 * jnp.array([0.0, np.cos(angle), -np.sin(angle)])
    xyz = standing()
    xyz = xyz.at[:, foot].set(xyz[:, knee] + bone[None])
    excess = angle - anthropometry.HYPEREXTENSION
    expected = 0.2 * (np.sqrt(1 + (excess / 0.2) ** 2) - 1) / 4
    np.testing.assert_allclose(TERMS["limits"](xyz).mean(), expected, rtol=2e-3)
    assert jnp.all(gradient(TERMS["limits"], xyz)[:, foot, 2] < 0)  # back: +z


def test_limits_leave_out_frames_without_a_torso():
    where = jnp.ones((4, 15), dtype=bool).at[0, ITOP.index("left_hip")].set(False)
    result = TERMS["limits"](broken(), where=where)
    np.testing.assert_array_equal(result.weight, 3 * 4)


def test_folding_too_far_is_penalised():
    foot, knee = ITOP.index("left_foot"), ITOP.index("left_knee")
    xyz = standing()
    folded = xyz.at[:, foot].set(xyz[:, knee] + jnp.array([[0.0, -0.4, 0.02]]))
    assert TERMS["limits"](folded).mean() > 1e-3


def test_weights_of_bones_are_those_of_their_freer_joint_times_rigidity():
    free = jnp.zeros(15).at[ITOP.index("left_foot")].set(0.5)
    bone = ITOP.bone_names.index("left_knee-left_foot")
    for rigid, share in ((True, 0.3), (False, 1.0)):
        expected = np.zeros(14)
        expected[bone] = 0.5 * share
        found = losses.bone_weights(free, skeleton=ITOP, rigid=rigid)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_masked_elements_give_zero_and_weigh_nothing(name):
    loss, of_joints = LOSSES[name]
    where = jnp.ones((4, 15), dtype=bool).at[:, HAND].set(False)
    dirty = jnp.where(where[..., None], broken(), jnp.nan)
    found = loss(dirty, skeleton=ITOP, where=where)
    weights = of_joints(jnp.ones((4, 15)), skeleton=ITOP, where=where)
    np.testing.assert_array_equal(weights.shape, found.shape)
    np.testing.assert_array_equal(jnp.sum(weights == 0.0, axis=-1), 1)
    np.testing.assert_array_equal(found[weights == 0.0], 0.0)

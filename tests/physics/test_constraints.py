import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.physics import anthropometry, constraints
from unipose_jax.skeleton import definitions, kinematics

H36M = definitions.H36M17


def standing(skeleton=H36M, stature=1.7):
    """A person of the sizes in `limits`, upright, facing the camera at 3 m."""
    rows = []
    for name in skeleton.joints:
        figures = anthropometry.JOINTS[anthropometry.joint_kind(name)]
        side = -1.0 if name.startswith("right_") else 1.0
        rows.append([side * figures.lateral, -figures.height, -figures.forward])
    return stature * jnp.array(rows) + jnp.array([[0.0, 0.0, 3.0]])


def bent(joint, distal, direction, skeleton=H36M, size=0.25):
    """The standing person with one distal joint moved in a direction off its hinge."""
    xyz = standing(skeleton)
    vector = size * jnp.array(direction) / np.linalg.norm(direction)
    return xyz.at[skeleton.index(distal)].set(xyz[skeleton.index(joint)] + vector)


def hinge(values, name, skeleton=H36M):
    names = [found for found, *_ in kinematics.hinges(skeleton)]
    return values[..., names.index(name)]


hyper = jax.jit(functools.partial(constraints.hyperextension, skeleton=H36M))
over = jax.jit(functools.partial(constraints.hyperflexion, skeleton=H36M))
stature_of = jax.jit(
    lambda x, w: constraints.estimate_stature(x, skeleton=H36M, weight=w)
)
FORWARD, BACKWARD, DOWN, UP = [0, 0, -1], [0, 0, 1], [0, 1, 0], [0, -1, 0]
LIMBS = [("left_knee", "left_ankle"), ("right_elbow", "right_wrist")]


@pytest.mark.parametrize(("joint", "distal"), LIMBS)
def test_hinges_may_bend_their_own_way(joint, distal):
    natural = BACKWARD if "knee" in joint else FORWARD
    np.testing.assert_array_equal(hyper(bent(joint, distal, natural)), 0.0)
    np.testing.assert_array_equal(over(bent(joint, distal, natural)), 0.0)


@pytest.mark.parametrize(("joint", "distal"), LIMBS)
@pytest.mark.parametrize("degrees", [0.0, 10.0, 40.0, 90.0, 120.0, 150.0])
def test_the_wrong_way_counts_beyond_the_tolerance(joint, distal, degrees):
    angle = np.radians(degrees)
    wrong = -1.0 if "knee" in joint else 1.0
    xyz = bent(joint, distal, [0.0, np.cos(angle), wrong * np.sin(angle)])
    expected = max(np.sin(angle) - np.sin(anthropometry.HYPEREXTENSION), 0.0)
    if "knee" in joint:
        expected = max(angle - anthropometry.HYPEREXTENSION, 0.0)
    # Directions are softened by (1 cm / 25 cm)^2 / 2, and so is the angle.
    np.testing.assert_allclose(hinge(hyper(xyz), joint), expected, atol=3e-3)


def test_a_knee_bent_further_forwards_costs_more():
    angles = np.radians([0.0, 20.0, 60.0, 90.0, 120.0, 150.0, 160.0])
    directions = [[0.0, np.cos(angle), -np.sin(angle)] for angle in angles]
    xyz = jnp.stack([bent("left_knee", "left_ankle", d) for d in directions])
    costs = hinge(hyper(xyz), "left_knee")
    assert jnp.all(jnp.diff(costs) > 0.05)
    pull = jax.jit(jax.grad(lambda x: jnp.sum(hyper(x))))(xyz)
    ankle = pull[:, H36M.index("left_ankle")]
    further = jnp.array([[0.0, -np.sin(a), -np.cos(a)] for a in angles])
    assert jnp.all(jnp.sum(ankle * further, axis=-1)[1:] > 1.0)


@pytest.mark.parametrize("direction", [DOWN, UP])
@pytest.mark.parametrize("offset", [0.0, 1e-20, 1e-6, 1e-3])
def test_straight_and_folded_knees_have_finite_gradients(direction, offset):
    xyz = standing()
    for joint, step in (("knee", DOWN), ("ankle", direction)):
        above = xyz[H36M.index({"knee": "left_hip", "ankle": "left_knee"}[joint])]
        place = above + 0.4 * jnp.array(step) - jnp.array([0.0, 0.0, offset])
        xyz = xyz.at[H36M.index(f"left_{joint}")].set(place)
    grad = jax.jit(jax.grad(lambda x: jnp.sum(hyper(x))))(xyz)
    chex.assert_tree_all_finite(grad)
    assert jnp.max(jnp.abs(grad)) < 10.0 / constraints.SOFTENING


def test_turning_the_person_changes_nothing():
    xyz = bent("left_knee", "left_ankle", FORWARD)
    turn = jnp.array([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0], [-0.8, 0.0, 0.6]])
    turned = jnp.matmul(xyz, turn.T, precision="highest")
    np.testing.assert_allclose(hyper(turned), hyper(xyz), atol=1e-5)
    assert hinge(hyper(xyz), "left_knee") > 0.5


def test_an_arm_behind_the_back_is_not_judged():
    xyz = standing()
    shoulder = xyz[H36M.index("left_shoulder")]
    elbow = shoulder + jnp.array([0.0, 0.2, 0.22])  # down and behind
    wrist = elbow + jnp.array([-0.15, -0.1, 0.0])  # up along the back
    xyz = xyz.at[H36M.index("left_elbow")].set(elbow)
    xyz = xyz.at[H36M.index("left_wrist")].set(wrist)
    np.testing.assert_array_equal(hinge(hyper(xyz), "left_elbow"), 0.0)


def test_a_knee_is_judged_behind_the_body_too():
    xyz = standing()
    knee = xyz[H36M.index("left_hip")] + jnp.array([0.0, 0.3, 0.3])
    xyz = xyz.at[H36M.index("left_knee")].set(knee)
    xyz = xyz.at[H36M.index("left_ankle")].set(knee + jnp.array([0.0, 0.3, -0.3]))
    np.testing.assert_allclose(
        hinge(hyper(xyz), "left_knee"),
        np.pi / 2 - anthropometry.HYPEREXTENSION,
        atol=3e-3,
    )


def test_hyperextension_does_not_move_the_torso():
    xyz = bent("left_knee", "left_ankle", [0.3, 0.5, -1.0])
    grad = jax.jit(jax.grad(lambda x: jnp.sum(hyper(x))))(xyz)
    moved = jnp.flatnonzero(jnp.any(grad != 0, axis=-1))
    leg = [H36M.index(f"left_{joint}") for joint in ("hip", "knee", "ankle")]
    np.testing.assert_array_equal(moved, sorted(leg))


def test_folding_beyond_the_limit_is_measured_in_radians():
    angle = np.radians(170.0)
    xyz = bent("left_elbow", "left_wrist", [0.0, np.cos(angle), -np.sin(angle)])
    expected = angle - anthropometry.MAX_FLEXION["elbow"]
    np.testing.assert_allclose(hinge(over(xyz), "left_elbow"), expected, atol=1e-3)


def test_hyperflexion_of_a_folded_limb_has_a_gradient():
    def measure(z):
        return jnp.sum(over(bent("left_elbow", "left_wrist", UP).at[13, 2].add(z)))

    assert H36M.joints[13] == "left_wrist"
    np.testing.assert_array_less(measure(-0.1), measure(-0.01))


@pytest.mark.parametrize("stature", [1.1, 1.7, 2.0])
def test_stature_is_recovered_from_bones(stature):
    xyz = standing(stature=stature)
    result = stature_of(xyz, jnp.ones(17))
    np.testing.assert_allclose(result, stature, rtol=1e-5)


def test_stature_is_robust_to_a_few_outliers():
    xyz = standing().at[H36M.index("left_wrist")].add(5.0)
    xyz = xyz.at[H36M.index("right_ankle")].add(-3.0)
    result = stature_of(xyz, jnp.ones(17))
    np.testing.assert_allclose(result, 1.7, rtol=1e-5)


def test_stature_ignores_joints_without_weight():
    xyz = standing().at[jnp.array([1, 2, 3, 11, 12, 13])].multiply(1.5)
    weight = jnp.ones(17).at[jnp.array([1, 2, 3, 11, 12, 13])].set(0.0)
    result = stature_of(xyz, weight)
    np.testing.assert_allclose(result, 1.7, rtol=1e-5)
    nothing = stature_of(xyz, jnp.zeros(17))
    np.testing.assert_allclose(nothing, anthropometry.STATURE)


def test_bone_ratio_of_a_typical_person_is_kept():
    kept = constraints.bone_ratio_excess(standing(), jnp.array(1.7), skeleton=H36M)
    np.testing.assert_array_equal(kept, 0.0)


@pytest.mark.parametrize(("length", "side"), [(0.8, "hi"), (0.05, "lo")])
def test_bone_ratio_measures_the_excess_in_metres(length, side):
    xyz = bent("left_knee", "left_ankle", DOWN, size=length)
    bone = H36M.bone_names.index("left_knee-left_ankle")
    lo, hi = (float(b[bone]) * 1.7 for b in anthropometry.plausible_bone_ratios(H36M))
    expected = length - hi if side == "hi" else lo - length
    result = constraints.bone_ratio_excess(xyz, jnp.array(1.7), skeleton=H36M)
    np.testing.assert_allclose(result[bone], expected, rtol=1e-4)


def test_log_lengths_turn_scale_into_shift():
    first = constraints.log_bone_lengths(standing(stature=1.6), skeleton=H36M)
    second = constraints.log_bone_lengths(standing(stature=1.8), skeleton=H36M)
    # Bones of 8 cm are softened by (1 cm / 8 cm)^2.
    np.testing.assert_allclose(second - first, np.log(1.8 / 1.6), atol=4e-3)


def test_speed_measures_metres_beyond_reach():
    xyz = jnp.zeros((3, 2, 3)).at[1:, 0, 0].set(0.5)
    time = jnp.array([0.0, 0.1, 0.3])
    result = constraints.speed_excess(xyz, time, limit=jnp.array([2.0, 2.0]))
    np.testing.assert_allclose(result, [[0.3, 0.0], [0.0, 0.0]], atol=1e-6)


def test_acceleration_measures_metres_beyond_reach():
    xyz = jnp.zeros((3, 2, 3)).at[1, 0, 1].set(0.5)
    time = jnp.array([0.0, 0.1, 0.3])  # reach is 0.1 * 0.2 / 2
    result = constraints.acceleration_excess(xyz, time, limit=jnp.array([20.0, 20.0]))
    np.testing.assert_allclose(result, [[0.3, 0.0]], atol=1e-6)


MOTION = {
    "speed": lambda x: constraints.speed_excess(
        x, jnp.arange(4) / 30.0, limit=jnp.ones(17)
    ),
    "acceleration": lambda x: constraints.acceleration_excess(
        x, jnp.arange(4) / 30.0, limit=jnp.ones(17)
    ),
}
POSE = {
    "hyperextension": hyper,
    "hyperflexion": over,
    "log_bone_lengths": functools.partial(constraints.log_bone_lengths, skeleton=H36M),
    "bone_ratio": lambda x: constraints.bone_ratio_excess(
        x, jnp.ones(x.shape[:-2]), skeleton=H36M
    ),
}


@pytest.mark.parametrize("function", (POSE | MOTION).values(), ids=POSE | MOTION)
def test_gradients_are_finite_and_bounded_at_any_size(function):
    size = jnp.array([0.0, 1e-20, 1e-6, 1.0, 1e4]).reshape(5, 1, 1, 1)
    xyz = size * jax.random.normal(jax.random.key(0), (1, 4, 17, 3))
    grad = jax.jit(jax.vmap(jax.grad(lambda x: jnp.sum(function(x)))))(xyz)
    chex.assert_tree_all_finite(grad)
    # Five bones meet in the thorax; each moves by at most 1 / SOFT, two ends each.
    assert jnp.max(jnp.abs(grad)) < 10.0 / constraints.SOFTENING


@pytest.mark.parametrize("function", POSE.values(), ids=POSE)
def test_vmap_equals_batched_equals_jit(function):
    xyz = standing()[None] + 0.1 * jax.random.normal(jax.random.key(1), (3, 17, 3))
    batched = jax.jit(function)(xyz)
    mapped = jax.jit(jax.vmap(function))(xyz)
    chex.assert_trees_all_close(mapped, batched, atol=1e-6)


@pytest.mark.parametrize("name", ["speed_excess", "acceleration_excess"])
def test_motion_vmap_equals_batched_equals_jit(name):
    function = functools.partial(getattr(constraints, name), limit=jnp.ones(17))
    xyz = 0.1 * jax.random.normal(jax.random.key(4), (3, 4, 17, 3))
    time = jnp.cumsum(jax.random.uniform(jax.random.key(5), (3, 4), maxval=0.1), -1)
    batched = jax.jit(function)(xyz, time)
    mapped = jax.jit(jax.vmap(function))(xyz, time)
    chex.assert_trees_all_close(mapped, batched, atol=1e-6)
    assert jnp.any(batched > 0.0)


def test_stature_of_a_batch_is_that_of_its_members():
    xyz = standing()[None] * jax.random.uniform(
        jax.random.key(2), (3, 1, 1), minval=0.8
    )
    weight = jax.random.uniform(jax.random.key(3), (3, 17))
    mapped = jax.jit(jax.vmap(stature_of))(xyz, weight)
    chex.assert_trees_all_close(stature_of(xyz, weight), mapped, rtol=1e-6)

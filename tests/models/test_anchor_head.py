import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.models import anchor_head

ELECT = jax.jit(anchor_head.aggregate_votes)
PLACES = anchor_head.anchor_positions(2, 3, stride=8)


def random_votes(seed, shape=(), joints=4):
    keys = jax.random.split(jax.random.key(seed), 4)
    shape = (*shape, len(PLACES), joints)
    return anchor_head.Votes(
        weight_logit=3.0 * jax.random.normal(keys[0], shape),
        offset=10.0 * jax.random.normal(keys[1], (*shape, 2)),
        depth=jax.random.normal(keys[2], shape),
        confidence_logit=jax.random.normal(keys[3], shape),
    )


def test_anchor_positions_match_a_small_example():
    expected = [(2, 2), (6, 2), (2, 6), (6, 6), (10, 2), (14, 2), (10, 6), (14, 6)]
    np.testing.assert_array_equal(
        anchor_head.anchor_positions(1, 2, stride=8), expected
    )


@pytest.mark.parametrize("stride", [4, 8, 16])
def test_anchors_form_a_grid_of_4_pixels_for_any_cell_size(stride):
    rows, columns = 32 // stride, 48 // stride
    found = anchor_head.anchor_positions(rows, columns, stride=stride)
    lattice = {(u, v) for u in range(2, 48, 4) for v in range(2, 32, 4)}
    assert len(found) == len(lattice)
    assert {tuple(place) for place in np.asarray(found).tolist()} == lattice


def test_cells_must_hold_whole_anchors():
    with pytest.raises(ValueError, match="multiple of 4 pixels, got 6"):
        anchor_head.anchor_positions(2, 2, stride=6)


@pytest.mark.parametrize("stride", [4, 8, 16])
def test_anchors_lie_on_the_surface_of_their_pixels(stride):
    rng = np.random.default_rng(0)
    depth = rng.normal(size=(2, 32, 48)).astype(np.float32)
    seen = rng.random((2, 32, 48)) < 0.5
    seen[0, 4:8, 8:12] = False
    dirty = jnp.where(seen, depth, jnp.nan)
    found = anchor_head.depth_at_anchors(dirty, jnp.asarray(seen), stride=stride)
    places = anchor_head.anchor_positions(32 // stride, 48 // stride, stride=stride)
    for anchor, (u, v) in enumerate(np.asarray(places, int)):
        window = np.s_[:, v - 2 : v + 2, u - 2 : u + 2]
        total = np.where(seen, depth, 0.0)[window].sum(axis=(1, 2))
        mean = total / np.maximum(seen[window].sum(axis=(1, 2)), 1)
        np.testing.assert_allclose(found[:, anchor], mean, atol=1e-6)


def test_initial_joints_have_the_mean_depth_of_the_anchors():
    head = anchor_head.AnchorHead(num_joints=3, stride=8, depth=0)
    features = jax.random.normal(jax.random.key(0), (1, 2, 3, 4))
    params = jax.tree.map(
        lambda x: jnp.zeros(x.shape),
        jax.eval_shape(head.init, jax.random.key(0), features, features),
    )
    base = jnp.linspace(-0.3, 0.5, len(PLACES))[None]
    joints, _ = head.apply(params, features, features, base)
    np.testing.assert_allclose(joints.depth, 0.1, rtol=1e-5)


def test_aggregated_votes_equal_an_explicit_sum():
    votes = random_votes(0)
    joints, confidence = ELECT(votes, PLACES)
    for j in range(4):
        logit = np.asarray(votes.weight_logit, np.float64)[:, j]
        share = np.exp(logit) / np.exp(logit).sum()
        uv, place, depth, trust = np.zeros(2), np.zeros(2), 0.0, 0.0
        for a, anchor in enumerate(np.asarray(PLACES)):
            place += share[a] * anchor
            uv += share[a] * (anchor + np.asarray(votes.offset)[a, j])
            depth += share[a] * float(votes.depth[a, j])
            trust += share[a] * float(votes.confidence_logit[a, j])
        np.testing.assert_allclose(joints.uv[j], uv, rtol=1e-5)
        np.testing.assert_allclose(joints.anchor_uv[j], place, rtol=1e-5)
        np.testing.assert_allclose(joints.depth[j], depth, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(confidence[j], trust, rtol=1e-5, atol=1e-6)


def test_a_planted_joint_is_found_exactly():
    votes = random_votes(1)
    chosen = np.array([5, 0, 23, 11])
    joint = np.arange(4)
    votes = votes._replace(weight_logit=votes.weight_logit.at[chosen, joint].set(1e4))
    joints, confidence = ELECT(votes, PLACES)
    np.testing.assert_array_equal(joints.anchor_uv, PLACES[chosen])
    expected = PLACES[chosen] + votes.offset[chosen, joint]
    np.testing.assert_array_equal(joints.uv, expected)
    np.testing.assert_array_equal(joints.depth, votes.depth[chosen, joint])
    np.testing.assert_array_equal(confidence, votes.confidence_logit[chosen, joint])


def test_equal_weights_give_the_middle_of_the_crop():
    votes = jax.tree.map(jnp.zeros_like, random_votes(0))
    joints, _ = ELECT(votes, PLACES)
    np.testing.assert_allclose(joints.uv, np.tile([12.0, 8.0], (4, 1)), rtol=1e-6)


def test_moving_the_anchors_moves_the_joints():
    votes, shift = random_votes(2), jnp.array([[30.0, -7.0]])
    joints, _ = ELECT(votes, PLACES)
    moved, _ = ELECT(votes, PLACES + shift)
    np.testing.assert_allclose(moved.uv, joints.uv + shift, atol=1e-4)  # of 60 pixels
    np.testing.assert_allclose(moved.anchor_uv, joints.anchor_uv + shift, atol=1e-4)
    np.testing.assert_array_equal(moved.depth, joints.depth)


@pytest.mark.parametrize("level", [-1e4, 0.0, 1e4])
def test_only_differences_of_weights_matter_and_gradients_stay_finite(level):
    votes = random_votes(3)

    def total(votes):
        joints, confidence = anchor_head.aggregate_votes(votes, PLACES)
        outputs = (joints, confidence)
        return sum(jnp.sum(x**2) for x in jax.tree.leaves(outputs)), outputs

    slope = jax.jit(jax.grad(total, has_aux=True))
    lifted = votes._replace(weight_logit=votes.weight_logit + level)
    grad, outputs = slope(lifted)
    chex.assert_tree_all_finite(grad)
    # float32 keeps a logit of 1e4 to 1e-3.
    chex.assert_trees_all_close(outputs, ELECT(votes, PLACES), rtol=1e-2, atol=1e-2)


def test_bfloat16_votes_are_aggregated_in_float32():
    votes = jax.tree.map(lambda x: x.astype(jnp.bfloat16), random_votes(4))
    found = ELECT(votes, PLACES)
    assert {x.dtype.name for x in jax.tree.leaves(found)} == {"float32"}
    exact = ELECT(jax.tree.map(lambda x: x.astype(jnp.float32), votes), PLACES)
    chex.assert_trees_all_equal(found, exact)


def test_vmap_equals_batched_equals_jit():
    votes = random_votes(5, shape=(2, 3))
    batched = ELECT(votes, PLACES)
    mapped = jax.jit(jax.vmap(anchor_head.aggregate_votes, in_axes=(0, None)))(
        votes, PLACES
    )
    chex.assert_trees_all_close(mapped, batched, rtol=1e-5, atol=1e-5)
    one = ELECT(jax.tree.map(lambda x: x[1, 2], votes), PLACES)
    chex.assert_trees_all_close(
        jax.tree.map(lambda x: x[1, 2], batched), one, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    ("row", "column", "inner", "joint"), [(0, 2, 1, 0), (1, 0, 2, 2)]
)
def test_features_of_a_cell_determine_the_votes_of_its_anchors(
    row, column, inner, joint
):
    """A head that answers only where a feature is 1, and only for one anchor of 4."""
    head = anchor_head.AnchorHead(num_joints=3, stride=8, depth=0)
    early = jnp.zeros((1, 2, 3, 1)).at[0, row, column].set(1.0)
    shapes = jax.eval_shape(head.init, jax.random.key(0), early, early)
    params = jax.tree.map(lambda x: jnp.zeros(x.shape), shapes)
    weights = params["params"]["weights_out"]["kernel"]
    weights = weights.reshape(1, 4, 3).at[0, inner, joint].set(100.0)
    params["params"]["weights_out"]["kernel"] = weights.reshape(1, 1, 1, 12)
    offset = jnp.zeros((4, 3, 2)).at[inner, joint].set(jnp.array([0.25, -0.5]))
    params["params"]["offsets_out"]["bias"] = offset.ravel()
    joints, _ = head.apply(params, early, early)
    place = [8 * column + 4 * (inner % 2) + 2, 8 * row + 4 * (inner // 2) + 2]
    np.testing.assert_array_equal(joints.anchor_uv[0, joint], place)
    # A quarter and half of a cell of 8 pixels.
    np.testing.assert_array_equal(
        joints.uv[0, joint] - joints.anchor_uv[0, joint], [2, -4]
    )
    others = np.delete(np.asarray(joints.uv[0]), joint, axis=0)
    np.testing.assert_allclose(others, np.tile([12.0, 8.0], (2, 1)), rtol=1e-6)


def test_anchors_of_inactive_cells_have_no_weight(head):
    apply, params, early, late = head
    active = jnp.zeros((2, 4, 4), bool).at[0, 1, 2].set(True)
    joints, _ = apply(params, early, late, None, active)
    # The four anchors of the cell of 8 pixels; of the other crop all, as none is left.
    assert np.abs(np.asarray(joints.anchor_uv[0]) - [20.0, 12.0]).max() <= 2.0
    everywhere, _ = apply(params, early, late)
    np.testing.assert_allclose(joints.uv[1], everywhere.uv[1], atol=1e-5)


@pytest.fixture(scope="module")
def head():
    network = anchor_head.AnchorHead(num_joints=3, stride=8, depth=0)
    keys = jax.random.split(jax.random.key(0), 3)
    early = jax.random.normal(keys[0], (2, 4, 4, 6))
    late = jax.random.normal(keys[1], (2, 4, 4, 10))
    params = jax.jit(network.init)(keys[2], early, late)
    return jax.jit(network.apply), params, early, late


def test_initial_joints_are_in_the_middle_of_the_crop(head):
    apply, params, early, late = head
    joints, confidence = apply(params, early, late)
    assert joints.uv.shape == joints.anchor_uv.shape == (2, 3, 2)
    assert joints.depth.shape == confidence.shape == (2, 3)
    assert np.abs(joints.uv - 16.0).max() < 2.0  # pixels
    assert np.abs(joints.depth).max() < 0.05  # metres
    assert np.abs(confidence).max() < 0.5
    assert np.abs(joints.uv - joints.anchor_uv).min() > 0.0


def test_anchor_weights_depend_on_early_features_only(head):
    apply, params, early, late = head

    def proposal(early, late):
        return jnp.sum(apply(params, early, late)[0].anchor_uv)

    by_early, by_late = jax.grad(proposal, argnums=(0, 1))(early, late)
    assert np.abs(by_early).max() > 0.0
    np.testing.assert_array_equal(by_late, 0.0)

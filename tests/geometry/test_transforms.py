import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import transforms

AXES = jnp.eye(3)
rotation_from_euler = jax.jit(transforms.rotation_from_euler)
rigid_align = jax.jit(transforms.rigid_align)
similarity_align = jax.jit(transforms.similarity_align)


def make_transform(seed, *shape):
    angles = jnp.asarray(np.random.default_rng(seed).normal(size=(*shape, 3)), "f4")
    shift = jnp.flip(3.0 * angles, axis=-1)
    return transforms.from_rotation_translation(rotation_from_euler(angles), shift)


def make_points(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(*shape, 3)), "f4")


def test_quarter_turns_are_right_handed():
    turns = transforms.rotation_about(AXES, jnp.full(3, jnp.pi / 2))
    x, y, z = AXES
    expected = jnp.stack([z, x, y])  # about x: y -> z; about y: z -> x; about z: x -> y
    turned = jnp.einsum("nij,nj->ni", turns, jnp.stack([y, z, x]))
    np.testing.assert_allclose(turned, expected, atol=1e-6)


def test_rotations_are_orthonormal_and_proper():
    axis, angle = make_points(0, 20), jnp.linspace(-4.0, 4.0, 20)
    rotation = transforms.rotation_about(axis, angle)
    product = jnp.einsum("nij,nkj->nik", rotation, rotation)
    np.testing.assert_allclose(product, np.tile(np.eye(3), (20, 1, 1)), atol=2e-6)
    np.testing.assert_allclose(jnp.linalg.det(rotation), 1.0, atol=2e-6)


def test_rotation_leaves_its_axis_and_undoes_by_the_opposite_angle():
    axis, angle = make_points(1, 20), jnp.linspace(-4.0, 4.0, 20)
    turn, back = (transforms.rotation_about(axis, a) for a in (angle, -angle))
    kept = jnp.einsum("nij,nj->ni", turn, axis)
    np.testing.assert_allclose(kept, axis, atol=2e-6)
    np.testing.assert_allclose(turn, jnp.swapaxes(back, -1, -2), atol=1e-6)


def test_zero_axis_is_the_identity_with_a_finite_gradient():
    def turn(axis, angle):
        return transforms.rotation_about(axis, angle)

    arguments = jnp.zeros(3), jnp.array(1.0)
    np.testing.assert_array_equal(turn(*arguments), np.eye(3))
    chex.assert_tree_all_finite(jax.jacobian(turn, argnums=(0, 1))(*arguments))


def test_euler_angles_turn_about_moving_axes_in_order():
    angles = jnp.array([0.3, -0.5, 0.9])
    first, second, third = (
        transforms.rotation_about(AXES[axis], angles[i])
        for i, axis in enumerate((2, 0, 1))
    )
    expected = first @ second @ third
    rotation = transforms.rotation_from_euler(angles, order="zxy")
    np.testing.assert_allclose(rotation, expected, atol=1e-6)


@pytest.mark.parametrize("order", ["xy", "xyw", "XYZ", "xyzx", "xxy", "zyy"])
def test_unknown_euler_orders_are_refused(order):
    with pytest.raises(ValueError, match="use three of"):
        transforms.rotation_from_euler(jnp.zeros(3), order=order)


def test_apply_turns_then_shifts():
    quarter = transforms.rotation_about(AXES[2], jnp.array(jnp.pi / 2))
    move = transforms.from_rotation_translation(quarter, jnp.array([10.0, 0.0, 0.0]))
    moved = transforms.apply(move, AXES[:1])
    np.testing.assert_allclose(moved, [[10.0, 1.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(
        transforms.rotate(move, AXES[:1]), [[0.0, 1.0, 0.0]], atol=1e-6
    )


def test_invert_undoes_apply():
    move, xyz = make_transform(2, 4), make_points(3, 4, 9)
    back = transforms.apply(transforms.invert(move), transforms.apply(move, xyz))
    np.testing.assert_allclose(back, xyz, atol=5e-6)  # translations of several metres


def test_compose_applies_the_right_one_first():
    b_from_a, c_from_b = make_transform(4, 4), make_transform(5, 4)
    xyz = make_points(6, 4, 9)
    at_once = transforms.apply(transforms.compose(c_from_b, b_from_a), xyz)
    in_turn = transforms.apply(c_from_b, transforms.apply(b_from_a, xyz))
    np.testing.assert_allclose(at_once, in_turn, atol=5e-6)  # several metres


def test_one_transform_serves_all_frames():
    move, xyz = make_transform(7), make_points(8, 4, 9)
    shared = transforms.apply(move, xyz)
    for frame in range(4):
        np.testing.assert_allclose(
            shared[frame], transforms.apply(move, xyz[frame]), rtol=1e-6
        )


@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_alignment_recovers_a_known_motion(scale):
    source = make_points(9, 3, 15)
    target = transforms.apply(make_transform(10, 3), scale * source)
    aligned = similarity_align(source, target)
    np.testing.assert_allclose(aligned, target, atol=1e-5)
    if scale == 1.0:
        np.testing.assert_allclose(rigid_align(source, target), target, atol=1e-5)


def test_rigid_alignment_keeps_the_size():
    source = make_points(11, 15)
    aligned = rigid_align(source, 2.0 * source)
    spread, expected = (jnp.std(x, axis=0) for x in (aligned, source))
    np.testing.assert_allclose(spread, expected, rtol=1e-5)


def test_alignment_never_reflects():
    source = make_points(12, 15)
    mirrored = source * jnp.array([[-1.0, 1.0, 1.0]])
    for align in (rigid_align, similarity_align):
        aligned = align(source, mirrored)
        volume, expected = (jnp.linalg.det(x[1:4] - x[:1]) for x in (aligned, source))
        assert volume * expected > 0.0
        assert float(jnp.abs(aligned - mirrored).max()) > 0.1


def test_alignment_beats_every_nearby_similarity():
    source, noise = make_points(13, 15), make_points(14, 15)
    target = transforms.apply(make_transform(15), 0.7 * source + 0.1 * noise)
    best = similarity_align(source, target)
    error = jnp.sum((best - target) ** 2)
    centre = jnp.mean(best, axis=0, keepdims=True)
    for i in range(8):
        wobble = rotation_from_euler(0.02 * make_points(i, 1)[0])
        grown = (1.0 + 0.01 * (-1) ** i) * (best - centre)
        other = jnp.einsum("ij,nj->ni", wobble, grown) + centre
        assert jnp.sum((other - target) ** 2) > error


def test_points_of_zero_weight_do_not_count_even_if_nan():
    source = make_points(16, 15)
    target = transforms.apply(make_transform(17), 1.3 * source)
    weight = jnp.ones(15).at[::4].set(0.0)
    corrupted = target.at[::4].set(jnp.nan)
    for align in (rigid_align, similarity_align):
        clean = align(source[weight > 0], target[weight > 0])
        aligned = align(source, corrupted, weight=weight)
        np.testing.assert_allclose(aligned[weight > 0], clean, atol=1e-5)
        chex.assert_tree_all_finite(aligned)


def test_heavier_points_fit_better():
    source, target = make_points(18, 15), make_points(19, 15)
    heavy = jnp.ones(15).at[0].set(1e4)
    light_error, heavy_error = (
        jnp.linalg.norm(similarity_align(source, target, weight=w) - target, axis=-1)[0]
        for w in (jnp.ones(15), heavy)
    )
    assert heavy_error < 0.01 * light_error


@pytest.mark.parametrize("align", [rigid_align, similarity_align])
@pytest.mark.parametrize("weight", [None, jnp.zeros(15)])
def test_degenerate_sets_stay_finite(align, weight):
    for source in (jnp.zeros((15, 3)), make_points(20, 15)):
        aligned = align(source, jnp.ones((15, 3)), weight=weight)
        chex.assert_tree_all_finite(aligned)


@pytest.mark.parametrize(
    "function",
    [
        lambda t, x: transforms.apply(t, x),
        lambda t, x: transforms.rotate(t, x),
        lambda t, x: transforms.invert(t),
        lambda t, x: transforms.compose(t, t),
        lambda t, x: transforms.rotation_about(x[..., 0, :], x[..., 0, 0]),
        lambda t, x: transforms.rotation_from_euler(x[..., 0, :]),
        lambda t, x: transforms.from_rotation_translation(
            t[..., :3, :3], t[..., 0, :3]
        ),
        lambda t, x: transforms.rigid_align(x, x[..., ::-1]),
        lambda t, x: transforms.similarity_align(
            x, x[..., ::-1], weight=x[..., 0] ** 2
        ),
    ],
)
def test_vmap_equals_batched_equals_jit(function):
    move, xyz = make_transform(21, 3), make_points(22, 3, 6)
    chex.assert_trees_all_close(
        jax.jit(jax.vmap(function))(move, xyz),
        jax.jit(function)(move, xyz),
        atol=5e-6,
    )

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import depth, warp

HEIGHT, WIDTH = 3, 4
LOOK_UPS = {"nearest": jax.jit(warp.nearest), "linear": jax.jit(warp.linear)}
see = jax.jit(warp.affine, static_argnames=("size", "method"))
every_method = pytest.mark.parametrize("method", warp.METHODS)


slope = jax.jit(jax.grad(warp.linear, (0, 1)))


def make_image(seed, *channels):
    shape = (HEIGHT, WIDTH, *channels)
    return jnp.asarray(np.random.default_rng(seed).uniform(1.0, 2.0, shape), "f4")


def make_uv(seed, *points):
    """Positions inside and up to two pixels outside the image."""
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.uniform(-2, [WIDTH + 2, HEIGHT + 2], (*points, 2)), "f4")


def pixel(image, column, row):
    """One pixel, 0 outside: the slow reference's."""
    inside = 0 <= column < WIDTH and 0 <= row < HEIGHT
    return image[row, column] if inside else np.zeros_like(image[0, 0])


def slow_nearest(image, u, v):
    return pixel(image, int(np.floor(u)), int(np.floor(v)))


def slow_linear(image, u, v):
    """Every pixel weighs by the tents of its distances along u and v."""
    total = np.zeros_like(image[0, 0])
    for row in range(-3, HEIGHT + 3):
        for column in range(-3, WIDTH + 3):
            tent_u = max(0.0, 1.0 - abs(u - column - 0.5))
            tent_v = max(0.0, 1.0 - abs(v - row - 0.5))
            total = total + tent_u * tent_v * pixel(image, column, row)
    return total


SLOW = {"nearest": slow_nearest, "linear": slow_linear}


@every_method
@pytest.mark.parametrize("channels", [(), (2, 2)])
def test_agrees_with_a_slow_reference(method, channels):
    image, uv = make_image(0, *channels), make_uv(1, 40)
    expected = [SLOW[method](np.asarray(image), u, v) for u, v in np.asarray(uv)]
    got = LOOK_UPS[method](image, uv)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@every_method
def test_pixel_centers_give_the_pixels(method):
    image = make_image(0, 3)
    got = LOOK_UPS[method](image, depth.pixel_centers(HEIGHT, WIDTH))
    np.testing.assert_array_equal(got, image)


@every_method
@pytest.mark.parametrize("rows", [2, 3])
def test_identity_keeps_the_image(method, rows):
    image = make_image(0, 2)
    got = see(image, jnp.eye(3)[:rows], size=(HEIGHT, WIDTH), method=method)
    np.testing.assert_array_equal(got, image)


@every_method
def test_whole_pixels_shift_by_hand(method):
    image = jnp.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    right_and_up = jnp.array([[1.0, 0.0, 1.0], [0.0, 1.0, -1.0]])
    got = see(image, right_and_up, size=(3, 3), method=method)
    np.testing.assert_array_equal(got, [[0, 0, 0], [2, 3, 0], [5, 6, 0]])


def test_half_pixels_by_hand():
    image = jnp.array([[0.0, 4.0], [8.0, 16.0]])
    uv = jnp.array([[1.0, 0.5], [0.5, 1.0], [1.0, 1.0], [0.0, 1.5], [2.0, 2.0]])
    # Between two, between two, between four, on the left edge, on the last corner.
    np.testing.assert_allclose(LOOK_UPS["linear"](image, uv), [2.0, 4.0, 7.0, 4.0, 4.0])
    np.testing.assert_array_equal(
        LOOK_UPS["nearest"](image, uv), [4.0, 8.0, 16.0, 8.0, 0.0]
    )


def test_a_crop_twice_as_fine_repeats_each_pixel_four_times():
    image = make_image(0)
    finer = jnp.diag(jnp.array([0.5, 0.5, 1.0]))
    got = see(image, finer, size=(2 * HEIGHT, 2 * WIDTH))
    np.testing.assert_array_equal(got, np.kron(image, np.ones((2, 2))))


def test_a_mirror_and_a_quarter_turn_are_affine():
    image = make_image(0)
    mirror = jnp.array([[-1.0, 0.0, WIDTH], [0.0, 1.0, 0.0]])
    got = see(image, mirror, size=(HEIGHT, WIDTH))
    np.testing.assert_array_equal(got, image[:, ::-1])
    # Target (u, v) shows source (v, HEIGHT - u): a turn to the right on the screen.
    turn = jnp.array([[0.0, 1.0, 0.0], [-1.0, 0.0, HEIGHT]])
    got = see(image, turn, size=(WIDTH, HEIGHT))
    np.testing.assert_array_equal(got, np.rot90(image, -1))


def summed(method, image, uv):
    return jnp.sum(LOOK_UPS[method](image, uv))


@every_method
@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, -jnp.inf, 1e30, -7.0])
def test_outside_is_zero_with_no_gradient(method, bad):
    image = make_image(0, 3)
    uv = jnp.array([[bad, 1.5], [1.5, bad], [bad, bad]])
    np.testing.assert_array_equal(LOOK_UPS[method](image, uv), 0.0)

    total = functools.partial(summed, method)
    for grad in jax.jit(jax.grad(total, (0, 1)))(image, uv):
        np.testing.assert_array_equal(grad, 0.0)


def test_gradient_is_the_slope_and_the_weights():
    image = jnp.array([[1.0, 3.0], [2.0, 8.0]])
    uv = jnp.array([1.25, 0.75])  # shares 0.75 and 0.25 of the right and lower pixels
    in_image, in_uv = slope(image, uv)
    np.testing.assert_allclose(in_image, [[0.1875, 0.5625], [0.0625, 0.1875]])
    # 0.75 (3 - 1) + 0.25 (8 - 2) along u; 0.25 (2 - 1) + 0.75 (8 - 3) along v.
    np.testing.assert_allclose(in_uv, [3.0, 4.0])


@pytest.mark.parametrize("uv", [(0.0, 0.0), (0.5, 0.5), (1.0, 2.0), (4.0, 3.0)])
def test_gradient_is_finite_on_edges_and_centers(uv):
    grads = slope(make_image(0), jnp.array(uv))
    chex.assert_tree_all_finite(grads)


@pytest.mark.parametrize("dtype", ["uint16", "bool", "bfloat16"])
def test_nearest_keeps_the_dtype_and_linear_gives_floats(dtype):
    image = jnp.ones((HEIGHT, WIDTH), dtype)
    uv = jnp.array([[1.5, 1.5], [-1.0, 1.0]])
    found = LOOK_UPS["nearest"](image, uv)
    assert found.dtype == image.dtype
    np.testing.assert_array_equal(found.astype(jnp.float32), [1.0, 0.0])
    found = LOOK_UPS["linear"](image, uv)
    assert jnp.issubdtype(found.dtype, jnp.floating)
    np.testing.assert_array_equal(found.astype(jnp.float32), [1.0, 0.0])


def test_linear_does_not_overflow_bytes():
    image = jnp.array([[200, 250]], jnp.uint8)
    np.testing.assert_allclose(LOOK_UPS["linear"](image, jnp.array([1.0, 0.5])), 225.0)


@every_method
def test_vmap_and_jit_change_nothing(method):
    images = jnp.stack([make_image(seed, 2) for seed in (0, 1)])
    rng = np.random.default_rng(2)
    matrices = jnp.asarray(np.eye(3) + rng.normal(0, 0.3, (2, 3, 3)), jnp.float32)
    one = functools.partial(warp.affine, size=(4, 5), method=method)
    expected = [one(im, m) for im, m in zip(images, matrices, strict=True)]
    got = jax.jit(jax.vmap(one))(images, matrices)
    assert got.shape == (2, 4, 5, 2)
    np.testing.assert_allclose(got, jnp.stack(expected), atol=1e-5)


def test_what_cannot_be_done_is_said():
    image = make_image(0)
    with pytest.raises(ValueError, match="unknown method 'cubic'; use one of"):
        warp.affine(image, jnp.eye(3), size=(2, 2), method="cubic")
    with pytest.raises(ValueError, match=r"must be 2x3 or 3x3, got \(4, 3\)"):
        warp.affine(image, jnp.ones((4, 3)), size=(2, 2))

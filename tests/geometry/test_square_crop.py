import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import square_crop

ARRAYS = pytest.mark.parametrize("asarray", [np.asarray, jnp.asarray])
IMAGE = (24, 32)  # height and width, pixels
INTRINSICS = np.float32([40.0, 44.0, 17.0, 11.0])


def make_pixels(frames=3, count=250, seed=0):
    """Projected points of frames, some of them invalid, and one frame without any."""
    rng = np.random.default_rng(seed)
    uv = rng.uniform([-4.0, 4.0], [22.0, 18.0], (frames, count, 2)).astype(np.float32)
    valid = rng.uniform(size=(frames, count)) < 0.8
    valid[-1] = False
    return uv, valid


@ARRAYS
def test_square_encloses_the_points_by_hand(asarray):
    # 10 wide and 6 high around (15, 9): 12 pixels with a tenth on each side.
    uv = asarray(np.float32([[10, 8], [20, 6], [16, 12]]))
    left_top, side = square_crop.enclosing(
        uv, valid=asarray(np.ones(3, bool)), image_size=IMAGE, margin=0.1
    )
    np.testing.assert_allclose(side, 12.0, rtol=1e-6)
    np.testing.assert_allclose(left_top, [9.0, 3.0], rtol=1e-6)


@ARRAYS
@pytest.mark.parametrize(("count", "dropped"), [(99, 0), (100, 1), (450, 4)])
def test_one_point_in_a_hundred_is_dropped_on_each_side(asarray, count, dropped):
    u = np.linspace(4.0, 28.0, count, dtype=np.float32)
    uv = asarray(np.stack([u, np.full_like(u, 10.0)], axis=-1))
    valid = asarray(np.ones(count, bool))
    left_top, side = square_crop.enclosing(
        uv, valid=valid, image_size=IMAGE, margin=0.0
    )
    np.testing.assert_allclose(left_top[0], u[dropped], rtol=1e-6)
    np.testing.assert_allclose(side, u[-1 - dropped] - u[dropped], rtol=1e-6)


@ARRAYS
def test_without_points_it_is_the_middle_of_the_image(asarray):
    uv, valid = asarray(np.full((1, 5, 2), np.nan, "f4")), asarray(np.zeros((1, 5)) > 0)
    left_top, side = square_crop.enclosing(uv, valid=valid, image_size=IMAGE)
    np.testing.assert_array_equal(side, [24.0])
    np.testing.assert_array_equal(left_top, [[4.0, 0.0]])


@ARRAYS
def test_a_single_point_gives_a_square_of_a_pixel(asarray):
    uv, valid = asarray(np.float32([[7.0, 5.0]])), asarray(np.ones(1, bool))
    left_top, side = square_crop.enclosing(
        uv, valid=valid, image_size=IMAGE, margin=0.0
    )
    np.testing.assert_array_equal(side, 1.0)
    np.testing.assert_array_equal(left_top, [6.5, 4.5])


@ARRAYS
def test_invalid_points_change_nothing_even_if_nan(asarray):
    uv, valid = make_pixels()
    dirty = np.where(valid[..., None], uv, np.nan)
    find = square_crop.enclosing
    clean = find(asarray(uv), valid=asarray(valid), image_size=IMAGE)
    found = find(asarray(dirty), valid=asarray(valid), image_size=IMAGE)
    chex.assert_trees_all_equal(found, clean)


def test_frames_numpy_jax_and_jit_agree():
    uv, valid = make_pixels()

    def cut(uv, valid, intrinsics):
        square = square_crop.enclosing(uv, valid=valid, image_size=IMAGE)
        matrix = square_crop.matrix(*square, intrinsics, size=8)
        return *square, matrix, square_crop.image_from_crop(*square, size=8)

    expected = cut(uv, valid, INTRINSICS)
    assert all(isinstance(value, np.ndarray) for value in expected)
    assert all(value.dtype == np.float32 for value in expected)
    arrays = (jnp.asarray(uv), jnp.asarray(valid), jnp.asarray(INTRINSICS))
    chex.assert_trees_all_close(cut(*arrays), expected, rtol=1e-6)
    chex.assert_trees_all_close(jax.jit(cut)(*arrays), expected, rtol=1e-6)
    alone = [cut(*frame, INTRINSICS) for frame in zip(uv, valid, strict=True)]
    chex.assert_trees_all_equal(
        tuple(map(np.stack, zip(*alone, strict=True))), expected
    )


@ARRAYS
def test_matrix_maps_the_corners_of_the_square_to_those_of_the_crop(asarray):
    left_top, side = np.float32([[3.0, -5.0]]), np.float32([24.0])
    square = (asarray(left_top), asarray(side))
    matrix = square_crop.matrix(*square, asarray(INTRINSICS), size=8)
    # s = 8 / 24: focal lengths 40 s and 44 s, centre s (17 - 3) and s (11 + 5).
    expected = [[40 / 3, 0, 14 / 3], [0, 44 / 3, 16 / 3], [0, 0, 1]]
    np.testing.assert_allclose(matrix[0], expected, rtol=1e-6)
    corners = np.float32([[3.0, -5.0, 1.0], [27.0, 19.0, 1.0]])
    xy = (corners[:, :2] - INTRINSICS[2:]) / INTRINSICS[:2]
    pixels = np.column_stack([xy, np.ones(2)]) @ np.asarray(matrix[0]).T
    np.testing.assert_allclose(pixels, [[0, 0, 1], [8, 8, 1]], atol=1e-5)
    back = np.asarray(square_crop.image_from_crop(*square, size=8))[0] @ pixels.T
    np.testing.assert_allclose(back.T, corners, atol=1e-5)

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import camera, transforms
from unipose_jax.synthesis.sensing import image_crops

HEIGHT, WIDTH, SIZE = 24, 32, 8
INTRINSICS = jnp.array([40.0, 44.0, 17.0, 11.0])
COLOR_INTRINSICS = jnp.array([42.0, 41.0, 15.0, 13.0])
SHIFT = transforms.from_rotation_translation(
    transforms.rotation_from_euler(jnp.array([0.0, 0.02, 0.05])),
    jnp.array([0.06, 0.0, 0.01]),
)

squares = jax.jit(image_crops.crop_squares, static_argnames=("image_size", "margin"))
depth_fields = jax.jit(
    functools.partial(image_crops.depth_fields, size=SIZE), static_argnames="margin"
)
color_fields = jax.jit(
    functools.partial(image_crops.color_fields, size=SIZE),
    static_argnames=("margin", "samples"),
)


def points_at(uv, z=2.0, intrinsics=INTRINSICS):
    """Points of one frame behind pixels: (1, points, 3)."""
    uv = jnp.asarray(uv, jnp.float32)
    depth = jnp.broadcast_to(jnp.asarray(z, jnp.float32), uv.shape[:-1])
    return camera.xyz_from_uv_depth(uv, depth, intrinsics)[None]


def make_clip(seed=0, frames=2, count=60):
    """A cloud in view, some of it invalid, with its depth and colour images."""
    rng = np.random.default_rng(seed)
    uv = rng.uniform([8.0, 4.0], [22.0, 18.0], (frames, count, 2)).astype("f4")
    z = rng.uniform(1.8, 2.3, (frames, count)).astype("f4")
    return {
        "points": camera.xyz_from_uv_depth(jnp.asarray(uv), jnp.asarray(z), INTRINSICS),
        "valid": jnp.asarray(rng.uniform(size=(frames, count)) < 0.8),
        "depth": jnp.asarray(rng.uniform(1, 4, (frames, HEIGHT, WIDTH)), "f4"),
        "color": jnp.asarray(rng.integers(0, 256, (frames, HEIGHT, WIDTH, 3)), "u1"),
    }


def cut_depth(clip, **options):
    return depth_fields(
        clip["depth"], clip["points"], INTRINSICS, points_valid=clip["valid"], **options
    )


def cut_color(clip, **options):
    return color_fields(
        clip["color"],
        clip["points"],
        COLOR_INTRINSICS,
        SHIFT,
        points_valid=clip["valid"],
        **options,
    )


def project(matrix, xyz):
    """Pixels of a crop, by its matrix: (frames, points, 2)."""
    seen = jnp.einsum("tij,tnj->tni", matrix, xyz / xyz[..., 2:], precision="highest")
    return np.asarray(seen[..., :2])


def test_crop_square_matches_an_example_computed_by_hand():
    # 10 wide and 6 high around (15, 9): 12 pixels with a tenth on each side.
    points = points_at([[10.0, 8.0], [20.0, 6.0], [16.0, 12.0]])
    left_top, side = squares(
        points, INTRINSICS, valid=jnp.ones((1, 3), bool), image_size=(HEIGHT, WIDTH)
    )
    np.testing.assert_allclose(side, [12.0], rtol=1e-5)
    np.testing.assert_allclose(left_top, [[9.0, 3.0]], rtol=1e-5)


@pytest.mark.parametrize(("count", "dropped"), [(99, 0), (100, 1), (450, 4)])
def test_one_per_cent_of_points_is_ignored_on_each_side(count, dropped):
    u = np.linspace(4.0, 28.0, count)
    points = points_at(np.stack([u, np.full(count, 10.0)], -1))
    left_top, side = squares(
        points,
        INTRINSICS,
        valid=jnp.ones((1, count), bool),
        image_size=(HEIGHT, WIDTH),
        margin=0.0,
    )
    np.testing.assert_allclose(left_top[0, 0], u[dropped], rtol=1e-5)
    np.testing.assert_allclose(side, u[-1 - dropped] - u[dropped], rtol=1e-5)


def test_a_flying_pixel_and_points_behind_the_camera_do_not_matter():
    clip = make_clip(frames=1, count=200)
    matrix = cut_depth(clip)["depth_crop_matrix"]
    far = clip["points"].at[0, 0].set(jnp.array([9.0, -9.0, 3.0]))
    clip["valid"] = clip["valid"].at[0, 0].set(True)
    moved = cut_depth(clip | {"points": far})["depth_crop_matrix"]
    np.testing.assert_allclose(moved, matrix, rtol=0.1)
    behind = clip["points"].at[0, 0].set(jnp.array([0.5, 0.5, -2.0]))
    clip["valid"] = clip["valid"].at[0, 0].set(False)
    without = cut_depth(clip)["depth_crop_matrix"]
    clip["valid"] = clip["valid"].at[0, 0].set(True)
    with_it = cut_depth(clip | {"points": behind})["depth_crop_matrix"]
    np.testing.assert_array_equal(with_it, without)


def test_points_land_inside_the_margin_of_the_crop():
    clip = make_clip()
    seen = transforms.apply(SHIFT, clip["points"])
    for fields, xyz in ((cut_depth(clip), clip["points"]), (cut_color(clip), seen)):
        matrix = fields.get("depth_crop_matrix", fields.get("color_crop_matrix"))
        uv = project(matrix, xyz)[np.asarray(clip["valid"])]
        # With a margin of 0.1, the square is 1 / 1.2 of the crop.
        assert uv.min() == pytest.approx(SIZE / 12, abs=1e-4)
        assert uv.max() == pytest.approx(SIZE * 11 / 12, abs=1e-4)


def test_depth_of_a_crop_is_that_of_the_pixel_on_its_ray():
    clip = make_clip()
    fields = cut_depth(clip)
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    pixels = np.stack([columns, rows, np.ones((SIZE, SIZE))], axis=-1)
    for frame, matrix in enumerate(np.asarray(fields["depth_crop_matrix"], "f8")):
        rays = pixels @ np.linalg.inv(matrix).T
        fx, fy, cx, cy = np.asarray(INTRINSICS)
        u, v = rays[..., 0] * fx + cx, rays[..., 1] * fy + cy
        expected = np.asarray(clip["depth"])[frame, v.astype(int), u.astype(int)]
        np.testing.assert_array_equal(fields["depth_crop"][frame], expected)


def test_crop_pixels_outside_the_image_are_zero():
    # 20 pixels around the left top corner: three quarters of the crop are outside.
    points = points_at([[-10.0, -10.0], [10.0, 10.0]])
    fields = depth_fields(
        jnp.full((1, HEIGHT, WIDTH), 2.5),
        points,
        INTRINSICS,
        points_valid=jnp.ones((1, 2), bool),
        margin=0.0,
    )
    expected = np.zeros((SIZE, SIZE))
    expected[SIZE // 2 :, SIZE // 2 :] = 2.5
    np.testing.assert_array_equal(fields["depth_crop"][0], expected)


def test_colors_are_means_of_samples():
    # The square is the image's left 24 columns: a crop's pixel is 3 x 3 of the image.
    clip = make_clip(frames=1)
    clip["points"] = points_at([[0.0, 0.0], [24.0, 24.0]], 2.0, COLOR_INTRINSICS)
    clip["valid"] = jnp.ones((1, 2), bool)
    fields = color_fields(
        clip["color"],
        clip["points"],
        COLOR_INTRINSICS,
        jnp.eye(4),
        points_valid=clip["valid"],
        margin=0.0,
    )
    blocks = np.asarray(clip["color"])[0, :, :24].reshape(8, 3, 8, 3, 3)
    expected = np.rint(blocks.mean(axis=(1, 3), dtype=np.float64))
    assert fields["color_crop"].dtype == jnp.uint8
    np.testing.assert_array_equal(fields["color_crop"][0], expected)


def test_one_sample_is_the_nearest_pixel():
    clip = make_clip()
    single = cut_color(clip, samples=1)["color_crop"]
    colors = {tuple(c) for c in np.asarray(clip["color"]).reshape(-1, 3).tolist()}
    assert {tuple(c) for c in np.asarray(single).reshape(-1, 3).tolist()} <= colors
    assert np.any(single != cut_color(clip)["color_crop"])


@pytest.mark.parametrize("depths", [[2.0], [2.0, 3.0], [2.0, 2.5, 9.0], []])
def test_median_depth_is_that_of_valid_points(depths):
    z = np.full((1, 5), np.nan, np.float32)
    z[0, : len(depths)] = depths
    points = jnp.asarray(np.stack([z, z, z], axis=-1))
    got = image_crops.median_depth(points, points_valid=jnp.asarray(np.isfinite(z)))
    np.testing.assert_allclose(got, [np.median(depths)] if depths else [0.0])


def test_a_frame_without_points_shows_the_middle_of_the_image():
    clip = make_clip()
    clip["valid"] = clip["valid"].at[1].set(False)
    fields = cut_depth(clip)
    assert fields["reference_depth"][1] == 0.0
    # The largest square is as high as the image; a margin would leave it.
    s = SIZE / HEIGHT
    left = (WIDTH - HEIGHT) / 2
    expected = [[40 * s, 0, (17 - left) * s], [0, 44 * s, 11 * s], [0, 0, 1]]
    np.testing.assert_allclose(fields["depth_crop_matrix"][1], expected, rtol=1e-6)
    assert np.all(fields["depth_crop"][1] > 0)
    assert np.all(np.isfinite(cut_color(clip)["color_crop_matrix"]))


def test_a_single_point_gives_a_square_that_is_not_empty():
    clip = make_clip(frames=1, count=1)
    clip["valid"] = jnp.ones((1, 1), bool)
    matrix = np.asarray(cut_depth(clip)["depth_crop_matrix"])
    assert np.all(np.isfinite(matrix))
    np.testing.assert_allclose(matrix[0, 0, 0], 40 * SIZE / 1.2, rtol=1e-5)


def test_invalid_points_change_nothing_even_if_nan():
    clip = make_clip()
    dirty = jnp.where(clip["valid"][..., None], clip["points"], jnp.nan)
    for cut in (cut_depth, cut_color):
        chex.assert_trees_all_equal(cut(clip | {"points": dirty}), cut(clip))


def test_frames_are_independent():
    clip = make_clip(frames=2)
    alone = cut_depth({name: value[1:] for name, value in clip.items()})
    both = cut_depth(clip)
    chex.assert_trees_all_close(alone, {name: v[1:] for name, v in both.items()})

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.train.augment import crop_augment

SIZE = 32
DRAW = {"size": SIZE, "rotation": 0.5, "scale": 0.2, "translation": 0.1, "mirror": True}
CAMERA = jnp.array([[40.0, 0.0, 15.0], [0.0, 42.0, 17.0], [0.0, 0.0, 1.0]])


def dot_at(uv) -> np.ndarray:
    """A smooth spot whose centre of mass is at `uv`."""
    pixel = np.arange(SIZE) + 0.5
    away = (pixel[None] - uv[0]) ** 2 + (pixel[:, None] - uv[1]) ** 2
    return np.exp(-away / 8.0).astype(np.float32)


def center_of(image) -> np.ndarray:
    weight = np.asarray(image, np.float64)
    pixel = np.arange(SIZE) + 0.5
    total = weight.sum()
    return np.array(
        [(weight * pixel[None]).sum(), (weight * pixel[:, None]).sum()] / total
    )


def project(matrix, xyz) -> np.ndarray:
    seen = np.asarray(matrix) @ (xyz / xyz[2])
    return seen[:2]


@pytest.mark.parametrize("seed", range(8))
def test_a_joint_projects_on_its_picture_in_every_view(seed):
    """Pixels and camera matrix move together: the property that all rests on."""
    xyz = np.array([0.1, -0.2, 2.5])
    view = crop_augment.sample_transform(jax.random.key(seed), **DRAW)
    expected = project(crop_augment.transform_matrix(view, CAMERA), xyz)
    spot = dot_at(project(CAMERA, xyz))
    color = np.repeat((spot * 255).astype(np.uint8)[..., None], 3, axis=-1)
    seen = crop_augment.warp_color(view, jnp.asarray(color))
    np.testing.assert_allclose(center_of(seen[..., 0]), expected, atol=0.15)
    # Nearest pixels jump, so depth is right to a part of a pixel.
    depth = crop_augment.warp_depth(view, jnp.asarray(spot))
    np.testing.assert_allclose(center_of(depth), expected, atol=0.4)


@pytest.mark.parametrize("seed", range(8))
def test_a_view_is_a_similarity_and_mirrors_as_it_says(seed):
    view = crop_augment.sample_transform(jax.random.key(seed), **DRAW)
    linear = np.asarray(view.matrix)[:2, :2]
    factor = np.sqrt(abs(np.linalg.det(linear)))
    np.testing.assert_allclose(linear @ linear.T, factor**2 * np.eye(2), atol=1e-5)
    assert 1 / 1.2 - 1e-5 <= factor <= 1.2 + 1e-5
    assert (np.linalg.det(linear) < 0) == bool(view.mirrored)


def test_no_augmentation_is_the_identity():
    view = crop_augment.sample_transform(
        jax.random.key(0),
        size=SIZE,
        rotation=0.0,
        scale=0.0,
        translation=0.0,
        mirror=False,
    )
    image = jax.random.uniform(jax.random.key(1), (SIZE, SIZE))
    np.testing.assert_allclose(view.matrix, np.eye(3), atol=1e-6)
    np.testing.assert_array_equal(crop_augment.warp_depth(view, image), image)


def test_metric_depth_is_not_scaled():
    view = crop_augment.sample_transform(jax.random.key(3), **DRAW | {"mirror": False})
    seen = np.asarray(crop_augment.warp_depth(view, jnp.full((SIZE, SIZE), 2.5)))
    assert set(np.unique(seen)) <= {0.0, np.float32(2.5)}


def test_a_rectangle_of_the_given_area_is_erased():
    keys = jax.random.split(jax.random.key(0), 200)
    masks = jax.vmap(
        lambda key: crop_augment.random_erasing_mask(
            key, size=SIZE, probability=0.5, area=(0.1, 0.2)
        )
    )(keys)
    share = np.asarray(masks).mean((1, 2))
    hit = share > 0
    assert 0.35 < hit.mean() < 0.65
    assert share[hit].min() > 0.06
    assert share[hit].max() < 0.25
    for mask in np.asarray(masks)[hit][:5]:
        rows, columns = mask.any(1), mask.any(0)
        np.testing.assert_array_equal(mask, rows[:, None] & columns[None])


def test_noise_grows_with_depth_and_keeps_holes():
    depth = jnp.concatenate([jnp.full((64, 64), 1.0), jnp.full((64, 64), 3.0)])
    depth = depth.at[:, 0].set(0.0)
    noise = crop_augment.add_depth_noise(jax.random.key(0), depth, std=0.01) - depth
    np.testing.assert_array_equal(noise[:, 0], 0.0)
    np.testing.assert_allclose(noise[:64, 1:].std(), 0.01, rtol=0.1)
    np.testing.assert_allclose(noise[64:, 1:].std(), 0.09, rtol=0.1)


def test_light_changes_values_and_not_places():
    color = (jax.random.uniform(jax.random.key(0), (8, 8, 3)) * 255).astype(jnp.uint8)
    options = {"contrast": 0.3, "brightness": 0.3, "tint": 0.2}
    seen = crop_augment.color_jitter(jax.random.key(1), color, **options)
    assert seen.dtype == jnp.uint8
    assert not np.array_equal(seen, color)
    before, after = np.asarray(color)[..., 0].ravel(), np.asarray(seen)[..., 0].ravel()
    order = np.argsort(before, kind="stable")
    assert (np.diff(after[order].astype(int)) >= 0).all()
    nothing = dict.fromkeys(options, 0.0)
    same = crop_augment.color_jitter(jax.random.key(1), color, **nothing)
    np.testing.assert_array_equal(same, color)

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.models.test_backbones import random_parameters
from unipose_jax.models import patch_transformer
from unipose_jax.models.patch_transformer import MaskedDepth

PATCH, ROWS, COLUMNS = 4, 3, 5
IMAGES = jax.random.normal(jax.random.key(1), (2, PATCH * ROWS, PATCH * COLUMNS, 2))


def make_network(**changed):
    settings = {"patch": PATCH, "window": 8, "width": 8, "num_blocks": 2, "keep": 9}
    return patch_transformer.PatchTransformer(num_heads=2, **settings | changed)


def make_surface():
    """Somebody in 7 and in 12 of the 15 patches of two images, before NaN."""
    seen = np.zeros((2, PATCH * ROWS, PATCH * COLUMNS), bool)
    seen[0, 2:11, 5:11] = True  # two columns of patches ...
    seen[0, 9, 11:14] = True  # ... and a finger in a third
    seen[1, 1:9, 5:19] = True
    relative = 0.3 * np.random.default_rng(0).standard_normal(seen.shape)
    return MaskedDepth(
        jnp.asarray(np.where(seen, relative, np.nan), jnp.float32), jnp.asarray(seen)
    )


@pytest.fixture(scope="module")
def looked():
    """A network, its parameters, and what it makes of the surface."""
    network, surface = make_network(), make_surface()
    params = random_parameters(network, IMAGES, surface)
    return network, params, jax.jit(network.apply)(params, IMAGES, surface)


def test_top_patches_equal_an_explicit_search():
    surface = make_surface()
    cells, means, active = patch_transformer.top_patches(surface, patch=PATCH, count=9)
    for image in range(2):
        shown = {}
        for cell in range(ROWS * COLUMNS):
            row, column = PATCH * (cell // COLUMNS), PATCH * (cell % COLUMNS)
            block = np.asarray(surface.relative_depth)[
                image, row : row + PATCH, column : column + PATCH
            ]
            shown[cell] = block[np.isfinite(block)]
        sizes = sorted((len(values) for values in shown.values()), reverse=True)
        assert [len(shown[cell]) for cell in cells[image].tolist()] == sizes[:9]
        assert len(set(cells[image].tolist())) == 9
        for cell, mean, seen in zip(
            cells[image].tolist(), means[image], active[image], strict=True
        ):
            assert bool(seen) == (len(shown[cell]) > 0)
            expected = shown[cell].mean() if seen else 0.0
            np.testing.assert_allclose(mean, expected, atol=1e-6)


def test_patch_positions_are_relative_to_the_middle():
    places = np.asarray(patch_transformer.patch_positions(2, 4))
    np.testing.assert_array_equal(places[0], [-1.5, -0.5])
    np.testing.assert_array_equal(places[3], [1.5, -0.5])
    np.testing.assert_array_equal(places[4], [-1.5, 0.5])


def test_position_encodings_are_distinct_within_a_crop():
    places = patch_transformer.patch_positions(16, 16)
    codes = np.asarray(patch_transformer.sinusoidal_encoding(places))
    assert codes.shape == (256, 18)
    distance = np.linalg.norm(codes[:, None] - codes[None], axis=-1)
    assert distance[~np.eye(256, dtype=bool)].min() > 0.3


@pytest.mark.parametrize(
    ("window", "patches"), [(4, [(1, 2)]), (8, [(0, 1), (0, 2), (1, 1), (1, 2)])]
)
def test_a_token_depends_on_its_window_only(window, patches):
    """Without blocks, a pixel changes the tokens whose windows it lies in."""
    network = make_network(window=window, num_blocks=0)
    params = random_parameters(network, IMAGES)
    apply = jax.jit(network.apply)
    seen = apply(params, IMAGES).late
    changed = apply(params, IMAGES.at[0, 4, 9].add(1.0)).late
    different = np.any(np.asarray(seen != changed), axis=-1)
    assert not different[1].any()
    assert sorted(map(tuple, np.argwhere(different[0]).tolist())) == patches


def test_patches_without_the_person_have_no_features(looked):
    _, _, features = looked
    # By hand, from `make_surface`: the finger adds the patch at the lower right.
    first = np.array([[0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0, 1, 1, 1, 0]], bool)
    np.testing.assert_array_equal(features.active[0], first)
    # 9 of the 12 patches of the other image: those that show most.
    assert features.active[1].sum() == 9
    for grid in (features.early, features.late):
        assert np.isfinite(grid).all()
        away = ~np.asarray(features.active)
        np.testing.assert_array_equal(np.asarray(grid)[away], 0.0)
        assert (np.abs(np.asarray(grid)[~away]).max(-1) > 0.0).all()


def test_unused_tokens_do_not_change_the_features(looked):
    _, params, features = looked
    more = jax.jit(make_network(keep=100).apply)(params, IMAGES, make_surface())
    np.testing.assert_array_equal(more.active[0], features.active[0])
    np.testing.assert_allclose(more.late[0], features.late[0], atol=1e-5)
    assert more.active[1].sum() == 12


def test_a_surface_replaces_the_image_as_input(looked):
    network, params, features = looked
    other = jax.jit(network.apply)(params, 5.0 - IMAGES, make_surface())
    np.testing.assert_array_equal(other.late, features.late)


def test_input_depth_is_relative_to_the_patch_and_mean_depth_is_a_position(looked):
    """Shifting the whole surface does not change the input windows of patches."""
    network, params, features = looked
    surface = make_surface()
    moved = surface._replace(relative_depth=surface.relative_depth + 0.25)
    apply = jax.jit(network.apply)
    found = apply(params, IMAGES, moved)
    assert np.abs(found.late - features.late).max() > 0.1
    blind = jax.tree.map(jnp.array, params)
    kernel = blind["params"]["place_in"]["kernel"]
    blind["params"]["place_in"]["kernel"] = jnp.zeros_like(kernel)
    still = [apply(blind, IMAGES, s).late for s in (surface, moved)]
    np.testing.assert_allclose(still[0], still[1], atol=1e-4)


def test_features_and_gradients_are_finite_without_a_person(looked):
    network, params, _ = looked
    nobody = MaskedDepth(
        jnp.full(IMAGES.shape[:3], jnp.nan), jnp.zeros(IMAGES.shape[:3], bool)
    )

    def total(params):
        features = network.apply(params, IMAGES, nobody)
        return jnp.sum(features.late), features

    slopes, features = jax.jit(jax.grad(total, has_aux=True))(params)
    assert not features.active.any()
    np.testing.assert_array_equal(features.late, 0.0)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))

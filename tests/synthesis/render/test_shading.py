import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.synthesis.render import body, shading


@functools.cache
def sampled_looks():
    return shading.sample_appearance(jax.random.key(0), surfaces=8)


def with_light(*, ambient):
    return shading.Appearance(
        person=sampled_looks().person,
        surroundings=sampled_looks().surroundings,
        light=jnp.array([0.0, -1.0, 0.0]),
        ambient=jnp.float32(ambient),
        stripes=jnp.zeros(len(body.MATERIALS)).at[2].set(0.5),
        stripe_width=jnp.float32(0.05),
        looseness=sampled_looks().looseness,
    )


@pytest.mark.parametrize("seed", range(5))
def test_reflectances_are_physical(seed):
    appearance = shading.sample_appearance(jax.random.key(seed), surfaces=8)
    for colors in (appearance.person, appearance.surroundings):
        assert jnp.all((colors > 0.0) & (colors < 1.0))
    np.testing.assert_allclose(jnp.linalg.norm(appearance.light), 1.0, rtol=1e-5)
    assert appearance.light[1] < 0.0  # the lamp hangs above: y points down
    assert appearance.looseness[body.MATERIALS.index("skin")] == 0.0


def test_luminance_of_white_is_one():
    np.testing.assert_allclose(shading.luminance(jnp.ones((2, 3))), 1.0, rtol=1e-5)
    np.testing.assert_allclose(shading.luminance(jnp.array([0.0, 1.0, 0.0])), 0.7152)


def test_srgb_has_the_standard_values():
    # IEC 61966-2-1: half the light is code 188, a tenth 89.
    got = shading.to_srgb(jnp.array([[0.0, 0.1, 0.5], [1.0, 7.0, -1.0]]))
    np.testing.assert_array_equal(got, [[0, 89, 188], [255, 255, 0]])
    assert got.dtype == jnp.uint8


def test_surfaces_towards_the_lamp_are_brighter():
    appearance, grey = with_light(ambient=0.5), jnp.full((2, 3), 0.5)
    normal = jnp.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
    views = jnp.array([[0.0, 0.0, 1.0]] * 2)
    up, down = shading.shade(appearance, grey, normal, views)
    # Ambient 0.5 * 0.6, the lamp adds 1.1 * 0.5 to what faces it.
    np.testing.assert_allclose(down, 0.5 * 0.3, rtol=1e-5)
    np.testing.assert_allclose(up, 0.5 * (0.3 + 0.55), rtol=1e-5)


def test_shirts_have_stripes_and_skin_has_none():
    appearance = with_light(ambient=0.5)
    local = jnp.array([[0.02, 0.0, 0.0], [0.07, 0.0, 0.0]])  # metres along the part
    for name, ratio in (("left_upper_arm", 0.5), ("neck", 1.0)):
        part = jnp.full(2, body.PARTS.index(name))
        first, second = shading.person_albedo(appearance, part, local)
        np.testing.assert_allclose(second / first, ratio, rtol=1e-5)


def test_room_colours_follow_the_surface():
    xyz = jnp.zeros((8, 3)).at[:, 1].set(-1.0)
    albedo = shading.room_albedo(sampled_looks(), jnp.arange(8), xyz)
    np.testing.assert_allclose(albedo[2:], sampled_looks().surroundings[2:], rtol=1e-6)
    skirting = shading.room_albedo(
        sampled_looks(), jnp.array([0]), jnp.array([[0.0, -0.01, 0.0]])
    )
    np.testing.assert_allclose(
        skirting[0], 0.6 * sampled_looks().surroundings[0], rtol=1e-5
    )

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.synthesis.sensing import sensor

INTRINSICS = jnp.array([142.9, 142.9, 80.0, 60.0])
KEY = jax.random.key(0)
PERFECT = sensor.SensorParams(
    disparity_noise=0.0,
    disparity_step=0.0,
    shadow_baseline=0.0,
    flying_share=0.0,
    edge_hole_share=0.0,
    grazing_loss=0.0,
    dark_loss=0.0,
    speckle_loss=0.0,
)


def observe(depth, *, albedo=0.5, key=KEY, **changes):
    params = dataclasses.replace(PERFECT, **changes)
    # Not compiled as a whole: each test has other parameters, but the same operations.
    return see(key, depth, jnp.full_like(depth, albedo), params=params)


DEFAULT = sensor.SensorParams()


def see(key, depth, albedo, *, params=DEFAULT):
    return sensor.simulate(key, depth, albedo, INTRINSICS, params=params)


def plane(depth, *, frames=1):
    return jnp.full((frames, 120, 160), depth)


def step():
    """A wall at 2 m with a board at 1 m from column 80 on."""
    return plane(2.0).at[:, :, 80:].set(1.0)


def test_a_camera_without_errors_returns_the_true_depth():
    depth = 1.0 + jax.random.uniform(KEY, (2, 120, 160))
    np.testing.assert_allclose(observe(depth), depth, rtol=1e-6)


def test_nothing_is_measured_out_of_range():
    depth = plane(3.0).at[:, 0].set(0.3).at[:, 1].set(7.0)
    seen = observe(depth, range=(0.5, 6.0))
    np.testing.assert_array_equal(seen[:, :2], 0.0)
    np.testing.assert_allclose(seen[:, 2:], 3.0, rtol=1e-6)


@pytest.mark.parametrize("depth", [1.0, 2.0, 4.0])
def test_noise_grows_with_the_square_of_depth(depth):
    seen = observe(plane(depth, frames=2), disparity_noise=1.425e-3)
    # 38,400 samples: the standard deviation is known to 0.4 %.
    np.testing.assert_allclose(jnp.std(seen), 1.425e-3 * depth**2, rtol=0.02)
    np.testing.assert_allclose(jnp.mean(seen), depth, rtol=1e-4)


def test_depth_is_quantised_in_disparity():
    depth = jnp.broadcast_to(jnp.linspace(1.0, 4.0, 160), (1, 120, 160))
    seen = observe(depth, disparity_step=2.85e-3)
    steps = 1.0 / seen / 2.85e-3
    np.testing.assert_allclose(steps, jnp.round(steps), atol=1e-3)
    # Half a step of 2.85 mm z^2, which is 2.3 cm at 4 m.
    assert jnp.all(jnp.abs(seen - depth) < 0.51 * 2.85e-3 * depth**2 * 1.01)


def test_shadow_has_the_width_of_the_disparity_difference():
    # f b = 10.4 px m: 10.4 (1 / 1 - 1 / 2) = 5.2 pixels left of the board.
    dark = sensor.in_shadow(step(), jnp.float32(10.4))
    columns = np.flatnonzero(np.asarray(dark[0, 50]))
    np.testing.assert_array_equal(columns, [75, 76, 77, 78, 79])
    assert not jnp.any(sensor.in_shadow(plane(2.0), jnp.float32(10.4)))


def test_shadow_has_no_depth():
    baseline = float(10.4 / INTRINSICS[0])
    seen = observe(step(), shadow_baseline=baseline)
    np.testing.assert_array_equal(seen[:, :, 75:80], 0.0)
    assert jnp.all(seen[:, :, 80:] > 0.0)


def test_flying_pixels_lie_between_near_and_far_at_edges():
    seen = np.asarray(observe(step(), flying_share=0.5))
    edge = seen[0, :, 79:81]
    flying = (edge > 1.01) & (edge < 1.99)
    np.testing.assert_allclose(flying.mean(), 0.5, atol=0.1)
    np.testing.assert_allclose(seen[0, :, :79], 2.0, rtol=1e-6)
    np.testing.assert_allclose(seen[0, :, 81:], 1.0, rtol=1e-6)


def test_edges_lose_the_given_share_of_pixels():
    seen = np.asarray(observe(step(), edge_hole_share=0.3))
    np.testing.assert_allclose((seen[0, :, 79:81] == 0.0).mean(), 0.3, atol=0.1)
    assert np.all(seen[0, :, :79] > 0.0)


def test_grazing_surfaces_are_lost_and_facing_ones_are_not():
    # Depth grows by 20 cm a pixel where a pixel is 1.4 to 4 cm wide: cosines of
    # 0.07 to 0.2, where a share of 1 - cosine / 0.25 is lost.
    slanted = jnp.broadcast_to(2.0 + 0.2 * jnp.arange(20.0), (4, 120, 20))
    options = {"grazing_loss": 1.0, "edge_jump": 10.0}
    lost = jnp.mean(observe(slanted, range=(0.1, 9.0), **options) == 0.0)
    assert 0.3 < lost < 0.7
    assert jnp.all(observe(plane(2.0), **options) > 0.0)


def test_dark_surfaces_lose_more_pixels_at_larger_distances():
    lost = [
        float(jnp.mean(observe(plane(z), albedo=0.02, dark_loss=0.5) == 0.0))
        for z in (1.0, 2.0, 4.0)
    ]
    assert lost == sorted(lost)
    np.testing.assert_allclose(lost[2], 0.5 * (1 - 0.02 / 0.12), atol=0.02)
    assert jnp.all(observe(plane(4.0), albedo=0.5, dark_loss=0.5) > 0.0)


def test_neighbourhood_range_covers_the_four_neighbours():
    image = jnp.zeros((1, 5, 5)).at[0, 2, 2].set(1.0).at[0, 0, 0].set(-1.0)
    near, far = sensor.neighbourhood_range(image)
    cross = np.zeros((5, 5))
    cross[2, 1:4] = cross[1:4, 2] = 1.0
    np.testing.assert_array_equal(far[0], cross)
    corner = np.zeros((5, 5))
    corner[0, :2] = corner[:2, 0] = -1.0
    np.testing.assert_array_equal(near[0], corner)


def test_default_camera_sees_most_of_a_room_and_all_of_it_finitely():
    depth = step().at[:, 100:].set(3.0)
    seen = see(KEY, depth, jnp.full_like(depth, 0.3))
    assert jnp.all(jnp.isfinite(seen))
    assert jnp.mean(seen > 0.0) > 0.9


def test_same_key_same_noise_and_frames_differ():
    depth = plane(2.0, frames=2)
    first = observe(depth, disparity_noise=1e-3)
    np.testing.assert_array_equal(observe(depth, disparity_noise=1e-3), first)
    assert jnp.any(first[0] != first[1])
    other = observe(depth, disparity_noise=1e-3, key=jax.random.key(1))
    assert jnp.any(other != first)


def test_jit_and_vmap_agree():
    depth = jnp.stack([step(), plane(2.0)])
    keys = jax.random.split(KEY, 2)
    albedo = jnp.full_like(depth, 0.5)
    many = jax.jit(jax.vmap(see))(keys, depth, albedo)
    for i in range(2):
        single = see(keys[i], depth[i], albedo[i])
        np.testing.assert_allclose(many[i], single, rtol=1e-5)

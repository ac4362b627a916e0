import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import camera
from unipose_jax.synthesis.sensing import person_points

INTRINSICS = jnp.array([71.5, 71.5, 40.0, 30.0])
KEY = jax.random.key(0)
PERFECT = person_points.SegmentationParams(dropped=0.0, contact_leak=0.0, far_leak=0.0)


def images(frames=2):
    """A person of 20 x 12 pixels at 2 m before a wall at 3 m."""
    person = jnp.zeros((frames, 60, 80), bool).at[:, 20:40, 30:42].set(True)
    return jnp.where(person, 2.0, 3.0), person


def segment(depth, person, *, key=KEY, **changes):
    params = dataclasses.replace(PERFECT, **changes)
    return person_points.simulate_segmentation(key, depth, person, params=params)


def sample(depth, mask, *, count=100, min_pixels=1, key=KEY):
    return person_points.sample_points(
        key, depth, mask, INTRINSICS, count=count, min_pixels=min_pixels
    )


def pixels(points):
    uv = camera.uv_from_xyz(points, jnp.broadcast_to(INTRINSICS, (len(points), 4)))
    return np.asarray(uv) - 0.5


def test_a_segmentation_without_errors_is_the_person_with_depth():
    depth, person = images()
    holes = depth.at[:, 25:28].set(0.0)
    np.testing.assert_array_equal(segment(depth, person), person)
    np.testing.assert_array_equal(segment(holes, person), person & (holes > 0.0))


def test_dropped_blobs_cover_about_their_share():
    person = jnp.ones((200, 60, 80), bool)
    kept = segment(jnp.full(person.shape, 2.0), person, dropped=0.1)
    np.testing.assert_allclose(1.0 - jnp.mean(kept), 0.1, atol=0.01)
    # Blobs: a neighbour of a dropped pixel is mostly dropped too.
    lost = ~np.asarray(kept)
    assert (lost[:, :, 1:] & lost[:, :, :-1]).sum() > 0.75 * lost.sum()


def test_leaks_lie_within_two_pixels_of_the_silhouette():
    depth, person = images()
    kept = segment(depth, person, far_leak=1.0)
    rows, columns = np.nonzero(np.asarray(kept[0] & ~person[0]))
    distance = np.maximum(0, np.maximum(20 - rows, rows - 39))
    distance += np.maximum(0, np.maximum(30 - columns, columns - 41))
    assert distance.max() == 2
    assert kept[0, 18, 35]
    assert kept[0, 35, 43]


def test_surfaces_at_the_persons_depth_leak_and_the_wall_does_not():
    depth, person = images()
    floor = depth.at[:, 40:42].set(2.05)
    kept = segment(floor, person, contact_leak=1.0, contact_depth=0.1)
    assert jnp.all(kept[:, 40:42, 31:41])
    assert not jnp.any(kept[:, :20])


def test_points_lie_on_masked_pixels():
    depth, person = images()
    depth = depth + 0.1 * jax.random.uniform(KEY, depth.shape)
    points, valid = sample(depth, person)
    assert jnp.all(valid)
    uv = np.rint(pixels(points)).astype(int)
    np.testing.assert_allclose(pixels(points), uv, atol=1e-3)
    frame = np.arange(2)[:, None]
    assert np.all(np.asarray(person)[frame, uv[..., 1], uv[..., 0]])
    expected = np.asarray(depth)[frame, uv[..., 1], uv[..., 0]]
    np.testing.assert_allclose(points[..., 2], expected, rtol=1e-6)


@pytest.mark.parametrize("prefix", [30, 100])
def test_any_prefix_is_spread_over_the_person(prefix):
    depth, person = images()
    points, _ = sample(depth, person, count=100)
    rows = pixels(points)[:, :prefix, 1]
    counts = np.histogram(rows[0], bins=np.linspace(19.5, 39.5, 6))[0]
    assert counts.sum() == prefix
    np.testing.assert_allclose(counts, prefix / 5, atol=3)


def test_few_pixels_are_repeated():
    depth, person = images()
    few = jnp.zeros_like(person).at[:, 30, 30:35].set(True)
    points, valid = sample(depth, few, count=64)
    assert jnp.all(valid)
    assert len(np.unique(np.asarray(points[0]), axis=0)) == 5


def test_frames_with_too_few_pixels_have_no_points():
    depth, person = images()
    mask = person.at[1].set(False).at[1, 30, 30:35].set(True)
    points, valid = sample(depth, mask, min_pixels=6)
    assert jnp.all(valid[0])
    assert not jnp.any(valid[1])
    np.testing.assert_array_equal(points[1], 0.0)
    nothing, valid = sample(depth, jnp.zeros_like(person), min_pixels=1)
    assert jnp.all(jnp.isfinite(nothing))
    assert not jnp.any(valid)


def test_jit_and_vmap_agree():
    depth, person = images()
    keys = jax.random.split(KEY, 3)

    def one(key):
        kept = segment(depth, person, key=key, dropped=0.1, contact_leak=0.5)
        return sample(depth, kept, key=key)[0]

    many = jax.jit(jax.vmap(one))(keys)
    for i in range(3):
        np.testing.assert_allclose(many[i], one(keys[i]), rtol=1e-5)

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import camera
from unipose_jax.perspective import order
from unipose_jax.synthesis import crowd, scene
from unipose_jax.synthesis.sensing import detector

EXACT = dataclasses.replace(
    detector.IDEAL, noise=0.0, outlier_share=0.0, swap_share=0.0, miss_share=0.0
)
PARAMS = crowd.CrowdParams(people=(2, 3), height=48, width=64, detector=EXACT)


@pytest.fixture(scope="module")
def rendered():
    """Six pictures, mapped over keys, and the crowds in them."""

    @jax.jit
    @jax.vmap
    def draw(index):
        key, key_uv = jax.random.split(scene.clip_key(0, "train", index))
        drawn = crowd.sample_crowd(key, PARAMS)
        return crowd.scene_fields(key_uv, drawn, PARAMS), drawn

    pictures, crowds = draw(jnp.arange(6))
    return jax.device_get(pictures), crowds


@pytest.fixture(scope="module")
def pictures(rendered):
    return rendered[0]


def test_images_are_functions_of_seed_split_and_index(pictures):
    alone = crowd.render_images(0, "train", 3, 1, PARAMS)
    for name in ("xyz", "uv", "stature"):
        np.testing.assert_allclose(alone[name][0], pictures[name][3], atol=1e-3)
    # A pixel on an edge may round to another side when compiled otherwise.
    assert np.mean(alone["person"][0] != pictures["person"][3]) < 0.01
    other = crowd.render_images(0, "test", 3, 1, PARAMS)
    assert (other["color"] != alone["color"]).any()


def test_the_number_of_people_is_in_its_range(pictures):
    counts = pictures["present"].sum(axis=1)
    assert counts.min() >= 2
    assert counts.max() <= 3
    assert len(set(counts)) == 2
    absent = ~pictures["present"]
    assert not pictures["visible"][absent].any()
    assert not pictures["confidence"][absent].any()


def test_statures_and_depths_differ(pictures):
    depth = np.where(pictures["present"], pictures["xyz"][..., 11, 2], np.nan)
    assert np.nanstd(depth) > 0.5
    assert np.nanstd(np.where(pictures["present"], pictures["stature"], np.nan)) > 0.03


def test_exact_keypoints_are_projections_of_the_truth(pictures):
    seen = pictures["confidence"] > 0
    uv = jax.vmap(lambda xyz, k: camera.uv_from_xyz(xyz, k))(
        jnp.asarray(pictures["xyz"]), jnp.asarray(pictures["intrinsics"])
    )
    np.testing.assert_allclose(uv[seen], pictures["uv"][seen], atol=1e-3)


def test_depth_at_a_visible_joint_is_near_the_joint(pictures):
    for index in range(6):
        depth = jnp.asarray(pictures["depth"][index])
        found, known = order.depth_at(depth, jnp.asarray(pictures["uv"][index]))
        sure = pictures["visible"][index] & (pictures["confidence"][index] > 0) & known
        gap = pictures["xyz"][index, ..., 2] - found
        # Next to the silhouette a pixel may show the background.
        assert np.median(gap[sure]) > 0.0
        assert np.median(gap[sure]) < 0.2
        assert np.mean(gap[sure] > crowd._SKIN + PARAMS.hidden_margin + 0.1) < 0.1


def test_a_person_in_front_hides_the_person_behind(rendered):
    drawn = jax.tree.map(lambda leaf: leaf[0], rendered[1])

    @functools.partial(jax.jit, static_argnames="nearer")
    def owner(nearer):
        # All people at the position of the first, `nearer` one metre closer.
        into = jnp.linalg.inv(drawn.view.cam_from_world)[:3, 2]
        people = drawn.primitives.center.shape[0]
        center = jnp.broadcast_to(
            drawn.primitives.center[:1], drawn.primitives.center.shape
        )
        shift = -1.0 * (jnp.arange(people) == nearer)[:, None, None]
        flesh = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf[:1], leaf.shape), drawn.primitives
        )
        flesh = dataclasses.replace(
            flesh, center=center + shift * into.reshape(1, 1, 3)
        )
        alike = dataclasses.replace(drawn, primitives=flesh)
        return crowd.render_pixels(alike, height=48, width=64)[2]

    for nearer in (0, 1):
        person = np.asarray(owner(nearer))
        assert np.mean(person[person >= 0] == nearer) > 0.8

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.geometry import camera
from unipose_jax.train.augment import keypoint_augment

SKELETON = skeleton.HUMANEVA15
INTRINSICS = jnp.array([700.0, 720.0, 320.0, 240.0])


def config(**changes):
    still = {
        "pan": 0.0,
        "tilt": 0.0,
        "roll": 0.0,
        "mirror": False,
        "person_rotation": 0.0,
    }
    still |= {"distance_scale": 0.0, "keypoint_noise": 0.0, "keypoint_noise_prob": 1.0}
    return ml_collections.ConfigDict(still | changes)


def make_clip(labelled=True):
    xyz = jax.random.normal(jax.random.key(0), (3, 15, 3)) * 0.4
    xyz = xyz + jnp.array([0.3, 0.1, 4.0])[None, None]
    return {
        "uv": camera.uv_from_xyz(xyz, INTRINSICS[None]),
        "confidence": jnp.ones((3, 15)),
        "intrinsics": INTRINSICS,
        "xyz": xyz if labelled else jnp.full_like(xyz, jnp.nan),
        "xyz_valid": jnp.full((3, 15), labelled),
    }


def again(clip, seed=0, **changes):
    return keypoint_augment.augment_clip(
        jax.random.key(seed), clip, config=config(**changes), skeleton=SKELETON
    )


ALL = {"pan": 0.3, "tilt": 0.2, "roll": 0.1, "mirror": True}
MOVES = {"person_rotation": 1.0, "distance_scale": 0.3}


@pytest.mark.parametrize("seed", range(4))
def test_keypoints_stay_the_projections_of_their_joints(seed):
    found = again(make_clip(), seed, **ALL, **MOVES)
    projected = camera.uv_from_xyz(found["xyz"], INTRINSICS[None])
    np.testing.assert_allclose(found["uv"], projected, atol=0.01)
    assert np.abs(found["uv"] - make_clip()["uv"]).max() > 5.0


def test_nothing_asked_changes_nothing():
    found = again(make_clip())
    np.testing.assert_allclose(found["uv"], make_clip()["uv"], atol=1e-3)
    np.testing.assert_allclose(found["xyz"], make_clip()["xyz"], atol=1e-6)


def test_without_labels_the_camera_turns_and_the_person_does_not():
    labelled = again(make_clip(), **ALL)
    without = again(make_clip(labelled=False), **ALL, **MOVES)
    np.testing.assert_allclose(without["uv"], labelled["uv"], atol=0.01)
    assert not without["xyz_valid"].any()


def test_turning_keeps_the_person_and_the_vertical():
    clip, found = make_clip(), again(make_clip(), turn=1.0)
    np.testing.assert_allclose(found["xyz"][..., 1], clip["xyz"][..., 1], atol=1e-5)
    spans = [x["xyz"][0] - x["xyz"][0, :1] for x in (clip, found)]
    lengths = [np.linalg.norm(span, axis=-1) for span in spans]
    np.testing.assert_allclose(*lengths, atol=1e-4)


def test_mirrors_swap_the_sides():
    clip = make_clip()
    mirrored = [again(clip, seed, mirror=True) for seed in range(8)]
    flip = jnp.array([-1.0, 1.0, 1.0])[None, None]
    flipped = clip["xyz"][:, jnp.array(SKELETON.mirror)] * flip
    same = [bool(jnp.allclose(m["xyz"], flipped, atol=1e-4)) for m in mirrored]
    assert any(same)
    assert not all(same)


def test_noise_is_as_large_as_asked():
    noisy = keypoint_augment.add_noise(jax.random.key(0), jnp.zeros((4000, 2)), 3.0)
    np.testing.assert_allclose(noisy.std(), 3.0, rtol=0.05)

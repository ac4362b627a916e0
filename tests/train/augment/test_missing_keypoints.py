import jax
import jax.numpy as jnp
import numpy as np

from tests import keypoint_clips as clips
from unipose_jax.train.augment import missing_keypoints

SKELETON = clips.SKELETON
LOSSES = {"missing_prob": 1.0, "missing_joints": 0.2, "missing_run": 0.5}


def dropped(count=300, frames=20, confidence=0.7, **changes):
    config = clips.config(**LOSSES | changes)

    def drop(key):
        given = jnp.full((frames, 15), confidence)
        return missing_keypoints.drop_keypoints(
            key, given, config=config, skeleton=SKELETON
        )

    keys = jax.random.split(jax.random.key(0), count)
    return np.asarray(jax.jit(jax.vmap(drop))(keys))


def test_parts_are_joints_limbs_and_both_limbs():
    found = {
        tuple(SKELETON.joints[j] for j in np.flatnonzero(part))
        for part in missing_keypoints.parts(SKELETON)
    }
    arm = ("left_shoulder", "left_elbow", "left_wrist")
    legs = [f"{s}_{j}" for s in ("left", "right") for j in ("hip", "knee", "ankle")]
    assert {("head",), ("left_wrist",), arm, tuple(legs)} <= found
    trunk = {"pelvis", "thorax"}
    assert not any(trunk & set(part) for part in found)


def test_nothing_is_lost_by_default():
    np.testing.assert_array_equal(dropped(4, missing_prob=0.0), np.float32(0.7))


def test_confidences_of_present_keypoints_do_not_change():
    found = dropped(20)
    np.testing.assert_array_equal(found[found > 0], np.float32(0.7))


def test_a_share_of_clips_loses_keypoints():
    share = (dropped(missing_prob=0.4) == 0).any(axis=(1, 2)).mean()
    assert 0.3 < share < 0.42  # a few clips lose nothing


def test_heads_limbs_and_people_are_lost_for_as_long_as_asked():
    lost = dropped(missing_joints=0.0) == 0
    head, hand = SKELETON.index("head"), SKELETON.index("left_wrist")
    assert 0.01 < lost[:, :, head].all(1).mean() < 0.1
    assert 0.02 < lost[:, :, hand].all(1).mean() < 0.2
    nobody = lost.all(axis=2)
    assert 0.3 < nobody.any(1).mean() < 0.6
    assert nobody.sum(1).max() <= 5  # a quarter of 20
    for clip in nobody:  # one run
        assert np.abs(np.diff(np.pad(clip.astype(int), 1))).sum() <= 2
    assert (lost.all(axis=1).sum(1) <= 6).all()  # both legs


def test_single_joints_are_lost_independently():
    lost = dropped(missing_run=0.0) == 0
    always = lost.all(axis=1, keepdims=True)
    single = (lost & ~always).mean(axis=(1, 2))
    assert 0.3 < (single > 0).mean() < 0.7
    assert 0.02 < single.mean() < 0.08  # a tenth, in half of the clips
    assert single.max() < 0.3


def test_something_is_always_left():
    assert (dropped(frames=1, missing_joints=1.0) > 0).any(axis=(1, 2)).all()

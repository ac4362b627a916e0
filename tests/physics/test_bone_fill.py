import jax
import jax.numpy as jnp
import numpy as np

from unipose_jax import skeleton
from unipose_jax.physics import anthropometry, bone_fill

BODY = skeleton.ITOP15


def standing(stature=1.69):
    """A standing person 3 m from the camera: joints and rays."""
    pose = anthropometry.standing_pose(BODY, stature=stature)
    xyz = pose + jnp.array([[0.2, 0.9, 3.0]])
    return xyz, xyz / jnp.linalg.norm(xyz, axis=-1, keepdims=True)


def fill(xyz, valid, rays, **options):
    options = {"where": jnp.ones(valid.shape, bool), "skeleton": BODY} | options
    return bone_fill.fill_from_bones(xyz, valid, rays, **options)


def test_stature_is_that_of_the_bones_that_are_known():
    xyz, _ = standing(stature=1.5)
    valid = jnp.ones(15, bool).at[3].set(False)
    found = bone_fill.stature_from_bones(xyz.at[3].set(jnp.nan), valid, skeleton=BODY)
    np.testing.assert_allclose(found, 1.5, rtol=1e-4)
    none = bone_fill.stature_from_bones(xyz, jnp.zeros(15, bool), skeleton=BODY)
    assert none == anthropometry.STATURE


def test_a_filled_joint_is_on_its_ray_and_one_bone_from_its_neighbour():
    xyz, rays = standing()
    joint = BODY.index("left_hand")
    elbow, bone = BODY.index("left_elbow"), BODY.bones.index((7, 5))
    assert BODY.bones[bone] == (joint, elbow)
    target = xyz[elbow] + jnp.array([0.05, 0.1, 0.2])  # within reach
    turned = rays.at[joint].set(target / jnp.linalg.norm(target))
    moved, valid = fill(xyz, jnp.ones(15, bool).at[joint].set(False), turned)
    assert valid.all()
    length = 1.69 * anthropometry.bone_ratios(BODY)[bone]
    np.testing.assert_allclose(jnp.linalg.norm(moved[joint] - xyz[elbow]), length, 1e-4)
    np.testing.assert_allclose(jnp.cross(moved[joint], turned[joint]), 0, atol=1e-5)
    assert moved[joint, 2] > xyz[elbow, 2]  # behind what hides it
    np.testing.assert_array_equal(np.delete(moved, joint, 0), np.delete(xyz, joint, 0))


def test_a_ray_out_of_reach_gives_its_nearest_point():
    xyz, rays = standing()
    joint, elbow = BODY.index("left_hand"), BODY.index("left_elbow")
    away = jnp.array([0.8, 0.0, 0.6])
    moved, _ = fill(
        xyz, jnp.ones(15, bool).at[joint].set(False), rays.at[joint].set(away)
    )
    np.testing.assert_allclose(moved[joint], (xyz[elbow] @ away) * away, rtol=1e-5)


def test_chains_are_filled_outwards_and_joints_without_keypoint_stay_unknown():
    xyz, rays = standing()
    lost = [BODY.index(f"left_{name}") for name in ("elbow", "hand", "knee", "foot")]
    valid = jnp.ones(15, bool).at[jnp.array(lost)].set(False)
    dirty = xyz.at[jnp.array(lost)].set(jnp.nan)
    where = jnp.ones(15, bool).at[lost[2]].set(False)
    moved, found = fill(dirty, valid, rays, where=where)
    assert found[jnp.array(lost[:2])].all()
    assert not found[jnp.array(lost[2:])].any()  # the foot hangs on the knee
    assert jnp.isfinite(moved[jnp.array(lost[:2])]).all()
    # Upright limbs across the line of sight: both places are near the true one.
    error = jnp.linalg.norm(
        moved[jnp.array(lost[:2])] - xyz[jnp.array(lost[:2])], axis=1
    )
    assert error.max() < 0.35  # metres; two bones, each on the further side


def test_batches_equal_single_frames():
    xyz, rays = standing()
    valid = jnp.stack([jnp.ones(15, bool).at[7].set(False), jnp.ones(15, bool)])
    both = fill(jnp.stack([xyz] * 2), valid, jnp.stack([rays] * 2))
    single = jax.jit(lambda v: fill(xyz, v, rays))(valid[0])
    np.testing.assert_allclose(both[0][0], single[0], rtol=1e-5)
    assert both[1].all()

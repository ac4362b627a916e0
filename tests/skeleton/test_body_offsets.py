"""Offsets in the body's frame, found from the rays of keypoints alone."""

import jax.numpy as jnp
import numpy as np

from unipose_jax import skeleton
from unipose_jax.geometry import camera
from unipose_jax.physics import anthropometry
from unipose_jax.skeleton import body_offsets

BODY = skeleton.ITOP15
CAMERA = jnp.array([300.0, 300.0, 160.0, 120.0])
TRUTH = {"neck": (0.0, 0.06, 0.05), "right_hip": (0.02, -0.01, 0.03)}


def people(*turns):
    """Standing people who face in several directions, radians."""
    standing = np.asarray(anthropometry.standing_pose(BODY))
    found = []
    for turn in turns:
        sine, cosine = np.sin(turn), np.cos(turn)
        rotation = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
        found.append(standing @ rotation.T + [0.1, 0.8, 3.0])
    return jnp.asarray(np.stack(found), jnp.float32)


def offsets():
    table = np.zeros((15, 3), np.float32)
    for name, value in TRUTH.items():
        table[BODY.index(name)] = value
        other = BODY.mirror[BODY.index(name)]
        table[other] = (
            np.array(value) * (-1, 1, 1) if other != BODY.index(name) else value
        )
    return jnp.asarray(table)


def test_people_who_face_in_several_directions_show_all_three_components():
    xyz = people(-0.8, -0.3, 0.2, 0.7)
    uv = camera.uv_from_xyz(
        body_offsets.add_offsets(xyz, offsets(), skeleton=BODY), CAMERA
    )
    found = body_offsets.fit_to_rays(xyz, uv, CAMERA, skeleton=BODY, ridge=1e-4)
    np.testing.assert_allclose(found, offsets(), atol=1e-3)


def test_from_one_direction_the_depth_is_not_known_and_stays():
    xyz = people(0.0, 0.0)
    neck = BODY.index("neck")
    xyz = xyz.at[..., :2].add(-xyz[:, neck, None, :2])  # on the optical axis
    uv = camera.uv_from_xyz(
        body_offsets.add_offsets(xyz, offsets(), skeleton=BODY), CAMERA
    )
    found = np.asarray(body_offsets.fit_to_rays(xyz, uv, CAMERA, skeleton=BODY))
    np.testing.assert_allclose(found[neck, 1], 0.06, atol=5e-3)
    assert abs(found[neck, 2]) < 0.01


def test_missing_keypoints_do_not_count_and_wrong_ones_little():
    xyz = people(-0.8, -0.5, -0.3, 0.0, 0.2, 0.4, 0.7)
    moved = body_offsets.add_offsets(xyz, offsets(), skeleton=BODY)
    uv = camera.uv_from_xyz(moved, CAMERA)
    confidence = jnp.ones(uv.shape[:2]).at[0].set(0.0)
    uv = uv.at[0].set(jnp.nan)

    def error(uv, delta):
        found = body_offsets.fit_to_rays(
            *(xyz, uv, CAMERA),
            skeleton=BODY,
            confidence=confidence,
            delta=delta,
            ridge=1e-4,
        )
        return float(jnp.abs(found - offsets()).max())

    assert error(uv, 0.03) < 1e-3
    wrong = uv.at[1].add(80.0)
    assert error(wrong, 0.03) < 0.3 * error(wrong, 1e3)  # of least squares


def test_the_keypoints_may_be_of_another_camera():
    xyz = people(-0.8, 0.1, 0.7)
    move = jnp.eye(4).at[0, 3].set(0.05)
    moved = body_offsets.add_offsets(xyz, offsets(), skeleton=BODY)
    uv = camera.uv_from_xyz(moved + move[None, None, :3, 3], CAMERA)
    found = body_offsets.fit_to_rays(
        xyz, uv, CAMERA, skeleton=BODY, cam_from_xyz=move, ridge=1e-4
    )
    np.testing.assert_allclose(found, offsets(), atol=1e-3)


def test_limbs_do_not_move_forward():
    limbs = body_offsets.moves_with_torso(BODY) == 0
    assert {
        name for name, is_limb in zip(BODY.joints, limbs, strict=True) if is_limb
    } == {
        f"{side}_{kind}"
        for side in ("left", "right")
        for kind in ("elbow", "hand", "knee", "foot")
    }
    found = body_offsets.make_symmetric(jnp.ones((15, 3)), skeleton=BODY)
    np.testing.assert_array_equal(found[:, 2], np.where(limbs, 0.0, 1.0))

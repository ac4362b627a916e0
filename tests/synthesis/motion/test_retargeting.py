import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.skeleton import definitions, kinematics
from unipose_jax.synthesis.motion import body_shape, retargeting

BODY = definitions.BODY


def rest_pose(skeleton=BODY, frames=6):
    """The reference person standing with arms down, y down, and moving sideways."""
    xyz = np.zeros((BODY.num_joints, 3), np.float32)
    for joint, parent in enumerate(BODY.parents):
        above = xyz[parent] if parent >= 0 else 0.0
        xyz[joint] = above + body_shape.REST_OFFSETS[joint]
    xyz = xyz[[BODY.index(name) for name in skeleton.joints]]
    return xyz + np.linspace(0, 0.1, frames)[:, None, None] * [1, 0, 0]


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def cmu(sample_data):
    path = sample_data / "cmu_mocap" / "cmu_joints_30fps_dev.npz"
    return retargeting.load_clips(path)


def test_a_pose_file_is_read_unchanged(tmp_path):
    xyz = rest_pose().astype(np.float32)
    time = np.arange(6) / 15.0
    path = save(tmp_path / "p.npz", xyz=xyz, skeleton="BODY", time=time)
    clip = retargeting.load_clips(path)["xyz"]
    np.testing.assert_allclose(clip.xyz, xyz)
    assert clip.fps == pytest.approx(15.0)
    np.testing.assert_allclose(retargeting.to_body(clip), xyz, atol=1e-5)


@pytest.mark.parametrize(("up", "turned"), [("y", (1, -1, -1)), ("-y", (1, 1, 1))])
def test_an_upward_y_axis_is_converted_to_y_down(tmp_path, up, turned):
    xyz = rest_pose().astype(np.float32) * turned
    path = save(tmp_path / "a.npz", walk=xyz, joint_names=list(BODY.joints), up=up)
    clip = retargeting.load_clips(path)["walk"]
    np.testing.assert_allclose(clip.xyz, rest_pose(), atol=1e-6)
    assert clip.fps == 30.0


def test_an_upward_z_axis_is_converted_to_y_down(tmp_path):
    x, y, z = np.moveaxis(rest_pose().astype(np.float32), -1, 0)
    xyz = np.stack([x, z, -y], -1)
    path = save(tmp_path / "z.npz", walk=xyz, joint_names=list(BODY.joints), up="z")
    np.testing.assert_allclose(retargeting.load_clips(path)["walk"].xyz, rest_pose())


def test_missing_face_hands_and_feet_are_added_at_rest_offsets():
    keep = [n for n in BODY.joints if n in mocap_needed()]
    index = [BODY.index(name) for name in keep]
    clip = retargeting.Clip(rest_pose()[:, index].astype(np.float32), tuple(keep), 30.0)
    body = retargeting.to_body(clip)
    error = np.linalg.norm(body - rest_pose(), axis=-1).max(0)
    # Derived spine joints lie on the line of the shoulders, and with them the head.
    for name, value in zip(BODY.joints, error, strict=True):
        assert value < 0.06, name
    for side in ("left", "right"):
        for part in ("hand", "hand_tip", "foot"):
            assert error[BODY.index(f"{side}_{part}")] < 0.03


def mocap_needed():
    return {
        f"{side}_{joint}"
        for side in ("left", "right")
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    }


def test_a_thumb_lies_in_front_of_a_hanging_hand():
    keep = sorted(mocap_needed())
    index = [BODY.index(name) for name in keep]
    clip = retargeting.Clip(rest_pose()[:, index].astype(np.float32), tuple(keep), 30.0)
    body = retargeting.to_body(clip)
    for side in ("left", "right"):
        thumb = body[:, BODY.index(f"{side}_thumb")]
        hand = body[:, BODY.index(f"{side}_hand")]
        assert np.all(thumb[:, 2] - hand[:, 2] > 0.02)


def test_missing_joint_is_named():
    clip = retargeting.Clip(np.zeros((2, 1, 3), np.float32), ("left_knee",), 30.0)
    with pytest.raises(ValueError, match="right_wrist"):
        retargeting.to_body(clip)


def test_skeletons_similar_to_cmus_are_refused():
    names = ("Hips", "Spine", "Neck", "Head", "End_Head")  # of LaFAN1's BVH
    clip = retargeting.Clip(np.zeros((4, 5, 3), np.float32), names, 30.0)
    with pytest.raises(ValueError, match="not CMU's joints: .*LeftArm.* missing"):
        retargeting.to_body(clip)


def test_skeleton_without_wrists_is_refused(tmp_path):
    xyz = rest_pose(definitions.ITOP15).astype(np.float32)
    path = save(tmp_path / "i.npz", xyz=xyz, skeleton="ITOP15")
    with pytest.raises(ValueError, match="left_wrist"):
        retargeting.to_body(retargeting.load_clips(path)["xyz"])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros((3, 2, 3))}, "neither joint_names nor skeleton"),
        ({"joint_names": ["a", "b"]}, "no array"),
        ({"joint_names": ["a"], "up": "x", "c": np.zeros((3, 1, 3))}, "up is 'x'"),
        ({"joint_names": ["a"], "c": np.full((3, 1, 3), np.nan)}, "complete frame"),
    ],
)
def test_unusable_files_are_refused_in_one_line(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message):
        retargeting.load_clips(save(tmp_path / "bad.npz", **arrays))


@pytest.mark.parametrize("break_it", [np.nan, 5.0])
def test_longest_part_without_jumps_and_gaps_is_kept(tmp_path, break_it):
    xyz = rest_pose(frames=10).astype(np.float32)
    xyz[6, 3] = break_it
    path = save(tmp_path / "leap.npz", walk=xyz, joint_names=list(BODY.joints), up="-y")
    np.testing.assert_allclose(retargeting.load_clips(path)["walk"].xyz, xyz[:6])


def test_floor_is_where_the_soles_are():
    xyz = rest_pose().astype(np.float32) - np.asarray([0, 3.0, 0], np.float32)
    clip = retargeting.Clip(xyz, BODY.joints, 30.0)
    np.testing.assert_allclose(retargeting.to_body(clip), rest_pose(), atol=1e-5)


@pytest.mark.parametrize("name", ["02_01", "49_06", "07_12"])
def test_cmu_people_keep_their_bones_and_stand_on_the_floor(cmu, name):
    body = retargeting.to_body(cmu[name])
    assert np.isfinite(body).all()
    bones = np.asarray(kinematics.bone_lengths(jnp.asarray(body), skeleton=BODY))
    # The pelvis is derived from the hips, the spine bends: only limbs are rigid.
    limbs = [i for i, (child, _) in enumerate(BODY.bones) if rigid(BODY.joints[child])]
    assert bones[:, limbs].std(0).max() < 1e-3
    feet = body[:, [BODY.index("left_foot"), BODY.index("right_foot")], 1].max(-1)
    assert abs(np.percentile(-feet, 10) - 0.03) < 0.02


def rigid(joint):
    parts = ("elbow", "wrist", "hand", "knee", "ankle", "foot", "eye", "ear", "nose")
    return any(part in joint for part in parts)


def test_cmu_people_walk_in_the_direction_that_they_face(cmu):
    body = retargeting.to_body(cmu["02_01"])
    right = body[:, BODY.index("right_hip")] - body[:, BODY.index("left_hip")]
    forward = np.cross(right, [0.0, 1.0, 0.0])
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    step = np.diff(body[:, BODY.index("pelvis")], axis=0) * 30.0
    assert (step * forward[1:]).sum(-1).mean() > 0.8  # m/s
    for a, b in (("nose", "head"), ("left_foot", "left_ankle")):
        ahead = body[:, BODY.index(a)] - body[:, BODY.index(b)]
        assert (ahead * forward).sum(-1).mean() > 0.05


def test_cmu_forearms_have_their_full_length(cmu):
    body = retargeting.to_body(cmu["49_06"])
    wrist, elbow = BODY.index("left_wrist"), BODY.index("left_elbow")
    upper = np.linalg.norm(body[0, elbow] - body[0, BODY.index("left_shoulder")])
    fore = np.linalg.norm(body[0, wrist] - body[0, elbow])
    assert 0.75 < fore / upper < 1.0

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.geometry import transforms
from unipose_jax.skeleton import kinematics

ALL = [skeleton.by_name(name) for name in skeleton.NAMES]
each_skeleton = pytest.mark.parametrize("body", ALL, ids=lambda s: s.name)
BODY = skeleton.BODY
rotation_from_euler = jax.jit(transforms.rotation_from_euler)


def make_pose(body, seed, *batch):
    shape = (*batch, body.num_joints, 3)
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), "f4")


def stand(body, **moved):
    """A person 2 m away who faces the camera, arms hanging; `moved` joints go astray.

    Facing the camera, the person's left is at positive x (image right).
    """
    places = {"torso": (0, 0, 2), "pelvis": (0, 0.25, 2), "thorax": (0, -0.25, 2)}
    places |= {"neck": (0, -0.3, 2), "head": (0, -0.5, 2)}
    for side, x in (("left", 0.2), ("right", -0.2)):
        column = {"shoulder": -0.25, "elbow": 0.05, "wrist": 0.3, "hand": 0.35}
        column |= {"hip": 0.25, "knee": 0.7, "ankle": 1.1, "foot": 1.15}
        places |= {f"{side}_{joint}": (x, y, 2) for joint, y in column.items()}
    places |= moved
    xyz = [places.get(joint, (0, -0.5, 2)) for joint in body.joints]
    return jnp.array(xyz, jnp.float32)


def move_whole(xyz, seed):
    """The pose, turned and shifted as a rigid body, and the turn."""
    angles = jnp.asarray(np.random.default_rng(seed).normal(size=3), "f4")
    turn = rotation_from_euler(angles)
    move = transforms.from_rotation_translation(turn, angles)
    return transforms.apply(move, xyz), turn


def test_bone_vectors_point_from_parent_to_child():
    xyz = stand(skeleton.ITOP15)
    vectors = kinematics.bone_vectors(xyz, skeleton=skeleton.ITOP15)
    names = skeleton.ITOP15.bone_names
    thigh = vectors[names.index("left_hip-left_knee")]
    np.testing.assert_allclose(thigh, [0.0, 0.45, 0.0], atol=1e-6)
    lengths = kinematics.bone_lengths(xyz, skeleton=skeleton.ITOP15)
    np.testing.assert_allclose(lengths[names.index("neck-head")], 0.2, rtol=1e-5)


@pytest.mark.parametrize("body", [skeleton.ITOP15, BODY])
def test_bone_lengths_survive_rigid_motion(body):
    xyz = make_pose(body, 0, 4)
    moved, _ = move_whole(xyz, 1)
    np.testing.assert_allclose(
        kinematics.bone_lengths(moved, skeleton=body),
        kinematics.bone_lengths(xyz, skeleton=body),
        rtol=1e-5,
    )


@each_skeleton
def test_every_skeleton_has_two_elbows_and_two_knees(body):
    names = [name for name, *_ in kinematics.hinges(body)]
    assert names == ["left_elbow", "right_elbow", "left_knee", "right_knee"]
    for name, above, hinge, below in kinematics.hinges(body):
        assert body.joints[hinge] == name
        assert body.parents[hinge] == above
        assert body.parents[below] == hinge


def test_hinges_prefer_the_wrist_and_fall_back_to_the_hand():
    ends = {
        body.name: body.joints[kinematics.hinges(body)[0][3]]
        for body in (skeleton.ITOP15, skeleton.NTU25)
    }
    assert ends == {"ITOP15": "left_hand", "NTU25": "left_wrist"}


def test_joint_angles_are_zero_when_straight_and_known_when_bent():
    straight = kinematics.joint_angles(stand(BODY), skeleton=BODY)
    np.testing.assert_allclose(straight, 0.0, atol=1e-6)
    bent = stand(BODY, left_wrist=(0.2, 0.05, 1.75), right_ankle=(-0.2, 0.3, 2.4))
    angles = kinematics.joint_angles(bent, skeleton=BODY)
    expected = [np.pi / 2, 0.0, 0.0, 0.75 * np.pi]  # shin up and back at 45 degrees
    np.testing.assert_allclose(angles, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("moved", "hinge", "sense"),
    [
        ({"left_wrist": (0.2, 0.05, 1.7)}, 0, 1.0),  # forearm forward
        ({"left_wrist": (0.2, 0.05, 2.3)}, 0, -1.0),  # elbow broken backwards
        ({"right_ankle": (-0.2, 0.7, 2.4)}, 3, 1.0),  # heel back
        ({"right_ankle": (-0.2, 0.7, 1.6)}, 3, -1.0),  # knee broken forwards
        ({"left_knee": (0.2, 0.25, 1.5), "left_ankle": (0.2, 0.7, 1.5)}, 2, 1.0),  # sit
    ],
)
def test_hinge_sense_is_positive_in_flexion_only(moved, hinge, sense):
    for body in (BODY, skeleton.NTU25):
        values = kinematics.hinge_sense(stand(body, **moved), skeleton=body)
        expected = np.zeros(4)
        expected[hinge] = sense
        np.testing.assert_allclose(values, expected, atol=1e-6)


@each_skeleton
def test_body_frame_of_a_person_facing_the_camera(body):
    frame = kinematics.body_frame(stand(body), skeleton=body)
    right, down, forward = [-1, 0, 0], [0, 1, 0], [0, 0, -1]
    np.testing.assert_allclose(frame, [right, down, forward], atol=1e-6)


def test_body_frame_turns_with_the_person():
    xyz = make_pose(skeleton.ITOP15, 2, 5)
    moved, turn = move_whole(xyz, 3)
    frame = kinematics.body_frame(xyz, skeleton=skeleton.ITOP15)
    expected = jnp.einsum("ij,baj->bai", turn, frame)
    turned = kinematics.body_frame(moved, skeleton=skeleton.ITOP15)
    np.testing.assert_allclose(turned, expected, atol=1e-5)  # float32 of rotations
    identity = jnp.einsum("bij,bkj->bik", frame, frame)
    np.testing.assert_allclose(identity, np.tile(np.eye(3), (5, 1, 1)), atol=1e-5)
    np.testing.assert_allclose(jnp.linalg.det(frame), 1.0, rtol=1e-5)


def test_mirrored_people_bend_the_same_way():
    xyz = make_pose(BODY, 4, 6)
    flip = jnp.array([-1.0, 1.0, 1.0])
    mirrored = (xyz * jnp.broadcast_to(flip, xyz.shape))[:, np.array(BODY.mirror)]
    swapped = np.array([1, 0, 3, 2])
    for function in (kinematics.joint_angles, kinematics.hinge_sense):
        np.testing.assert_allclose(
            function(mirrored, skeleton=BODY)[:, swapped],
            function(xyz, skeleton=BODY),
            atol=1e-5,
        )


def test_forward_kinematics_of_a_planar_arm():
    # Two unit bones along x; the first joint turns 90 degrees about z, the second back.
    quarter = transforms.rotation_about(
        jnp.array([0.0, 0.0, 1.0]), jnp.array(np.pi / 2)
    )
    local = jnp.stack([quarter, quarter.T, jnp.eye(3)])
    offsets = jnp.array([[5.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    xyz, rotations = kinematics.forward_kinematics(local, offsets, parents=(-1, 0, 1))
    np.testing.assert_allclose(xyz, [[5, 0, 0], [5, 1, 0], [6, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(rotations[2], np.eye(3), atol=1e-6)


@pytest.mark.parametrize("body", [skeleton.NTU25, BODY])  # NTU: children come first
def test_forward_kinematics_keeps_bones_and_matches_a_slow_reference(body):
    local = rotation_from_euler(make_pose(body, 5, 2))
    offsets = make_pose(body, 6, 2)
    place = jax.jit(kinematics.forward_kinematics, static_argnames="parents")
    xyz, rotations = place(local, offsets, parents=body.parents)
    lengths = np.linalg.norm(offsets, axis=-1)[:, [child for child, _ in body.bones]]
    np.testing.assert_allclose(
        kinematics.bone_lengths(xyz, skeleton=body), lengths, rtol=2e-5
    )

    slow_xyz, slow_rotations = reference_kinematics(local, offsets, body.parents)
    np.testing.assert_allclose(xyz, slow_xyz, atol=1e-5)
    np.testing.assert_allclose(rotations, slow_rotations, atol=1e-5)


def reference_kinematics(local, offsets, parents):
    local, offsets = np.asarray(local, np.float64), np.asarray(offsets, np.float64)

    def place(joint):
        if parents[joint] < 0:
            return offsets[:, joint], local[:, joint]
        origin, turn = place(parents[joint])
        reach = np.einsum("bij,bj->bi", turn, offsets[:, joint])
        return origin + reach, turn @ local[:, joint]

    placed = [place(joint) for joint in range(len(parents))]
    return tuple(np.stack(part, axis=1) for part in zip(*placed, strict=True))


def test_nan_in_one_arm_spoils_only_that_arm():
    xyz = stand(BODY, right_wrist=(np.nan, 0.0, 2.0))
    for function in (kinematics.joint_angles, kinematics.hinge_sense):
        lost = np.isnan(function(xyz, skeleton=BODY))
        np.testing.assert_array_equal(lost, [False, True, False, False])


@pytest.mark.parametrize("body", [skeleton.ITOP15, BODY])
@pytest.mark.parametrize("spread", [0.0, 1e-20, 1e-6, 1.0])
def test_gradients_are_finite_for_coincident_and_straight_joints(body, spread):
    @jax.jit
    @jax.value_and_grad
    def total(xyz):
        return (
            kinematics.bone_lengths(xyz, skeleton=body).sum()
            + kinematics.joint_angles(xyz, skeleton=body).sum()
            + kinematics.hinge_sense(xyz, skeleton=body).sum()
            + kinematics.body_frame(xyz, skeleton=body).sum()
        )

    for xyz in (spread * make_pose(body, 7), stand(body)):
        chex.assert_tree_all_finite(total(xyz))


def test_vmap_equals_batched_equals_jit():
    def everything(xyz):
        local = transforms.rotation_from_euler(xyz)
        return (
            kinematics.bone_vectors(xyz, skeleton=skeleton.NTU25),
            kinematics.bone_lengths(xyz, skeleton=skeleton.NTU25),
            kinematics.joint_angles(xyz, skeleton=skeleton.NTU25),
            kinematics.hinge_sense(xyz, skeleton=skeleton.NTU25),
            kinematics.body_frame(xyz, skeleton=skeleton.NTU25),
            kinematics.forward_kinematics(local, xyz, parents=skeleton.NTU25.parents),
        )

    xyz = make_pose(skeleton.NTU25, 8, 3)
    chex.assert_trees_all_close(
        jax.jit(jax.vmap(everything))(xyz),
        jax.jit(everything)(xyz),
        rtol=1e-4,  # of sums over a chain of rotations
        atol=1e-5,
    )


def test_recorded_people_face_the_side_view_camera(sample_data):
    xyz = np.load(sample_data / "itop" / "side_test_joints_first2451.npz")["xyz_m"]
    xyz = jnp.asarray(xyz * np.array([1, -1, 1], np.float32))  # y turned down
    forward = kinematics.body_frame(xyz, skeleton=skeleton.ITOP15)[:, 2]
    assert np.mean(np.asarray(forward[:, 2]) < 0.0) > 0.95


def test_kinect_files_are_mirrored(sample_data):
    path = sample_data / "ntu" / "S001C001P001R001A001.skeleton"
    rows = [line.split() for line in path.read_text().splitlines()]
    rows = [row[:3] for row in rows if len(row) == 12]
    xyz = np.array(rows, np.float32).reshape(-1, 25, 3) * np.array([1, -1, 1], "f4")
    mirror = np.array(skeleton.NTU25.mirror)
    as_named, as_seen = (
        toes_point_forward(jnp.asarray(pose)) for pose in (xyz, xyz[:, mirror])
    )
    assert as_named < 0.1
    assert as_seen > 0.9


def toes_point_forward(xyz):
    """Share of frames in which the left toes lie in front of the left ankle."""
    ankle, foot = (skeleton.NTU25.index(n) for n in ("left_ankle", "left_foot"))
    forward = kinematics.body_frame(xyz, skeleton=skeleton.NTU25)[:, 2]
    return float(jnp.mean(jnp.sum((xyz[:, foot] - xyz[:, ankle]) * forward, -1) > 0))


def test_path_lengths_count_the_bones_between_joints():
    chain = skeleton.Skeleton("chain", ("nose", "neck", "pelvis"), (-1, 0, 1))
    expected = [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
    np.testing.assert_array_equal(kinematics.path_lengths(chain), expected)


def test_a_branch_is_a_joint_and_all_that_hang_on_it():
    tree = skeleton.Skeleton("tree", ("nose", "neck", "pelvis", "head"), (1, 2, -1, 1))
    expected = [[1, 0, 0, 0], [1, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 1]]
    np.testing.assert_array_equal(kinematics.branches(tree), expected)


def test_a_bone_is_known_where_both_ends_are():
    chain = skeleton.Skeleton("chain", ("nose", "neck", "pelvis"), (-1, 0, 1))
    where = jnp.array([[True, True, False], [True, True, True]])
    found = kinematics.both_ends(where, skeleton=chain)
    np.testing.assert_array_equal(found, [[True, False], [True, True]])
    assert kinematics.both_ends(None, skeleton=chain) is None

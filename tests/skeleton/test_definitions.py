import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.skeleton import kinematics

COUNTS = {
    "ITOP15": 15,
    "COCO17": 17,
    "PANOPTIC19": 19,
    "NTU25": 25,
    "H36M17": 17,
    "HUMANEVA15": 15,
    "MSR20": 20,
    "BODY": 31,
}
ALL = [skeleton.by_name(name) for name in skeleton.NAMES]
each_skeleton = pytest.mark.parametrize("body", ALL, ids=lambda s: s.name)


def numbered(body):
    """Values that tell which joint and channel they come from."""
    return np.arange(3.0 * body.num_joints, dtype=np.float32).reshape(-1, 3)


def test_names_and_joint_counts_are_those_of_the_design():
    assert {s.name: s.num_joints for s in ALL} == COUNTS
    assert all(getattr(skeleton, name).name == name for name in skeleton.NAMES)


@pytest.mark.parametrize(
    ("body", "index", "joint"),
    [
        (skeleton.ITOP15, 6, "right_hand"),
        (skeleton.ITOP15, 8, "torso"),
        (skeleton.COCO17, 9, "left_wrist"),
        (skeleton.PANOPTIC19, 2, "pelvis"),
        (skeleton.PANOPTIC19, 16, "left_ear"),
        (skeleton.NTU25, 20, "thorax"),
        (skeleton.NTU25, 24, "right_thumb"),
        (skeleton.H36M17, 10, "head_top"),
        (skeleton.H36M17, 11, "left_shoulder"),
        (skeleton.HUMANEVA15, 14, "head"),
        (skeleton.MSR20, 19, "head"),
        (skeleton.MSR20, 11, "left_hand"),
    ],
)
def test_joint_orders_are_those_of_the_files(body, index, joint):
    assert body.joints[index] == joint
    assert body.index(joint) == index


@each_skeleton
def test_bones_form_one_tree(body):
    assert body.parents.count(-1) == 1
    assert len(body.bones) == len(body.bone_names) == body.num_joints - 1
    for (child, parent), name in zip(body.bones, body.bone_names, strict=True):
        assert body.parents[child] == parent
        assert name == f"{body.joints[parent]}-{body.joints[child]}"


@each_skeleton
def test_mirror_swaps_sides_and_undoes_itself(body):
    mirror = np.array(body.mirror)
    np.testing.assert_array_equal(mirror[mirror], np.arange(body.num_joints))
    for joint, other in zip(body.joints, mirror, strict=True):
        swapped = joint.replace("left_", "?").replace("right_", "left_")
        assert body.joints[other] == swapped.replace("?", "right_")


@each_skeleton
def test_every_bone_on_the_left_has_a_pair_on_the_right(body):
    left = [n for n in body.bone_names if "-left_" in n]
    pairs = [(body.bone_names[a], body.bone_names[b]) for a, b in body.bone_pairs]
    assert [a for a, _ in pairs] == left
    assert [b for _, b in pairs] == [n.replace("left_", "right_") for n in left]


@each_skeleton
def test_all_joints_are_in_the_shared_vocabulary(body):
    assert set(body.joints) <= set(skeleton.BODY.joints)


def test_unknown_names_are_refused_with_the_choices():
    with pytest.raises(ValueError, match="unknown skeleton 'ITOP'.*NTU25"):
        skeleton.by_name("ITOP")
    with pytest.raises(ValueError, match="no joint 'left_wrist'.*'left_hand'"):
        skeleton.ITOP15.index("left_wrist")


@pytest.mark.parametrize(
    ("joints", "parents", "message"),
    [
        (("a", "a"), (-1, 0), "repeats"),
        (("a", "b"), (-1,), "2 joints but 1 parents"),
        (("a", "b", "c"), (-1, 2, 1), r"without a root as ancestor: \['b', 'c'\]"),
        (("a", "b"), (-1, 7), r"without a root as ancestor: \['b'\]"),
    ],
)
def test_impossible_skeletons_are_refused(joints, parents, message):
    with pytest.raises(ValueError, match=message):
        skeleton.Skeleton("test", joints, parents)


@each_skeleton
def test_conversion_to_itself_changes_nothing(body):
    values = numbered(body)
    for derive in (False, True):
        same, valid = skeleton.convert(values, body, body.name, derive=derive)
        np.testing.assert_array_equal(same, values)
        assert valid.all()


@each_skeleton
def test_conversion_moves_joints_by_meaning_and_invents_none(body):
    values = numbered(body)
    for target in ALL:
        converted, valid = skeleton.convert(values, body, target)
        for row, known, joint in zip(converted, valid, target.joints, strict=True):
            where = f"{joint} of {target.name}"
            assert known == (joint in body.joints), where
            expected = values[body.index(joint)] if known else np.full(3, np.nan)
            np.testing.assert_array_equal(row, expected, where)


@pytest.mark.parametrize("body", [skeleton.NTU25, skeleton.ITOP15])
def test_there_and_back_through_the_superset_is_the_identity(body):
    values = numbered(body)
    superset, _ = skeleton.convert(values, body, "BODY")
    back, valid = skeleton.convert(superset, "BODY", body)
    np.testing.assert_array_equal(back, values)
    assert valid.all()


def test_an_ankle_is_no_foot_and_a_wrist_no_hand():
    _, valid = skeleton.convert(numbered(skeleton.COCO17), "COCO17", "ITOP15")
    known = {j for j, ok in zip(skeleton.ITOP15.joints, valid, strict=True) if ok}
    limbs = ("shoulder", "elbow", "hip", "knee")
    assert known == {f"{side}_{limb}" for side in ("left", "right") for limb in limbs}


@pytest.mark.parametrize(
    ("source", "joint", "parts"),
    [
        ("COCO17", "pelvis", ("left_hip", "right_hip")),
        ("COCO17", "thorax", ("left_shoulder", "right_shoulder")),
        ("COCO17", "neck", ("left_shoulder", "right_shoulder")),
        ("COCO17", "head", ("left_ear", "right_ear")),
        ("H36M17", "head", ("nose", "head_top")),
        ("HUMANEVA15", "torso", ("thorax", "pelvis")),
        (
            "COCO17",
            "torso",
            ("left_shoulder", "right_shoulder", "left_hip", "right_hip"),
        ),
    ],
)
def test_derived_joints_are_the_documented_midpoints(source, joint, parts):
    body = skeleton.by_name(source)
    values = np.random.default_rng(0).normal(size=(4, body.num_joints, 3))
    converted, valid = skeleton.convert(values, source, "BODY", derive=True)
    index = skeleton.BODY.index(joint)
    assert valid[index]
    expected = np.mean([values[:, body.index(part)] for part in parts], axis=0)
    np.testing.assert_allclose(converted[:, index], expected, rtol=1e-12)


@each_skeleton
def test_deriving_adds_joints_and_changes_none(body):
    values = numbered(body)
    plain, known = skeleton.convert(values, body, "BODY")
    full, more = skeleton.convert(values, body, "BODY", derive=True)
    assert not (known & ~more).any()
    np.testing.assert_array_equal(full[known], plain[known])
    assert np.isfinite(full[more]).all()


def test_a_joint_that_is_nan_spoils_only_itself():
    values = numbered(skeleton.NTU25)
    values[skeleton.NTU25.index("left_hand")] = np.nan
    converted, valid = skeleton.convert(values, "NTU25", "ITOP15")
    assert valid.all()
    lost = np.isnan(converted).any(axis=-1)
    assert [skeleton.ITOP15.joints[i] for i in np.flatnonzero(lost)] == ["left_hand"]


def test_wrong_number_of_joints_is_refused():
    with pytest.raises(ValueError, match="16 joints; ITOP15 has 15"):
        skeleton.convert(np.zeros((16, 3)), "ITOP15", "NTU25")


def test_numpy_stays_numpy_and_keeps_its_type():
    for dtype in (np.float32, np.float64):
        values = numbered(skeleton.COCO17)[None, :, :2].astype(dtype)
        converted, valid = skeleton.convert(values, "COCO17", "BODY", derive=True)
        assert isinstance(converted, np.ndarray)
        assert isinstance(valid, np.ndarray)
        assert converted.dtype == dtype
        assert converted.shape == (1, 31, 2)


def test_vmap_equals_batched_equals_jit_equals_numpy():
    def convert(values):
        return skeleton.convert(values, "PANOPTIC19", "ITOP15", derive=True)[0]

    values = np.random.default_rng(1).normal(size=(3, 19, 3)).astype(np.float32)
    on_device = jnp.asarray(values)
    chex.assert_trees_all_close(
        convert(values),
        convert(on_device),
        jax.vmap(convert)(on_device),
        jax.jit(convert)(on_device),
        rtol=1e-6,
    )


def test_gradient_through_missing_joints_is_finite():
    def total(values):
        converted, valid = skeleton.convert(values, "COCO17", "NTU25")
        return jnp.sum(jnp.where(valid[:, None], converted, 0.0) ** 2)

    gradient = jax.grad(total)(jnp.ones((17, 3)))
    chex.assert_tree_all_finite(gradient)
    assert float(jnp.abs(gradient[0]).max()) == 0.0  # NTU has no nose
    np.testing.assert_allclose(gradient[skeleton.COCO17.index("left_hip")], 2.0)


# What any standing person obeys, as (higher, lower) joints of the superset.
ORDER_OF_HEIGHTS = (
    ("head", "neck"),
    ("neck", "pelvis"),
    ("torso", "pelvis"),
    ("left_shoulder", "left_hip"),
    ("right_hip", "right_knee"),
    ("left_knee", "left_ankle"),
    ("right_knee", "right_foot"),
)


# Recordings are in metres, y down, in right-handed frames, so that left stays left.
# Kinects (NTU, ITOP, MSR) count y upwards and z forwards: y is negated.
Y_DOWN = np.array([1, -1, 1], np.float32)


def ntu_recording(folder):
    """Joints of the first body of a file."""
    path = folder / "ntu" / "S001C001P001R001A001.skeleton"
    lines = path.read_text().splitlines()
    rows = [line.split() for line in lines if len(line.split()) == 12]
    return np.array(rows, np.float32).reshape(-1, 25, 12)[..., :3] * Y_DOWN


def itop_recording(folder):
    return np.load(folder / "itop" / "side_test_joints_first2451.npz")["xyz_m"] * Y_DOWN


def msr_recording(folder):
    with np.load(folder / "msr_action3d" / "msr_action3d_a01_a12.npz") as clips:
        clips = [clips[key] for key in clips.files if key.endswith("real3d")]
    xyz = np.concatenate(clips)[..., :3]
    return xyz[(np.abs(xyz) < 10.0).all(axis=(1, 2))] * Y_DOWN  # a few are corrupt


def humaneva_recording(folder):
    # In S3's walk the head lies as far below the thorax as it should lie above.
    with np.load(folder / "humaneva" / "humaneva15_dev.npz") as clips:
        keys = [key for key in clips.files if "S1|Walking" in key and "xyz" in key]
        xyz = np.concatenate([clips[key] for key in keys])
    return xyz[..., [0, 2, 1]] * Y_DOWN  # z up: a quarter turn about x


def panoptic_recording(folder):
    poses = []
    for path in sorted(folder.glob("panoptic/160906_band1/hd*/body3DScene_*.json")):
        for person in json.loads(path.read_text())["bodies"]:
            joints = np.reshape(person["joints19"], (19, 4))
            if (joints[:, 3] > 0.0).all():
                poses.append(joints[:, :3])
    return 0.01 * np.array(poses, np.float32)


RECORDINGS = {
    "NTU25": ntu_recording,
    "ITOP15": itop_recording,
    "MSR20": msr_recording,
    "HUMANEVA15": humaneva_recording,
    "PANOPTIC19": panoptic_recording,
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_people_stand_upright_after_conversion(name, sample_data):
    xyz = RECORDINGS[name](sample_data)
    assert len(xyz) > 0
    converted, valid = skeleton.convert(xyz, name, "BODY", derive=True)
    height = dict(
        zip(skeleton.BODY.joints, np.moveaxis(-converted[..., 1], -1, 0), strict=True)
    )
    known = dict(zip(skeleton.BODY.joints, valid, strict=True))
    for higher, lower in ORDER_OF_HEIGHTS:
        if known[higher] and known[lower]:
            # People sit, kick and bend, and trackers err: nearly all frames, not all.
            assert np.mean(height[higher] > height[lower]) > 0.9, (higher, lower)


@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_bones_are_symmetric_and_of_human_length(name, sample_data):
    xyz = RECORDINGS[name](sample_data)
    body = skeleton.by_name(name)
    children, parents = np.array(body.bones).T
    length = np.median(np.linalg.norm(xyz[:, children] - xyz[:, parents], axis=-1), 0)
    assert length.min() > 0.01
    assert length.max() < 0.6
    for left, right in body.bone_pairs:
        # Occluded limbs (NTU forearms, Panoptic's seated shins) differ by up to 6 cm.
        np.testing.assert_allclose(
            length[left], length[right], atol=0.07, err_msg=body.bone_names[left]
        )


@pytest.mark.parametrize("name", ["ITOP15", "HUMANEVA15", "PANOPTIC19"])
def test_recorded_people_bend_their_joints_forwards(name, sample_data):
    shares = forward_shares(RECORDINGS[name](sample_data), skeleton.by_name(name))
    # An elbow's axis turns with the shoulder; ITOP has 4 % the other way.
    assert np.all(shares > [0.9, 0.9, 0.97, 0.97])


def test_msr_files_name_the_sides_of_a_mirror_image(sample_data):
    as_named = msr_recording(sample_data)
    as_seen = as_named[:, np.array(skeleton.MSR20.mirror)]
    # A noisy tracker: 8 to 28 % against 72 to 92 %.
    assert np.all(forward_shares(as_named, skeleton.MSR20) < 0.4)
    assert np.all(forward_shares(as_seen, skeleton.MSR20) > 0.6)


def forward_shares(xyz, body):
    """Share of each hinge's clearly bent poses in which it bends its own way."""
    xyz = jnp.asarray(xyz)
    bent = np.asarray(kinematics.joint_angles(xyz, skeleton=body)) > 0.5
    sense = np.asarray(kinematics.hinge_sense(xyz, skeleton=body)) > 0.0
    assert np.all(bent.sum(axis=0) > 0)
    return (bent & sense).sum(axis=0) / bent.sum(axis=0)

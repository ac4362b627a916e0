import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.physics import anthropometry, constraints, finite_differences
from unipose_jax.skeleton import definitions, kinematics

SKELETONS = [definitions.by_name(name) for name in definitions.NAMES]
PER_JOINT = [
    anthropometry.skin_depths,
    anthropometry.min_skin_depths,
    anthropometry.max_speeds,
    anthropometry.max_accelerations,
]
PER_BONE = [
    anthropometry.bone_ratios,
    anthropometry.capsule_radii,
    anthropometry.bone_rigidity,
]


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)
def test_every_named_skeleton_has_every_figure(skeleton):
    for figures in PER_JOINT:
        assert figures(skeleton).shape == (skeleton.num_joints,)
        assert jnp.all(figures(skeleton) > 0)
    for figures in PER_BONE:
        assert figures(skeleton).shape == (len(skeleton.bones),)
        assert jnp.all(figures(skeleton) >= 0)
    assert anthropometry.max_flexions(skeleton).shape == (
        len(kinematics.hinges(skeleton)),
    )


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)
def test_left_and_right_have_the_same_figures(skeleton):
    for figures in PER_JOINT:
        values = figures(skeleton)
        np.testing.assert_array_equal(values, values[np.array(skeleton.mirror)])
    for left, right in skeleton.bone_pairs:
        for figures in PER_BONE:
            np.testing.assert_allclose(
                figures(skeleton)[left], figures(skeleton)[right], rtol=1e-5
            )


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)
def test_typical_bones_are_plausible_and_bounds_ordered(skeleton):
    lo, hi = anthropometry.plausible_bone_ratios(skeleton)
    typical = anthropometry.bone_ratios(skeleton)
    assert jnp.all((lo >= 0) & (lo < typical) & (typical < hi) & (hi < 0.5))


def test_segments_are_those_of_drillis_and_contini():
    names = definitions.BODY.bone_names
    ratios = dict(zip(names, anthropometry.bone_ratios(definitions.BODY), strict=True))
    expected = {  # shares of stature, as printed by Winter
        "left_shoulder-left_elbow": 0.186,
        "left_elbow-left_wrist": 0.146,
        "left_hip-left_knee": 0.245,
        "left_knee-left_ankle": 0.246,
    }
    for name, ratio in expected.items():
        # The table gives heights to three digits; two of them make a length.
        np.testing.assert_allclose(ratios[name], ratio, atol=0.002)


def test_thickness_matches_measured_circumferences():
    # Circumferences in ANSUR II, mm, mean of women and men; "neck" is its base.
    expected = {"head": 568, "neck": 403, "wrist": 164, "ankle": 222, "elbow": 287}
    for name, circumference in expected.items():
        radius = circumference / 2000.0 / np.pi
        np.testing.assert_allclose(
            anthropometry.JOINTS[name].thickness, radius, atol=0.003
        )


def test_skin_depth_is_the_median_over_directions_of_sight():
    # Directions spread evenly over the sphere have evenly spread cosines.
    sine = np.sqrt(1.0 - np.linspace(0.0, 1.0, 10_001)[:-1] ** 2)
    knee = anthropometry.JOINTS["knee"].thickness
    depth = anthropometry.skin_depths(definitions.ITOP15)[
        definitions.ITOP15.index("left_knee")
    ]
    np.testing.assert_allclose(depth, np.median(knee / sine), rtol=1e-3)


def test_minimum_skin_depth_is_shallower_than_the_typical_one():
    skeleton = definitions.ITOP15
    shallow = anthropometry.min_skin_depths(skeleton)
    assert jnp.all(shallow < anthropometry.skin_depths(skeleton))


def test_lines_that_are_no_bones_are_not_rigid():
    skeleton = definitions.COCO17
    rigid = dict(
        zip(skeleton.bone_names, anthropometry.bone_rigidity(skeleton), strict=True)
    )
    assert rigid["nose-left_shoulder"] == 0
    assert rigid["right_shoulder-right_hip"] == 0
    assert rigid["left_hip-left_knee"] == 1


def test_the_line_from_knee_to_foot_is_half_rigid():
    skeleton = definitions.ITOP15
    rigid = dict(
        zip(skeleton.bone_names, anthropometry.bone_rigidity(skeleton), strict=True)
    )
    assert 0 < rigid["left_knee-left_foot"] == rigid["right_knee-right_foot"] < 1
    assert rigid["left_elbow-left_hand"] == 1


def test_unknown_joints_are_named_with_the_choices():
    with pytest.raises(ValueError, match=r"'left_tail'.*'ankle'.*'wrist'"):
        anthropometry.joint_kind("left_tail")


def test_figures_can_be_taken_inside_jit():
    inside = jax.jit(lambda: anthropometry.skin_depths(definitions.ITOP15))()
    np.testing.assert_array_equal(inside, anthropometry.skin_depths(definitions.ITOP15))


def itop_xyz(sample_data):
    with np.load(sample_data / "itop" / "side_test_joints_first2451.npz") as file:
        return jnp.asarray(file["xyz_m"][::10] * np.array([1, -1, 1], np.float32))


def test_real_itop_poses_keep_the_limits(sample_data):
    skeleton, xyz = definitions.ITOP15, itop_xyz(sample_data)
    stature = constraints.estimate_stature(
        xyz, skeleton=skeleton, weight=jnp.ones_like(xyz[..., 0])
    )
    assert 1.7 < jnp.median(stature) < 1.8
    assert (
        jnp.mean(constraints.bone_ratio_excess(xyz, stature, skeleton=skeleton) > 0)
        < 0.02
    )
    assert jnp.mean(constraints.hyperextension(xyz, skeleton=skeleton) > 0) < 0.01
    assert jnp.mean(constraints.hyperflexion(xyz, skeleton=skeleton) > 0) < 0.01


def test_mirrored_poses_break_the_limits(sample_data):
    # Left and right exchanged: the elbows of a mirrored person bend the wrong way.
    skeleton, xyz = definitions.ITOP15, itop_xyz(sample_data)
    mirrored = xyz[:, np.array(skeleton.mirror)]
    assert jnp.mean(constraints.hyperextension(mirrored, skeleton=skeleton) > 0) > 0.1


CMU = {
    "pelvis": "Hips",
    "shoulder": "{}Arm",
    "elbow": "{}ForeArm",
    "wrist": "{}Hand",
    "hip": "{}UpLeg",
    "knee": "{}Leg",
    "ankle": "{}Foot",
}


def test_real_motion_keeps_its_bounds(sample_data):
    file = np.load(sample_data / "cmu_mocap" / "cmu_joints_30fps_dev.npz")
    names = [str(name) for name in file["joint_names"]]
    clips = [file[key] for key in file.files if key not in ("joint_names", "parents")]
    index = [names.index(pattern.format("Right")) for pattern in CMU.values()]
    xyz = jnp.asarray(np.concatenate(clips)[:, index])
    # Clips follow each other ten seconds apart, which no difference may bridge.
    starts = np.repeat(np.arange(len(clips)) * 10.0, [len(clip) for clip in clips])
    time = jnp.asarray(np.arange(len(xyz)) / 30.0 + starts, jnp.float32)
    linked = finite_differences.consecutive(time)
    speed = jnp.linalg.norm(finite_differences.velocity(xyz, time), axis=-1)[linked]
    size = jnp.linalg.norm(finite_differences.acceleration(xyz, time), axis=-1)
    size = size[linked[1:] & linked[:-1]]
    figures = [anthropometry.JOINTS[joint] for joint in CMU]
    fast = speed > jnp.array([[figure.speed for figure in figures]])
    hard = size > jnp.array([[figure.acceleration for figure in figures]])
    assert fast.mean() < 1e-3
    assert hard.mean() < 1e-3


def test_the_standing_pose_has_the_stature_and_stands_on_the_floor():
    pose = anthropometry.standing_pose(definitions.BODY, stature=1.8)
    assert pose[definitions.BODY.index("head_top"), 1] == pytest.approx(-1.8)
    left, right = (definitions.BODY.index(f"{s}_foot") for s in ("left", "right"))
    assert -0.05 < pose[left, 1] < 0.0
    np.testing.assert_allclose(pose[left] * jnp.array([-1.0, 1.0, 1.0]), pose[right])
    assert pose[left, 2] < pose[definitions.BODY.index("left_ankle"), 2]  # faces -z

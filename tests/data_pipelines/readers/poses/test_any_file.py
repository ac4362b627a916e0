"""Poses in the formats of other tools: round trips and refusals."""

import json

import numpy as np
import pytest

from data_pipelines.ground import pose_file
from data_pipelines.readers.poses import any_file, bvh_file, rig
from unipose_jax import errors, skeleton


def rigid_poses(name: str, frames: int = 6) -> pose_file.PoseFile:
    """A person whose joints turn freely and whose bones keep their length."""
    body = skeleton.by_name(name)
    rng = np.random.default_rng(0)
    xyz = np.zeros((frames, body.num_joints, 3))
    order = sorted(range(body.num_joints), key=lambda j: len(ancestors(body, j)))
    for joint in order:
        parent = body.parents[joint]
        if parent < 0:
            xyz[:, joint] = rng.normal(size=(frames, 3)) * 0.1 + [0, 0, 3]
            continue
        aim = rng.normal(size=3) + 0.3 * rng.normal(size=(frames, 3))
        aim /= np.linalg.norm(aim, axis=-1, keepdims=True)
        xyz[:, joint] = xyz[:, parent] + 0.25 * aim
    return pose_file.PoseFile(
        xyz=xyz.astype(np.float32),
        confidence=np.full(xyz.shape[:2], 0.75, np.float32),
        skeleton=name,
        time=np.arange(frames) / 30,
    )


def ancestors(body, joint):
    found = []
    while (joint := body.parents[joint]) >= 0:
        found.append(joint)
    return found


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_poses_survive_a_table_or_json(tmp_path, ending):
    pose = rigid_poses("ZED34")
    valid = np.ones(pose.confidence.shape, bool)
    valid[1, 3] = False
    pose.xyz[1, 3] = np.nan
    pose = pose_file.PoseFile(
        **vars(pose) | {"valid": valid, "frame": np.arange(6) + 7}
    )
    assert any_file.write(tmp_path / f"a.{ending}", pose) == []
    back = any_file.read(tmp_path / f"a.{ending}")
    assert back.skeleton == "ZED34"
    for field in ("frame", "valid", "confidence"):
        np.testing.assert_array_equal(getattr(back, field), getattr(pose, field))
    # Written with six decimals of a metre, times with nine.
    np.testing.assert_allclose(back.xyz, pose.xyz, atol=1e-6, rtol=0)
    np.testing.assert_allclose(back.time, pose.time, atol=1e-9, rtol=0)


def test_rigid_people_survive_bvh_within_a_millimetre(tmp_path):
    for name in (*skeleton.NAMES, *skeleton.TRACKERS):
        pose = rigid_poses(name, frames=3)
        any_file.write(tmp_path / "a.bvh", pose)
        back = any_file.read(tmp_path / "a.bvh", skeleton=name)
        assert back.skeleton == name
        np.testing.assert_allclose(back.xyz, pose.xyz, atol=1e-3, rtol=0, err_msg=name)
        # Without a name, the smallest skeleton that has the joints.
        alone = skeleton.by_name(any_file.read(tmp_path / "a.bvh").skeleton)
        assert alone.num_joints <= skeleton.by_name(name).num_joints


def test_bvh_interpolates_gaps_and_bridges_joints_that_are_never_seen(tmp_path):
    pose = rigid_poses("ITOP15", frames=5)
    valid = np.ones((5, 15), bool)
    valid[2, 7] = False  # a hand, once
    valid[:, [8, 4]] = False  # the root and an elbow, always
    pose = pose_file.PoseFile(**vars(pose) | {"valid": valid})
    notes = "\n".join(any_file.write(tmp_path / "a.bvh", pose))
    assert "1 missing joints interpolated" in notes
    assert "left out: right_elbow, torso" in notes
    back = any_file.read(tmp_path / "a.bvh", skeleton="ITOP15").is_valid()
    assert not back[:, [8, 4]].any()
    assert back.sum() == 5 * 13


def test_bvh_is_resampled_to_one_frame_rate(tmp_path):
    pose = rigid_poses("ITOP15", frames=4)
    uneven = pose_file.PoseFile(**vars(pose) | {"time": np.array([0, 0.1, 0.2, 0.4])})
    assert "resampled" in any_file.write(tmp_path / "a.bvh", uneven)[0]
    back = any_file.read(tmp_path / "a.bvh")
    np.testing.assert_allclose(back.time, [0, 0.1, 0.2, 0.3, 0.4], atol=1e-6)
    far = pose_file.PoseFile(**vars(pose) | {"time": np.array([0, 0.1, 0.2, 60.0])})
    with pytest.raises(errors.BadInput, match="cut the poses at the gaps"):
        any_file.write(tmp_path / "b.bvh", far)
    assert not (tmp_path / "b.bvh").exists()


def test_another_library_reads_the_same_joints_from_bvh(tmp_path):
    library = pytest.importorskip("bvh")
    pose = rigid_poses("ITOP15", frames=2)
    any_file.write(tmp_path / "a.bvh", pose)
    file = library.Bvh((tmp_path / "a.bvh").read_text())
    assert file.nframes == 2
    assert file.get_joints_names()[0] == "torso"
    channels = file.joint_channels("torso")
    assert channels[3:] == ["Zrotation", "Xrotation", "Yrotation"]
    root = file.frame_joint_channels(1, "torso", channels[:3])
    np.testing.assert_allclose(np.array(root) * [0.01, -0.01, -0.01], pose.xyz[1, 8])


def test_a_bone_turned_by_half_a_turn_has_a_rotation():
    up = np.array([[0.0, 1.0, 0.0]])
    turn = rig._swing(up, -up)
    np.testing.assert_allclose(turn @ up[0], -up, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turn), 1.0)


RIG = """HIERARCHY
ROOT Hips {{ OFFSET 0 0 0 CHANNELS 3 Xposition Yposition Zposition
 JOINT Spine {{ OFFSET 0 {0} 0 CHANNELS 0
{1} End Site {{ OFFSET 0 1 0 }} }}
{2} }}
MOTION
Frames: 2
Frame Time: 0.033333
0 0 0
0 1 0
"""
BONE = "JOINT {} {{ OFFSET {} {} 0 CHANNELS 0 {} }}"


def chain(names: list[str], aside: float, size: float) -> str:
    """Joints of a limb that hangs down."""
    text = "End Site { OFFSET 0 0 1 }"
    for place, name in reversed(list(enumerate(names))):
        text = BONE.format(name, 0 if place else aside, -size if place else 0, text)
    return text


def rig_text(size: float) -> str:
    """A standing motion-capture rig with limbs of `size`."""
    limbs = (("Arm", "ForeArm", "Hand"), ("UpLeg", "Leg", "Foot"))
    sides = {"Left": size, "Right": -size}
    arms, legs = (
        "\n".join(chain([s + n for n in limb], x, size) for s, x in sides.items())
        for limb in limbs
    )
    return RIG.format(size, arms, legs)


@pytest.mark.parametrize(
    ("size", "unit"), [(0.35, "metres"), (35, "centimetres"), (6.2, "CMU's unit")]
)
def test_rigs_are_read_as_body_in_the_unit_of_a_person(tmp_path, capsys, size, unit):
    (tmp_path / "a.bvh").write_text(rig_text(size))
    pose = any_file.read(tmp_path / "a.bvh")
    assert pose.skeleton == "BODY"
    err = capsys.readouterr().err
    assert f"read as {unit}" in err
    assert "ignored: Spine" in err
    knee, ankle = (skeleton.BODY.index(f"left_{n}") for n in ("knee", "ankle"))
    length = pose.xyz[0, ankle] - pose.xyz[0, knee]
    np.testing.assert_allclose(length, [0, 0.35, 0], atol=2e-3)  # y down
    (tmp_path / "a.bvh").write_text(rig_text(0.01))
    with pytest.raises(errors.BadInput, match="no person in metres, centimetres"):
        any_file.read(tmp_path / "a.bvh")


HEADER = "frame,time,joint,x,y,z"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", "its ending must be one of .npz, .npy, .csv, .json, .bvh"),
        ("a.csv", "frame,x0,y0,z0\n0,1,2,3", "one row per frame and joint with"),
        ("a.csv", f"{HEADER}\n", "has no rows"),
        ("a.csv", f"{HEADER}\n0,0,nose,1,2", "line 2 has 5 cells, the header 6"),
        ("a.csv", f"{HEADER}\n0,0,nose,1,2,a", "line 2: z is 'a', expected a number"),
        ("a.csv", f"{HEADER}\n0,0,tail,1,2,3", "no known skeleton .* lacks 'tail'"),
        ("a.csv", f"{HEADER}\n0,0,3,1,2,3", "numbers the joints: give --skeleton"),
        ("a.csv", f"{HEADER}\n" + 2 * "0,0,nose,1,2,3\n", "lines 2 and 3 are the same"),
        ("a.csv", "frame,joint,x,y,z\n0,nose,1,2,3", "has no times: give --fps"),
        (
            "a.csv",
            f"{HEADER};valid\n".replace(",", ";") + "0;0;nose;1;2;1,5;1",
            "comma",
        ),
        ("a.json", "[1]", "has no field 'xyz'"),
        ("a.json", '{"xyz": [[[1, 2]]]}', "'xyz' has shape"),
        ("a.json", '{"xyz": [[[1, 2, 3], [1]]]}', "no regular list of numbers"),
        ("a.json", '{"xyz": [[[1, 2, 3]]], "time": [0]}', "give --skeleton"),
        ("a.json", '{"xyz": [[[1, 2, 3]]], "unit": "mm"}', "unit 'mm'; only metres"),
        ("a.json", '{"xyz": [[[1, 2, 3]]], "pose": 3}', "unknown field 'pose'"),
        ("a.bvh", "HIERARCHY\nROOT Hips\n", "has no MOTION"),
        ("a.npy", "text", "is not an array"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(errors.BadInput, match=message) as caught:
        any_file.read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_arrays_need_a_skeleton_and_a_rate(tmp_path):
    pose = rigid_poses("HALPE26")
    np.save(tmp_path / "a.npy", pose.xyz)
    with pytest.raises(errors.BadInput, match="give --skeleton, .* one of HALPE26"):
        any_file.read(tmp_path / "a.npy", fps=30)
    with pytest.raises(errors.BadInput, match="give --fps"):
        any_file.read(tmp_path / "a.npy", skeleton="HALPE26")
    back = any_file.read(tmp_path / "a.npy", skeleton="halpe26", fps=30)
    np.testing.assert_array_equal(back.xyz, pose.xyz)
    np.save(tmp_path / "a.npy", 1000 * pose.xyz)
    with pytest.raises(errors.BadInput, match="as in millimetres"):
        any_file.read(tmp_path / "a.npy", skeleton="halpe26", fps=30)


def test_a_file_that_names_another_skeleton_is_refused(tmp_path):
    any_file.write(tmp_path / "a.json", rigid_poses("ITOP15"))
    with pytest.raises(errors.BadInput, match="has skeleton ITOP15, not --skeleton=CO"):
        any_file.read(tmp_path / "a.json", skeleton="COCO17")


def test_tables_of_other_tools_are_read(tmp_path):
    pose = rigid_poses("KINECTV2", frames=2)
    names = "SpineBase SpineMid Neck Head ShoulderLeft ElbowLeft WristLeft".split()
    rows = ["timestamp;Name;Z;Y;X;Score;mood"]
    for frame in (1, 0):  # in any order, here without some joints
        for joint, name in enumerate(names):
            x, y, z = pose.xyz[frame, joint]
            rows.append(f"{frame / 30:.4f};{name};{z};{y};{x};0.5;glad")
    (tmp_path / "a.csv").write_text("\ufeff" + "\r\n".join(rows))
    back = any_file.read(tmp_path / "a.csv", skeleton="kinect_v2")
    np.testing.assert_allclose(back.xyz[:, :7], pose.xyz[:, :7], atol=1e-6)
    assert back.is_valid()[:, :7].all()
    assert not back.is_valid()[:, 7:].any()
    assert set(back.confidence[:, :7].ravel()) == {0.5}


def test_json_of_other_tools_is_read(tmp_path):
    pose = rigid_poses("MEDIAPIPE33", frames=2)
    xyz = pose.xyz.tolist()
    xyz[1][0] = None
    content = {"joints": list(skeleton.by_name("MEDIAPIPE33").joints), "xyz": xyz}
    (tmp_path / "a.json").write_text(json.dumps(content))
    back = any_file.read(tmp_path / "a.json", fps=10)
    assert back.skeleton == "MEDIAPIPE33"
    assert np.argwhere(~back.is_valid()).tolist() == [[1, 0]]
    np.testing.assert_allclose(back.time, [0, 0.1])


def test_units_of_bvh_do_not_overlap():
    limits = [limit for low, high, *_ in bvh_file._UNITS for limit in (low, high)]
    assert limits == sorted(limits)

"""`run.py --mode=refine`: from pose files to refined pose files and images."""

import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file
from data_pipelines.keypoints import detections
from data_pipelines.readers.poses import any_file
from data_pipelines.readers.recordings import recording
from tests.test_run import run
from unipose_jax import errors, skeleton


@pytest.fixture
def make_file(person, tmp_path):
    """`make_file(name, **fields)` writes a noisy pose file and returns its path."""

    def make(name="noisy.npz", **fields):
        rng = np.random.default_rng(0)
        xyz = person + 0.03 * rng.normal(size=person.shape)
        fields = {
            "xyz": xyz.astype(np.float32),
            "confidence": np.ones(person.shape[:2], np.float32),
            "skeleton": "ITOP15",
            "time": 1.8e9 + np.arange(len(person)) / 15.0,
        } | fields
        pose_file.write(tmp_path / name, pose_file.PoseFile(**fields))
        return tmp_path / name

    return make


def test_a_pose_file_is_refined_and_drawn(make_file, person, tmp_path, capsys):
    frame = np.arange(100, 160)
    source, output = make_file(frame=frame), tmp_path / "refined.npz"
    options = {"input": source, "output": output, "pictures": True}
    assert run("refine", None, **options) == 0
    before, after = pose_file.read(source), pose_file.read(output)
    wrong = [np.linalg.norm(p.xyz - person, axis=-1).mean() for p in (before, after)]
    assert wrong[1] < 0.6 * wrong[0]
    np.testing.assert_array_equal(after.time, before.time)
    np.testing.assert_array_equal(after.frame, frame)
    assert "60 frames, 1 runs between cuts, 1 person" in capsys.readouterr().out
    page = (tmp_path / "refined.html").read_text()
    assert '"numbers":[100,101,' in page
    assert all(f'"name":"{name}"' in page for name in ("before", "after"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"valid": np.zeros((60, 15), bool)}, "no joint of any frame is valid"),
        ({"time": np.zeros(60)}, "'time' never increases"),
    ],
)
def test_poses_that_cannot_be_refined_are_bad_input(
    make_file, tmp_path, fields, message
):
    with pytest.raises(errors.BadInput, match=message):
        run("refine", None, input=make_file(**fields), output=tmp_path / "o.npz")
    assert not (tmp_path / "o.npz").exists()


def test_a_single_pose_is_bad_input(make_file, tmp_path):
    single = pose_file.read(make_file()).part(0, 1)
    pose_file.write(tmp_path / "one.npz", single)
    with pytest.raises(errors.BadInput, match="1 frames; refinement needs three"):
        run("refine", None, input=tmp_path / "one.npz", output=tmp_path / "o.npz")


@pytest.fixture
def filmed(person, tmp_path):
    """A recording of the person: a flat surface at 2.7 m, and true keypoints."""
    intrinsics = np.array([60.0, 60.0, 40.0, 30.0])
    camera = calibration.make_camera(80, 60, intrinsics)
    uv = intrinsics[:2] * person[..., :2] / person[..., 2:] + intrinsics[2:]
    uv, known = skeleton.convert(uv, "ITOP15", "COCO17")
    confidence = np.broadcast_to(np.float32(known), uv.shape[:2])
    mask = np.zeros((60, 80), bool)
    mask[15:55, 32:48] = True
    recording.write_recording(
        tmp_path / "filmed",
        depth=[np.where(mask, 2.7, 4.0)] * len(person),
        depth_camera=camera,
        fps=15.0,
        color_camera=camera,
        mask=[mask] * len(person),
        keypoints=detections.to_coco(np.nan_to_num(uv), confidence, "COCO17"),
    )
    return tmp_path / "filmed"


def test_a_recording_improves_refinement(make_file, filmed, person, tmp_path):
    source = make_file()
    found = {}
    for name, seen in {"alone": None, "filmed": filmed}.items():
        output = tmp_path / f"{name}.npz"
        assert run("refine", None, input=source, output=output, recording=seen) == 0
        xyz = pose_file.read(output).xyz
        found[name] = np.linalg.norm((xyz - person)[..., :2], axis=-1)
    knee = skeleton.ITOP15.index("left_knee")  # in both skeletons
    assert found["filmed"][:, knee].mean() < 0.8 * found["alone"][:, knee].mean()


def test_keypoints_in_the_pose_file_improve_refinement(make_file, person, tmp_path):
    intrinsics = np.float32([285.7, 285.7, 160.0, 120.0])
    uv = intrinsics[:2] * person[..., :2] / person[..., 2:] + intrinsics[2:]
    evidence = {"uv": uv.astype(np.float32), "intrinsics": intrinsics}
    wrong = {}
    for name, fields in {"alone": {}, "with": evidence}.items():
        source, output = make_file(**fields), tmp_path / f"{name}.npz"
        assert run("refine", None, input=source, output=output) == 0
        xyz = pose_file.read(output).xyz
        wrong[name] = np.linalg.norm((xyz - person)[..., :2], axis=-1).mean()
    assert wrong["with"] < 0.7 * wrong["alone"]


def test_confidence_is_swapped_with_the_joints(make_file, person, tmp_path):
    mirror = list(skeleton.ITOP15.mirror)
    rng = np.random.default_rng(1)
    xyz = person + 0.01 * rng.normal(size=person.shape).astype(np.float32)
    confidence = np.ones(person.shape[:2], np.float32)
    confidence[30, skeleton.ITOP15.index("left_hand")] = 0.6
    xyz[30], confidence[30] = xyz[30, mirror], confidence[30, mirror]
    source = make_file(xyz=xyz, confidence=confidence)
    assert run("refine", None, input=source, output=tmp_path / "o.npz") == 0
    after = pose_file.read(tmp_path / "o.npz").confidence[30]
    assert np.flatnonzero(after < 1) == skeleton.ITOP15.index("left_hand")


def test_unreadable_colour_removes_only_colour(make_file, filmed, tmp_path, capsys):
    (filmed / "color").mkdir()
    for frame in range(60):
        (filmed / "color" / f"{frame:06d}.png").write_bytes(b"torn")
    options = {"input": make_file(), "output": tmp_path / "o.npz", "pictures": True}
    assert run("refine", None, recording=filmed, **options) == 0
    assert "pictures have no colour" in capsys.readouterr().err
    assert (tmp_path / "o.html").is_file()


def test_the_recording_must_have_the_frames(make_file, filmed, tmp_path):
    where = {"recording": filmed, "output": tmp_path / "o.npz"}
    source = make_file("other.npz", frame=np.arange(100, 160))
    with pytest.raises(errors.BadInput, match="has no frame 100 of the poses"):
        run("refine", None, input=source, **where)
    part = pose_file.read(make_file()).part(0, 20)
    pose_file.write(tmp_path / "part.npz", part)
    with pytest.raises(errors.BadInput, match="20 frames and no 'frame' numbers"):
        run("refine", None, input=tmp_path / "part.npz", **where)


def test_poses_of_other_tools_are_refined_and_written(make_file, tmp_path, capsys):
    pose = pose_file.read(make_file())
    lost = pose.xyz.copy()
    lost[20, 3] = 0.0  # the tracker lost it: no position, no confidence
    pose.confidence[20, 3] = 0.0
    pose = pose_file.PoseFile(**vars(pose) | {"xyz": lost})
    any_file.write(tmp_path / "a.csv", pose)
    options = {"input": tmp_path / "a.csv", "output": tmp_path / "o.bvh"}
    assert run("refine", None, **options) == 0
    out = capsys.readouterr().out
    assert "1 person;" in out
    assert "1 bridged" in out
    assert "bones have constant length in BVH" in out
    assert any_file.read(tmp_path / "o.bvh").skeleton == "ITOP15"


def test_a_bridged_joint_has_some_confidence(make_file, tmp_path):
    valid = np.ones((60, 15), bool)
    valid[20, 3] = False
    source = make_file(valid=valid, confidence=np.where(valid, np.float32(0.8), 0))
    assert run("refine", None, input=source, output=tmp_path / "o.npz") == 0
    after = pose_file.read(tmp_path / "o.npz")
    assert after.is_valid()[20, 3]
    np.testing.assert_allclose(after.confidence[20, 3], 0.4)

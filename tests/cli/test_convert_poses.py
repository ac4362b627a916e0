"""`run.py --mode=convert` between pose files."""

import numpy as np
import pytest

from data_pipelines.ground import pose_file
from data_pipelines.readers.poses import any_file
from tests.test_run import run
from unipose_jax import errors, skeleton
from unipose_jax.cli import convert
from unipose_jax.physics import anthropometry


@pytest.fixture
def kinect_file(tmp_path):
    """A standing person with the 32 joints of Azure Kinect; the right ear is lost."""
    body = skeleton.by_name("AZUREKINECT32")
    xyz = np.asarray(anthropometry.standing_pose(body)) + np.float32([0, 1, 3])
    confidence = np.ones((4, 32), np.float32)
    confidence[:, body.index("right_ear")] = 0.0
    pose = pose_file.PoseFile(
        xyz=np.repeat(xyz[None], 4, axis=0),
        confidence=confidence,
        skeleton=body.name,
        time=np.arange(4) / 30,
    )
    pose_file.write(tmp_path / "kinect.npz", pose)
    return tmp_path / "kinect.npz"


def test_poses_are_converted_between_formats_and_skeletons(kinect_file, tmp_path):
    for source, output, target in (
        (kinect_file, "a.csv", None),
        (tmp_path / "a.csv", "a.json", None),
        (tmp_path / "a.json", "itop.npz", "itop15"),
    ):
        options = {"input": source, "output": tmp_path / output, "to_skeleton": target}
        assert run("convert", None, **options) == 0
    before, after = (pose_file.read(kinect_file), pose_file.read(tmp_path / "itop.npz"))
    assert after.skeleton == "ITOP15"
    assert after.is_valid().all()
    first, second, torso = (
        poses.xyz[0, skeleton.by_name(poses.skeleton).index(joint)]
        for poses, joint in (
            (before, "spine_navel"),
            (before, "spine_chest"),
            (after, "torso"),
        )
    )
    np.testing.assert_allclose(torso, (first + second) / 2, atol=1e-6)


def test_a_lost_joint_stays_lost(kinect_file, tmp_path):
    options = {"input": kinect_file, "output": tmp_path / "c.csv"}
    assert run("convert", None, to_skeleton="COCO17", **options) == 0
    lost = ~any_file.read(tmp_path / "c.csv").is_valid()
    assert np.flatnonzero(lost[0]).tolist() == [skeleton.COCO17.index("right_ear")]


def test_mistakes_are_one_line_and_nothing_is_written(kinect_file, tmp_path):
    for change, message in (
        ({"to_skeleton": "ITOP"}, "--to_skeleton: .* did you mean ITOP15"),
        ({"skeleton": "COCO17"}, "has skeleton AZUREKINECT32, not --skeleton=COCO17"),
        ({"skeleton": "DOG"}, "--skeleton: unknown skeleton 'DOG'"),
        ({"fps": -3.0}, "no frame rate"),
    ):
        options = {"input": kinect_file, "output": tmp_path / "o.csv"} | change
        with pytest.raises(errors.BadInput, match=message):
            run("convert", None, **options)
    assert not (tmp_path / "o.csv").exists()


def test_an_unknown_ending_of_poses_is_bad_input(tmp_path):
    source = tmp_path / "poses.npz"
    source.write_bytes(b"")
    with pytest.raises(errors.BadInput, match=r"p\.bvx: poses are written as .*\.bvh"):
        convert.convert_recording(
            source, tmp_path / "p.bvx", fps=None, depth_unit=None, mirrored=False
        )

import dataclasses
import pickle

import numpy as np
import pytest

from data_pipelines.ground import pose_file
from unipose_jax import errors


def make_pose(**changes):
    rng = np.random.default_rng(0)
    pose = pose_file.PoseFile(
        xyz=rng.normal(size=(4, 15, 3)).astype(np.float32),
        confidence=rng.uniform(size=(4, 15)).astype(np.float32),
        skeleton="ITOP15",
        time=np.arange(4) / 30,
        uv=rng.normal(size=(4, 15, 2)).astype(np.float32),
        intrinsics=np.array([300, 300, 160, 120], np.float32),
        valid=rng.uniform(size=(4, 15)) > 0.3,
        frame=np.arange(4) + 7,
    )
    return dataclasses.replace(pose, **changes)


def assert_same(a, b):
    for field in dataclasses.fields(a):
        left, right = getattr(a, field.name), getattr(b, field.name)
        assert (left is None) == (right is None), field.name
        if left is not None:
            np.testing.assert_array_equal(left, right, err_msg=field.name)
            assert np.asarray(left).dtype == np.asarray(right).dtype, field.name


def test_a_written_pose_file_is_read_back(tmp_path):
    pose_file.write(tmp_path / "a.npz", make_pose())
    assert_same(pose_file.read(tmp_path / "a.npz"), make_pose())


def test_optional_fields_may_be_absent(tmp_path):
    pose = make_pose(uv=None, intrinsics=None, valid=None, frame=None)
    pose_file.write(tmp_path / "a.npz", pose)
    read = pose_file.read(tmp_path / "a.npz")
    assert_same(read, pose)
    assert read.is_valid().all()
    assert len(read) == 4


def test_other_float_widths_are_converted(tmp_path):
    np.savez(tmp_path / "a.npz", **fields(xyz=make_pose().xyz.astype(np.float64)))
    assert pose_file.read(tmp_path / "a.npz").xyz.dtype == np.float32


def test_nan_is_allowed_where_invalid(tmp_path):
    pose = make_pose()
    pose.xyz[~pose.valid] = np.nan
    pose_file.write(tmp_path / "a.npz", pose)


def fields(**changes):
    named = dataclasses.asdict(make_pose()) | changes
    return {name: value for name, value in named.items() if value is not None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"xyz": np.zeros((4, 14, 3))}, "'xyz' has shape"),
        ({"xyz": np.zeros((4, 15, 2))}, "'xyz' has shape"),
        ({"xyz": np.full((4, 15, 3), np.nan)}, "'xyz' is not finite"),
        ({"xyz": np.zeros((4, 15, 3), np.int64)}, "'xyz' has dtype int64"),
        ({"confidence": np.full((4, 15), 2.0)}, "'confidence' is outside"),
        ({"confidence": np.full((4, 15), np.nan)}, "'confidence' is outside"),
        ({"confidence": np.zeros((5, 15))}, "'confidence' has shape"),
        ({"time": np.zeros(3)}, "'time' has shape"),
        ({"time": np.array([0.0, 1, 0, 1])}, "'time' decreases"),
        ({"intrinsics": np.zeros(4)}, "'intrinsics' has no positive"),
        ({"intrinsics": np.ones(5)}, "'intrinsics' has shape"),
        ({"valid": np.ones((4, 15))}, "'valid' has dtype"),
        ({"frame": np.arange(3)}, "'frame' has shape"),
        ({"skeleton": "DOG12"}, "unknown skeleton 'DOG12'"),
        ({"skeleton": np.array(["ITOP15"])}, "'skeleton' must be one string"),
        ({"skeleton": None}, "has no field 'skeleton'"),
        ({"xyz": None}, "has no field 'xyz'"),
        ({"velocity": np.zeros(3)}, "unknown field 'velocity'"),
    ],
)
def test_a_wrong_field_is_named_in_one_line(tmp_path, change, message):
    np.savez(tmp_path / "a.npz", **fields(**change))
    with pytest.raises(errors.BadInput, match=message) as caught:
        pose_file.read(tmp_path / "a.npz")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_without_frames_is_bad_input(tmp_path):
    empty = {
        n: v[:0] for n, v in fields().items() if n not in ("skeleton", "intrinsics")
    }
    np.savez(tmp_path / "a.npz", **empty, skeleton="ITOP15")
    with pytest.raises(errors.BadInput, match="no frames"):
        pose_file.read(tmp_path / "a.npz")


def test_pickled_arrays_are_rejected(tmp_path):
    np.savez(tmp_path / "a.npz", **fields(xyz=np.array([{"a": 1}], dtype=object)))
    with pytest.raises(errors.BadInput, match="allow_pickle=False"):
        pose_file.read(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", pickle.dumps([1])])
def test_a_file_that_is_not_an_archive_is_bad_input(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(errors.BadInput, match="not a pose file"):
        pose_file.read(tmp_path / "a.npz")


def test_a_truncated_file_is_bad_input(tmp_path):
    pose_file.write(tmp_path / "a.npz", make_pose())
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(errors.BadInput):
        pose_file.read(tmp_path / "a.npz")


def test_a_damaged_file_is_bad_input(tmp_path):
    pose_file.write(tmp_path / "a.npz", make_pose())
    whole = (tmp_path / "a.npz").read_bytes()
    refused = 0
    for place in range(0, len(whole), 9):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        (tmp_path / "a.npz").write_bytes(damaged)
        try:
            pose_file.read(tmp_path / "a.npz")
        except errors.BadInput:
            refused += 1
    # Data have checksums; metadata such as dates do not.
    assert refused > 0.7 * len(whole) / 9


def test_a_missing_file_is_bad_input(tmp_path):
    with pytest.raises(errors.BadInput, match="cannot read .*a.npz"):
        pose_file.read(tmp_path / "a.npz")


def test_a_wrong_pose_is_not_written(tmp_path):
    with pytest.raises(errors.BadInput):
        pose_file.write(tmp_path / "a.npz", make_pose(skeleton="COCO17"))
    with pytest.raises(errors.BadInput, match="must end in .npz"):
        pose_file.write(tmp_path / "a.txt", make_pose())
    assert not list(tmp_path.iterdir())

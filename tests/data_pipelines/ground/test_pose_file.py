import dataclasses
import pickle

import numpy as np
import pytest

from data_pipelines.ground import pose_file
from unipose_jax import errors


def make_pose(**changes):
    rng = np.random.default_rng(0)
    pose = pose_file.PoseFile(
        xyz=0.2 * rng.normal(size=(4, 15, 3)).astype(np.float32),
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
        ({"xyz": 1000 * make_pose().xyz}, "as in millimetres; joints must be in m"),
        ({"xyz": 100 * make_pose().xyz}, "as in centimetres; joints must be in m"),
        ({"time": 33.3 * np.arange(4)}, "33.3 apart, as in milliseconds"),
        ({"time": np.int64(33333) * np.arange(4)}, "as in microseconds"),
        ({"time": np.int64(17e17) + np.arange(4) * 33333333}, "are nanoseconds"),
        ({"time": np.arange(4)}, "times 0, 1, 2, ... count frames"),
        ({"time": np.array(["2023-11-14", "NaT"] * 2, "M8[ns]")}, "'time' decreases"),
        ({"confidence": np.full((4, 15), 95.0)}, "percent, as of ZED"),
        ({"confidence": np.full((4, 15), 3.0)}, "levels 0 to 3, as of Azure Kinect"),
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


def test_stills_and_slow_cameras_are_no_wrong_units(tmp_path):
    for time in ([0, 946.1, 956.1, 963.0], [0.0, 5, 10, 15], [0.0, 1, 2, 3]):
        np.savez(tmp_path / "a.npz", **fields(time=np.array(time, np.float64)))
        np.testing.assert_array_equal(pose_file.read(tmp_path / "a.npz").time, time)


def test_frame_numbers_as_floats_are_told_by_smooth_motion(tmp_path):
    swing = np.sin(0.2 * np.arange(20))[:, None, None] * np.float32([0.3, 0, 0])
    xyz = (make_pose().xyz[:1] + swing).astype(np.float32)
    named = {"xyz": xyz, "confidence": np.ones((20, 15), np.float32)}
    named |= {"skeleton": "ITOP15", "time": np.arange(20.0)}
    np.savez(tmp_path / "a.npz", **named)
    with pytest.raises(errors.BadInput, match="these are frame numbers"):
        pose_file.read(tmp_path / "a.npz")


def test_dates_are_seconds_since_1970(tmp_path):
    dates = np.datetime64("2023-11-14T22:13:20") + np.arange(4) * np.timedelta64(
        40, "ms"
    )
    np.savez(tmp_path / "a.npz", **fields(time=dates))
    read = pose_file.read(tmp_path / "a.npz").time
    np.testing.assert_allclose(read, 1.7e9 + 0.04 * np.arange(4), atol=1e-6, rtol=0)


def test_lost_joints_are_not_valid(tmp_path, capsys):
    pose = make_pose(valid=None, confidence=np.ones((4, 15), np.float32))
    pose.confidence[1, 2] = 0  # lost, by the tracker's own word
    pose.xyz[2, 3] = np.nan
    pose.xyz[3, 4] = 0
    np.savez(
        tmp_path / "a.npz", **{k: v for k, v in vars(pose).items() if v is not None}
    )
    lost = np.argwhere(~pose_file.read(tmp_path / "a.npz").is_valid())
    assert lost.tolist() == [[1, 2], [2, 3], [3, 4]]
    assert "1 joints are at exactly (0, 0, 0)" in capsys.readouterr().err
    pose.xyz[:, 8] = 0  # the origin of poses relative to the torso
    pose_file.write(
        tmp_path / "b.npz", dataclasses.replace(pose, valid=~np.isnan(pose.xyz[..., 0]))
    )
    assert pose_file.read(tmp_path / "b.npz").is_valid()[:, 8].all()


def test_a_file_of_a_lifting_network_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", reconstruction=np.zeros((4, 17, 3), np.float32))
    with pytest.raises(errors.BadInput, match=r"VideoPose3D.*\.npy.*--skeleton"):
        pose_file.read(tmp_path / "a.npz")


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

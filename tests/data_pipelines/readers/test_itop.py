import pickle
import shutil

import h5py
import numpy as np
import pytest

from data_pipelines.keypoints import detections
from data_pipelines.readers import itop
from tests import config_data
from tests.data_pipelines.originals import itop as original
from unipose_jax import errors

LABELS = "ITOP_side_train_labels.h5"
DEPTH_MAPS = "ITOP_side_train_depth_map.h5"


def make_clips() -> dict[str, np.ndarray]:
    """Six people with four frames each: joints about 3 m away, walls as depth maps."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform([-0.5, -0.8, 2.6], [0.5, 0.8, 3.4], (6, 4, 15, 3))
    distance = 2 + np.arange(24).reshape(6, 4, 1, 1) / 16  # exact in float16
    return {
        "depth": np.broadcast_to(distance, (6, 4, 240, 320)),
        "xyz": xyz,
        "visible": rng.random((6, 4, 15)) < 0.7,
        "depth_intrinsics": np.tile([300.0, 290.0, 157.0, 123.0], (6, 1)),
    }


CLIPS = make_clips()


def make_data(**changes):
    defaults = {
        "name": "itop",
        "variant": "side",
        "keypoints": "",
        "check_counts": False,
        "skip_corrupt": False,
    }
    return config_data.typed(defaults | changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("itop")
    original.write(path, CLIPS)
    return path


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture(scope="module")
def opened(folder):
    return itop.open_data_set(folder, make_data())


def test_sequences_are_people_over_consecutive_frames(opened):
    names = {s: [take.name for take in opened.sequences[s]] for s in opened.sequences}
    assert names == {
        "train": ["side_train_04_00000", "side_train_04_00102", "side_train_05_00000"],
        "validation": ["side_train_06_00000", "side_train_07_00000"],
        "test": ["side_test_00_00000", "side_test_00_00102", "side_test_01_00000"],
    }
    assert [take.frames for take in opened.sequences["test"]] == [
        (0, 1),
        (102, 103),
        (0, 1, 2, 3),
    ]
    np.testing.assert_allclose(opened.sequences["test"][1].time, [0, 1 / 15])
    subjects = [take.subject for take in opened.sequences["test"]]
    assert subjects == ["test_00", "test_00", "test_01"]


@pytest.mark.parametrize(
    ("split", "take", "clip", "frame"),
    [("train", 1, 0, 2), ("validation", 1, 3, 0), ("test", 1, 4, 2), ("test", 2, 5, 0)],
)
def test_each_frame_has_its_own_depth_and_joints(opened, split, take, clip, frame):
    take = opened.sequences[split][take]
    assert take.depth(1).dtype == np.float32
    np.testing.assert_array_equal(take.depth(1), CLIPS["depth"][clip, frame + 1])
    # Pixels of the joints in the renderer; the rounding of float16 is smaller.
    xyz, intrinsics = CLIPS["xyz"][clip, frame:][:2], CLIPS["depth_intrinsics"][clip]
    uv = xyz[..., :2] / xyz[..., 2:] * intrinsics[:2] + intrinsics[2:]
    truth = take.joints()
    np.testing.assert_allclose(take.depth_camera.project(truth.xyz[:2]), uv, atol=0.06)
    np.testing.assert_allclose(truth.xyz[:2, :, 2], xyz[..., 2], atol=1e-3)
    assert truth.skeleton == itop.SKELETON == "ITOP15"
    np.testing.assert_array_equal(truth.frame, take.frames)


def test_keypoints_are_the_projected_joints_in_integer_pixels(opened):
    take = opened.sequences["test"][2]
    uv, confidence = take.keypoints("ITOP15")
    away = uv - take.depth_camera.project(take.joints().xyz)
    assert np.abs(away).max() < 0.501
    assert np.abs(away.mean(axis=(0, 1))).max() < 0.1  # unbiased: centres at +0.5
    np.testing.assert_array_equal(confidence, np.where(CLIPS["visible"][5], 1.0, 0.5))


def test_invalid_frames_have_only_depth(opened):
    take = opened.sequences["test"][0]
    assert take.joints().is_valid().all(axis=1).tolist() == [True, False]
    assert np.isnan(take.joints().xyz[1]).all()
    assert not take.keypoints("ITOP15")[1][1].any()
    np.testing.assert_array_equal(take.depth(1), CLIPS["depth"][4, 1])


def test_the_labels_do_not_segment_the_person(opened):
    assert opened.sequences["test"][0].mask(0) is None


def test_the_protocol_counts_the_evaluated_frames(opened):
    assert opened.name == "itop_side"
    for words in ("7 valid of 8 frames", "15 joints", "mAP@10cm"):
        assert words in opened.protocol
    assert "8 valid frames of train_06 and train_07" in opened.protocol
    assert opened.skipped == []


def test_sequences_can_be_pickled(opened):
    take = pickle.loads(pickle.dumps(opened.sequences["train"][0]))
    np.testing.assert_array_equal(take.depth(0), CLIPS["depth"][0, 0])
    np.testing.assert_array_equal(take.keypoints("ITOP15")[1][0] > 0, True)


def change(path, name, edit):
    """Replaces an array of an h5 file by `edit(array)`; removes it if that is None."""
    with h5py.File(path, "r+") as file:
        values = edit(file[name][:])
        del file[name]
        if values is not None:
            file[name] = values


def with_value(index, value):
    def edit(values):
        values[index] = value
        return values

    return edit


def test_missing_depth_is_zero(copy):
    strange = with_value((0, 0, slice(4)), [np.nan, np.inf, -1.0, 0.0])
    change(copy / DEPTH_MAPS, "data", strange)
    depth = itop.open_data_set(copy, make_data()).sequences["train"][0].depth(0)
    np.testing.assert_array_equal(depth[0, :5], [0, 0, 0, 0, 2])


def test_rows_may_be_in_any_order(copy, opened):
    for name in (LABELS, DEPTH_MAPS):
        with h5py.File(copy / name) as file:
            keys = list(file)
        for key in keys:
            change(copy / name, key, lambda values: values[::-1])
    for take, expected in zip(
        itop.open_data_set(copy, make_data()).sequences["train"],
        opened.sequences["train"],
        strict=True,
    ):
        assert take.frames == expected.frames
        np.testing.assert_array_equal(take.joints().xyz, expected.joints().xyz)
        np.testing.assert_array_equal(take.depth(1), expected.depth(1))


def test_detected_keypoints_replace_the_labels(copy, tmp_path):
    (tmp_path / "found").mkdir()
    data = make_data(keypoints=str(tmp_path / "found"))
    with pytest.raises(errors.BadInput, match="no keypoints of side_train_04_00000"):
        itop.open_data_set(copy, data)
    for splits in itop.open_data_set(copy, make_data()).sequences.values():
        for take in splits:
            uv = np.full((len(take), 17, 2), 50.0)
            found = detections.to_coco(uv, uv[..., 0] / 100, "COCO17", take.frames)
            path = tmp_path / "found" / f"{take.name}.json"
            path.write_text(str(found).replace("'", '"'))
    take = itop.open_data_set(copy, data).sequences["test"][0]
    uv, confidence = take.keypoints("COCO17")
    np.testing.assert_array_equal(uv, 50.0)
    np.testing.assert_array_equal(confidence, 0.5)


def refuse(folder, message, **changes):
    with pytest.raises(errors.BadInput, match=message) as caught:
        itop.open_data_set(folder, make_data(**changes))
    assert "\n" not in str(caught.value)


def test_an_unknown_view_is_rejected(folder):
    refuse(folder, "variant is 'front'; use 'side' or 'top'", variant="front")


def test_missing_files_are_named(copy):
    (copy / DEPTH_MAPS).rename(copy / f"{DEPTH_MAPS}.gz")
    (copy / LABELS).unlink()
    refuse(copy, rf"lacks {DEPTH_MAPS} \(unpack {DEPTH_MAPS}.gz\), {LABELS}$")


def test_a_wrong_number_of_valid_frames_is_rejected(folder):
    refuse(folder, "has 15 valid frames, but the .* 17991", check_counts=True)


def test_the_number_of_frames_is_not_checked_for_the_top_view(copy):
    for path in list(copy.iterdir()):
        path.rename(path.with_name(path.name.replace("side", "top")))
    data = make_data(variant="top", check_counts=True)
    opened = itop.open_data_set(copy, data)
    assert opened.name == "itop_top"
    assert opened.sequences["test"][0].name == "top_test_00_00000"
    assert opened.protocol.startswith("ITOP top view")


@pytest.mark.parametrize("name", [LABELS, DEPTH_MAPS])
def test_a_truncated_file_is_bad_input(copy, name):
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes(whole[: len(whole) // 2])
    refuse(copy, f"{name} cannot be read: .*truncated")


def test_a_depth_map_that_cannot_be_decompressed_is_bad_input(copy):
    with h5py.File(copy / DEPTH_MAPS) as file:
        chunk = file["data"].id.get_chunk_info(1)
    with (copy / DEPTH_MAPS).open("r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\0" * 8)
    take = itop.open_data_set(copy, make_data()).sequences["train"][0]
    assert take.depth(0).any()
    with pytest.raises(errors.BadInput, match=f"{DEPTH_MAPS} cannot be read"):
        take.depth(1)


@pytest.mark.parametrize(
    ("file", "name", "edit", "message"),
    [
        (LABELS, "is_valid", lambda v: None, "no data set 'is_valid'"),
        (DEPTH_MAPS, "data", lambda v: None, "no data set 'data'"),
        (
            LABELS,
            "visible_joints",
            lambda v: v[:, :14],
            r"is int16 \(16, 14\), expected int16 \(16, 15\)",
        ),
        (LABELS, "image_coordinates", lambda v: v[1:], r"\(15, 15, 2\), expected"),
        (DEPTH_MAPS, "data", np.int16, "'data' is int16 .* expected float16"),
        (DEPTH_MAPS, "id", lambda v: v[::-1], "the labels have different frames"),
        (LABELS, "id", lambda v: v[0], r"'id' is .S8 \(\), expected bytes \(1,\)"),
        (LABELS, "id", with_value(3, b"04-00003"), "'id' has b'04-00003'"),
        (LABELS, "id", with_value(3, b"04_00000"), "two frames have the same id"),
        (LABELS, "is_valid", lambda v: 0 * v, "no valid frames for train .* of 0"),
        (LABELS, "is_valid", with_value(slice(8), 0), "no valid frames for train"),
    ],
)
def test_wrong_content_is_bad_input(copy, file, name, edit, message):
    change(copy / file, name, edit)
    refuse(copy, message)


def test_a_file_without_frames_is_bad_input(copy):
    with h5py.File(copy / LABELS) as file:
        keys = list(file)
    for name in keys:
        change(copy / LABELS, name, lambda values: values[:0])
    refuse(copy, f"{LABELS} has no frames")


def test_infinite_joints_are_rejected_or_skipped(copy):
    change(copy / LABELS, "real_world_coordinates", with_value((5, 0, 0), np.inf))
    line = f"{LABELS}: a valid frame of side_train_05_00000 has a joint that is not"
    refuse(copy, line)
    opened = itop.open_data_set(copy, make_data(skip_corrupt=True))
    assert [take.subject for take in opened.sequences["train"]] == ["train_04"] * 2
    assert len(opened.skipped) == 1
    assert line in opened.skipped[0]


@pytest.fixture(scope="module")
def real(sample_data, tmp_path_factory):
    """The sample's depth map and 2,451 poses as the official test split."""
    folder = tmp_path_factory.mktemp("real")
    original.write(folder, CLIPS)
    joints = np.load(sample_data / "itop" / "side_test_joints_first2451.npz")["xyz_m"]
    depth = np.load(sample_data / "itop" / "00_02254.npy")
    original.write_split(
        folder,
        "test",
        ids=[f"00_{frame:05d}" for frame in range(len(joints))],
        depth=depth[None],
        xyz=joints,
        visible=np.ones((len(joints), 15), bool),
    )
    return itop.open_data_set(folder, make_data()).sequences["test"][0], depth, joints


def test_real_joints_are_exact_and_project_as_documented(real):
    take, _, joints = real
    x, y, z = np.moveaxis(joints.astype(np.float64), -1, 0)
    np.testing.assert_array_equal(take.joints().xyz, np.stack([x, -y, z], axis=-1))
    documented = np.stack([160 + x / (0.0035 * z), 120 - y / (0.0035 * z)], axis=-1)
    projected = take.depth_camera.project(take.joints().xyz)
    # Measured: 2.7e-5 px, which is float32 at 320.
    np.testing.assert_allclose(projected - 0.5, documented, atol=5e-5)
    np.testing.assert_allclose(take.keypoints("ITOP15")[0], projected, atol=0.5001)


def test_the_real_cloud_matches_the_documented_formula_to_float16(real):
    take, depth, _ = real
    z = depth.astype(np.float64)
    v, u = np.mgrid[:240, :320]
    documented = np.stack([0.0035 * (u - 160) * z, 0.0035 * (120 - v) * z, z], axis=-1)
    measured = take.depth(0)
    cloud = np.concatenate([take.rays * measured[..., None], measured[..., None]], -1)
    cloud *= np.float32([1, -1, 1])
    # float16 rounds by up to 1e-3 m at 2 to 4 m. Measured: 1.9e-7 m, and 99.97 %.
    np.testing.assert_allclose(cloud, documented, atol=1e-6)
    same = cloud.astype(np.float16) == documented.astype(np.float16)
    assert same.mean() > 0.999  # the others are halfway between two float16 values

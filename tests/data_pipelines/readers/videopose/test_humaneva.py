import json
import pathlib
import pickle

import numpy as np
import pytest

from data_pipelines.keypoints import detections
from data_pipelines.readers.videopose import humaneva
from data_pipelines.sequences import tracks
from tests import config_data
from tests.data_pipelines.originals import videopose
from unipose_jax import errors


def config(**changes):
    data = {"name": "humaneva", "variant": "", "keypoints": ""}
    data |= {"check_counts": True, "skip_corrupt": False}
    return config_data.typed(data | changes)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("humaneva")
    videopose.write_humaneva(folder)
    return folder


@pytest.fixture(scope="module")
def opened(written):
    return humaneva.open_data_set(written, config())


def view_of(data_set, name):
    views = [view for views in data_set.sequences.values() for view in views]
    return next(view for view in views if view.name == name)


def test_splits_are_official_and_one_person_is_for_validation(opened):
    names = {split: [v.name for v in vs] for split, vs in opened.sequences.items()}
    assert {n[:8] for n in names["train"]} == {"Train_S1", "Train_S3"}
    assert {n[:8] for n in names["validation"]} == {"Train_S2"}
    assert {n[:11] for n in names["test"]} == {f"Validate_S{i}" for i in (1, 2, 3)}
    assert [len(names[s]) for s in ("train", "validation", "test")] == [12, 6, 18]
    every = sum(names.values(), [])
    assert len(set(every)) == len(every)
    assert not opened.skipped


@pytest.mark.parametrize("number", range(3))
def test_camera_and_poses_are_recovered_from_2d_and_3d(opened, number):
    view = view_of(opened, f"Validate_S2_Walking_1_chunk2_cam{number}")
    world = videopose.person(15, 8, seed=14)
    pose = view.joints()
    # Fitted to 480 points; the pixels are float32.
    truth = videopose.in_camera(world, number)
    np.testing.assert_allclose(pose.xyz, truth, atol=2e-3)
    lens = videopose.HUMANEVA_LENS
    wanted = [*lens.focal, lens.center[0] + 0.5, lens.center[1] + 0.5]
    np.testing.assert_allclose(view.depth_camera.intrinsics, wanted, atol=0.5)
    assert pose.skeleton == "HUMANEVA15"
    assert pose.valid.all()
    np.testing.assert_allclose(view.time[:3] * 60, [0, 1, 2])
    assert view.subject == "S2"


def test_pixels_are_the_recorded_ones_with_centres_at_half(opened):
    view = view_of(opened, "Train_S1_Walking_1_chunk0_cam1")
    xyz = videopose.in_camera(videopose.person(15, 8, seed=0), 1)
    uv = videopose.project(xyz, videopose.HUMANEVA_LENS) + 0.5
    found = view.keypoint_detections()
    np.testing.assert_allclose(found.by_frame[3][0, :, :2], uv[3], atol=1e-3)
    assert (found.by_frame[3][..., 2] == 1).all()


@pytest.mark.parametrize("number", range(3))
def test_the_floor_is_the_ground_of_the_world(opened, number):
    view = view_of(opened, f"Train_S1_Walking_1_chunk0_cam{number}")
    track = humaneva.joint_tables.read_track(
        view, skeleton="HUMANEVA15", stored_points=0
    )
    world = videopose.person(15, 8, seed=0)
    floor = track.static_fields["floor"]
    heights = track.per_frame["xyz"] @ floor[:3] + floor[3]
    np.testing.assert_allclose(heights, world[..., 2], atol=5e-3)


def test_throws_of_the_test_split_are_tested_and_not_validated(tmp_path):
    def add_throws(solid, flat):
        for subject in ("Train/S2", "Validate/S2"):
            solid[subject]["ThrowCatch 1"] = solid[subject]["Walking 1 chunk0"].copy()
            flat[subject]["ThrowCatch 1"] = flat[subject]["Walking 1 chunk0"]

    videopose.write_humaneva(tmp_path, alter=add_throws)
    data_set = humaneva.open_data_set(tmp_path, config(variant="usual"))
    throws = {
        split: {view.name[:-5] for view in views if "ThrowCatch" in view.name}
        for split, views in data_set.sequences.items()
    }
    assert throws["train"] == set()
    assert throws["validation"] == {"Train_S2_ThrowCatch_1"}
    assert throws["test"] == {"Validate_S2_ThrowCatch_1"}
    assert "ThrowCatch of S2" in data_set.protocol


def test_keypoints_are_the_projected_poses(opened):
    view = view_of(opened, "Train_S1_Walking_1_chunk0_cam1")
    uv, confidence = view.keypoints("HUMANEVA15")
    projected = view.depth_camera.project(view.joints().xyz)
    np.testing.assert_allclose(uv, projected, atol=0.05)
    assert (confidence == 1).all()
    assert view.depth(0) is None
    assert view.color(0) is None


def test_sequences_can_be_pickled(opened):
    view = opened.sequences["train"][0]
    copy = pickle.loads(pickle.dumps(view))
    np.testing.assert_array_equal(copy.joints().xyz, view.joints().xyz)


def test_a_track_has_truth_and_no_points(opened):
    view = opened.sequences["test"][0]
    track = tracks.read_track(view, skeleton="HUMANEVA15", stored_points=8)
    assert all(len(points) == 0 for points in track.points)
    np.testing.assert_array_equal(track.per_frame["xyz"], view.joints().xyz)
    assert track.per_frame["confidence"].min() == 1


def test_a_head_below_the_thorax_is_not_valid(tmp_path):
    def drop_head(solid, flat):
        solid["Train/S3"]["Walking 1 chunk0"][2:, 14, 2] = 1.1
        xyz = solid["Train/S3"]["Walking 1 chunk0"]
        for number, uv in enumerate(flat["Train/S3"]["Walking 1 chunk0"]):
            camera = videopose.in_camera(xyz, number)
            uv[:] = videopose.project(camera, videopose.HUMANEVA_LENS)

    videopose.write_humaneva(tmp_path, alter=drop_head)
    opened = humaneva.open_data_set(tmp_path, config())
    view = view_of(opened, "Train_S3_Walking_1_chunk0_cam0")
    pose, (_, confidence) = view.joints(), view.keypoints("HUMANEVA15")
    expected = np.ones((8, 15), bool)
    expected[2:, 14] = False
    np.testing.assert_array_equal(pose.valid, expected)
    np.testing.assert_array_equal(np.isfinite(pose.xyz).all(-1), expected)
    np.testing.assert_array_equal(confidence > 0, expected)


def test_detected_keypoints_replace_those_of_the_files(tmp_path, written):
    names = [
        v.name for v in humaneva.open_data_set(written, config()).sequences["test"]
    ]
    uv = np.full((8, 17, 2), 100.0)
    results = detections.to_coco(uv, np.full((8, 17), 0.7), "COCO17")
    for split in ("train", "validation", "test"):
        for view in humaneva.open_data_set(written, config()).sequences[split]:
            (tmp_path / f"{view.name}.json").write_text(json.dumps(results))
    opened = humaneva.open_data_set(written, config(keypoints=str(tmp_path)))
    found = view_of(opened, names[0]).keypoint_detections()
    np.testing.assert_allclose(found.by_frame[0][0, 0], [100, 100, 0.7], atol=1e-6)
    (tmp_path / f"{names[0]}.json").unlink()
    with pytest.raises(errors.BadInput, match=f"no keypoints of {names[0]}"):
        humaneva.open_data_set(written, config(keypoints=str(tmp_path)))


def refuse(folder, message, **changes):
    with pytest.raises(errors.BadInput, match=message) as caught:
        humaneva.open_data_set(folder, config(**changes))
    assert "\n" not in str(caught.value)


def test_an_incomplete_source_is_rejected(tmp_path):
    refuse(tmp_path, "lacks data_3d_humaneva15.npz, data_2d_humaneva15_gt.npz")
    videopose.write_humaneva(tmp_path)
    (tmp_path / "data_2d_humaneva15_gt.npz").unlink()
    refuse(tmp_path, "lacks data_2d_humaneva15_gt.npz")


def test_missing_subjects_are_named_if_counts_are_checked(tmp_path):
    videopose.write_humaneva(tmp_path, alter=lambda solid, _: solid.pop("Train/S2"))
    refuse(tmp_path, "lacks the subjects Train/S2")
    opened = humaneva.open_data_set(tmp_path, config(check_counts=False))
    assert not opened.sequences["validation"]


def spoil(change):
    """Modifies 3D and 2D of one clip before they are written."""

    def alter(solid, flat):
        name = "Walking 1 chunk0"
        solid["Train/S1"][name], flat["Train/S1"][name] = change(
            solid["Train/S1"][name], flat["Train/S1"][name]
        )

    return alter


def with_corrupt_frame(xyz, uv):
    xyz[5, 3] = 2.147e9
    return xyz, uv


def with_nan(xyz, uv):
    uv[1][2, 4] = np.nan
    return xyz, uv


BAD_CLIPS = {
    "2D of 2 cameras, expected 3": lambda xyz, uv: (xyz, uv[:2]),
    r"an array \(8, 14, 3\), expected \(frames, 15, 3\)": lambda xyz, uv: (
        xyz[:, 1:],
        uv,
    ),
    r"8 frames in 3D, \[8, 7, 8\] in 2D": lambda xyz, uv: (
        xyz,
        [uv[0], uv[1][1:], uv[2]],
    ),
    "frame 5 has invalid values": with_corrupt_frame,
    "frame 2 has invalid values": with_nan,
    r"an array \(\), expected": lambda xyz, uv: (xyz.tolist(), uv),
}


@pytest.mark.parametrize("message", BAD_CLIPS)
def test_an_invalid_clip_is_rejected_or_skipped_and_named(tmp_path, message):
    videopose.write_humaneva(tmp_path, alter=spoil(BAD_CLIPS[message]))
    where = "data_3d_humaneva15.npz: Train/S1, 'Walking 1 chunk0': "
    refuse(tmp_path, where + message)
    opened = humaneva.open_data_set(tmp_path, config(skip_corrupt=True))
    assert len(opened.sequences["train"]) == 9
    assert len(opened.skipped) == 1
    assert where in opened.skipped[0]


def test_detected_2d_is_rejected_as_ground_truth(tmp_path):
    def shake(solid, flat):
        rng = np.random.default_rng(0)
        for uv in flat["Train/S2"].values():
            uv[0] += rng.normal(size=uv[0].shape).astype(np.float32) * 5

    videopose.write_humaneva(tmp_path, alter=shake)
    refuse(tmp_path, "2D is .* px RMS from the projected 3D for camera 0 of S2")


def test_a_degenerate_person_does_not_determine_a_camera(tmp_path):
    def flatten(solid, flat):
        for subject in ("Train/S2", "Validate/S2"):
            for name, xyz in solid[subject].items():
                xyz[:] = 1.0
                for uv in flat[subject][name]:
                    uv[:] = 300.0

    videopose.write_humaneva(tmp_path, alter=flatten)
    refuse(tmp_path, "camera 0 of S2: the 3D points lie in a plane")


def test_an_unknown_subject_is_rejected(tmp_path):
    def rename(solid, _):
        solid["Train/S9"] = solid.pop("Train/S1")

    videopose.write_humaneva(tmp_path, alter=rename)
    refuse(tmp_path, "has an unknown subject 'Train/S9'")


def test_another_npz_is_rejected(tmp_path):
    videopose.write_humaneva(tmp_path)
    np.savez(tmp_path / "data_3d_humaneva15.npz", other=np.zeros(3))
    refuse(tmp_path, "has no 'positions_3d'")


@pytest.fixture(scope="module")
def sample(sample_data):
    folder: pathlib.Path = sample_data / "humaneva"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return folder, humaneva.open_data_set(folder, config(check_counts=False))


def test_sample_splits(sample):
    sequences = sample[1].sequences
    assert [len(sequences[s]) for s in ("train", "validation", "test")] == [66, 39, 33]
    frames = [sum(map(len, sequences[s])) for s in ("train", "validation", "test")]
    assert frames == [8925, 5262, 4542]


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("person", ["S1", "S2", "S3"])
def test_sample_is_reprojected_through_the_fitted_lens(sample, person, number):
    """Measured: 0.002 px RMS (S1), 0.013 (S2), 0.006 (S3), largest 0.27 px."""
    views = [v for views in sample[1].sequences.values() for v in views]
    for view in (v for v in views if v.subject == person and v.name[-1] == str(number)):
        camera, valid = view.depth_camera, view.valid
        away = camera.project(view.xyz) - camera.undistort(view.uv)
        away = np.linalg.norm(away, axis=-1)[valid]
        assert np.sqrt((away**2).mean()) < 0.03
        assert away.max() < 0.4


@pytest.mark.parametrize("person", ["S1", "S2", "S3"])
def test_sample_camera_positions_match_videopose3d(sample, person):
    """Measured: at most 0.4 mm away, although the lens model is not published."""
    folder, opened = sample
    published = json.loads((folder / "cameras.json").read_text())[person]
    with np.load(folder / "humaneva15_dev.npz") as clips:
        key = next(k for k in clips.files if f"xyz_world_m|Train/{person}" in k)
        world = clips[key].astype(np.float64).reshape(-1, 3)
    name = key.removeprefix("xyz_world_m|").translate(str.maketrans("/ |", "___"))
    for number, camera in enumerate(published):
        view = view_of(opened, f"{name}_cam{number}")
        xyz = view.xyz.reshape(-1, 3)
        # Solves world = A xyz + b; b is the camera centre in the world frame.
        ones = np.ones((len(xyz), 1))
        motion = np.linalg.lstsq(np.hstack([xyz, ones]), world, rcond=None)[0]
        np.testing.assert_allclose(motion[3], camera["center_world_m"], atol=1e-3)


def test_sample_heads_of_s3_walking_are_not_valid(sample):
    views = [v for views in sample[1].sequences.values() for v in views]
    bad = {v.name for v in views if not v.valid.all()}
    assert {name.rpartition("_")[0] for name in bad} == {
        "Train_S3_Walking_1_chunk0",
        "Train_S3_Walking_1_chunk2",
    }
    assert sum(int((~v.valid).sum()) for v in views) == 3 * (393 + 85)

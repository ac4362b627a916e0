import json
import pickle

import cv2
import numpy as np
import pytest

from data_pipelines.ground import pose_file
from data_pipelines.keypoints import detections
from data_pipelines.readers.ntu import data_set, skeleton_file
from tests.data_pipelines.originals import ntu_rgbd as originals
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

FRAMES = 3  # too few joints for a fit, which would be slow
LONG = 6
TRAIN, VALIDATION, TEST = originals.CLIPS
# Joints on the left and in the middle of a body that faces the camera, metres.
STANDING = {
    **{"pelvis": (0, 0, 0), "torso": (0, -0.25, 0), "thorax": (0, -0.45, 0)},
    **{"neck": (0, -0.52, 0), "head": (0, -0.68, 0.02)},
    **{"left_shoulder": (0.18, -0.44, 0), "left_elbow": (0.3, -0.2, 0.05)},
    **{"left_wrist": (0.4, 0, 0), "left_hand": (0.42, 0.07, -0.02)},
    **{"left_hand_tip": (0.44, 0.14, -0.03), "left_thumb": (0.38, 0.1, -0.05)},
    **{"left_hip": (0.09, 0.02, 0), "left_knee": (0.1, 0.42, -0.03)},
    **{"left_ankle": (0.1, 0.82, 0), "left_foot": (0.11, 0.88, -0.12)},
}


def person(x=0.0, z=2.5, frames=FRAMES):
    """A person who walks away to the right: (frames, 25, 3), metres, camera frame."""
    places = []
    for name in skeletons.NTU25.joints:
        side = -1.0 if name.startswith("right_") else 1.0
        place = STANDING[name.replace("right_", "left_")]
        places.append(np.array(place) * [side, 1.0, 1.0])
    step = np.arange(frames)[:, None, None] * [0.12, 0.0, 0.2]
    return np.array(places) + [x, 0.1, z] + step


def discs(*bodies):
    """Depth of bodies as discs at their joints, far ones first."""
    depth = np.zeros((len(bodies[0]), 424, 512), np.float32)
    for frame, picture in enumerate(depth):
        joints = np.concatenate([body[frame] for body in bodies])
        joints = joints[np.isfinite(joints).all(axis=-1)]
        for joint in joints[np.argsort(-joints[:, 2])]:
            u, v = np.floor(originals.project(joint, originals.DEPTH_CAMERA))
            radius = round(0.05 * 366 / joint[2])
            cv2.circle(picture, (int(u), int(v)), radius, float(joint[2]), -1)
    return depth


def shades(frames=FRAMES):
    """Red images of increasing brightness."""
    pictures = np.zeros((frames, 1080, 1920, 3), np.uint8)
    pictures[..., 0] = 40 + 30 * np.arange(frames)[:, None, None]
    return pictures


def write(folder, name=TRAIN, *bodies, **options):
    bodies = bodies or (person(),)
    options = {"depth": discs(*bodies)} | options
    originals.write_clip(folder, name, bodies, **options)


def refuse(path, message, **changes):
    with pytest.raises(errors.BadInput, match=message) as caught:
        originals.open_source(path, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names(opened):
    return {split: [s.name for s in found] for split, found in opened.sequences.items()}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The single sequence of a clip with depth and colour."""
    folder = tmp_path_factory.mktemp("clip")
    write(folder, TRAIN, person(frames=LONG), color=shades(LONG))
    (sequence,) = originals.open_source(folder).sequences["train"]
    return sequence


def test_a_written_clip_is_read_back(clip, tmp_path):
    assert clip.name == f"{TRAIN}-0"
    assert clip.subject == "P001"
    assert clip.frames == tuple(range(1, LONG + 1))
    np.testing.assert_allclose(clip.time, np.arange(LONG) / 30)
    pose_file.write(tmp_path / "poses.npz", clip.joints())
    pose = pose_file.read(tmp_path / "poses.npz")
    assert pose.skeleton == data_set.SKELETON
    np.testing.assert_array_equal(pose.frame, clip.frames)
    np.testing.assert_allclose(pose.xyz, person(frames=LONG), atol=1e-6)
    for index, expected in enumerate(discs(person(frames=LONG))):
        np.testing.assert_allclose(clip.depth(index), expected, atol=5.1e-4)
        np.testing.assert_array_equal(clip.mask(index), expected > 0)


@pytest.mark.parametrize("kind", ["depth", "color"])
def test_cameras_are_recovered(clip, kind):
    fitted = getattr(clip, f"{kind}_camera")
    truth = getattr(originals, f"{kind.upper()}_CAMERA")
    shift = np.eye(4) if kind == "depth" else clip.color_from_depth
    true_shift = np.eye(4) if kind == "depth" else originals.COLOR_FROM_DEPTH
    rng = np.random.default_rng(0)
    xyz = rng.uniform([-0.8, -0.8, 2.0], [0.8, 0.8, 4.0], (100, 3))
    uv = originals.project(xyz @ shift[:3, :3].T + shift[:3, 3], fitted)
    expected = xyz @ true_shift[:3, :3].T + true_shift[:3, 3]
    # A few times the error of the colour model, because the fit has only 150 joints.
    expected = originals.project(expected, truth)
    np.testing.assert_allclose(uv, expected, atol=0.05)


@pytest.mark.parametrize("with_video", [True, False])
def test_keypoints_match_the_projected_joints(tmp_path, with_video):
    color = shades(LONG) if with_video else None
    write(tmp_path, TRAIN, person(frames=LONG), color=color)
    (sequence,) = originals.open_source(tmp_path).sequences["train"]
    uv, confidence = sequence.keypoints("NTU25")
    expected = sequence.joints().xyz @ sequence.color_from_depth[:3, :3].T
    expected = expected + sequence.color_from_depth[:3, 3]
    expected = sequence.keypoint_camera.project(expected)
    np.testing.assert_allclose(uv, expected, atol=0.02)  # residual of the fit
    np.testing.assert_array_equal(confidence, 1.0)
    assert sequence.keypoint_camera.width == (1920 if with_video else 512)
    assert (sequence.color_camera is None) == (not with_video)


def test_inferred_joints_have_confidence_one_half_and_lost_ones_zero(tmp_path):
    state = np.full(25, 2)
    left_hand, right_knee = map(skeletons.NTU25.index, ("left_hand", "right_knee"))
    state[left_hand], state[right_knee] = 1, 0
    write(tmp_path, state=state)
    (sequence,) = originals.open_source(tmp_path).sequences["train"]
    pose = sequence.joints()
    expected = np.ones(25)
    expected[left_hand], expected[right_knee] = 0.5, 0.0
    np.testing.assert_array_equal(pose.confidence, np.tile(expected, (FRAMES, 1)))
    np.testing.assert_array_equal(pose.valid, pose.confidence > 0)
    np.testing.assert_array_equal(np.isfinite(pose.xyz).all(-1), pose.valid)
    np.testing.assert_array_equal(sequence.keypoints("NTU25")[1], pose.confidence)


def test_joints_outside_the_image_are_not_keypoints(tmp_path):
    bodies = person(x=1.6, z=2.3)
    write(tmp_path, TRAIN, bodies)
    (sequence,) = originals.open_source(tmp_path).sequences["train"]
    seen = originals.project(bodies, originals.DEPTH_CAMERA)[..., 0] < 512
    assert 0 < seen.sum() < seen.size
    np.testing.assert_array_equal(sequence.keypoints("NTU25")[1] > 0, seen)


def test_each_body_is_a_sequence_of_the_frames_that_include_it(tmp_path):
    first, second = person(x=-0.8, frames=LONG), person(x=0.4, frames=LONG)
    second[[0, 3]] = np.nan
    write(tmp_path, TRAIN, first, second)
    one, two = originals.open_source(tmp_path).sequences["train"]
    assert [one.name, two.name] == [f"{TRAIN}-0", f"{TRAIN}-1"]
    assert one.subject == two.subject == "P001"
    assert two.frames == (2, 3, 5, 6)
    np.testing.assert_allclose(two.time, np.array([0, 1, 3, 4]) / 30)
    np.testing.assert_allclose(two.joints().xyz, second[[1, 2, 4, 5]], atol=1e-6)
    np.testing.assert_array_equal(two.depth(0), one.depth(1))
    np.testing.assert_array_equal(one.mask(0), one.depth(0) > 0)
    np.testing.assert_array_equal(one.mask(1), discs(first)[1] > 0)
    np.testing.assert_array_equal(two.mask(0), discs(second)[1] > 0)


def test_colour_frames_can_be_read_in_any_order(clip):
    for index in (3, 1, 1, 5, 0):
        image = clip.color(index)
        assert image.shape == (1080, 1920, 3)
        # JPEG changes uniform colours by one or two values.
        np.testing.assert_allclose(image[500, 500], [40 + 30 * index, 0, 0], atol=3)


def test_sequences_can_be_pickled(clip):
    clip.color(1)
    travelled = pickle.loads(pickle.dumps(clip))
    np.testing.assert_array_equal(travelled.color(1), clip.color(1))
    np.testing.assert_array_equal(travelled.mask(1), clip.mask(1))


@pytest.mark.parametrize("variant", ["cross_subject", "cross_view"])
def test_every_split_has_its_clips(tmp_path, variant):
    for name in originals.CLIPS:
        write(tmp_path, name)
    opened = originals.open_source(tmp_path, variant=variant)
    assert names(opened) == {
        "train": [f"{TRAIN}-0"],
        "validation": [f"{VALIDATION}-0"],
        "test": [f"{TEST}-0"],
    }
    assert variant in opened.protocol
    assert "not detections" in opened.protocol


@pytest.mark.parametrize(
    ("variant", "split"), [("cross_subject", "train"), ("cross_view", "test")]
)
def test_the_first_camera_is_the_cross_view_test_split(tmp_path, variant, split):
    write(tmp_path, TRAIN.replace("C002", "C001"))
    assert originals.open_source(tmp_path, variant=variant).sequences[split]


def test_twenty_persons_are_for_training_or_validation():
    assert len(set(data_set.TRAIN_SUBJECTS)) == 20
    assert data_set.VALIDATION_SUBJECTS == (8, 27)


@pytest.mark.parametrize("nested", [True, False])
def test_files_are_found_below_the_source_and_in_one_folder(tmp_path, nested):
    write(tmp_path / "a", color=shades(1))
    source = tmp_path / "source"
    source.mkdir()
    if nested:
        (tmp_path / "a").rename(source / "downloads")
    else:
        for folder in (tmp_path / "a").iterdir():
            (path,) = folder.iterdir()
            path.rename(source / path.name)
    (sequence,) = originals.open_source(source).sequences["train"]
    assert sequence.color(0) is not None
    assert sequence.depth(0).any()


def test_unmasked_depth_and_other_setups_are_ignored(tmp_path):
    write(tmp_path)
    full = tmp_path / "nturgb+d_depth" / TRAIN / "Depth-00000001.png"
    full.parent.mkdir(parents=True)
    full.touch()
    (tmp_path / "S018C001P008R001A061.skeleton").write_text("0\n")
    (sequence,) = originals.open_source(tmp_path).sequences["train"]
    assert sequence.depth(0).any()


def test_listed_clips_without_skeletons_are_excluded_and_counted(tmp_path):
    write(tmp_path)
    write(tmp_path, VALIDATION)
    (tmp_path / f"nturgb+d_skeletons/{VALIDATION}.skeleton").write_text("1\n0\n")
    write(tmp_path, TEST)
    (tmp_path / f"nturgb+d_skeletons/{TEST}.skeleton").unlink()
    lines = ["3 samples have no skeletons.", "", VALIDATION, TEST, ""]
    (tmp_path / "missing_skeletons.txt").write_text("\n".join(lines))
    opened = originals.open_source(tmp_path)
    assert sum(names(opened).values(), []) == [f"{TRAIN}-0"]
    assert "2 clips on the list of missing skeletons" in opened.protocol


def test_an_incomplete_source_is_rejected_with_the_missing_files(tmp_path):
    write(tmp_path)
    folder = tmp_path / "nturgb+d_skeletons"
    for person_number in range(2, 9):
        (folder / f"S001C002P{person_number:03d}R001A001.skeleton").touch()
    (tmp_path / "nturgb+d_depth_masked" / TRAIN).rename(
        tmp_path / "nturgb+d_depth_masked" / TEST
    )
    message = refuse(
        tmp_path, "is incomplete: no masked depth .* of", skip_corrupt=True
    )
    assert message.count("S001C002P00") == 5
    assert "and 3 more; no .skeleton file of S003C001P003R001A001" in message


def test_an_empty_source_is_bad_input(tmp_path):
    refuse(tmp_path / "nowhere", "no .skeleton files of NTU RGB.D 60 in .*nowhere")


def test_a_part_of_the_data_set_is_rejected_if_counts_are_checked(tmp_path):
    write(tmp_path)
    refuse(
        tmp_path, "has 1 clips, but NTU RGB.D 60 has 56880; .*False", check_counts=True
    )


def test_an_unknown_variant_is_bad_input(tmp_path):
    refuse(tmp_path, "variant is 'x'; use 'cross_subject' or", variant="x")


def test_detected_keypoints_are_in_colour_pixels(tmp_path):
    write(tmp_path / "source")
    uv = np.full((FRAMES, 17, 2), 700.5)
    found = detections.to_coco(
        uv, np.ones((FRAMES, 17)), "COCO17", range(1, FRAMES + 1)
    )
    (tmp_path / f"{TRAIN}.json").write_text(json.dumps(found))
    opened = originals.open_source(tmp_path / "source", keypoints=str(tmp_path))
    (sequence,) = opened.sequences["train"]
    assert sequence.keypoint_camera.width == 1920
    np.testing.assert_allclose(
        sequence.keypoint_detections().by_frame[FRAMES][0, :, :2], 700.5
    )
    assert sequence.color(0) is None
    assert "2D keypoints are detections" in opened.protocol
    (tmp_path / f"{TRAIN}.json").unlink()
    with pytest.raises(errors.BadInput, match=f"no keypoints of {TRAIN}: "):
        sequence.keypoint_detections()


def test_too_few_joints_give_a_typical_camera_and_a_note(tmp_path):
    write(tmp_path)
    opened = originals.open_source(tmp_path)
    assert "with too few joints to fit: S001C002" in opened.protocol
    (sequence,) = opened.sequences["train"]
    expected = originals.DEPTH_CAMERA.intrinsics
    np.testing.assert_allclose(sequence.depth_camera.intrinsics, expected, atol=3)
    assert np.isfinite(sequence.keypoints("NTU25")[0]).all()


def test_the_fit_is_robust_to_outliers(tmp_path):
    write(tmp_path, TRAIN, person(frames=LONG))
    (body,) = skeleton_file.read(tmp_path / f"nturgb+d_skeletons/{TRAIN}.skeleton")
    rows = skeleton_file.point_correspondences(body)
    rows[::20, 3:] += 30.0  # pixels
    found = skeleton_file.fit_cameras([rows]).depth.intrinsics
    np.testing.assert_allclose(found, originals.DEPTH_CAMERA.intrinsics, atol=0.05)

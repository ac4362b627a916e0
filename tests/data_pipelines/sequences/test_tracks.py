import numpy as np
import pytest

from data_pipelines.ground import pose_file, schema
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import tracks
from tests.data_pipelines.loading.test_clip_source import open_source
from unipose_jax import errors


@pytest.mark.parametrize("mask", [True, False])
def test_points_are_on_the_person(make_recording, room, mask):
    source = open_source(make_recording(**({} if mask else {"mask": None})))
    spheres = room.person(0.1, 2.5)
    points = source[0]["points"][1][source[0]["points_valid"][1]]
    away = np.linalg.norm(points[:, None] - spheres[:, :3], axis=-1) - spheres[:, 3]
    # On the surface of a sphere, to the millimetre of the depth files.
    assert np.abs(away).min(axis=1).max() < 0.002


def test_confidence_is_zero_without_keypoints(make_recording):
    example = open_source(make_recording())[0]
    assert (example["confidence"] == 0).all()
    assert np.isfinite(example["uv"]).all()


def test_without_truth_nothing_is_valid(make_recording):
    example = open_source(make_recording(joints=None))[0]
    assert np.isnan(example["xyz"]).all()
    assert not example["xyz_valid"].any()
    assert not example["visible"].any()


def test_truth_is_converted_and_occluded_joints_are_not_visible(make_recording, room):
    torso = np.array([0.0, 0.1, 2.5])
    xyz = np.full((3, 25, 3), np.nan, np.float32)
    xyz[:, 1] = torso  # NTU25 torso, 15 cm below the skin
    xyz[:, 3] = [0.0, -0.35, 3.2]  # head, 80 cm behind the surface
    pose = pose_file.PoseFile(
        xyz=xyz,
        confidence=np.ones((3, 25), np.float32),
        skeleton="NTU25",
        time=np.arange(3.0),
        valid=np.isfinite(xyz).all(-1),
    )
    example = open_source(make_recording(joints=pose))[0]
    np.testing.assert_allclose(example["xyz"][0, 8], torso)
    np.testing.assert_array_equal(np.nonzero(example["xyz_valid"][0])[0], [0, 8])
    np.testing.assert_array_equal(np.nonzero(example["visible"][0])[0], [8])


def two_people(room):
    """Depth of a far and a near person, and 17 keypoints on each."""
    people = [room.person(-0.6, 3.4), room.person(0.5, 2.4)]
    depth, _ = room.render(np.concatenate(people))
    uv = np.stack([room.camera.project(p[np.arange(17) * 3, :3]) for p in people])
    return people, depth, uv


def test_keypoints_determine_the_person(make_recording, room):
    people, depth, uv = two_people(room)
    keypoints = detections.to_coco(uv[:1].repeat(3, 0), np.ones((3, 17)), "COCO17")
    source = open_source(
        make_recording(depth=[depth] * 3, mask=None, keypoints=keypoints)
    )
    assert np.median(source[0]["points"][0, :, 2]) == pytest.approx(3.3, abs=0.1)
    plain = open_source(make_recording("plain", depth=[depth] * 3, mask=None))
    assert np.median(plain[0]["points"][0, :, 2]) == pytest.approx(2.3, abs=0.1)


def test_a_frame_without_keypoints_is_also_segmented(make_recording, room):
    people, depth, uv = two_people(room)
    confidence = np.ones((3, 17))
    confidence[1] = 0.0
    keypoints = detections.to_coco(uv[:1].repeat(3, 0), confidence, "COCO17")
    path = make_recording(depth=[depth] * 3, mask=None, keypoints=keypoints)
    example = open_source(path, num_frames=3)[0]
    far = np.median(example["points"][..., 2], axis=1)  # the same person in all frames
    np.testing.assert_allclose(far, 3.3, atol=0.1)


def test_masks_determine_the_keypoints(make_recording, room):
    people, depth, uv = two_people(room)
    mask = np.abs(depth - 3.3) < 0.3
    mask &= room.render(people[0])[1] == 1
    both = [
        entry
        for person, confidence in zip(uv, (0.5, 1.0), strict=True)
        for entry in detections.to_coco(
            person[None].repeat(3, 0), np.full((3, 17), confidence), "COCO17"
        )
    ]
    path = make_recording(depth=[depth] * 3, mask=[mask] * 3, keypoints=both)
    keypoints = tracks.read_keypoints(recording.open_recording(path), "COCO17")
    np.testing.assert_allclose(keypoints.confidence, 0.5)


def test_an_empty_frame_has_no_points(make_recording, room):
    depth, shown = room.render(room.person(0.0, 2.5))
    path = make_recording(depth=[depth, 0 * depth, depth], mask=[shown == 1] * 3)
    example = open_source(path, num_frames=3)[0]
    schema.validate(example)
    np.testing.assert_array_equal(example["points_valid"].any(-1), [True, False, True])


def test_few_points_are_repeated(make_recording):
    """As for rendered people, because networks are trained without padding."""
    source = open_source(make_recording())
    stored = len(source.tracks[0].frame(0)["points"])
    source._num_points = 3 * stored
    example = source[0]
    assert example["points_valid"].all()
    assert len(np.unique(example["points"][0], axis=0)) <= stored


def corrupt(path, frame):
    (path / "depth" / f"{frame:06d}.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")


@pytest.mark.parametrize("mask", [True, False])
def test_an_unreadable_frame_is_skipped_only_if_allowed(make_recording, mask):
    path = make_recording(frames=4, **({} if mask else {"mask": None}))
    opened = recording.open_recording(path)
    corrupt(path, 2)
    options = {"skeleton": "ITOP15", "stored_points": 64}
    with pytest.raises(errors.BadInput, match="000002.png"):
        tracks.read_track(opened, **options)
    skipped = []
    track = tracks.read_track(opened, **options, skipped=skipped)
    assert len(track) == len(track.points) == 3
    np.testing.assert_allclose(track.time, [0, 0.1, 0.3], atol=1e-6)
    assert len(skipped) == 1
    assert "000002.png" in skipped[0]


def read(path, **options):
    opened = recording.open_recording(path)
    return tracks.read_track(opened, skeleton="ITOP15", stored_points=64, **options)


def test_crops_are_stored_packed_and_returned_as_in_the_schema(make_recording):
    track = read(make_recording(), crop_size=64)
    assert track.crops == schema.CROP_FIELDS
    assert track.per_frame["depth_crop"].dtype == np.uint16
    frame = track.frame(1)
    assert frame["depth_crop"].shape == (64, 64)
    assert frame["depth_crop"].dtype == np.float32
    assert frame["color_crop"].shape == (64, 64, 3)
    # The person of spheres is 2.3 to 2.5 m away; brightness 200 before black.
    person = frame["depth_crop"] > 0  # without the room
    assert 0.05 < person.mean() < 0.6
    assert np.abs(frame["depth_crop"] - frame["reference_depth"])[person].max() < 0.3
    assert np.median(frame["color_crop"][person]) == 200
    assert np.median(frame["color_crop"][~person]) == 0


def test_the_spheres_of_the_person_are_in_the_crops(make_recording, room):
    track = read(make_recording(), crop_size=48)
    for index in range(3):
        frame = track.frame(index)
        xyz = room.person(0.1 * index, 2.5)[:, :3]
        for kind in ("depth", "color"):
            uv = (xyz / xyz[:, 2:]) @ frame[f"{kind}_crop_matrix"].T
            assert np.all((uv > 0) & (uv < 48))
            column, row = uv[:, :2].astype(int).T
            crop = frame[f"{kind}_crop"][row, column].reshape(len(uv), -1)
            assert np.mean(crop.max(-1) > 0) > 0.9  # the feet are outside the image
        assert frame["reference_depth"] == pytest.approx(2.44, abs=0.03)


def test_crops_are_made_only_on_request(make_recording):
    track = read(make_recording())
    assert track.crops == ()
    assert not set(schema.CROP_FIELDS) & track.frame(0).keys()


def test_sequences_without_colour_have_only_depth_crops(make_recording):
    bare = read(make_recording("bare", color=None, color_camera=None), crop_size=8)
    files_lost = read(make_recording("lost", color=None), crop_size=8)
    for track in (bare, files_lost):
        assert track.crops == ("depth_crop", "depth_crop_matrix", "reference_depth")
        assert not {"color_crop", "color_crop_matrix"} & track.frame(0).keys()


def test_an_unreadable_image_is_skipped_only_if_allowed(make_recording):
    path = make_recording()
    (path / "color" / "000001.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    with pytest.raises(errors.BadInput, match="color/000001.png cannot be decoded"):
        read(path, crop_size=8)
    skipped = []
    track = read(path, crop_size=8, skipped=skipped)
    assert len(track) == len(track.points) == len(track.per_frame["color_crop"]) == 2
    assert len(skipped) == 1
    assert len(read(path)) == 3  # colour is not read without crops


def test_an_empty_frame_has_a_crop_of_the_image_centre(make_recording, room):
    depth, shown = room.render(room.person(0.0, 2.5))
    path = make_recording(depth=[depth, 0 * depth, depth], mask=[shown == 1] * 3)
    track = read(path, crop_size=8)
    np.testing.assert_array_equal(track.per_frame["reference_depth"] > 0, [1, 0, 1])
    assert not track.frame(1)["depth_crop"].any()
    assert np.linalg.det(track.frame(1)["depth_crop_matrix"]) > 0


def counting_depth(opened, monkeypatch):
    """Counts how often each depth file is decoded, by position."""
    decoded, depth = [0] * len(opened), type(opened).depth

    def count(self, index):
        decoded[index] += 1
        return depth(self, index)

    monkeypatch.setattr(type(opened), "depth", count)
    return decoded


@pytest.mark.parametrize("masks", ["all", "none"])
def test_depth_is_decoded_once_per_pass(make_recording, monkeypatch, masks):
    path = make_recording(**({} if masks == "all" else {"mask": None}))
    opened = recording.open_recording(path)
    decoded = counting_depth(opened, monkeypatch)
    tracks.read_track(opened, skeleton="ITOP15", stored_points=64, crop_size=8)
    # Without masks, a first pass chooses the person, and a second one segments.
    assert decoded == ([1] * 3 if masks == "all" else [2] * 3)


def test_frames_without_mask_are_segmented_with_the_keypoints(
    make_recording, room, monkeypatch
):
    people, depth, uv = two_people(room)
    shown = room.render(people[0])[1] == 1
    far = shown & (np.abs(depth - 3.3) < 0.4)
    keypoints = detections.to_coco(uv[:1].repeat(3, 0), np.ones((3, 17)), "COCO17")
    path = make_recording(depth=[depth] * 3, mask=[far] * 3, keypoints=keypoints)
    (path / "mask" / "000001.png").unlink()
    opened = recording.open_recording(path)
    decoded = counting_depth(opened, monkeypatch)
    track = tracks.read_track(opened, skeleton="COCO17", stored_points=64)
    middle = [np.median(xyz[:, 2]) for xyz in track.points]
    np.testing.assert_allclose(middle, 3.3, atol=0.1)  # the nearer person is at 2.3 m
    assert decoded == [2, 2, 2]  # the masks, too, choose the person


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
def test_nan_and_infinite_pixels_are_not_points(nothing):
    depth = np.array([[2.0, nothing] * 8] * 16, np.float32)
    rays = np.zeros((16, 16, 2), np.float32)
    xyz = tracks.masked_points(np.ones(depth.shape, bool), depth, rays)
    np.testing.assert_array_equal(xyz[:, 2], 2.0)
    assert len(xyz) == 128

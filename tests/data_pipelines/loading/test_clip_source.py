import numpy as np
import pytest

from data_pipelines.ground import schema
from data_pipelines.loading import clip_source, loader
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import tracks
from unipose_jax import errors


def open_source(
    *paths, skeleton="ITOP15", num_frames=2, num_points=64, crop_size=0, **options
):
    read = [
        tracks.read_track(
            recording.open_recording(path),
            skeleton=skeleton,
            stored_points=2048,
            crop_size=crop_size,
        )
        for path in paths
    ]
    return clip_source.ClipSource(
        read, num_frames=num_frames, num_points=num_points, **options
    )


@pytest.mark.parametrize("mask", [True, False])
def test_examples_follow_the_schema(make_recording, mask):
    source = open_source(make_recording(frames=5, **({} if mask else {"mask": None})))
    assert len(source) == 3
    for index in range(3):
        schema.validate(source[index])
    assert source[0]["points"].shape == (2, 64, 3)
    np.testing.assert_allclose(source[2]["time"], [0, 0.1], atol=1e-6)
    np.testing.assert_array_equal(source.clips[2][1], [3, 4])


def test_the_same_example_has_the_same_points(make_recording):
    path = make_recording()
    first, second = open_source(path), open_source(path)
    np.testing.assert_array_equal(first[0]["points"], first[0]["points"])
    np.testing.assert_array_equal(first[0]["points"], second[0]["points"])
    other = first.example(0, np.random.default_rng(9))["points"]
    assert (other != first[0]["points"]).any()


def test_examples_have_crops_that_follow_the_schema(make_recording):
    source = open_source(make_recording(frames=3), crop_size=16)
    for index in range(2):
        example = source[index]
        schema.validate(example)
        assert set(schema.CROP_FIELDS) <= example.keys()
        for frame, position in enumerate(source.clips[index][1]):
            stored = source.tracks[0].frame(position)
            for name in schema.CROP_FIELDS:
                np.testing.assert_array_equal(example[name][frame], stored[name])


def test_examples_have_the_crops_that_all_tracks_have(make_recording, capsys):
    pictures = make_recording("pictures")
    plain = make_recording("plain", color=None)
    source = open_source(pictures, plain, crop_size=8)
    source.check_supervision()
    assert "1 of 2 sequences have no colour images" in capsys.readouterr().out
    batch = loader.batch(loader.shuffle(source, seed=0), batch_size=4)[0]
    schema.validate(batch)
    assert "depth_crop" in batch
    assert not {"color_crop", "color_crop_matrix"} & batch.keys()
    open_source(pictures, crop_size=8).check_supervision()
    open_source(plain, crop_size=8).check_supervision()
    assert capsys.readouterr().out == ""


def test_several_recordings_are_one_source(make_recording):
    source = open_source(make_recording("a", frames=4), make_recording("b", frames=2))
    assert [number for number, _ in source.clips] == [0, 0, 1]


def test_every_frame_is_evaluated_once(make_recording):
    source = open_source(make_recording("a", frames=7), make_recording("b", frames=1))
    scored = [
        (number, int(frame))
        for index, (number, window) in enumerate(source.clips)
        for frame, valid in zip(window, source[index]["xyz_valid"], strict=True)
        if valid.any()
    ]
    assert sorted(scored) == [*((0, frame) for frame in range(7)), (1, 0)]


def test_frame_step_spreads_clips_over_time(make_recording):
    source = open_source(make_recording(frames=7), frame_step=3, max_interval=0.3)
    windows = [window.tolist() for _, window in source.clips]
    assert windows == [[0, 3], [3, 6], [1, 4], [2, 5]]
    np.testing.assert_allclose(source[0]["time"], [0, 0.3], atol=1e-6)
    scored = sum(source[i]["xyz_valid"].all(-1).sum() for i in range(len(source)))
    assert scored == 7


def test_no_clip_crosses_a_gap_and_every_frame_is_scored_once(make_recording):
    path = make_recording(frames=6, fps=None, time=[0.0, 0.1, 0.2, 5.2, 5.3, 9.0])
    source = open_source(path)
    windows = [window.tolist() for _, window in source.clips]
    assert windows == [[0, 1], [1, 2], [3, 4], [5, 5]]
    scored = [source[i]["xyz_valid"].all(-1).tolist() for i in range(len(source))]
    assert scored == [[True, True], [False, True], [True, True], [True, False]]


def test_frames_too_far_apart_for_clips_are_reported(make_recording, capsys):
    slow, fast = make_recording("slow", fps=2.0), make_recording("fast")
    open_source(slow, fast).check_supervision()
    assert "slow: its frames are 0.5 s apart" in (printed := capsys.readouterr().out)
    assert "config.data.max_interval is 0.15" in printed
    assert "fast" not in printed


def test_one_usable_track_is_enough_and_the_others_are_reported(make_recording, capsys):
    good, bad = make_recording("good"), make_recording("bad", joints=None)
    open_source(good, bad).check_supervision()
    assert "1 of 2 sequences cannot be used" in capsys.readouterr().out
    with pytest.raises(errors.BadInput, match="bad has no keypoints to train on"):
        open_source(bad).check_supervision()


def test_tracks_without_depth_are_rejected_for_training(make_recording):
    source = open_source(make_recording())
    for track in source.tracks:
        track.points[:] = [np.zeros((0, 3), np.float32)] * len(track)
    with pytest.raises(errors.BadInput, match="no points of a person"):
        source.check_supervision()


def test_the_loader_reads_from_a_source(make_recording):
    examples = loader.shuffle(open_source(make_recording(frames=4)), seed=0)
    batches = loader.Loader(loader.batch(examples, batch_size=2))
    batch = next(batches)
    schema.validate(batch)
    later = next(batches)
    order = np.argsort(batch["xyz"][:, 0, 0, 0]), np.argsort(later["xyz"][:, 0, 0, 0])
    a, b = batch["points"][order[0]], later["points"][order[1]]
    assert (a != b).any()  # different points of the same frames

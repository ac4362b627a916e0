"""The real samples as recordings: consistency of clouds in the world frame."""

import numpy as np
import pytest
from scipy import spatial

from benchmarks.real import sample_recordings
from data_pipelines.ground import schema
from data_pipelines.loading import clip_source
from data_pipelines.readers.recordings import data_set, recording
from data_pipelines.sequences import tracks


@pytest.fixture(scope="module")
def recordings(sample_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    sample_recordings.main(sample_data, folder)
    return folder


def world_clouds(path):
    """Points of the person in each frame, metres, world frame."""
    opened = recording.open_recording(path)
    return [
        cloud.xyz @ pose[:3, :3].T + pose[:3, 3]
        for cloud, pose in zip(
            tracks.person_clouds(opened), opened.world_from_depth, strict=True
        )
    ]


def median_distance(a, b):
    return np.median(spatial.cKDTree(b).query(a[::20])[0])


def test_all_twelve_recordings_are_readable(recordings):
    found = data_set.find_recordings(recordings)
    assert len(found) == 12
    read = [
        tracks.read_track(
            recording.open_recording(p), skeleton="ITOP15", stored_points=512
        )
        for p in found
        if p.name != "turning_person"
    ]
    source = clip_source.ClipSource(read, num_frames=1, num_points=512)
    for index in range(len(source)):
        schema.validate(source[index])
        assert source[index]["points_valid"].all()


def test_the_turning_person_has_a_constant_position_in_the_world(recordings):
    # 2.8 mm in the README of the samples; nearest-neighbour distances are lower.
    clouds = world_clouds(recordings / "turning_person")
    distance = [median_distance(clouds[i], clouds[i + 5]) for i in range(0, 45, 5)]
    assert max(distance) < 0.0035


def test_clouds_of_neighbouring_kinects_match(recordings):
    clouds = [world_clouds(recordings / f"panoptic_{v}")[0] for v in range(5)]
    # Neighbours, 72 degrees apart, both see mainly the sides of the body.
    distance = [median_distance(clouds[i], clouds[(i + 1) % 5]) for i in range(5)]
    assert np.median(distance) < 0.025


def test_keypoints_of_the_colour_camera_are_on_the_person(recordings):
    for view in (0, 2, 4):
        opened = recording.open_recording(recordings / f"panoptic_{view}")
        keypoints = tracks.read_keypoints(opened, "ITOP15")
        cloud = next(tracks.person_clouds(opened, keypoints)).xyz
        pose = opened.color_from_depth
        uv = opened.color_camera.project(cloud @ pose[:3, :3].T + pose[:3, 3])
        seen = keypoints.confidence[0] > 0
        assert seen.sum() >= 6
        away = np.linalg.norm(uv[:, None] - keypoints.uv[0, seen], axis=-1).min(axis=0)
        # Marked by hand to 5 px; depth pixels are 3 colour pixels apart.
        assert np.median(away) < 4
        assert away.max() < 25


def test_itop_depth_is_kept_to_a_quarter_millimetre(recordings, sample_data):
    depth = np.load(sample_data / "itop" / "00_02254.npy").astype(np.float32)
    opened = recording.open_recording(recordings / "itop")
    np.testing.assert_allclose(opened.depth(0), depth, atol=1.3e-4)

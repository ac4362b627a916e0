import numpy as np
import pytest

from data_pipelines.keypoints import frame_matching
from data_pipelines.keypoints.frame_matching import FrameRule

FRAMES = range(12)
TIME = np.arange(12) / 15
SAME = FrameRule()


def assign(found, rule=SAME, frames=FRAMES, **options):
    return frame_matching.assign(frames, TIME[: len(frames)], found, rule, **options)


def describe(found, rule=SAME, frames=FRAMES):
    assigned = assign(found, rule, frames)
    time = TIME[: len(frames)]
    return frame_matching.describe(frames, time, found, assigned, rule)


def test_frames_have_the_same_numbers_by_default():
    assert assign([3, 5, 40]) == {3: 3, 5: 5}
    assert describe(range(12)) == ""
    assert describe([3, 5]) == ""  # nobody was there in the others


def test_frames_counted_from_1_are_counted_and_a_rule_is_offered():
    line = describe(range(1, 13))
    assert line.startswith(
        "1 of 12 keypoint frames belong to no depth frame (the first"
    )
    assert "1 of 12 depth frames have no keypoints" in line
    assert '"first_frame": 1' in line


@pytest.mark.parametrize("first", [1, 100])
def test_the_offered_first_frame_gives_every_frame_its_keypoints(first):
    found = range(first, first + 12)
    assert f'"first_frame": {first}}}' in describe(found)
    rule = FrameRule(first_frame=first)
    assert assign(found, rule) == {f: f + first for f in FRAMES}
    assert describe(found, rule) == ""


def test_the_first_frame_belongs_to_the_first_of_depth_whatever_its_number():
    frames = range(5, 9)
    assert assign([1, 2, 4], FrameRule(first_frame=1), frames) == {5: 1, 6: 2, 8: 4}


@pytest.mark.parametrize(("fps", "count"), [(30, 24), (60, 48), (25, 20)])
def test_a_faster_video_is_suspected_and_read_by_time(fps, count):
    line = describe(range(count))
    assert f"{count - 12} of {count} keypoint frames belong to no depth frame" in line
    assert f'"fps": {fps}' in line
    assigned = assign(range(count), FrameRule(fps=float(fps)))
    assert sorted(assigned) == list(FRAMES)
    for depth, own in assigned.items():
        assert abs(own / fps - depth / 15) <= 0.5 / fps + 1e-6
    assert describe(range(count), FrameRule(fps=float(fps))) == ""


def test_a_slower_video_is_suspected_and_read_by_time():
    line = describe(range(6))
    assert "6 of 12 depth frames have no keypoints" in line
    assert '"fps": 7.5' in line
    assigned = assign(range(6), FrameRule(fps=7.5))
    assert assigned[2] == 1
    assert assigned[10] == 5


def test_a_frame_without_people_has_no_keypoints_of_its_neighbour():
    found = [n for n in range(24) if n not in (9, 10, 11)]
    assert 5 not in assign(found, FrameRule(fps=30.0))


def test_a_start_shifts_the_video():
    assigned = assign(range(24), FrameRule(fps=30.0, start=4 / 15))
    assert assigned == {depth: 2 * (depth - 4) for depth in range(4, 12)}


def test_times_of_keypoint_frames_can_be_listed():
    rule = FrameRule(first_frame=1, time=np.array([0.0, 0.14, 0.2]))
    assert assign([1, 2, 3], rule) == {0: 1, 2: 2, 3: 3}


def test_times_of_the_file_stand_in_for_numbers():
    stamps = {n: 7.0 + n / 30 for n in range(24)}
    assert assign(range(24), found_time=stamps) == {d: 2 * d for d in FRAMES}


def test_nothing_in_common_is_said():
    line = describe([50, 70])
    assert "2 of 2 keypoint frames belong to no depth frame (the first is 50)" in line
    rule = FrameRule(first_frame=3)
    assert "12 of 12 depth frames have no keypoints" in describe([50, 70], rule)

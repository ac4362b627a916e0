import cv2
import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.segmentation import multi_person


def start(room):
    return multi_person.MultiPersonSegmenter(room.camera.rays(), room.camera.intrinsics)


def iou(mask, truth):
    return (mask & truth).sum() / (mask | truth).sum()


def test_all_people_are_segmented_separately(room):
    persons = [room.person(-0.8, 3.2), room.person(0.1, 2.4), room.person(1.0, 3.4)]
    depth, _ = room.render(np.concatenate(persons))
    found = start(room)(depth)
    assert len(found) == 3
    for person in persons:
        truth = (room.render(person)[1] == 1) & (depth == room.render(person)[0])
        assert max(iou(one.mask, truth) for one in found.values()) > 0.9


def test_people_who_pass_each_other_keep_their_numbers(room):
    follow, numbers = start(room), []
    for step in range(12):
        x = -0.9 + 0.16 * step
        far, near = room.person(x, 3.4), room.person(-x, 2.2)
        depth, _ = room.render(np.concatenate([far, near]))
        found = follow(depth)
        numbers.append(
            {
                "near" if np.median(depth[one.mask]) < 2.8 else "far": number
                for number, one in found.items()
            }
        )
    assert numbers[0].keys() == numbers[-1].keys() == {"near", "far"}
    assert numbers[0] == numbers[-1]
    assert {n for frame in numbers for n in frame.values()} == {0, 1}


def test_a_new_person_gets_a_new_number_and_unseen_people_are_dropped(room):
    follow = multi_person.MultiPersonSegmenter(
        room.camera.rays(), room.camera.intrinsics, forget=2 / 30
    )
    empty = room.render()[0]
    alone = room.render(room.person(-0.6, 2.5))[0]
    assert list(follow(alone)) == [0]
    assert follow(empty) == {}
    assert list(follow(alone)) == [0]  # still tracked
    for _ in range(3):
        follow(empty)
    assert list(follow(alone)) == [1]


@pytest.mark.parametrize("depth", [0.0, np.nan, 2.0])
def test_no_person_is_found_without_a_person(room, depth):
    assert start(room)(np.full((120, 160), depth, np.float32)) == {}


def test_the_turning_person_keeps_one_number(sample_data):
    camera = calibration.make_camera(640, 480, (525.0, 525.0, 320.0, 240.0))
    follow = multi_person.MultiPersonSegmenter(camera.rays(), camera.intrinsics)
    for frame in range(0, 50, 10):
        stem = sample_data / "turning_person" / f"{frame:010d}"
        depth = cv2.imread(f"{stem}_depth.png", cv2.IMREAD_UNCHANGED) * np.float32(1e-3)
        truth = cv2.imread(f"{stem}_mask.jpg", cv2.IMREAD_GRAYSCALE) > 127
        found = follow(depth)
        assert iou(found[0].mask, truth & (depth > 0)) > 0.99

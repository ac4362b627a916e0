"""A stand-in for the network finds a person that is painted as two coloured bars."""

import dataclasses
import threading

import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.keypoints import crops
from data_pipelines.sequences import keypoint_following as following
from data_pipelines.sequences import keypoint_progress, sequence

CAMERA = calibration.make_camera(160, 120, (140.0, 140.0, 80.0, 60.0))
WIDTH, HEIGHT = 16, 48  # pixels of a person
OFFSETS = np.stack([np.zeros(17), np.linspace(-0.45, 0.45, 17)], axis=1)


class Eyes:
    """Finds the brightest person near the middle of a crop; counts the crops."""

    size = 64

    def __init__(self):
        self.batches = []

    def __call__(self, images):
        self.batches.append(len(images))
        return np.stack([self._look(image[..., 0].astype(float)) for image in images])

    def _look(self, red):
        found = np.zeros((17, 3), np.float32)
        row, column = np.nonzero(red > 60)
        if len(row) < 20:
            return found
        middle = np.array([column.mean(), row.mean()]) + 0.5
        # Of several people the nearest to the middle of the crop.
        near = np.abs(column + 0.5 - self.size / 2).argmin()
        same = np.abs(column - column[near]) < 1.5 * np.ptp(row) / 3
        middle = np.array([column[same].mean(), row[same].mean()]) + 0.5
        found[:, :2] = middle + OFFSETS * np.ptp(row[same])
        found[:, 2] = 0.8
        return found


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Walk(sequence.Sequence):
    """People at (u, v) in colour; the first one in depth, with a mask."""

    people: list  # of each frame: a list of (u, v)
    masked: bool = True
    without_color: tuple = ()

    def _paint(self, index, people):
        picture = np.zeros((120, 160), bool)
        for u, v in people:
            picture[v - HEIGHT // 2 : v + HEIGHT // 2, u - 8 : u + 8] = True
        return picture

    def color(self, index):
        if index in self.without_color:
            return None
        shown = self._paint(index, self.people[index])
        return np.repeat(shown[..., None], 3, -1) * np.uint8(200)

    def depth(self, index):
        return np.full((120, 160), 2.0, np.float32)

    def mask(self, index):
        shown = self._paint(index, self.people[index][:1])
        return shown & self.masked


def walk(people, **fields):
    frames = len(people)
    return Walk(
        name="walk",
        subject="",
        frames=tuple(range(0, 10 * frames, 10)),
        time=np.arange(frames) / 30,
        depth_camera=CAMERA,
        color_camera=CAMERA,
        people=people,
        **fields,
    )


def centers(blocks):
    found = [entry for block in blocks for entry in block.found]
    return np.array([entry.person[8, :2] for entry in found])


@pytest.mark.parametrize("masked", [True, False])
def test_the_person_is_followed_across_the_picture(masked):
    people = [[(20 + 6 * t, 60)] for t in range(20)]
    eyes = Eyes()
    blocks = list(following.follow(walk(people, masked=masked), eyes))
    assert [len(block.found) for block in blocks] == [8, 8, 4]
    np.testing.assert_allclose(centers(blocks), np.array(people)[:, 0], atol=2.0)
    found = [entry for block in blocks for entry in block.found]
    assert [entry.frame for entry in found] == list(range(0, 200, 10))
    assert eyes.batches[0] == 8  # several frames at once
    compared = sum(entry.compared for entry in found)
    assert compared == (17 * 20 if masked else 0)
    assert sum(entry.outside for entry in found) == 0


def test_the_person_of_the_depth_map_is_preferred():
    # Somebody else stands in the middle of the picture.
    people = [[(130 - t, 60), (80, 60)] for t in range(9)]
    found = centers(following.follow(walk(people), Eyes()))
    np.testing.assert_allclose(found, [p[0] for p in people], atol=2.0)


def test_a_person_who_is_lost_is_found_again_elsewhere():
    people = [[(30, 60)]] * 8 + [[]] * 8 + [[(130, 60)]] * 8
    blocks = list(following.follow(walk(people, masked=False), Eyes()))
    shown = [entry.has_keypoints for block in blocks for entry in block.found]
    assert shown == [True] * 8 + [False] * 8 + [True] * 8
    assert blocks[1].crop is None
    np.testing.assert_allclose(centers(blocks[2:]), [(130, 60)] * 8, atol=2.0)


def test_a_jump_inside_a_block_is_followed():
    people = [[(30, 60)]] * 3 + [[(130, 60)]] * 3
    found = centers(following.follow(walk(people, masked=False), Eyes()))
    np.testing.assert_allclose(found, [p[0] for p in people], atol=2.0)


def test_keypoints_beside_the_mask_are_counted():
    class Shifted(Eyes):
        def __call__(self, images):
            found = super().__call__(images)
            found[:, :4, 0] += 20
            return found

    (block,) = following.follow(walk([[(80, 60)]]), Shifted())
    (entry,) = block.found
    assert (entry.outside, entry.compared) == (4, 17)


def test_a_frame_without_colour_has_no_keypoints():
    source = walk([[(80, 60)]] * 3, without_color=(1,))
    (block,) = following.follow(source, Eyes())
    assert [entry.has_keypoints for entry in block.found] == [True, False, True]
    assert block.found[1].person is None
    assert block.crop is not None


def test_an_interrupted_run_goes_on_with_the_same_result(tmp_path):
    people = [[(20 + 6 * t, 60)] for t in range(20)]
    source, path, header = walk(people), tmp_path / "partial", {"network": "a"}
    straight = list(following.follow(source, Eyes()))
    assert keypoint_progress.read(path, header) == []
    keypoint_progress.start(path, header, [])
    keypoint_progress.append(path, straight[0])
    with path.open("a") as file:
        file.write('{"found": [{"fra')  # interrupted
    known = keypoint_progress.read(path, header)
    assert len(known) == 1
    keypoint_progress.start(path, header, known)
    crop = known[-1].crop
    assert isinstance(crop, crops.Square)
    for block in following.follow(source, Eyes(), skip=1, crop=crop):
        keypoint_progress.append(path, block)
    resumed = keypoint_progress.read(path, header)
    assert [block.crop for block in resumed] == [block.crop for block in straight]
    np.testing.assert_array_equal(centers(resumed), centers(straight))
    assert keypoint_progress.read(path, {"network": "b"}) == []


def test_reading_stops_with_an_error_of_the_network():
    class Broken(Eyes):
        def __call__(self, images):
            raise RuntimeError("no memory")

    with pytest.raises(RuntimeError) as kept:  # with all that it refers to
        list(following.follow(walk([[(80, 60)]] * 40), Broken()))
    assert "read_ahead" not in {thread.name for thread in threading.enumerate()}
    assert kept.tb is not None

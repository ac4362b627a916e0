import numpy as np
import pytest

from data_pipelines.keypoints import crops

SHAPE = (240, 320)


def person(**joints):
    """Keypoints of the given joints: name=(u, v, confidence)."""
    values = np.zeros((17, 3), np.float32)
    for name, value in joints.items():
        values[crops._NAMES.index(name)] = value
    return values


class Fixed:
    """A network that always gives the same joints, pixels of its input."""

    size = 64

    def __init__(self, joints):
        self.joints, self.images = np.float32(joints), None

    def __call__(self, images):
        self.images = images
        return np.repeat(self.joints[None], len(images), axis=0)


def test_keypoints_are_in_pixels_of_the_picture():
    joints = np.tile(np.float32([32, 16, 0.9]), (17, 1))
    image = np.zeros((*SHAPE, 3), np.uint8)
    squares = [crops.Square(100, 50, 128), crops.Square(-20, 10, 64)]
    found = crops.keypoints_in_squares(Fixed(joints), [image, image], squares)
    np.testing.assert_allclose(found[0, 0], [164, 82, 0.9])
    np.testing.assert_allclose(found[1, 0], [12, 26, 0.9])
    assert crops.keypoints_in_squares(Fixed(joints), [], []).shape == (0, 17, 3)


@pytest.mark.parametrize(
    ("square", "center"),
    [
        (crops.Square(100, 60, 64), (131.3, 92.7)),
        (crops.Square(100, 60, 40), (121.3, 77.7)),  # enlarged
        (crops.Square(100, 60, 150), (171.3, 142.7)),  # reduced
        (crops.Square(-40, -30, 128), (20.4, 30.1)),
        (crops.Square(250, 180, 128), (290.2, 210.9)),
    ],
)
def test_a_disc_lies_in_the_crop_where_the_mapping_puts_it(square, center):
    v, u = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    disc = 255 * np.exp(-((u - center[0]) ** 2 + (v - center[1]) ** 2) / 18)
    cut = crops.crop(np.repeat(disc[..., None], 3, -1).astype(np.uint8), square, 64)
    weight = cut[..., 0] / cut[..., 0].sum(dtype=float)
    v, u = np.mgrid[:64, :64] + 0.5
    place = np.array([(u * weight).sum(), (v * weight).sum()])
    place = place * square.side / 64 + square[:2]
    np.testing.assert_allclose(place, center, atol=0.05)
    assert cut.shape == (64, 64, 3)


def test_a_crop_beside_the_picture_is_black():
    image = np.full((*SHAPE, 3), 255, np.uint8)
    for corner in ((-70, 0), (0, -70), (400, 0), (0, 300)):
        assert not crops.crop(image, crops.Square(*corner, 64), 64).any()


@pytest.mark.parametrize(
    ("joint", "seen"),
    [
        ((160, 120, 0.25), True),
        ((160, 120, 0.15), False),  # not sure
        ((160, 239, 0.35), False),  # on the border, not sure
        ((160, 239, 0.8), True),
        ((160, 241, 0.8), False),  # beyond the border
        ((101, 120, 0.35), False),  # on the edge of the crop
    ],
)
def test_joints_outside_the_picture_are_not_seen(joint, seen):
    found = crops.is_seen(np.float32([joint]), crops.Square(100, 80, 200), SHAPE)
    assert found.tolist() == [seen]


def test_the_crop_follows_the_hips():
    found = person(
        left_hip=(110, 100, 0.9), right_hip=(90, 100, 0.9), left_shoulder=(112, 60, 0.9)
    )
    # The shoulder is 40 above the hips: half the side is 1.9 x 40.
    assert crops.following(found, SHAPE) == crops.Square(24, 24, 152)
    found = np.maximum(found, person(nose=(100, 30, 0.5)))  # 1.2 x 70 is more
    assert crops.following(found, SHAPE) == crops.Square(16, 16, 168)


def test_the_crop_of_hidden_hips_reaches_below_the_shoulders():
    found = person(left_shoulder=(110, 60, 0.9), nose=(100, 30, 0.9))
    left, top, side = crops.following(found, SHAPE)
    assert (left + side / 2, top + side / 2) == (110, 60)
    assert side == pytest.approx(2 * 1.9 * 30, abs=1)


def test_a_lost_person_has_no_crop():
    assert crops.following(person(nose=(100, 30, 0.9)), SHAPE) is None
    assert crops.following(person(), SHAPE) is None


def test_a_large_person_is_cut_from_the_whole_picture():
    assert crops.whole(SHAPE) == crops.Square(0, -40, 320)
    assert crops.around((5, 5, 300, 230), SHAPE) == crops.whole(SHAPE)
    assert crops.around((100, 50, 140, 150), SHAPE) == crops.Square(58, 38, 125)
    found = person(left_hip=(160, 230, 0.9), nose=(160, 20, 0.9))
    assert crops.following(found, SHAPE) == crops.whole(SHAPE)


def test_overlap_of_crops():
    a = crops.Square(0, 0, 10)
    assert crops.overlap(a, a) == 1
    assert crops.overlap(a, crops.Square(5, 0, 10)) == pytest.approx(50 / 150)
    assert crops.overlap(a, crops.Square(20, 0, 10)) == 0

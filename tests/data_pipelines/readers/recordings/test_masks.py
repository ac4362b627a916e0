import json

import cv2
import numpy as np
import pytest

from data_pipelines.readers.recordings import recording
from unipose_jax import errors


@pytest.fixture
def masked(make_recording):
    """Writes the masks of a recording anew, by a function of the person's pixels."""

    def masked(encode, suffix="png", **keys):
        path = make_recording(frames=2)
        for file in sorted((path / "mask").iterdir()):
            person = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) > 0
            file.unlink()
            image = np.asarray(encode(person), np.uint8)
            cv2.imwrite(str(file.with_suffix(f".{suffix}")), image)
        content = json.loads((path / "camera.json").read_text()) | keys
        (path / "camera.json").write_text(json.dumps(content))
        return path

    return masked


def soft(person):
    return cv2.GaussianBlur(255 * person.astype(np.uint8), (5, 5), 0)


@pytest.mark.parametrize(
    ("encode", "suffix", "keys"),
    [
        (lambda p: 3 * p, "png", {}),  # the number of a tracked person
        (lambda p: 255 * p, "jpg", {}),
        (soft, "png", {}),
        (lambda p: np.where(p, 0, 255), "png", {"mask_values": [0]}),
        (lambda p: np.where(p, 2, 255), "png", {"mask_values": {"person": 2}}),
        (lambda p: np.where(p, 4, np.arange(160) % 3), "png", {"mask_values": [4, 9]}),
    ],
)
def test_masks_mean_the_person(masked, room, encode, suffix, keys):
    _, shown = room.render(room.person(0.0, 2.5))
    mask = recording.open_recording(masked(encode, suffix, **keys)).mask(0)
    # JPEG and blur move edges by a pixel.
    assert (mask != (shown == 1)).mean() < (
        1e-9 if suffix == "png" and encode is not soft else 0.01
    )


@pytest.mark.parametrize(
    ("encode", "keys", "message"),
    [
        (lambda p: np.where(p, 0, 255), {}, r"cover most .* \"mask_values\": \[0\]"),
        (lambda p: np.where(p, 2, 255), {}, "has the values 2, 255; a mask has 0 and"),
        (lambda p: np.where(p, 2, np.arange(160) % 2), {}, "has the values 0, 1, 2;"),
        (lambda p: 255 * ~p, {}, "the masks cover most of the image"),
        (lambda p: 255 + 0 * p, {}, "the masks cover most of the image"),
        (lambda p: 3 * p, {"mask_values": [0]}, "the masks cover most of the image"),
    ],
)
def test_doubtful_masks_are_one_line(masked, encode, keys, message):
    with pytest.raises(errors.BadInput, match=message) as caught:
        recording.open_recording(masked(encode, **keys))
    assert "\n" not in str(caught.value)


def test_the_value_of_the_person_may_not_change(masked):
    numbers = iter((3, 5))
    with pytest.raises(errors.BadInput, match="has the value 3 in one mask and 5 in"):
        recording.open_recording(masked(lambda p: next(numbers) * p))


def test_a_person_who_fills_half_of_the_image_is_read(masked):
    def near(person):
        return 255 * (np.abs(np.arange(160) - 80) < 50) + 0 * person

    assert recording.open_recording(masked(near)).mask(0).mean() > 0.5

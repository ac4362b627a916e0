"""Damaged files of NTU RGB+D are named, and skipped where that is asked for."""

import cv2
import numpy as np
import pytest

from tests.data_pipelines.originals import ntu_rgbd as originals
from tests.data_pipelines.readers.ntu import test_data_set as clips
from unipose_jax import errors


def change_joint(word, value):
    """Replaces a number of the fourth joint in the second frame."""

    def spoil(text):
        lines = text.splitlines()
        line = 2 + (2 + 25) + 1 + 2 + 3
        words = lines[line].split()
        assert len(words) == 12
        words[word] = value
        lines[line] = " ".join(words)
        return "\n".join(lines)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: "", "ends in frame 0 of 0"),
        (lambda text: "2\n0\n0\n", "has 0 bodies"),
        (lambda text: text[: len(text) // 2], "ends in frame 2 of 3"),
        (lambda text: text.replace(" 2\n25", " 2\n24", 1), "in frame 1 of 3"),
        (lambda text: "PK\x03\x04" + text, "is not a .skeleton file"),
        (lambda text: "\xff" + text, "is not a .skeleton file"),
        (change_joint(0, "nan"), "frame 2 has a joint that is not within 100 m"),
        (change_joint(2, "2.147e9"), "frame 2 has a joint that is not within"),
    ],
)
def test_corrupt_skeletons_are_rejected_or_skipped_and_named(tmp_path, spoil, message):
    clips.write(tmp_path)
    clips.write(tmp_path, clips.TEST)
    path = tmp_path / f"nturgb+d_skeletons/{clips.TRAIN}.skeleton"
    path.write_text(spoil(path.read_text()), encoding="latin-1")
    line = clips.refuse(tmp_path, f"{clips.TRAIN}.skeleton.*{message}")
    opened = originals.open_source(tmp_path, skip_corrupt=True)
    assert opened.skipped == [line]
    assert sum(clips.names(opened).values(), []) == [f"{clips.TEST}-0"]


def test_missing_pixels_of_kinect_are_not_keypoints(tmp_path):
    clips.write(tmp_path)
    path = tmp_path / f"nturgb+d_skeletons/{clips.TRAIN}.skeleton"
    path.write_text(change_joint(3, "-Infinity")(path.read_text()))
    (sequence,) = originals.open_source(tmp_path).sequences["train"]
    expected = np.ones((clips.FRAMES, 25))
    expected[1, 3] = 0.0
    np.testing.assert_array_equal(sequence.keypoints("NTU25")[1], expected)
    assert sequence.joints().valid.all()


def test_an_empty_video_is_rejected_or_skipped(tmp_path):
    clips.write(tmp_path, color=clips.shades(1))
    (tmp_path / f"nturgb+d_rgb/{clips.TRAIN}_rgb.avi").write_bytes(b"")
    line = clips.refuse(tmp_path, "_rgb.avi is empty")
    assert originals.open_source(tmp_path, skip_corrupt=True).skipped == [line]


def test_a_video_that_ends_early_is_bad_input(tmp_path):
    clips.write(tmp_path, color=clips.shades(2))
    (sequence,) = originals.open_source(tmp_path).sequences["train"]
    assert sequence.color(1) is not None
    with pytest.raises(errors.BadInput, match=r"_rgb.avi has no frame 3: .* frame 2"):
        sequence.color(2)
    assert sequence.color(1) is not None


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "cannot read .*MDepth-00000002.png"),
        (np.ones((424, 512), np.uint8), "MDepth-00000002.png is not a 16-bit grey PNG"),
        (np.ones((240, 320), np.uint16), "is not a 16-bit grey PNG of 512x424"),
        (np.ones((424, 512), np.uint16), "MDepth-00000002.png cannot be decoded"),
    ],
)
def test_unreadable_depth_is_bad_input(tmp_path, image, message):
    clips.write(tmp_path)
    (sequence,) = originals.open_source(tmp_path).sequences["train"]
    path = tmp_path / "nturgb+d_depth_masked" / clips.TRAIN / "MDepth-00000002.png"
    path.unlink()
    if image is not None:
        cv2.imwrite(str(path), image)
        path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(errors.BadInput, match=message):
        sequence.depth(1)
    assert sequence.depth(0).any()

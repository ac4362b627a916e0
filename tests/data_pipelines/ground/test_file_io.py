import cv2
import numpy as np
import pytest

from data_pipelines.ground import file_io
from unipose_jax import errors


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\xfa", b"[" * 100_000])
def test_broken_json_is_bad_input(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(errors.BadInput, match="not valid JSON"):
        file_io.read_json(tmp_path / "a.json")


def test_missing_json_is_bad_input(tmp_path):
    with pytest.raises(errors.BadInput, match="cannot read .*a.json"):
        file_io.read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("dtype", "channels", "header"),
    [
        (np.uint16, 1, (7, 5, 16, 0)),
        (np.uint8, 1, (7, 5, 8, 0)),
        (np.uint8, 3, (7, 5, 8, 2)),
    ],
)
def test_the_png_header_has_size_and_sample_type(tmp_path, dtype, channels, header):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((5, 7, channels), dtype))
    assert file_io.read_png_header(tmp_path / "a.png") == header


def test_a_truncated_or_damaged_png_is_detected(tmp_path):
    noise = np.random.default_rng(0).integers(0, 2**16, (20, 30), np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), noise)
    data = (tmp_path / "a.png").read_bytes()
    assert file_io.check_png(data)
    assert file_io.check_png(data + b"and what others append")
    assert file_io.check_png(b"\xff\xd8 a JPEG")
    for end in (8, 30, len(data) // 2, len(data) - 1):
        assert not file_io.check_png(data[:end])
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    assert not file_io.check_png(bytes(flipped))


def test_paths_that_cannot_be_written_are_reported_in_advance(tmp_path):
    file_io.check_writable(tmp_path / "new" / "a.npz")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "old").write_text("mine")
    file_io.check_writable(tmp_path / "old")
    assert (tmp_path / "old").read_text() == "mine"
    for path in (tmp_path, tmp_path / "old" / "a.npz"):
        with pytest.raises(errors.BadInput):
            file_io.check_writable(path)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"JFIF" * 10])
def test_a_file_that_is_not_a_png_is_bad_input(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(errors.BadInput, match="not a PNG"):
        file_io.read_png_header(tmp_path / "a.png")

import json

import cv2
import numpy as np
import pytest

from data_pipelines.readers.recordings import aligned_rgbd, recording
from unipose_jax import errors

# Column-major, as in Open3D.
CAMERA = {
    "width": 8,
    "height": 6,
    "intrinsic_matrix": [10.0, 0.0, 0.0, 0.0, 11.0, 0.0, 3.5, 2.5, 1.0],
}


@pytest.fixture
def source(tmp_path):
    """Three frames, numbered from 7."""
    path = tmp_path / "open3d"
    for kind in ("color", "depth"):
        (path / kind).mkdir(parents=True)
    for number in range(3):
        name = f"{number + 7:06d}"
        depth = np.full((6, 8), 1000 + number, np.uint16)
        cv2.imwrite(str(path / "depth" / f"{name}.png"), depth)
        color = np.full((6, 8, 3), (10, 20, 30), np.uint8)  # BGR
        cv2.imwrite(str(path / "color" / f"{name}.jpg"), color)
    (path / "camera_intrinsic.json").write_text(json.dumps(CAMERA))
    return path


def test_the_result_is_a_recording(source, tmp_path):
    assert aligned_rgbd.convert(source, tmp_path / "r", fps=30.0) == 3
    opened = recording.open_recording(tmp_path / "r")
    np.testing.assert_allclose(opened.time, [0, 1 / 30, 2 / 30])
    np.testing.assert_allclose(opened.depth(2), 1.002, rtol=1e-6)
    np.testing.assert_allclose(opened.color(0)[0, 0], [30, 20, 10], atol=3)  # JPEG
    # A principal point at the centre of the image is at half the image size.
    np.testing.assert_allclose(opened.depth_camera.intrinsics, [10, 11, 4, 3])
    np.testing.assert_array_equal(opened.color_from_depth, np.eye(4))


def test_the_depth_unit_is_kept(source, tmp_path):
    aligned_rgbd.convert(source, tmp_path / "r", fps=30.0, depth_unit=0.0001)
    opened = recording.open_recording(tmp_path / "r")
    np.testing.assert_allclose(opened.depth(0), 0.1, rtol=1e-6)


def test_an_unpacked_bag_has_frame_rate_and_depth_unit(source, tmp_path):
    (source / "camera_intrinsic.json").unlink()
    unpacked = CAMERA | {"fps": 15.0, "depth_scale": 10_000.0}  # counts per metre
    (source / "intrinsic.json").write_text(json.dumps(unpacked))
    aligned_rgbd.convert(source, tmp_path / "r")
    opened = recording.open_recording(tmp_path / "r")
    np.testing.assert_allclose(opened.time, [0, 1 / 15, 2 / 15])
    np.testing.assert_allclose(opened.depth(0), 0.1, rtol=1e-6)
    aligned_rgbd.convert(source, tmp_path / "other", fps=30.0, depth_unit=0.001)
    opened = recording.open_recording(tmp_path / "other")
    np.testing.assert_allclose(opened.time[1], 1 / 30)
    np.testing.assert_allclose(opened.depth(0), 1.0, rtol=1e-6)


def test_frame_rate_and_depth_unit_have_defaults(source, tmp_path):
    aligned_rgbd.convert(source, tmp_path / "r")
    opened = recording.open_recording(tmp_path / "r")
    np.testing.assert_allclose(opened.time[1], 1 / 30)
    np.testing.assert_allclose(opened.depth(0), 1.0, rtol=1e-6)


@pytest.mark.parametrize("key", ["fps", "depth_scale"])
@pytest.mark.parametrize("value", [0, -1.0, "30", None, float("inf"), float("nan")])
def test_frame_rate_and_depth_unit_must_be_positive_numbers(
    source, tmp_path, key, value
):
    (source / "camera_intrinsic.json").write_text(json.dumps(CAMERA | {key: value}))
    with pytest.raises(errors.BadInput, match=f"{key} is .*, not a positive number"):
        aligned_rgbd.convert(source, tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fps": 0.0}, "--fps=0 is not a positive number"),
        ({"fps": float("nan")}, "--fps=nan is not a positive number"),
        ({"depth_unit": -1.0}, "--depth_unit=-1 is not a positive number"),
        ({"depth_unit": 1000.0}, "--depth_unit=1000: its unit is metres per count"),
    ],
)
def test_frame_rate_and_depth_unit_of_the_user_are_checked(
    source, tmp_path, options, message
):
    with pytest.raises(errors.BadInput, match=message):
        aligned_rgbd.convert(source, tmp_path / "r", **options)
    assert not (tmp_path / "r").exists()


def test_an_existing_output_is_kept(source, tmp_path):
    (tmp_path / "r").write_text("mine")
    with pytest.raises(errors.BadInput, match="r exists; choose a new path"):
        aligned_rgbd.convert(source, tmp_path / "r")
    assert (tmp_path / "r").read_text() == "mine"


def depth_of(kind):
    return lambda p: cv2.imwrite(str(p / "depth" / "000008.png"), kind)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda p: (p / "camera_intrinsic.json").write_text(
                json.dumps(
                    CAMERA | {"intrinsic_matrix": [0.1, 0, 0, 0, 0.1, 0, 4, 3, 1]}
                )
            ),
            "more than 87 degrees",
        ),
        (depth_of(np.ones((6, 8), np.uint8)), "000008.png is 8-bit grey"),
        (depth_of(np.ones((5, 8), np.uint16)), "000008.png is 8x5, but"),
        (
            lambda p: (p / "depth" / "000009.png").write_bytes(b"\x89PNG\r\n\x1a\n"),
            "000009.png is not a PNG file",
        ),
        (
            lambda p: (p / "color" / "000009.jpg").write_bytes(b"JFIF"),
            "000009.jpg cannot be decoded",
        ),
        (
            lambda p: (p / "camera_intrinsic.json").write_text(
                json.dumps(CAMERA | {"width": float("inf")})
            ),
            "expected width, height and intrinsic_matrix",
        ),
        (lambda p: (p / "depth" / "000008.png").unlink(), "000008 has no depth"),
        (lambda p: (p / "color" / "000009.jpg").unlink(), "000009 has no colour"),
        (lambda p: [f.unlink() for f in (p / "color").iterdir()], "has no images"),
        (
            lambda p: (p / "camera_intrinsic.json").unlink(),
            "has no camera_intrinsic.json or intrinsic.json",
        ),
        (
            lambda p: (p / "camera_intrinsic.json").write_text("[1, 2]"),
            "expected width, height and intrinsic_matrix",
        ),
        (
            lambda p: (p / "camera_intrinsic.json").write_text('{"width": 8}'),
            "expected width, height and intrinsic_matrix",
        ),
        (
            lambda p: (p / "camera_intrinsic.json").write_text(
                json.dumps(CAMERA | {"intrinsic_matrix": [10, 0, 3, 0, 11, 2, 0, 0, 1]})
            ),
            "column-major order",
        ),
    ],
)
def test_an_invalid_source_is_one_line_and_leaves_no_files(
    source, tmp_path, spoil, message
):
    spoil(source)
    with pytest.raises(errors.BadInput, match=message):
        aligned_rgbd.convert(source, tmp_path / "r", fps=30.0)
    assert not (tmp_path / "r").exists()

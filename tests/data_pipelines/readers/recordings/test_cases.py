"""Recordings of situations that users report, from the real sample data."""

import json

import numpy as np
import pytest

from data_pipelines.cameras import orientation
from data_pipelines.readers.recordings import convert, mounting_check, recording
from unipose_jax import errors


@pytest.fixture
def case(sample_data, tmp_path):
    """Links a folder of the sample data with further keys in camera.json."""

    def case(name, **keys):
        source = sample_data / "cases" / name
        if not source.is_dir():
            pytest.skip(f"no {source}")
        target = tmp_path / name.replace("/", "-") / ("changed" if keys else "as_given")
        target.mkdir(parents=True)
        for file in source.iterdir():
            if file.name != "camera.json":
                (target / file.name).symlink_to(file)
        if (source / "camera.json").exists():
            content = json.loads((source / "camera.json").read_text()) | keys
            (target / "camera.json").write_text(json.dumps(content))
        return target

    return case


UPRIGHT = "09-invalid-65535/rec"


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("06-upside-down-camera/rec", {"up": "bottom"}),
        ("08-mirrored-openni/rec", {"mirrored": True}),
        ("04-realsense-json/rec_sdk", {}),
        ("04-realsense-json/rec_depth_scale", {}),
    ],
)
def test_depth_and_camera_are_those_of_the_upright_recording(case, name, keys):
    expected = recording.open_recording(case(UPRIGHT))
    opened = recording.open_recording(case(name, **keys))
    np.testing.assert_allclose(opened.depth(3), expected.depth(3), atol=1e-6)
    np.testing.assert_allclose(opened.rays, expected.rays, atol=1e-4)


def test_truth_turns_with_the_camera(case):
    upright = recording.open_recording(case(UPRIGHT)).joints().xyz
    turned = recording.open_recording(case("06-upside-down-camera/rec", up="bottom"))
    np.testing.assert_allclose(turned.joints().xyz, upright, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("mirrored", {"mirrored": True}),
        ("portrait", {"up": "right"}),
        ("upside_down", {"up": "bottom"}),
    ],
)
def test_real_frames_turn_back(case, name, keys):
    expected = recording.open_recording(case("78-real-kinect-turned/as_recorded"))
    opened = recording.open_recording(case(f"78-real-kinect-turned/{name}", **keys))
    np.testing.assert_array_equal(opened.depth(2), expected.depth(2))
    np.testing.assert_array_equal(opened.mask(2), expected.mask(2))
    np.testing.assert_allclose(opened.rays, expected.rays, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "up"),
    [
        ("06-upside-down-camera/rec", "bottom"),
        ("07-portrait-phone-lidar/rec", "left"),
        (UPRIGHT, None),
        ("33-top-view/rec", None),
    ],
)
def test_a_turned_camera_is_said(case, capsys, name, up):
    opened = recording.open_recording(case(name))
    capsys.readouterr()
    mounting_check.warn_if_turned(opened)
    said = capsys.readouterr().err
    assert f'"up": "{up}"' in said if up else not said
    assert up is None or up in orientation.TURNS


def test_a_wrong_up_is_said(case, capsys):
    wrong = recording.open_recording(case("07-portrait-phone-lidar/rec", up="right"))
    mounting_check.warn_if_turned(wrong)
    assert 'is it "up": "left"?' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("03-azure-rational/rec5", {}, "first five of the eight coefficients"),
        ("05-intrinsics-of-other-resolution/rec", {}, "those of a 1920x1440 image"),
        ("05-intrinsics-of-other-resolution/rec_half", {}, "those of a 640x480 image"),
        ("77-kinect-body-index-masks/rec", {}, "cover most of the image"),
        ("79-frame-rates/rec_ms", {}, "seems to be in milliseconds"),
        ("79-frame-rates/rec_us", {}, "seems to be in microseconds"),
        ("02-float-depth/rec_png8", {}, "8-bit grey"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(case, name, keys, message):
    with pytest.raises(errors.BadInput, match=message) as caught:
        recording.open_recording(case(name, **keys))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("03-azure-rational/rec", {}),
        ("03-azure-rational/rec_k", {}),
        ("04-realsense-json/rec_coeffs", {}),
        ("77-kinect-body-index-masks/rec", {"mask_values": [0]}),
        ("77-kinect-body-index-masks/rec_ids", {}),
        ("77-kinect-body-index-masks/rec_jpg_soft", {}),
        ("79-frame-rates/rec_ms", {"time_unit": "ms"}),
        ("79-frame-rates/rec_us", {"time_unit": "us"}),
        ("79-frame-rates/rec_0.2", {}),
        ("79-frame-rates/rec_60", {}),
    ],
)
def test_what_is_right_is_read(case, name, keys):
    opened = recording.open_recording(case(name, **keys))
    assert len(opened) == 12
    if opened.file.time_unit:
        np.testing.assert_allclose(opened.time, np.arange(12) / 15, atol=1e-4)
    if (mask := opened.mask(0)) is not None:
        assert 0.05 < mask.mean() < 0.15


@pytest.mark.parametrize("name", ["rec", "rec_8191"])
def test_counts_without_depth_are_found(case, name):
    depth = recording.open_recording(case(f"09-invalid-65535/{name}")).depth(0)
    assert depth.max() < 4.3


@pytest.mark.parametrize(
    "name",
    [
        "01-tum-rgbd/rgbd_dataset_freiburg3_walking",
        "01-tum-rgbd/user_try2",
        "02-float-depth/rec_tiff",
        "02-float-depth/rec_npy",
        "02-float-depth/rec_npz",
        "02-float-depth/rec_pgm",
        "03-azure-rational/mkv_out",
    ],
)
def test_other_formats_are_converted(sample_data, case, tmp_path, name):
    expected = recording.open_recording(case(UPRIGHT))
    source = sample_data / "cases" / name
    if not source.is_dir():
        pytest.skip(f"no {source}")
    convert.convert(source, tmp_path / "converted")
    opened = recording.open_recording(tmp_path / "converted")
    np.testing.assert_allclose(opened.depth(1), expected.depth(1), atol=6e-4)

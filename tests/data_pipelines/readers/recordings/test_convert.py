"""Recordings of other tools become recording folders with the same depth."""

import json
import sys
import types

import cv2
import numpy as np
import pytest

from data_pipelines.readers.recordings import convert, file_names, recording
from unipose_jax import errors

DEPTH = np.linspace(1.0, 3.0, 48, dtype=np.float32).reshape(6, 8)  # metres
PLAIN = {"width": 8, "height": 6, "fx": 10.0, "fy": 11.0, "cx": 4.0, "cy": 3.0}


def save(path, depth):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, depth)
    elif path.suffix == ".npz":
        np.savez(path, depth=depth, extra=np.zeros(3))
    else:
        assert cv2.imwrite(str(path), depth)


def counts(frame, per_metre=1000):
    return np.rint(per_metre * (DEPTH + 0.1 * frame)).astype(np.uint16)


def make(folder, suffix, encode, frames=3, camera=PLAIN, name="{:06d}"):
    for frame in range(frames):
        save(folder / "depth" / (name.format(frame) + suffix), encode(frame))
    if camera is not None:
        (folder / "camera_intrinsic.json").write_text(json.dumps(camera))
    return folder


@pytest.mark.parametrize(
    ("suffix", "encode"),
    [
        (".png", counts),
        (".pgm", counts),
        (".npy", counts),
        (".npy", lambda t: DEPTH + 0.1 * t),
        (".npz", lambda t: 1000 * (DEPTH + 0.1 * t)),  # millimetres
        (".npy", lambda t: (1000 * (DEPTH + 0.1 * t)).astype(np.int32)),
        (".tiff", lambda t: DEPTH + 0.1 * t),
        (".TIF", lambda t: DEPTH + 0.1 * t),
        (".npy", lambda t: (DEPTH + 0.1 * t)[..., None].astype(np.float64)),
    ],
)
def test_depth_of_any_format_is_read(tmp_path, suffix, encode):
    source = make(tmp_path / "s", suffix, encode)
    assert convert.convert(source, tmp_path / "r", fps=10.0) == 3
    opened = recording.open_recording(tmp_path / "r")
    np.testing.assert_allclose(opened.depth(2), DEPTH + 0.2, atol=1.01e-3)
    np.testing.assert_allclose(opened.depth_camera.intrinsics, [10, 11, 4, 3])
    np.testing.assert_allclose(opened.time, [0, 0.1, 0.2])
    assert opened.color_camera is None


def test_missing_floating_point_depth_is_zero(tmp_path):
    depth = DEPTH.copy()
    depth[0, :4] = [np.nan, np.inf, -1.0, 0.0]
    source = make(tmp_path / "s", ".npy", lambda t: depth)
    convert.convert(source, tmp_path / "r", fps=10.0)
    found = recording.open_recording(tmp_path / "r").depth(0)
    np.testing.assert_array_equal(found[0, :4], 0)
    assert (found[1:] > 0).all()


def test_a_unit_of_the_user_is_used(tmp_path):
    source = make(tmp_path / "s", ".npy", lambda t: 10 * DEPTH)
    convert.convert(source, tmp_path / "r", fps=10.0, depth_unit=0.1)
    found = recording.open_recording(tmp_path / "r").depth(0)
    np.testing.assert_allclose(found, DEPTH, atol=6e-4)


@pytest.mark.parametrize("unit", [0.001, 1.0])
def test_floating_point_depth_of_a_recording_folder_is_in_metres(tmp_path, unit):
    # camera.json has the unit of counts, which these files do not have.
    source = make(tmp_path / "s", ".npy", lambda t: DEPTH, camera=None)
    content = {"depth": PLAIN, "depth_unit": unit, "fps": 5}
    (source / "camera.json").write_text(json.dumps(content))
    convert.convert(source, tmp_path / "r")
    opened = recording.open_recording(tmp_path / "r")
    np.testing.assert_allclose(opened.depth(0), DEPTH, atol=6e-4)
    assert opened.time[1] == pytest.approx(0.2)


def test_frames_are_sorted_by_number(tmp_path):
    source = make(tmp_path / "s", ".png", counts, frames=11, name="frame_{}")
    convert.convert(source, tmp_path / "r", fps=10.0)
    opened = recording.open_recording(tmp_path / "r")
    np.testing.assert_allclose(opened.depth(10), DEPTH + 1.0, atol=1e-3)


@pytest.mark.parametrize(
    ("names", "step"),
    [
        (("1341846313.553992", "1341846313.620659", "1341846313.7"), 0.066667),
        (
            ("1341846313_953992000", "1341846314_020659000", "1341846314_100000000"),
            0.066667,
        ),
        (("depth_1341846313553", "depth_1341846313620", "depth_1341846313700"), 0.067),
        (
            ("1341846313553992000", "1341846313620659000", "1341846313700000000"),
            0.066667,
        ),
    ],
)
def test_time_stamps_in_names_are_read(tmp_path, names, step):
    source = make(tmp_path / "s", ".png", counts, name="{}")
    for frame, name in enumerate(names):
        (source / "depth" / f"{frame}.png").rename(source / "depth" / f"{name}.png")
    convert.convert(source, tmp_path / "r")
    time = recording.open_recording(tmp_path / "r").time
    assert time[1] - time[0] == pytest.approx(step, abs=2e-6)


def test_other_names_are_no_time_stamps(tmp_path):
    assert (
        file_names.times([tmp_path / "000123.png", tmp_path / "20240131.png"]) is None
    )
    assert file_names.times([]) is None


def test_colour_is_paired_by_number(tmp_path):
    source = make(tmp_path / "s", ".png", counts, name="depth_{}")
    for frame in range(3):
        image = np.full((6, 8, 3), 50 * frame, np.uint8)
        save(source / "rgb" / f"color_{frame}.bmp", image)
    convert.convert(source, tmp_path / "r", fps=10.0)
    opened = recording.open_recording(tmp_path / "r")
    np.testing.assert_array_equal(opened.color(2), 100)
    np.testing.assert_array_equal(opened.color_from_depth, np.eye(4))


@pytest.mark.parametrize("mirrored", [False, True])
def test_mirrored_images_are_marked(tmp_path, mirrored):
    source = make(tmp_path / "s", ".png", counts)
    convert.convert(source, tmp_path / "r", fps=10.0, mirrored=mirrored)
    opened = recording.open_recording(tmp_path / "r")
    expected = counts(0)[:, ::-1] if mirrored else counts(0)
    np.testing.assert_allclose(opened.depth(0), expected / 1000, rtol=1e-6)


def test_intrinsics_of_the_realsense_sdk_are_read(tmp_path):
    camera = {
        **{"width": 8, "height": 6, "fx": 10.0, "fy": 11.0, "ppx": 3.5, "ppy": 2.5},
        **{"model": "distortion.brown_conrady", "coeffs": [-0.1, 0, 0, 0, 0]},
        **{"depth_scale": 0.0001, "stream": "depth", "firmware": "5.15"},
    }
    source = make(tmp_path / "s", ".png", lambda t: counts(t, 10_000), camera=camera)
    convert.convert(source, tmp_path / "r", fps=10.0)
    opened = recording.open_recording(tmp_path / "r")
    np.testing.assert_allclose(opened.depth_camera.intrinsics, [10, 11, 4, 3])
    np.testing.assert_allclose(opened.depth_camera.distortion[0], -0.1)
    np.testing.assert_allclose(opened.depth(1), DEPTH + 0.1, atol=1e-4)


@pytest.fixture
def tum(tmp_path):
    """Four depth maps at 15 Hz; colour 12 ms later, without the second."""
    folder = tmp_path / "rgbd_dataset_freiburg3_walking"
    lists = {"depth": ["# depth maps"], "rgb": ["# timestamp filename"]}
    for frame in range(4):
        stamp = f"{1341846313 + frame / 15:.6f}"
        save(folder / f"depth/{stamp}.png", counts(frame, 5000))
        lists["depth"].append(f"{stamp} depth/{stamp}.png")
        if frame != 1:
            later = f"{1341846313 + frame / 15 + 0.012:.6f}"
            save(folder / f"rgb/{later}.png", np.full((6, 8, 3), 9 * frame, np.uint8))
            lists["rgb"].append(f"{later} rgb/{later}.png")
    for kind, lines in lists.items():
        (folder / f"{kind}.txt").write_text("\n".join(lines))
    return folder


def test_tum_folders_are_read(tum, tmp_path, capsys):
    assert convert.convert(tum, tmp_path / "r") == 4
    opened = recording.open_recording(tmp_path / "r")
    np.testing.assert_allclose(opened.depth(3), DEPTH + 0.3, atol=2e-4)
    np.testing.assert_allclose(opened.time, np.arange(4) / 15, atol=1e-5)
    np.testing.assert_array_equal(opened.color(3), 27)
    assert opened.color(1) is None
    # Of freiburg3, 640x480, with centres at integers: 535.4, 539.2, 320.1, 247.6.
    expected = np.array([535.4, 539.2, 320.6, 248.1]) / 80
    np.testing.assert_allclose(opened.depth_camera.intrinsics, expected, rtol=1e-5)
    assert "are scaled to this size" in capsys.readouterr().err


def test_the_true_path_of_a_tum_camera_is_read(tum, tmp_path):
    # No pose belongs to the last frame.
    lines = [f"{1341846313 + t / 15 + 0.004:.4f} 1 2 3 0 0 0.6 0.8" for t in range(3)]
    (tum / "groundtruth.txt").write_text("\n".join(["# tx ty tz qx", *lines]))
    assert convert.convert(tum, tmp_path / "r") == 3
    pose = recording.open_recording(tmp_path / "r").world_from_depth[0]
    # A turn about z by 2 atan2(0.6, 0.8): cosine 0.28, sine 0.96.
    expected = [[0.28, -0.96, 0, 1], [0.96, 0.28, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(pose, expected, atol=1e-6)


def test_a_renamed_folder_and_a_camera_file_are_used(tum, tmp_path):
    (tum / "rgb").rename(tum / "color")
    (tum / "camera_intrinsic.json").write_text(json.dumps(PLAIN))
    convert.convert(tum, tmp_path / "r")
    opened = recording.open_recording(tmp_path / "r")
    assert opened.color(0) is not None
    np.testing.assert_allclose(opened.depth_camera.intrinsics, [10, 11, 4, 3])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "depth.txt").write_text("a b"), 'no lines of "seconds file"'),
        (lambda p: (p / "depth.txt").write_text(""), 'no lines of "seconds file"'),
        (lambda p: (p / "depth.txt").write_text("1 depth/x.png"), "has no depth/x.png"),
        (
            lambda p: (p / "rgb.txt").write_text("1 rgb/x.png"),
            "no colour image is with",
        ),
        (lambda p: (p / "groundtruth.txt").write_text("1 2 3"), "lines must be"),
    ],
)
def test_broken_tum_lists_are_one_line(tum, tmp_path, spoil, message):
    spoil(tum)
    with pytest.raises(errors.BadInput, match=message):
        convert.convert(tum, tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_an_unknown_tum_camera_is_one_line(tum, tmp_path):
    other = tum.rename(tum.with_name("office"))
    with pytest.raises(errors.BadInput, match="has no camera file: write camera_intr"):
        convert.convert(other, tmp_path / "r")


@pytest.mark.parametrize(
    ("suffix", "encode", "message"),
    [
        (".npy", lambda t: DEPTH / 3, "seems to be normalised"),
        (".npy", lambda t: 40 * DEPTH, "the median depth is 80; give --depth_unit"),
        (".npy", lambda t: np.zeros((6, 8, 3)), "has shape"),
        (".npy", lambda t: np.zeros((5, 8), np.uint16), "is 8x5, but"),
        (".npy", lambda t: np.full((6, 8), "a"), "numbers of type"),
        (".png", lambda t: np.zeros((6, 8), np.uint8), "has 8 bits"),
        (".png", lambda t: counts(t).astype((np.uint16, np.uint8)[t > 1]), "8 bits"),
    ],
)
def test_doubtful_depth_is_one_line(tmp_path, suffix, encode, message):
    source = make(tmp_path / "s", suffix, encode)
    with pytest.raises(errors.BadInput, match=message) as caught:
        convert.convert(source, tmp_path / "r", fps=10.0)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "r").exists()


def test_pickled_arrays_are_not_read(tmp_path):
    source = make(tmp_path / "s", ".npy", counts)
    np.save(source / "depth/000001.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(errors.BadInput, match="is not an array file"):
        convert.convert(source, tmp_path / "r", fps=10.0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.mkv", "pip install pyk4a"),
        ("a.oni", "an OpenCV built with OpenNI 2; .* --mirrored"),
        ("a.bag", "unpack .bag files first"),
        ("a.avi", "expected a folder, .mkv or .oni"),
        ("nothing", "nothing at"),
        ("empty", "has no depth files"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, monkeypatch, name, message):
    monkeypatch.setitem(sys.modules, "pyk4a", None)  # is not installed
    (tmp_path / "empty").mkdir()
    if "." in name:
        (tmp_path / name).write_bytes(b"data")
    with pytest.raises(errors.BadInput, match=message) as caught:
        convert.convert(tmp_path / name, tmp_path / "r")
    assert "\n" not in str(caught.value)


def test_a_folder_without_camera_says_what_to_write(tmp_path):
    source = make(tmp_path / "s", ".png", counts, camera=None)
    with pytest.raises(errors.BadInput, match="write camera_intrinsic.json with width"):
        convert.convert(source, tmp_path / "r")


def test_azure_recordings_are_read_through_pyk4a(tmp_path, monkeypatch):
    class Capture:
        def __init__(self, frame):
            self.depth_timestamp_usec = 66_667 * frame
            self.depth = counts(frame) if frame != 1 else None
            self.color = np.full((6, 8, 4), (1, 2, 3, 255), np.uint8)  # BGRA

    class Calibration:
        def get_camera_matrix(self, kind):
            return np.array([[10.0, 0, 3.5], [0, 11.0, 2.5], [0, 0, 1]])

        def get_distortion_coefficients(self, kind):
            return np.array([0.5, 0.1, 0, 0, 0.01, 0.6, 0.1, 0.02])

        def convert_3d_to_3d(self, point, source, target):
            return np.add(point, (32.0, 2.0, -4.0))  # millimetres

    class Playback:
        calibration = Calibration()

        def __init__(self, path):
            self.captures = map(Capture, range(3))

        def open(self):
            pass

        def close(self):
            pass

        def get_next_capture(self):
            for capture in self.captures:
                return capture
            raise EOFError

    kinds = types.SimpleNamespace(DEPTH="depth", COLOR="color")
    module = types.SimpleNamespace(PyK4APlayback=Playback, CalibrationType=kinds)
    monkeypatch.setitem(sys.modules, "pyk4a", module)
    (tmp_path / "a.mkv").write_bytes(b"data")
    assert convert.convert(tmp_path / "a.mkv", tmp_path / "r") == 2
    opened = recording.open_recording(tmp_path / "r")
    np.testing.assert_allclose(opened.time, [0, 2 * 0.066667])
    np.testing.assert_allclose(opened.depth(1), DEPTH + 0.2, atol=1e-3)
    np.testing.assert_allclose(opened.depth_camera.intrinsics, [10, 11, 4, 3])
    assert opened.depth_camera.distortion.shape == (8,)
    np.testing.assert_array_equal(opened.color(0)[0, 0], [3, 2, 1])
    np.testing.assert_allclose(opened.color_from_depth[:3, 3], [0.032, 0.002, -0.004])

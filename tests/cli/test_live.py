"""`--mode=live` on recordings in place of cameras."""

import dataclasses
import json
import time
import types

import cv2
import numpy as np
import pytest

from data_pipelines import devices
from data_pipelines.cameras import calibration
from data_pipelines.devices import device
from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from tests import keypoint_network
from tests.data_pipelines import conftest as rooms
from tests.test_run import run
from unipose_jax import errors, estimator, models, skeleton
from unipose_jax.cli import live, live_mounting, live_output, live_status, live_view
from unipose_jax.detector import files, movenet

FRAMES = 3
SPHERES = rooms.person_spheres(0.0, 2.5)
COLOR = calibration.make_camera(320, 240, (290.0, 285.0, 150.0, 125.0))


@pytest.fixture(autouse=True)
def loaded(monkeypatch):
    """The small network in place of the weights that ship; which were loaded."""
    monkeypatch.setattr(models, "NETWORKS", dict(models.NETWORKS))
    keypoint_network.register()
    made, names = keypoint_network.make(), []

    def load(name="points"):
        names.append(name)
        return made

    for place in (estimator, estimator.network):
        monkeypatch.setattr(place, "load_shipped", load)
    return names


@pytest.fixture(scope="module")
def depth():
    return rooms.render(SPHERES)[0]


@pytest.fixture
def make(tmp_path, depth):
    """Writes a recording of a still person."""

    def write(name="r", **changes):
        fields = {
            "depth": [depth] * FRAMES,
            "depth_camera": rooms.CAMERA,
            "color": [np.full((240, 320, 3), 90, np.uint8)] * FRAMES,
            "color_camera": COLOR,
            "fps": 10.0,
        }
        recording.write_recording(tmp_path / name, **fields | changes)
        return tmp_path / name

    return write


def play(path, **options):
    return run("live", camera=f"recording:{path}", realtime=False, **options)


def test_poses_are_printed_and_saved_and_frames_recorded(make, tmp_path, capfd, loaded):
    source, output = make(), tmp_path / "p.npz"
    assert play(source, output=output, stream=True, record=tmp_path / "copy") == 0
    assert loaded == ["points"]
    printed, told = capfd.readouterr()
    rows = [json.loads(line) for line in printed.splitlines()]
    poses = pose_file.read(output)
    assert [row["frame"] for row in rows] == poses.frame.tolist() == [0, 1, 2]
    assert [row["time"] for row in rows] == pytest.approx([0.0, 0.1, 0.2])
    assert {row["person"] for row in rows} == {1}
    assert list(rows[0]["joints"]) == list(skeleton.ITOP15.joints)
    for row, xyz, sure in zip(rows, poses.xyz, poses.confidence, strict=True):
        np.testing.assert_allclose(list(row["joints"].values()), xyz, atol=1e-4)
        np.testing.assert_allclose(list(row["confidence"].values()), sure, atol=1e-4)
    assert "3 frames in" in told
    assert "frames/s, latency" in told
    assert "3 of 3 frames show a person" in told
    copy, opened = map(recording.open_recording, (tmp_path / "copy", source))
    np.testing.assert_allclose(copy.time, opened.time, atol=1e-9)
    np.testing.assert_allclose(copy.depth(2), opened.depth(2), atol=1e-6)
    np.testing.assert_allclose(copy.color(2), opened.color(2), atol=3)  # JPEG


def test_frames_without_a_person_are_null(make, tmp_path, depth, capfd):
    source = make(depth=[np.full_like(depth, 3.0)] * FRAMES)
    output = tmp_path / "p.npz"
    with pytest.raises(errors.BadInput, match="no frame showed a person"):
        play(source, output=output, stream=True)
    assert not output.exists()
    row = json.loads(capfd.readouterr().out.splitlines()[0])
    assert row["person"] is row["joints"] is row["confidence"] is None
    assert row["frame"] == 0


def test_recording_alone_needs_no_network(make, tmp_path, loaded, capfd):
    assert play(make(), poses=False, record=tmp_path / "copy") == 0
    assert not loaded
    assert len(recording.open_recording(tmp_path / "copy")) == FRAMES
    assert "copy, 3 frames" in capfd.readouterr().out


@pytest.mark.parametrize("stop", [KeyboardInterrupt, errors.BadInput("lost")])
def test_what_was_found_is_saved_at_the_end(make, tmp_path, monkeypatch, stop):
    played = devices.open_camera(f"recording:{make()}", realtime=False)
    frames = [played.read() for _ in range(FRAMES)]

    def read():
        if len(frames) == 1:
            raise stop
        return frames.pop(0)

    camera = dataclasses.replace(played, read=read)
    monkeypatch.setattr(devices, "open_camera", lambda *_, **__: camera)
    options = {"output": tmp_path / "p.npz", "record": tmp_path / "copy"}
    if stop is KeyboardInterrupt:
        assert play("", **options) == 0
    else:
        with pytest.raises(errors.BadInput, match="lost"):
            play("", **options)
    assert len(pose_file.read(tmp_path / "p.npz")) == FRAMES - 1
    assert len(recording.open_recording(tmp_path / "copy")) == FRAMES - 1


@pytest.fixture
def detector(monkeypatch):
    """A stand-in for MoveNet that sees 17 points of the front of the person."""
    body = np.concatenate([SPHERES[::4, :3]] * 2)[:17] - [0.0, 0.0, 0.1]
    person = np.concatenate([COLOR.project(body), np.full((17, 1), 0.9)], axis=1)

    class Network:
        size = 320

        def __call__(self, images):
            # The crop is the whole picture, a square with black stripes.
            return np.stack([person + [0.0, 40.0, 0.0]] * len(images))

    monkeypatch.setattr(files, "find", lambda model: model)
    monkeypatch.setattr(movenet, "load", lambda path, batch: Network())
    monkeypatch.setattr(live.following.crops, "following", lambda *_: None)
    monkeypatch.setattr(
        live.following.crops,
        "around",
        lambda box, shape: live.following.crops.whole(shape),
    )
    return person


def test_keypoints_found_in_colour_are_an_input(make, tmp_path, loaded, detector):
    play(make(), output=tmp_path / "p.npz", keypoints=True)
    assert loaded == ["points_keypoints"]
    knee = skeleton.ITOP15.index("left_knee")
    uv = COLOR.project(pose_file.read(tmp_path / "p.npz").xyz[:, knee])
    expected = detector[skeleton.COCO17.index("left_knee"), :2]
    np.testing.assert_allclose(uv, np.tile(expected, (FRAMES, 1)), atol=0.05)  # pixels
    with pytest.raises(errors.BadInput, match="--keypoints: .* has no colour images"):
        play(make("grey", color=None, color_camera=None), keypoints=True)


def test_poses_of_a_mirrored_recording_lie_on_its_files(make, tmp_path, depth):
    play(make(), output=tmp_path / "p.npz")
    mirrored = make("m", depth=[depth[:, ::-1]] * FRAMES, mirrored=True)
    play(mirrored, output=tmp_path / "m.npz")
    plain, turned = (pose_file.read(tmp_path / f"{n}.npz").xyz for n in "pm")
    np.testing.assert_allclose(
        turned, plain * [-1, 1, 1], atol=1e-3
    )  # in depth of 1 mm
    with pytest.raises(errors.BadInput, match="--record: .* turned or mirrored"):
        play(mirrored, record=tmp_path / "copy")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"poses": False, "stream": True}, "--noposes predicts nothing for --stream"),
        ({"output": "p.csv"}, r"must end in \.npz"),
        ({"camera": None}, "--camera is missing: realsense, azure"),
        ({"camera": "webcam"}, "unknown camera 'webcam'"),
        ({"up": "below"}, "the side 'below' cannot be up; use one of top"),
        ({"up": "left"}, '"up" is a key of its camera.json'),
        ({"record": "."}, "exists; choose a new path"),
    ],
)
def test_what_is_wrong_is_one_line(options, line):
    with pytest.raises(errors.BadInput, match=line):
        run("live", **{"camera": "recording:x"} | options)


def test_without_windows_or_a_display_view_is_one_line(monkeypatch):
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "GUI:  \t NONE\n")
    with pytest.raises(errors.BadInput, match="pip install opencv-python$"):
        run("live", camera="recording:x", view=True)
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "GUI: QT5")
    monkeypatch.setattr(live_view.sys, "executable", "false")
    with pytest.raises(errors.BadInput, match="--view: no window can be opened"):
        run("live", camera="recording:x", view=True)


def test_the_window_shows_frames_until_it_is_closed(make, tmp_path, monkeypatch):
    shown, keys = [], [-1, ord("q")]
    monkeypatch.setattr(live_view, "check_display", lambda: None)
    monkeypatch.setattr(cv2, "namedWindow", lambda title, flags: None)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: shown.append("closed"))
    monkeypatch.setattr(cv2, "imshow", lambda title, image: shown.append(image))
    monkeypatch.setattr(cv2, "waitKey", lambda delay: keys.pop(0))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda title, name: 1.0)
    assert play(make(), view=True, output=tmp_path / "p.npz") == 0
    assert [np.shape(image) for image in shown] == [(240, 320, 3)] * 2 + [()]
    assert len(pose_file.read(tmp_path / "p.npz")) == 2


def test_joints_are_drawn_where_the_colour_camera_sees_them():
    xyz = np.tile([[0.2, -0.1, 2.0]], (15, 1))
    pose = estimator.Pose(xyz, np.ones(15), np.arange(15) == 0)
    shift = np.eye(4, dtype=np.float32)
    shift[0, 3] = 0.1
    camera = device.Device(
        name="x",
        depth_camera=rooms.CAMERA,
        depth_unit=0.001,
        rate=30.0,
        read=lambda: None,
        color_camera=COLOR,
        color_from_depth=shift,
    )
    image = np.full((240, 320, 3), 90, np.uint8)
    frame = devices.Frame(0, 0.0, np.ones((240, 320), np.float32), image, 0.0)
    drawn = live_view.draw(frame, pose, camera, "ITOP15")
    row, column = np.argwhere((drawn != 90).any(axis=-1)).mean(axis=0)
    u, v = COLOR.project(xyz[0] + [0.1, 0.0, 0.0])
    np.testing.assert_allclose([column + 0.5, row + 0.5], [u, v], atol=1.0)  # pixels
    assert (image == 90).all()
    plain = live_view.draw(frame._replace(color=None), None, camera, "ITOP15")
    assert plain.shape == (240, 320, 3)


@pytest.mark.parametrize(
    ("up", "quarters", "advice"),
    [("top", 0, None), ("top", 2, "bottom"), ("bottom", 2, "top")],
)
def test_a_camera_that_is_turned_gets_one_warning(depth, capsys, up, quarters, advice):
    errors.warn.cache_clear()
    camera = device.Device(
        name=f"{up}{quarters}",
        depth_camera=rooms.CAMERA,
        depth_unit=0.001,
        rate=30.0,
        read=lambda: None,
    )
    mounted = live_mounting.Mounting(camera, up)
    turned = np.ascontiguousarray(np.rot90(depth, quarters))
    for second in np.arange(0.0, 6.0, 0.5):
        mounted.add(devices.Frame(0, second, turned, None, 0.0), None)
    told = capsys.readouterr().err
    if advice is None:
        assert not told
    else:
        assert told.count("warning:") == 1
        assert told.endswith(f"try --up={advice}\n")


def test_the_status_counts_frames_and_measures_latency(monkeypatch, capsys):
    now = [10.0]
    monkeypatch.setattr(live_status.time, "monotonic", lambda: now[0])
    status = live_status.Status()
    for number in range(5):
        now[0] = 10.0 + 0.5 * number
        status.add(devices.Frame(number, 0.0, None, None, now[0] - 0.04, 2), None)
    status.end()
    line = capsys.readouterr().err
    assert line.startswith("5 frames in 2.0 s: 2.0 frames/s, latency 40 ms (median)")
    assert line.endswith("10 dropped, 40 ms latency (99 %)\n")


def test_lines_are_all_that_the_standard_output_gets(capfd):
    with live_output.lines() as write:
        print("library")
        write('{"a":1}')
    print("after")
    printed, told = capfd.readouterr()
    assert printed == '{"a":1}\nafter\n'
    assert told == "library\n"


def test_frames_are_dropped_while_the_network_is_busy(make, monkeypatch, capfd):
    monkeypatch.setattr(
        live,
        "_follow",
        lambda *_, **__: lambda frame: time.sleep(0.25),  # None: nobody
    )
    run("live", camera=f"recording:{make()}", stream=True)
    printed, told = capfd.readouterr()
    numbers = [json.loads(line)["frame"] for line in printed.splitlines()]
    assert numbers[-1] == FRAMES - 1  # the last frame is never dropped
    assert len(numbers) < FRAMES
    assert f"{FRAMES - len(numbers)} dropped" in told


def test_poses_that_are_only_printed_are_not_kept():
    camera = device.Device(
        name="x",
        depth_camera=rooms.CAMERA,
        depth_unit=0.001,
        rate=30.0,
        read=lambda: None,
    )
    network = types.SimpleNamespace(skeleton="ITOP15", calibration=())
    pose = estimator.Pose(np.ones((15, 3)), np.ones(15), np.ones(15, bool))
    printed = []
    for keep in (True, False):
        found = live_output.Poses(camera, network, printed.append, keep=keep)
        found.add(devices.Frame(0, 0.0, None, None, 0.0), pose)
        assert found.somebody == keep
    assert len(printed) == 2

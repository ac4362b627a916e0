"""Each vendor's file with a stand-in for its SDK; see `fakes`."""

import sys

import cv2
import numpy as np
import pytest

from data_pipelines import devices
from data_pipelines.cameras import orientation
from tests.data_pipelines.devices import fakes
from unipose_jax import errors

SDKS = {
    "realsense": ("pyrealsense2", fakes.RealSense),
    "azure": ("pyk4a", fakes.Azure),
    "orbbec": ("pyorbbecsdk", fakes.Orbbec),
}


@pytest.fixture
def plug(monkeypatch):
    """Installs the stand-in of a vendor's package; returns it."""

    def install(name, **options):
        package, make = SDKS[name]
        sdk = make(**options)
        monkeypatch.setitem(sys.modules, package, sdk)
        return sdk

    return install


@pytest.mark.parametrize("name", SDKS)
def test_frames_are_in_metres_and_seconds_with_the_devices_cameras(plug, name):
    sdk = plug(name)
    with devices.open_camera(name) as camera:
        frames = [camera.read() for _ in range(3)]
    assert sdk.calls[-1] == "stop"
    assert frames[0].depth.dtype == np.float32
    assert frames[0].depth[0, :3].tolist() == [0.0, 0.0, 2.0]
    step = {"orbbec": 0.066667}.get(name, 0.033333)
    np.testing.assert_allclose(np.diff([f.time for f in frames]), step, atol=1e-3)
    assert [frame.number for frame in frames] == [0, 1, 2]
    red = frames[0].color[5, 5].astype(int)
    assert red[0] > 150 > 50 > red[2]
    depth, color = camera.depth_camera, camera.color_camera
    assert (depth.width, depth.height) == (fakes.WIDTH, fakes.HEIGHT)
    np.testing.assert_allclose(depth.intrinsics, [60, 61, 32, 24])  # 31.5 + 0.5
    np.testing.assert_allclose(color.intrinsics, [120, 122, 63.5, 47.5])
    np.testing.assert_allclose(camera.color_from_depth, fakes.POSE, atol=1e-6)
    if name != "realsense":
        assert depth.distortion[0] == np.float32(0.1)
    assert camera.depth_unit == pytest.approx(0.001)


@pytest.mark.parametrize("up", ["bottom", "left", "right"])
def test_a_camera_that_is_not_upright_is_turned(plug, up):
    plug("realsense")
    with devices.open_camera("realsense") as camera:
        mounted, frame = camera, camera.read()
    plug("realsense")
    with devices.open_camera("realsense", up=up) as camera:
        turned = camera.read()
    quarters = {"bottom": 2, "left": 3, "right": 1}[up]
    np.testing.assert_array_equal(turned.depth, np.rot90(frame.depth, quarters))
    assert turned.color.shape[:2] == np.rot90(frame.color, quarters).shape[:2]
    # What both cameras of the device see of a point stays the same pixel.
    xyz = np.array([[0.2, 0.1, 2.0]])
    change = orientation.Orientation(up).upright_from_recorded
    for name in ("depth_camera", "color_camera"):
        u, v = getattr(mounted, name).project(_moved(xyz, mounted, name))[0]
        w, h = getattr(mounted, name).width, getattr(mounted, name).height
        expected = {"bottom": (w - u, h - v), "left": (h - v, u), "right": (v, w - u)}
        found = getattr(camera, name).project(_moved(xyz @ change.T, camera, name))[0]
        np.testing.assert_allclose(found, expected[up], atol=1e-3)  # float32


def _moved(xyz, camera, name):
    """Points in the frame of one camera of a device."""
    pose = camera.color_from_depth if name == "color_camera" else np.eye(4)
    return xyz @ pose[:3, :3].T + pose[:3, 3]


@pytest.mark.parametrize("name", SDKS)
def test_what_is_missing_is_one_line(plug, monkeypatch, name):
    plug(name, devices=0)
    with pytest.raises(errors.BadInput, match=f"^{name}: no device is connected"):
        devices.open_camera(name)
    package = SDKS[name][0]
    monkeypatch.setitem(sys.modules, package, None)  # is not installed
    with pytest.raises(
        errors.BadInput, match=f"^{name} needs .*: pip install {package}"
    ):
        devices.open_camera(name)


def test_a_package_that_lacks_a_library_says_which(monkeypatch, tmp_path):
    line = "libusb-1.0.so.0: cannot open shared object file"
    (tmp_path / "pyrealsense2.py").write_text(f"raise ImportError({line!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pyrealsense2", raising=False)
    with pytest.raises(errors.BadInput, match=f"cannot be imported: {line}"):
        devices.open_camera("realsense")


def test_a_lost_device_is_one_line_and_is_stopped(plug):
    for name, options, line in (
        ("realsense", {"stamps": [1.0]}, "realsense: Frame didn't arrive within 5000"),
        ("azure", {"captures": 2}, "azure: TimeoutError"),
        ("orbbec", {"frames": 2}, "orbbec: no frame for 5 s"),
    ):
        sdk = plug(name, **options)
        with (
            pytest.raises(errors.BadInput, match=line),
            devices.open_camera(name) as camera,
        ):
            list(camera)
        assert sdk.calls[-1] == "stop", name


def test_a_device_is_chosen_by_its_serial_number(plug):
    sdk = plug("realsense")
    devices.open_camera("realsense:0123").close()
    assert ("device", "0123") in sdk.calls
    plug("azure")
    with pytest.raises(errors.BadInput, match="azure: no device"):
        devices.open_camera("azure:1")
    with pytest.raises(errors.BadInput, match="give the number of the device"):
        devices.open_camera("azure:serial")


@pytest.mark.parametrize("color_format", ["BGR", "MJPG", "YUYV"])
def test_colour_of_orbbec_is_decoded(plug, color_format):
    plug("orbbec", color_format=color_format)
    with devices.open_camera("orbbec") as camera:
        color = camera.read().color
    np.testing.assert_allclose(color[5, 5], fakes.RGB[5, 5], atol=12)  # lossy


def test_openni_is_depth_that_is_not_mirrored(monkeypatch):
    monkeypatch.setattr(
        cv2.videoio_registry, "getCameraBackends", lambda: [cv2.CAP_OPENNI2]
    )
    monkeypatch.setattr(cv2, "VideoCapture", fakes.OpenNI)
    with devices.open_camera("openni") as camera:
        frames = [camera.read(), camera.read()]
        assert frames[0].color is None
        assert frames[0].depth[1, [0, -1]].tolist() == [2.0, 1.0]
        assert frames[1].time == pytest.approx(0.0333, abs=1e-3)
        np.testing.assert_allclose(camera.depth_camera.intrinsics, [57.5, 57.5, 32, 24])
        with pytest.raises(errors.BadInput, match="no frame for two seconds"):
            camera.read()
    with pytest.raises(errors.BadInput, match="openni: no device is connected"):
        devices.open_camera("openni:3")


def test_an_opencv_without_openni_is_one_line(monkeypatch):
    monkeypatch.setattr(cv2.videoio_registry, "getCameraBackends", list)
    with pytest.raises(errors.BadInput, match="WITH_OPENNI2=ON"):
        devices.open_camera("openni")


def test_an_unknown_camera_is_one_line():
    with pytest.raises(
        errors.BadInput, match="unknown camera 'kinect'; use one of real"
    ):
        devices.open_camera("kinect")
    with pytest.raises(errors.BadInput, match="recording:DIR"):
        devices.open_camera("recording")

"""Stand-ins for the SDKs of depth cameras, with the call signatures of the real ones.

pyrealsense2 2.59, pyk4a 1.5, pyorbbecsdk2 2.1 and OpenCV's cap_openni2.cpp. No device
was there to compare what they return.
"""

import types

import cv2
import numpy as np

WIDTH, HEIGHT = 64, 48
COUNTS = np.full((HEIGHT, WIDTH), 2000, np.uint16)
COUNTS[0, :2] = 0, 65535
RGB = np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)
RGB[..., 0], RGB[..., 2] = 200, 10  # red
# A turn of 0.1 rad about y, and 15 mm to the left.
TURN = np.array(
    [[np.cos(0.1), 0, np.sin(0.1)], [0, 1, 0], [-np.sin(0.1), 0, np.cos(0.1)]]
)
SHIFT = np.array([-0.015, 0.001, 0.002])  # metres
POSE = np.eye(4)
POSE[:3, :3], POSE[:3, 3] = TURN, SHIFT


class RealSense(types.ModuleType):
    """pyrealsense2: `stamps` (milliseconds) are those of the frames."""

    stream = types.SimpleNamespace(depth="depth", color="color")
    format = types.SimpleNamespace(z16="z16", rgb8="rgb8")

    def __init__(self, *, devices=1, stamps=(1000.0, 1033.0, 1066.0)):
        super().__init__("pyrealsense2")
        self.devices, self.stamps = devices, list(stamps)
        self.calls = []

    def context(self):
        return types.SimpleNamespace(query_devices=lambda: [None] * self.devices)

    def config(self):
        return types.SimpleNamespace(
            enable_device=lambda serial: self.calls.append(("device", serial)),
            enable_stream=lambda stream, kind, rate: self.calls.append(
                (stream, kind, rate)
            ),
        )

    def pipeline(self):
        return types.SimpleNamespace(
            start=lambda config: self,
            stop=lambda: self.calls.append("stop"),
            wait_for_frames=self._wait,
        )

    def _wait(self, timeout_ms=5000):
        if not self.stamps:
            raise RuntimeError(f"Frame didn't arrive within {timeout_ms}")
        depth = types.SimpleNamespace(
            get_data=lambda: COUNTS, get_timestamp=lambda stamp=self.stamps[0]: stamp
        )
        self.stamps.pop(0)
        color = types.SimpleNamespace(get_data=lambda: RGB)
        return types.SimpleNamespace(
            get_depth_frame=lambda: depth, get_color_frame=lambda: color
        )

    # The profile that `start` returns.

    def get_device(self):
        sensor = types.SimpleNamespace(get_depth_scale=lambda: 0.001)
        return types.SimpleNamespace(first_depth_sensor=lambda: sensor)

    def get_stream(self, stream):
        scale = 1 if stream == "depth" else 2
        video = types.SimpleNamespace(
            get_intrinsics=lambda: types.SimpleNamespace(
                width=scale * WIDTH,
                height=scale * HEIGHT,
                fx=60.0 * scale,
                fy=61.0 * scale,
                ppx=31.5 * scale,
                ppy=23.5 * scale,
                model="distortion.inverse_brown_conrady",
                coeffs=[0.0] * 5,
            ),
            get_extrinsics_to=lambda other: types.SimpleNamespace(
                rotation=TURN.T.ravel().tolist(),  # by columns
                translation=SHIFT.tolist(),
            ),
        )
        return types.SimpleNamespace(as_video_stream_profile=lambda: video)


class Azure(types.ModuleType):
    """pyk4a: `captures` captures follow."""

    CalibrationType = types.SimpleNamespace(DEPTH=0, COLOR=1)
    ColorResolution = types.SimpleNamespace(RES_720P=1)
    ImageFormat = types.SimpleNamespace(COLOR_BGRA32=3)
    DepthMode = types.SimpleNamespace(NFOV_UNBINNED=2)
    FPS = types.SimpleNamespace(FPS_30=2)

    def __init__(self, *, devices=1, captures=4):
        super().__init__("pyk4a")
        self.devices, self.captures = devices, captures
        self.calls, self.calibration = [], self

    def connected_device_count(self):
        return self.devices

    def Config(
        self,
        color_resolution=1,
        color_format=3,
        depth_mode=2,
        camera_fps=2,
        synchronized_images_only=True,
    ):
        return "config"

    def PyK4A(self, config=None, device_id=0, thread_safe=True):
        self.calls.append((config, device_id))
        return self

    def start(self):
        self.calls.append("start")

    def stop(self):
        self.calls.append("stop")

    def get_capture(self, timeout=-1):
        if not self.captures:
            raise TimeoutError  # K4ATimeoutException has no message either
        self.captures -= 1
        bgra = np.concatenate([RGB[..., ::-1], np.full_like(RGB[..., :1], 255)], -1)
        return types.SimpleNamespace(
            depth=COUNTS, color=bgra, depth_timestamp_usec=10**6 - 33333 * self.captures
        )

    # The calibration.

    def get_camera_matrix(self, camera):
        scale = camera + 1
        return np.array(
            [
                [60.0 * scale, 0, 31.5 * scale],
                [0, 61.0 * scale, 23.5 * scale],
                [0, 0, 1],
            ]
        )

    def get_distortion_coefficients(self, camera):
        return np.array([0.1, 0, 0, 0, 0, 0, 0, 0.0])

    def convert_3d_to_3d(self, source_point_3d, source_camera, target_camera=None):
        return tuple(TURN @ source_point_3d + 1000 * SHIFT)  # millimetres


class Orbbec(types.ModuleType):
    """pyorbbecsdk: `frames` sets of frames follow, with colour in `color_format`."""

    OBSensorType = types.SimpleNamespace(DEPTH_SENSOR="depth", COLOR_SENSOR="color")
    OBLogLevel = types.SimpleNamespace(NONE="none")
    OBFormat = types.SimpleNamespace(
        RGB="RGB", BGR="BGR", MJPG="MJPG", YUYV="YUYV", UYVY="UYVY"
    )

    def __init__(self, *, devices=1, frames=4, color_format="RGB"):
        super().__init__("pyorbbecsdk")
        self.frames, self.color_format, self.calls = frames, color_format, []
        self.Context.devices, self.Context.quiet = devices, False

    class Context:
        """Writes a log into the working folder unless it is told not to."""

        def __init__(self):
            assert self.quiet
            self.query_devices = lambda: ["camera"] * self.devices

        @classmethod
        def set_logger_to_file(cls, level, folder):
            cls.quiet = level == "none"

    def Config(self):
        return types.SimpleNamespace(enable_stream=self.calls.append)

    def Pipeline(self, chosen):
        return self

    def get_stream_profile_list(self, sensor):
        profile = types.SimpleNamespace(get_fps=lambda: 15)
        return types.SimpleNamespace(get_default_video_stream_profile=lambda: profile)

    def enable_frame_sync(self):
        pass

    def start(self, config):
        self.calls.append("start")

    def stop(self):
        self.calls.append("stop")

    def wait_for_frames(self, timeout_ms):
        if not self.frames:
            return None
        self.frames -= 1
        depth = types.SimpleNamespace(
            get_width=lambda: WIDTH,
            get_height=lambda: HEIGHT,
            get_format=lambda: "Y16",
            get_data=lambda: COUNTS.view(np.uint8),
            get_depth_scale=lambda: 1.0,
            get_timestamp_us=lambda left=self.frames: 10**6 - 66667 * left,
        )
        color = types.SimpleNamespace(
            get_width=lambda: 2 * WIDTH,
            get_height=lambda: 2 * HEIGHT,
            get_format=lambda: self.color_format,
            get_data=lambda: self._encoded(),
        )
        return types.SimpleNamespace(
            get_depth_frame=lambda: depth, get_color_frame=lambda: color
        )

    def _encoded(self):
        if self.color_format == "MJPG":
            return cv2.imencode(".jpg", RGB[..., ::-1])[1].ravel()
        if self.color_format == "YUYV":
            return cv2.cvtColor(RGB, cv2.COLOR_RGB2YUV_YUY2).ravel()
        return RGB[..., :: -1 if self.color_format == "BGR" else 1].ravel()

    def get_camera_param(self):
        def camera(scale):
            return types.SimpleNamespace(
                width=scale * WIDTH,
                height=scale * HEIGHT,
                fx=60.0 * scale,
                fy=61.0 * scale,
                cx=31.5 * scale,
                cy=23.5 * scale,
            )

        lens = dict.fromkeys(("k2", "k3", "k4", "k5", "k6", "p1", "p2"), 0.0)
        lens |= {"k1": 0.1, "model": "OBCameraDistortionModel.BROWN_CONRADY"}
        return types.SimpleNamespace(
            depth_intrinsic=camera(1),
            rgb_intrinsic=camera(2),
            depth_distortion=types.SimpleNamespace(**lens),
            rgb_distortion=types.SimpleNamespace(**lens),
            transform=types.SimpleNamespace(rot=TURN, transform=1000 * SHIFT),
        )


class OpenNI:
    """`cv2.VideoCapture` of a device that mirrors, which cannot be switched off."""

    def __init__(self, index, backend):
        self.index, self.left, self.released = index, 3, False

    def isOpened(self):
        return self.index == 0

    def grab(self):
        self.left -= 1
        return self.left >= 0

    def retrieve(self, flag):
        depth = COUNTS.copy()
        depth[:, 0] = 1000
        return flag == cv2.CAP_OPENNI_DEPTH_MAP, depth

    def get(self, name):
        return {
            cv2.CAP_OPENNI_DEPTH_GENERATOR_FOCAL_LENGTH: 575.0,
            cv2.CAP_PROP_OPENNI2_MIRROR: 1.0,
            cv2.CAP_OPENNI_DEPTH_GENERATOR + cv2.CAP_PROP_POS_MSEC: 33333.0
            * (4 - self.left),
        }[name]

    def set(self, name, value):
        return False

    def release(self):
        self.released = True

"""Camera resection: intrinsics, distortion and pose from 3D-2D correspondences."""

import dataclasses

import cv2
import numpy as np

from data_pipelines.cameras import calibration

_MAX_POINTS = (
    1500  # at even steps; using all changes HumanEva's residuals by < 0.001 px
)
_MIN_SPREAD = 0.02  # metres, RMS distance from the least-squares plane of the points


@dataclasses.dataclass(frozen=True, eq=False)
class PosedCamera:
    """A camera and its pose in the world frame."""

    camera: calibration.Camera
    rotation: np.ndarray  # (3, 3), camera from world
    translation: np.ndarray  # (3,), metres

    def to_camera(self, xyz: np.ndarray) -> np.ndarray:
        """Transforms world points (..., 3) to the camera frame, float32, metres."""
        return (xyz @ self.rotation.T + self.translation).astype(np.float32)

    def project(self, xyz: np.ndarray) -> np.ndarray:
        """Projects world points (..., 3) to distorted pixels (..., 2)."""
        return self.camera.distort_uv(self.camera.project(self.to_camera(xyz)))


def fit_camera(xyz: np.ndarray, uv: np.ndarray, size: tuple[int, int]) -> PosedCamera:
    """Fits a pinhole camera with lens distortion that maps `xyz` to `uv`.

    Least squares on the pixel distances (`cv2.calibrateCamera`).

    Args:
        xyz: (points, 3), metres, world frame, spread over a volume.
        uv: (points, 2), pixels as recorded (with distortion).
        size: width and height of the image, pixels.

    Raises:
        ValueError: the points do not determine a camera.
    """
    some = np.linspace(0, len(xyz) - 1, min(len(xyz), _MAX_POINTS)).astype(int)
    points, pixels = (values[some].astype(np.float32) for values in (xyz, uv))
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if spread[-1] < _MIN_SPREAD * len(points) ** 0.5:
        raise ValueError("the 3D points lie in a plane and do not determine a camera")
    width, height = size
    guess = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
    try:
        _, matrix, distortion, turn, shift = cv2.calibrateCamera(
            [points], [pixels], size, guess, None, flags=cv2.CALIB_USE_INTRINSIC_GUESS
        )
    except cv2.error as error:
        raise ValueError(
            "cannot fit a camera that maps the 3D points to the 2D points"
        ) from error
    intrinsics = matrix[[0, 1, 0, 1], [0, 1, 2, 2]]
    camera = calibration.make_camera(width, height, intrinsics, distortion.ravel()[:5])
    return PosedCamera(camera, cv2.Rodrigues(turn[0])[0], shift[0].ravel())

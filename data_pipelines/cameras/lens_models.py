"""Lens models by the names that SDKs and ROS give them.

Brown-Conrady and the rational model are used as they are. RealSense's inverse and
modified Brown-Conrady are approximated by Brown-Conrady; fish-eye models are
refused.
"""

import dataclasses
import re

import numpy as np

from data_pipelines.cameras import calibration
from unipose_jax import errors
from unipose_jax.geometry import camera as pinhole

_DIRECT = (
    *("brownconrady", "plumbbob", "rationalpolynomial", "rational", "opencv"),
    *("radtan", "pinhole", "none", "perspective"),
)
_FISH_EYE = ("kannalabrandt", "fisheye", "equidistant", "ftheta", "omni", "mei")
_MAX_MISFIT = 0.1  # pixels, of an approximated lens


def with_lens(
    camera: calibration.Camera, model: str | None, values: np.ndarray, where: str
) -> calibration.Camera:
    """The camera with a lens of a named model.

    Args:
        camera: without lens.
        model: name, for example "distortion.inverse_brown_conrady"; None for OpenCV's
            order of coefficients.
        values: its coefficients; OpenCV's order, for RealSense (k1, k2, p1, p2, k3).
        where: origin of the camera, for messages.

    Raises:
        errors.BadInput: another model, or a wrong number of coefficients.
    """
    name = re.sub(r"[^a-z0-9]", "", (model or "opencv").lower())
    if any(part in name for part in _FISH_EYE):
        raise errors.BadInput(
            f"{where}: the fish-eye model {model!r} is not supported; undistort the "
            "images and leave the coefficients out"
        )
    if not values.any():
        return camera
    if values.size in (12, 14) and not values[8:].any():
        values = values[:8]  # thin prism and tilt, none here
    if values.size == 4:
        values = np.append(values, 0.0)
    if values.size not in (5, 8):
        raise errors.BadInput(
            f"{where}: 'distortion' must be [k1, k2, p1, p2, k3] or, for the rational "
            f"model, [k1, k2, p1, p2, k3, k4, k5, k6]; got {values.size} values"
        )
    if "inverse" in name or "modified" in name:
        inverse = "inverse" in name
        return _approximated(camera, values[:5], inverse, f"{where}: {model!r}")
    if not any(part in name for part in _DIRECT):
        raise errors.BadInput(
            f"{where}: unknown lens model {model!r}; use brown_conrady, "
            "rational_polynomial, inverse_brown_conrady or modified_brown_conrady"
        )
    return dataclasses.replace(camera, distortion=np.asarray(values, np.float32))


def _approximated(
    camera: calibration.Camera, values: np.ndarray, inverse: bool, where: str
) -> calibration.Camera:
    """Brown-Conrady coefficients of RealSense's other models, by least squares.

    librealsense (src/rs.cpp, rs2_project_point_to_pixel and its inverse): the inverse
    model undistorts with the polynomial of Brown-Conrady; the modified one applies the
    tangential part to radially distorted coordinates.
    """
    u = np.linspace(0, camera.width, 17)
    v = np.linspace(0, camera.height, 17)
    uv = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
    seen = pinhole.xy_from_uv(uv, camera.intrinsics.astype(np.float64))
    k1, k2, p1, p2, k3 = values
    radial = np.array([k1, k2, 0.0, 0.0, k3])
    if inverse:
        ideal, observed = pinhole.distort(seen, values), seen
    else:
        ideal, scaled = seen, pinhole.distort(seen, radial)
        observed = (
            scaled + pinhole.distort(scaled, np.array([0, 0, p1, p2, 0])) - scaled
        )
    # Distortion is linear in its coefficients.
    columns = [pinhole.distort(ideal, row) - ideal for row in np.eye(5)]
    matrix = np.stack([column.ravel() for column in columns], axis=1)
    fitted = np.linalg.lstsq(matrix, (observed - ideal).ravel(), rcond=None)[0]
    away = np.abs(pinhole.distort(ideal, fitted) - observed) * camera.intrinsics[:2]
    if not away.max() < _MAX_MISFIT:
        raise errors.BadInput(
            f"{where} differs from Brown-Conrady by {away.max():.2g} pixels; undistort "
            "the images and leave the coefficients out"
        )
    return dataclasses.replace(camera, distortion=fitted.astype(np.float32))

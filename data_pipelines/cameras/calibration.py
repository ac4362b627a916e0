"""Cameras of recordings: a pinhole model with lens distortion, and its checks."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from unipose_jax import errors
from unipose_jax.geometry import camera as pinhole

_MIN_SIDE, MAX_SIDE = 4, 16384  # pixels
_MAX_SLOPE = 20.0  # largest |x/z| or |y/z| of a pixel: 87 degrees
_MAX_STRAY = 0.05  # pixels, largest error of the inverse of the distortion
# Degrees, of the longer side. Depth cameras have 40 to 120; crops of them down to 10.
_MIN_VIEW, _MAX_VIEW = 8.0, 150.0
# fx / fy: 1 for square pixels, 4/3 where 16:9 is squeezed into 4:3.
_MAX_ANISOTROPY = 2.0
# Resizing a picture without its K moves cx and cy by the same factor; a crop does not.
_MIN_SHRINKAGE = 0.75  # |ideal (x/z, y/z)| / |observed|, of five coefficients
_FAR_POINT = 0.08  # of the width or height; in depth cameras it is below 0.05
_RESIZED, _SAME_FACTOR = 1.25, 0.04
# Images of depth and colour cameras, pixels; K of one of them is used with another.
_USUAL_SIZES = (
    *((160, 120), (176, 144), (224, 172), (256, 192), (320, 180), (320, 240)),
    *((320, 288), (424, 240), (480, 270), (512, 424), (512, 512), (640, 360)),
    *((640, 400), (640, 480), (640, 576), (848, 480), (960, 540), (1024, 768)),
    *((1024, 1024), (1280, 720), (1280, 800), (1280, 960), (1920, 1080)),
    *((1920, 1440), (2048, 1536), (3840, 2160), (4096, 3072)),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera with lens distortion (`geometry.camera.distort`)."""

    width: int
    height: int
    intrinsics: np.ndarray  # float32 (4,): fx, fy, cx, cy, pixels
    distortion: np.ndarray  # float32 (5,) or (8,): k1, k2, p1, p2, k3[, k4, k5, k6]
    # Pixels farther from the optical axis show nothing: |(x/z, y/z)|, distorted.
    max_radius: float = np.inf

    def rays(self) -> np.ndarray:
        """(x/z, y/z) at each pixel centre, undistorted: float32 (height, width, 2)."""
        u, v = np.meshgrid(np.arange(self.width), np.arange(self.height))
        uv = self.undistort(np.stack([u, v], axis=-1) + 0.5)
        return pinhole.xy_from_uv(uv, self.intrinsics).astype(np.float32)

    def undistort(self, uv: np.ndarray, *, iterations: int = 20) -> np.ndarray:
        """Removes lens distortion from pixel coordinates. NaN stays NaN.

        Args:
            uv: (..., 2), pixels as recorded.
            iterations: steps of Newton's method (`geometry.camera.undistort`).

        Returns:
            float32 (..., 2), pixels.
        """
        flat = np.asarray(uv, np.float64).reshape(-1, 2)
        if self.distortion.any():
            flat = pinhole.undistort_uv(
                flat, self.intrinsics, self.distortion, iterations=iterations
            )
        return flat.reshape(np.shape(uv)).astype(np.float32)

    def project(self, xyz: np.ndarray) -> np.ndarray:
        """Projects points without distortion. NaN where z <= 0.

        Args:
            xyz: (..., 3), metres, frame of this camera.

        Returns:
            (..., 2), undistorted pixels.
        """
        ahead = np.where(xyz[..., 2:] > 0, xyz, np.nan).reshape(-1, 3)
        uv = pinhole.uv_from_xyz(ahead, self.intrinsics)
        return uv.reshape(*xyz.shape[:-1], 2)

    def distort_uv(self, uv: np.ndarray) -> np.ndarray:
        """Adds lens distortion to pixel coordinates.

        Args:
            uv: (..., 2), undistorted pixels.

        Returns:
            (..., 2), pixels as recorded.
        """
        flat = np.reshape(uv, (-1, 2))
        flat = pinhole.distort_uv(flat, self.intrinsics, self.distortion)
        return flat.reshape(np.shape(uv))

    def undistort_image(self, image: np.ndarray) -> np.ndarray:
        """Removes lens distortion from an image; the intrinsics stay the same."""
        return self._undistorted(image, cv2.INTER_LINEAR)

    def undistort_depth(self, depth: np.ndarray) -> np.ndarray:
        """Removes lens distortion from a depth map, without interpolation."""
        return self._undistorted(depth, cv2.INTER_NEAREST)

    def _undistorted(self, image: np.ndarray, interpolation: int) -> np.ndarray:
        if not self.distortion.any():
            return image
        rows, columns = np.indices(image.shape[:2]) + 0.5
        u, v = np.moveaxis(self.distort_uv(np.stack([columns, rows], axis=-1)), -1, 0)
        # OpenCV puts pixel centres at integers.
        places = (u - 0.5).astype(np.float32), (v - 0.5).astype(np.float32)
        return cv2.remap(image, *places, interpolation)


def to_json(camera: Camera) -> dict[str, Any]:
    """Returns the entry of `camera` for camera.json."""
    values = [round(float(v), 9) for v in camera.intrinsics]
    entry = {
        "width": camera.width,
        "height": camera.height,
        **dict(zip(("fx", "fy", "cx", "cy"), values, strict=True)),
        "distortion": [round(float(v), 9) for v in camera.distortion],
    }
    if np.isfinite(camera.max_radius):
        entry["metric_radius"] = float(camera.max_radius)
    return entry


def make_camera(
    width: int,
    height: int,
    intrinsics: Sequence[float] | np.ndarray,
    distortion: Sequence[float] | np.ndarray = (0.0,) * 5,
    *,
    max_radius: float = np.inf,
) -> Camera:
    """Makes a camera from (fx, fy, cx, cy), pixels, and five or eight coefficients."""
    return Camera(
        width=width,
        height=height,
        intrinsics=np.asarray(intrinsics, np.float32),
        distortion=np.asarray(distortion, np.float32),
        max_radius=max_radius,
    )


def check_camera(camera: Camera, where: str, *, cropped: bool = False) -> None:
    """Checks image size, field of view, principal point and lens.

    Field of view and lens are checked at 9 x 9 pixels from corner to corner.

    Args:
        camera: the camera to check.
        where: its origin, for the message.
        cropped: whether the images are cut out of larger ones; their principal point
            may then be anywhere.

    Raises:
        errors.BadInput: one of the checks fails.
    """
    sides = (camera.width, camera.height)
    if not (_MIN_SIDE <= min(sides) and max(sides) <= MAX_SIDE):
        raise errors.BadInput(f"{where} has an impossible size {sides[0]}x{sides[1]}")
    u = np.linspace(0.5, camera.width - 0.5, 9)
    v = np.linspace(0.5, camera.height - 0.5, 9)
    uv = np.stack(np.meshgrid(u, v), axis=-1)
    with np.errstate(all="ignore"):
        observed = pinhole.xy_from_uv(uv, camera.intrinsics)
        stray = np.abs(camera.distort_uv(camera.undistort(uv)) - uv)
        lit = np.hypot(*np.moveaxis(observed, -1, 0)) <= camera.max_radius
    if not (np.abs(observed) < _MAX_SLOPE).all():
        raise errors.BadInput(
            f"{where}: fx, fy, cx and cy are in pixels; these values give a field of "
            "view of more than 87 degrees to one side"
        )
    if not cropped:
        _check_resolution(camera, where)
    _check_view(camera, where)
    if not (stray[lit] < _MAX_STRAY).all():
        raise errors.BadInput(
            f"{where}: 'distortion' is not invertible over the image; expected "
            "[k1, k2, p1, p2, k3] of OpenCV, or eight values with k4, k5, k6"
        )
    _check_lens(camera, uv[lit], where)


def _check_lens(camera: Camera, uv: np.ndarray, where: str) -> None:
    """Refuses five coefficients that bend more than any lens does.

    Those of the rational model are large, and cancel only with k4, k5 and k6.
    """
    if camera.distortion.size != 5 or not camera.distortion.any():
        return
    center = camera.intrinsics[2:]
    with np.errstate(all="ignore"):
        observed = np.linalg.norm(uv - center, axis=-1)
        ratio = np.linalg.norm(camera.undistort(uv) - center, axis=-1) / observed
    if (ratio[observed > 1] < _MIN_SHRINKAGE).any():
        raise errors.BadInput(
            f"{where}: 'distortion' bends the image more than any lens; are these the "
            "first five of the eight coefficients k1, k2, p1, p2, k3, k4, k5, k6? Give "
            "all eight"
        )


def _check_view(camera: Camera, where: str) -> None:
    """Refuses focal lengths that no camera has for this size of image."""
    fx, fy, _, _ = (float(value) for value in camera.intrinsics)
    if not 1 / _MAX_ANISOTROPY < fx / fy < _MAX_ANISOTROPY:
        raise errors.BadInput(
            f"{where}: fx {fx:g} and fy {fy:g} differ too much; both are in pixels"
        )
    view = np.degrees(2 * np.arctan(max(camera.width / fx, camera.height / fy) / 2))
    if not _MIN_VIEW < view < _MAX_VIEW:
        raise errors.BadInput(
            f"{where}: fx {fx:g} and {camera.width}x{camera.height} pixels give a field"
            f" of view of {view:.3g} degrees; are fx and fy those of another image "
            "size, or in millimetres?"
        )


def _check_resolution(camera: Camera, where: str) -> None:
    """Refuses a principal point that belongs to an image of another size."""
    width, height = camera.width, camera.height
    cx, cy = (float(value) for value in camera.intrinsics[2:])
    by_width, by_height = 2 * cx / width, 2 * cy / height
    other = f"{2 * cx:.0f}x{2 * cy:.0f}"
    point = f"{where}: the principal point ({cx:g}, {cy:g})"
    advice = '; where the images are crops of larger ones, add "cropped": true'
    swapped = np.abs(np.subtract((cx, cy), (height / 2, width / 2)))
    if width != height and (swapped < 0.08 * min(width, height)).all():
        if max(abs(by_width - 1), abs(by_height - 1)) > 0.15:
            raise errors.BadInput(
                f"{point} is that of a {height}x{width} image, but the images are "
                f"{width}x{height}; turn fx, fy, cx and cy with the images{advice}"
            )
    factors = sorted((by_width, by_height))
    same = factors[0] > 0 and factors[1] - factors[0] < _SAME_FACTOR * factors[1]
    usual = (np.abs(np.divide((2 * cx, 2 * cy), _USUAL_SIZES) - 1) < 0.05).all(axis=1)
    far = max(abs(by_width - 1), abs(by_height - 1)) > _RESIZED - 1
    if same and not 1 / _RESIZED < factors[1] < _RESIZED or far and usual.any():
        raise errors.BadInput(
            f"{point} is not near the middle of {width}x{height}: fx, fy, cx and cy "
            f"seem to be those of a {other} image; scale them to this one{advice}"
        )
    if not (0 <= cx <= width and 0 <= cy <= height):
        raise errors.BadInput(
            f"{point} is outside the {width}x{height} image; are fx, fy, cx and cy "
            f"those of another image size?{advice}"
        )
    if max(abs(by_width - 1), abs(by_height - 1)) / 2 > _FAR_POINT:
        errors.warn(
            f"{point} is far from the middle of {width}x{height} for an image that is "
            f"not cropped; are cx and cy right?{advice}"
        )

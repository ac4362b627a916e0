"""Square crops around the person from the images of a sequence.

Squares and crop matrices come from `geometry.square_crop`, as for rendered people. Lens
distortion is removed: a crop is the image of a pinhole camera.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.ground import schema
from data_pipelines.sequences import sequence
from unipose_jax.geometry import camera as pinhole
from unipose_jax.geometry import square_crop

_SAMPLES = (3, 8)  # least and most samples along a side of a colour crop pixel


def frame_crops(
    source: sequence.Sequence,
    index: int,
    xyz: np.ndarray,
    depth: np.ndarray,
    *,
    size: int,
) -> dict[str, np.ndarray]:
    """Crop fields of one frame, packed by `schema.pack`.

    Args:
        source: any sequence; its colour image is read here.
        index: position of the frame.
        xyz: (points, 3), the person, metres, depth-camera frame; may be empty.
        depth: (height, width), z of the person's pixels, metres, 0 elsewhere.
        size: height and width of the crops, pixels.

    Returns:
        The result of `depth_fields` and, if the sequence has a colour camera, of
        `color_fields`. `color_crop` is absent in a frame without a colour image.

    Raises:
        errors.BadInput: the colour image of the frame cannot be read.
    """
    fields = depth_fields(source, xyz, depth, size=size)
    if source.color_camera is not None:
        fields |= color_fields(source, xyz, source.color(index), size=size)
    return schema.pack(fields)


def stack_frames(frames: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Stacks the crop fields of several frames along a leading frame axis.

    Args:
        frames: results of `frame_crops`; empty dicts if there are no crops.

    Returns:
        The depth fields, and the colour fields if any frame has a colour image. The
        colour crops of the other frames are then black.
    """
    if not frames or not frames[0]:
        return {}
    pictures = [frame["color_crop"] for frame in frames if "color_crop" in frame]
    names = [name for name in schema.CROP_FIELDS if pictures or "color" not in name]
    black = {"color_crop": np.zeros_like(pictures[0])} if pictures else {}
    whole = [{**black, **frame} for frame in frames]
    return {name: np.stack([frame[name] for frame in whole]) for name in names}


def depth_fields(
    source: sequence.Sequence,
    xyz: np.ndarray,
    depth: np.ndarray,
    *,
    size: int,
    margin: float = square_crop.MARGIN,
) -> dict[str, np.ndarray]:
    """Depth crop of the person by nearest-neighbour sampling.

    Args:
        source: sequence with the depth camera.
        xyz: (points, 3), the person, metres, depth-camera frame; may be empty.
        depth: (height, width), z of the person's pixels, metres, 0 elsewhere.
        size: height and width of the crop, pixels.
        margin: margin on each side, as a fraction of the person's square.

    Returns:
        `depth_crop` float32 (size, size), metres, 0 where missing;
        `depth_crop_matrix` float32 (3, 3); and `reference_depth` float32 (), the median
        z of the person, metres, 0 without points.
    """
    camera = source.depth_camera
    matrix = crop_matrix(xyz, camera, size=size, margin=margin)
    middle = np.median(xyz[:, 2]) if len(xyz) else 0.0
    return {
        "depth_crop": resample(depth, matrix, camera, size=size).astype(np.float32),
        "depth_crop_matrix": matrix,
        "reference_depth": np.asarray(middle, np.float32),
    }


def color_fields(
    source: sequence.Sequence,
    xyz: np.ndarray,
    color: np.ndarray | None,
    *,
    size: int,
    margin: float = square_crop.MARGIN,
) -> dict[str, np.ndarray]:
    """Colour crop of the person; each pixel is the mean of several samples.

    Args:
        source: sequence with the keypoint camera.
        xyz: (points, 3), the person, metres, depth-camera frame; may be empty.
        color: uint8 RGB (height, width, 3), or None for a frame without an image.
        size: height and width of the crop, pixels.
        margin: see `depth_fields`.

    Returns:
        `color_crop_matrix` float32 (3, 3) and, if there is an image, `color_crop` uint8
        (size, size, 3).
    """
    camera, pose = source.keypoint_camera, source.color_from_depth
    seen = xyz @ pose[:3, :3].T + pose[:3, 3]
    matrix = crop_matrix(seen, camera, size=size, margin=margin)
    if color is None:
        return {"color_crop_matrix": matrix}
    shrink = float(camera.intrinsics[0] / matrix[0, 0])
    samples = int(np.clip(np.ceil(shrink), *_SAMPLES))
    fine = np.diag([samples, samples, 1]) @ matrix
    found = resample(color, fine, camera, size=size * samples)
    crop = cv2.resize(
        found, (size, size), interpolation=cv2.INTER_AREA
    )  # mean of the samples
    return {"color_crop": crop, "color_crop_matrix": matrix}


def crop_matrix(
    xyz: np.ndarray,
    camera: calibration.Camera,
    *,
    size: int,
    margin: float = square_crop.MARGIN,
) -> np.ndarray:
    """Camera matrix P of a square crop around the person.

    See `square_crop.enclosing` and `square_crop.matrix`.

    Args:
        xyz: (points, 3), the person, metres, camera frame; may be empty.
        camera: camera of the image.
        size: height and width of the crop, pixels.
        margin: margin on each side, as a fraction of the square.

    Returns:
        float32 (3, 3).
    """
    if not len(xyz):
        xyz = np.zeros((1, 3), np.float32)  # at the camera centre: not a valid point
    left_top, side = square_crop.enclosing(
        camera.project(xyz),
        valid=xyz[:, 2] > square_crop.NEAR,
        image_size=(camera.height, camera.width),
        margin=margin,
    )
    matrix = square_crop.matrix(left_top, side, camera.intrinsics, size=size)
    return matrix.astype(np.float32)


def resample(
    image: np.ndarray, matrix: np.ndarray, camera: calibration.Camera, *, size: int
) -> np.ndarray:
    """Samples an image at the centre of each crop pixel by nearest neighbour.

    Args:
        image: (height, width) or (height, width, channels), with lens distortion.
        matrix: (3, 3), P of the crop.
        camera: camera of the image.
        size: height and width of the crop, pixels.

    Returns:
        (size, size) or (size, size, channels), 0 outside the image and outside the
        valid range of the lens model.
    """
    v, u = np.indices((size, size)) + 0.5
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1)
    xy = (pixels @ np.linalg.inv(matrix.astype(np.float64)).T)[..., :2]
    lit = np.ones((size, size), bool)
    if camera.distortion.any():
        lit = (xy**2).sum(axis=-1) < _max_radius_sq(camera.distortion)
        xy = pinhole.distort(np.where(lit[..., None], xy, 0.0), camera.distortion)
    column, row = np.moveaxis(pinhole.uv_from_xy(xy, camera.intrinsics), -1, 0)
    height, width = image.shape[:2]
    inside = lit & (column >= 0) & (row >= 0) & (column < width) & (row < height)
    found = np.zeros((size, size, *image.shape[2:]), image.dtype)
    found[inside] = image[row[inside].astype(int), column[inside].astype(int)]
    return found


def _max_radius_sq(distortion: np.ndarray) -> float:
    """Largest (x/z)^2 + (y/z)^2 for which the radial distortion is invertible.

    Beyond it, r times the radial factor no longer increases with r, and a crop would
    contain pixels of the image twice. With s = r^2 and the factor n(s) / d(s), the
    derivative is 0 where n d + 2 s (n' d - n d') = 0; d = 0 is a pole.
    """
    k1, k2, _, _, k3, *below = np.asarray(distortion, np.float64)
    n, d = np.poly1d([k3, k2, k1, 1.0]), np.poly1d([*below[::-1], 1.0])
    slope = n * d + np.poly1d([2.0, 0.0]) * (n.deriv() * d - n * d.deriv())
    roots = np.concatenate([slope.roots, d.roots])
    real = roots[np.isreal(roots)].real
    return float(real[real > 0].min(initial=np.inf))

"""Square crops around the person, out of the images of a sequence.

Squares and matrices are those of `geometry.square_crop`, as for rendered people. Here
a lens may bend the image; a crop is what a pinhole camera would have seen.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.ground import schema
from data_pipelines.sequences import sequence
from unipose_jax.geometry import camera as pinhole
from unipose_jax.geometry import square_crop

_SAMPLES = (3, 8)  # fewest and most along a side of a colour crop's pixel


def frame_crops(
    source: sequence.Sequence,
    index: int,
    xyz: np.ndarray,
    depth: np.ndarray,
    *,
    size: int,
) -> dict[str, np.ndarray]:
    """The fields of crops of one frame, as `schema.pack` gives them.

    Args:
        source: any sequence; its colour is read here.
        index: of the frame.
        xyz: (points, 3), the person, metres, depth-camera frame; may be empty.
        depth: (height, width), z-depth of the person alone, metres, 0 elsewhere.
        size: height and width of the crops, pixels.

    Returns:
        As `depth_fields` and, where the sequence has a colour camera, `color_fields`;
        without `color_crop` in a frame without a picture.

    Raises:
        errors.BadInput: the frame's colour cannot be read.
    """
    fields = depth_fields(source, xyz, depth, size=size)
    if source.color_camera is not None:
        fields |= color_fields(source, xyz, source.color(index), size=size)
    return schema.pack(fields)


def stack_frames(frames: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The fields of crops of several frames, with a leading axis of frames.

    Args:
        frames: of `frame_crops`; empty dicts where there are no crops.

    Returns:
        Those of depth, and those of colour if any frame has a picture: then the others
        are black.
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
    """The person in a depth image, pixel by nearest pixel.

    Args:
        source: has the camera.
        xyz: (points, 3), the person, metres, depth-camera frame; may be empty.
        depth: (height, width), z-depth of the person alone, metres, 0 elsewhere.
        size: height and width of the crop, pixels.
        margin: what is added on each side of the person's square, as a share of it.

    Returns:
        `depth_crop` float32 (size, size), metres, 0 where there is none;
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
    """The person in an image of the keypoint camera, pixels averaged over samples.

    Args:
        source: has the camera.
        xyz: (points, 3), the person, metres, depth-camera frame; may be empty.
        color: uint8 RGB (height, width, 3), or None in a frame without a picture.
        size: height and width of the crop, pixels.
        margin: as in `depth_fields`.

    Returns:
        `color_crop_matrix` float32 (3, 3) and, where there is a picture, `color_crop`
        uint8 (size, size, 3).
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
    crop = cv2.resize(found, (size, size), interpolation=cv2.INTER_AREA)  # means
    return {"color_crop": crop, "color_crop_matrix": matrix}


def crop_matrix(
    xyz: np.ndarray,
    camera: calibration.Camera,
    *,
    size: int,
    margin: float = square_crop.MARGIN,
) -> np.ndarray:
    """The camera matrix of a square crop around the person.

    See `square_crop.enclosing` and `square_crop.matrix`.

    Args:
        xyz: (points, 3), the person, metres, camera frame; may be empty.
        camera: its image.
        size: height and width of the crop, pixels.
        margin: added on each side, as a share of the square.

    Returns:
        float32 (3, 3).
    """
    if not len(xyz):
        xyz = np.zeros((1, 3), np.float32)  # at the camera: no valid point
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
    """The image's pixel, through the lens, at the centre of each pixel of a crop.

    Args:
        image: (height, width) or (height, width, channels), as recorded.
        matrix: (3, 3), P of the crop.
        camera: of the image.
        size: height and width of the crop, pixels.

    Returns:
        (size, size) or (size, size, channels), 0 beyond the image and beyond what the
        lens can see.
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
    """x^2 + y^2 (of x/z, y/z) up to which the lens model does not fold back.

    There the radial map r (1 + k1 r^2 + k2 r^4 + k3 r^6) stops growing. Beyond, it
    would show pixels of the image a second time.
    """
    k1, k2, _, _, k3 = distortion
    roots = np.roots([7 * k3, 5 * k2, 3 * k1, 1.0])
    real = roots[np.isreal(roots)].real
    return float(real[real > 0].min(initial=np.inf))

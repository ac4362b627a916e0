"""MP4 of poses over the pictures of a recording: all frames."""

import math
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np

from data_pipelines.sequences import sequence
from unipose_jax import atomic, errors, skeleton
from unipose_jax.cli import recorded_pictures
from unipose_jax.report.draw import overlay, palette
from unipose_jax.report.viewer import data, scene

_LEAST, _MOST = 480, 1080  # pixels of the height
# MPEG-4 part 2, which the OpenCV of PyPI can write; it has no encoder for H.264, and
# that for VP9 takes a hundred times longer.
_CODEC = "mp4v"
_FPS, _SLOWEST, _FASTEST = 30.0, 1.0, 120.0


def write(
    path: pathlib.Path,
    poses: scene.Scene,
    opened: sequence.Sequence,
    places: Sequence[int],
) -> int:
    """Writes every frame of a scene's poses over the recording's pictures.

    Colour images, or depth maps where one is missing. The rate is that of the median
    interval between frames.

    Args:
        path: ends in `.mp4`.
        poses: of people, in the frame of the depth camera; the first set in colours,
            the second in grey below it.
        opened: the recording.
        places: position in the recording of each frame.

    Returns:
        The number of frames.

    Raises:
        errors.BadInput: a frame cannot be read, or no film can be written.
    """
    fps = _rate(poses.time)
    if opened.color_camera is not None:
        try:
            return write_film(path, _images(True, poses, opened, places), fps)
        except recorded_pictures.NoColor as error:
            errors.warn(f"{opened.name}: the film has no colour: {error}")
    return write_film(path, _images(False, poses, opened, places), fps)


def _rate(time: np.ndarray | None) -> float:
    """Frames per second, from the median interval."""
    step = 0.0 if time is None or len(time) < 2 else float(np.median(np.diff(time)))
    return min(max(1.0 / step, _SLOWEST), _FASTEST) if step > 0 else _FPS


def _images(
    colored: bool,
    poses: scene.Scene,
    opened: sequence.Sequence,
    places: Sequence[int],
) -> Iterator[np.ndarray]:
    source = recorded_pictures.Source(opened, colored, not colored)
    depth_range = data.depth_range(poses)
    for frame, place in enumerate(places):
        image = source.picture(place)
        if image.ndim == 2:
            image = palette.depth_rgb(image, depth_range=depth_range)
        scale, image = _resized(image, smooth=colored)
        for person in poses.people:
            body = skeleton.by_name(person.skeleton)
            for index, own in reversed(list(enumerate(person.poses[:2]))):
                uv = source.camera.distort_uv(source.project(own.xyz[frame]))
                sure = None if own.confidence is None else own.confidence[frame]
                overlay.draw_pose(
                    image, scale * uv, body, confidence=sure, compared=index > 0
                )
        yield image


def _resized(image: np.ndarray, *, smooth: bool) -> tuple[float, np.ndarray]:
    """Image with even sides and a height that suits a film, and the factor to it."""
    height, width = image.shape[:2]
    scale = min(1.0, _MOST / height) * max(1, math.ceil(_LEAST / height))
    size = 2 * round(0.5 * scale * width), 2 * round(0.5 * scale * height)
    larger = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    kind = larger if scale > 1 else cv2.INTER_AREA
    return scale, np.ascontiguousarray(cv2.resize(image, size, interpolation=kind))


def write_film(path: atomic.Path, images: Iterable[np.ndarray], fps: float) -> int:
    """Writes images as a film, in one step.

    Args:
        path: ends in `.mp4`.
        images: uint8 sRGB (height, width, 3), one or more, all of one size with an
            even width and height.
        fps: images per second.

    Returns:
        The number of images.

    Raises:
        errors.BadInput: OpenCV cannot write films here.
    """
    count, writer = 0, None
    with atomic.replacing(path) as temporary:
        try:
            for image in images:
                if writer is None:
                    writer = _opened(str(temporary), fps, image.shape[1::-1])
                writer.write(np.ascontiguousarray(image[..., ::-1]))
                count += 1
        finally:
            if writer is not None:
                writer.release()
        if not temporary.is_file():
            raise errors.BadInput(f"OpenCV wrote no film to {path}")
    return count


def _opened(path: str, fps: float, size: tuple[int, ...]) -> cv2.VideoWriter:
    code = cv2.VideoWriter.fourcc(*_CODEC)
    writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, code, fps, size)
    if not writer.isOpened():
        raise errors.BadInput(
            f"this OpenCV cannot write MP4 (codec {_CODEC}); pip install "
            "opencv-python-headless has it, or leave out --video"
        )
    return writer

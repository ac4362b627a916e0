"""MP4 films, written with OpenCV."""

from collections.abc import Iterable

import cv2
import numpy as np
from jaxtyping import UInt8

from unipose_jax import atomic, errors

# MPEG-4 part 2, which the OpenCV of PyPI can write; it has no encoder for H.264, and
# that for VP9 takes a hundred times longer.
_CODEC = "mp4v"


def write(
    path: atomic.Path, images: Iterable[UInt8[np.ndarray, "height width 3"]], fps: float
) -> int:
    """Writes images as a film, in one step.

    Args:
        path: ends in `.mp4`.
        images: sRGB, all of one size with an even width and height; at least one.
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
                    writer = _open(str(temporary), fps, image.shape[1::-1])
                writer.write(np.ascontiguousarray(image[..., ::-1]))
                count += 1
        finally:
            if writer is not None:
                writer.release()
        if not temporary.is_file():
            raise errors.BadInput(f"OpenCV wrote no film to {path}")
    return count


def _open(path: str, fps: float, size: tuple[int, ...]) -> cv2.VideoWriter:
    code = cv2.VideoWriter.fourcc(*_CODEC)
    writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, code, fps, size)
    if not writer.isOpened():
        raise errors.BadInput(
            f"this OpenCV cannot write MP4 (codec {_CODEC}); pip install "
            "opencv-python-headless has it, or leave out --video"
        )
    return writer

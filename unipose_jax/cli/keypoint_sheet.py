"""Draws the 2D keypoints of a recording or sequence over some of its frames."""

import math
import pathlib
import textwrap

import cv2
import numpy as np
from jaxtyping import Float, Num
from PIL import Image, ImageDraw, ImageFont

from data_pipelines.keypoints import detections
from data_pipelines.sequences import sequence
from unipose_jax import atomic, errors
from unipose_jax.report.draw import overlay, palette
from unipose_jax.skeleton import definitions

COLUMNS, SIDE, GAP = 3, 420, 6  # images in a row; pixels
ASPECT = 0.8  # width / height of an image
HEADER = 68  # pixels of the title and the legend
LINE, LETTERS = 17, 180  # pixels of a line of joint names, and its letters
_TITLE, _TEXT, _SMALL = 18, 15, 12  # pixels of letters
_THIN = 0.7  # of the bones, so that indices stay readable

Window = tuple[float, float, float, float]


def preview(
    opened: sequence.Sequence,
    skeleton: str,
    path: pathlib.Path,
    *,
    frames: int = 6,
) -> None:
    """Draws the keypoints of a few frames over colour, or depth where there is none.

    Left orange, right blue, middle dark; every joint has its index in the skeleton, and
    the names stand below. The person is the most visible one, as training takes it
    where there are no masks. Images and keypoints are as recorded, lens distortion
    included.

    Args:
        opened: a recording or another sequence.
        skeleton: name of the skeleton to show the keypoints in.
        path: PNG to write.
        frames: most images, equally spaced among the frames with keypoints.

    Raises:
        errors.BadInput: no such skeleton, no keypoints, or a frame cannot be read.
    """
    if skeleton not in definitions.NAMES:
        raise errors.BadInput(
            f"unknown skeleton {skeleton!r}; use one of {', '.join(definitions.NAMES)}"
        )
    found = opened.keypoint_detections()
    if found is None:
        raise errors.BadInput(f"{opened.name} has no 2D keypoints to draw")
    uv, confidence = detections.track_person(found, opened.frames)
    uv, confidence = detections.convert_keypoints(
        uv, confidence, found.joints, skeleton
    )
    shown = np.flatnonzero((confidence > 0).any(axis=1))
    if not len(shown):
        raise errors.BadInput(
            f"{opened.name}: none of the 2D keypoints is of a frame, or of {skeleton}"
        )
    chosen = shown[np.linspace(0, len(shown) - 1, min(frames, len(shown))).astype(int)]
    draw_sheet(
        path,
        [_image(opened, int(index)) for index in chosen],
        uv[chosen],
        confidence[chosen],
        body=definitions.by_name(skeleton),
        labels=[f"frame {opened.frames[index]}" for index in chosen],
        title=f"{opened.name}: 2D keypoints as {skeleton}",
    )


def _image(opened: sequence.Sequence, index: int) -> np.ndarray:
    """Colour, or depth, or, where the keypoints' camera has neither, a blank image."""
    image = opened.color(index)
    if image is None and opened.color_camera is None:
        image = opened.depth(index)
    if image is None:
        camera = opened.keypoint_camera
        image = np.full((camera.height, camera.width, 3), 225, np.uint8)
    return image


def draw_sheet(
    path: atomic.Path,
    images: list[np.ndarray],
    uv: Float[np.ndarray, "frames joints 2"],
    confidence: Float[np.ndarray, "frames joints"],
    *,
    body: definitions.Skeleton,
    labels: list[str],
    title: str,
) -> None:
    """Draws keypoints with their indices over images, each around its person.

    Args:
        path: PNG to write.
        images: uint8 colours (height, width, 3), or float depth (height, width) in
            metres, of any sizes.
        uv: keypoints, pixels; one that is NaN is left out with its bones. Every image
            has at least one.
        confidence: in [0, 1]; uncertain keypoints are greyer.
        body: their skeleton.
        labels: one per image, shown in its corner.
        title: above the picture.
    """
    # A no-break space keeps a name with its index.
    names = (f"{joint}\u00a0{name}" for joint, name in enumerate(body.joints))
    lines = textwrap.wrap("   ".join(names), LETTERS)
    columns, tall = min(COLUMNS, len(images)), round(SIDE / ASPECT)
    bottom = HEADER + math.ceil(len(images) / columns) * (tall + GAP)
    size = COLUMNS * (SIDE + GAP) - GAP, bottom + LINE * len(lines) + GAP
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((12, 8), title, _rgb(palette.INK), _font(_TITLE))
    for place, (side, color) in enumerate(
        {"left": palette.LEFT, "right": palette.RIGHT}.items()
    ):
        at = 14 + 90 * place
        draw.line((at, 52, at + 26, 52), _rgb(color), 4)
        draw.text((at + 32, 42), side, _rgb(palette.INK), _font(_TEXT))
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        corner = column * (SIDE + GAP), HEADER + row * (tall + GAP)
        tile, places = _tile(image, uv[index], (SIDE, tall))
        overlay.draw_pose(tile, places, body, confidence=confidence[index], size=_THIN)
        sheet.paste(Image.fromarray(tile), corner)
        _write_indices(draw, places + corner, body)
        where = corner[0] + 8, corner[1] + 6
        box = draw.textbbox(where, labels[index], _font(_TEXT))
        draw.rectangle((box[0] - 4, box[1] - 4, box[2] + 4, box[3] + 4), "white")
        draw.text(where, labels[index], _rgb(palette.INK), _font(_TEXT))
    for number, line in enumerate(lines):
        where = 12, bottom + LINE * number
        text = line.replace("\u00a0", " ")  # which the font lacks
        draw.text(where, text, _rgb(palette.INK), _font(_SMALL))
    with atomic.replacing(path) as temporary:
        sheet.save(temporary, format="png")


def window_around(uv: Float[np.ndarray, "joints 2"]) -> Window:
    """Left, top, right and bottom of the part of an image around keypoints."""
    known = uv[np.isfinite(uv).all(axis=-1)]
    low, high = known.min(axis=0), known.max(axis=0)
    margin = 0.12 * float((high - low).max()) + 4.0
    width, height = (float(side) + 2 * margin for side in high - low)
    width, height = max(width, height * ASPECT), max(height, width / ASPECT)
    x, y = (float(side) for side in (low + high) / 2.0)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _tile(
    image: Num[np.ndarray, "height width *rgb"],
    uv: Float[np.ndarray, "joints 2"],
    size: tuple[int, int],
) -> tuple[np.ndarray, Float[np.ndarray, "joints 2"]]:
    """The part of an image around keypoints in a size, and the keypoints in it."""
    if image.ndim == 2:
        image = palette.depth_rgb(image, depth_range=palette.person_range(image, uv))
    left, top, right, _ = window_around(uv)
    scale = size[0] / (right - left)
    # OpenCV puts pixel centres at integers.
    shift = scale * (0.5 - np.array((left, top))) - 0.5
    matrix = np.array(((scale, 0.0, shift[0]), (0.0, scale, shift[1])))
    kind = cv2.INTER_NEAREST if scale > 1.5 else cv2.INTER_AREA
    tile = cv2.warpAffine(image, matrix, size, flags=kind, borderValue=(255,) * 3)
    return tile, scale * (uv - (left, top))


def _write_indices(
    draw: ImageDraw.ImageDraw,
    uv: Float[np.ndarray, "joints 2"],
    body: definitions.Skeleton,
) -> None:
    for joint, color in enumerate(palette.joint_colors(body)):
        if np.isfinite(uv[joint]).all():
            x, y = uv[joint]
            draw.text(
                (x + 6, y - 4),
                str(joint),
                _rgb(color),
                _font(_SMALL),
                anchor="lb",
                stroke_width=2,
                stroke_fill="white",
            )


def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(pixels)


def _rgb(color: palette.Color) -> tuple[int, ...]:
    return tuple(round(255 * channel) for channel in color)

"""A sheet of frames with their 2D keypoints, which shows a wrong order of joints."""

import math
import textwrap

import cv2
import numpy as np
from jaxtyping import Float, Num
from PIL import Image, ImageDraw, ImageFont

from unipose_jax import atomic
from unipose_jax.report.draw import overlay, palette
from unipose_jax.skeleton import definitions

COLUMNS, SIDE, GAP = 3, 420, 6  # images in a row; pixels
ASPECT = 0.8  # width / height of an image
HEADER = 68  # pixels of the title and the legend
LINE, LETTERS = 17, 180  # pixels of a line of joint names, and its letters
_TITLE, _TEXT, _SMALL = 18, 15, 12  # pixels of letters
_THIN = 0.7  # of the bones, so that indices stay readable

Window = tuple[float, float, float, float]


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

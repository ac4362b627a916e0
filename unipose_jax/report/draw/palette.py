"""Colours and the depth colour map; NumPy only.

Left, right and middle are told apart by Okabe and Ito's colours ("Color Universal
Design", 2008), which people with any common colour blindness can distinguish. The depth
map falls evenly in CIELAB lightness (96 near, 10 far), so that equal steps look equal,
and has little colour of its own, so that skeletons stand out on it.
"""

import math
import re

import numpy as np
from jaxtyping import Float, UInt8

from unipose_jax.skeleton import definitions

Color = tuple[float, float, float]


def from_hex(code: str) -> Color:
    """Red, green and blue in [0, 1] of a colour written as "#d55e00"."""
    if not re.fullmatch("#[0-9a-fA-F]{6}", code):
        raise ValueError(f"a colour is written like '#d55e00', not {code!r}")
    red, green, blue = (int(code[i : i + 2], 16) / 255.0 for i in (1, 3, 5))
    return red, green, blue


LEFT = from_hex("#d55e00")
RIGHT = from_hex("#0072b2")
MIDDLE = from_hex("#3c3c46")
INK = from_hex("#24292f")
FAINT = from_hex("#8a929c")
GRID = from_hex("#d5dae1")
PANEL = from_hex("#f6f8fa")
WHITE = (1.0, 1.0, 1.0)
NO_DEPTH = from_hex("#2c2430")

# For curves and bars: in the order in which neighbours differ most.
SERIES = tuple(
    from_hex(code)
    for code in (
        "#0072b2",
        "#d55e00",
        "#009e73",
        "#cc79a7",
        "#e69f00",
        "#56b4e9",
        "#9a8c1b",
        "#8a929c",
    )
)

DEPTH_COLORS = np.array(
    [
        (251, 243, 226),
        (212, 214, 201),
        (174, 187, 176),
        (138, 159, 152),
        (108, 131, 133),
        (78, 104, 114),
        (53, 77, 93),
        (37, 51, 69),
        (21, 27, 46),
    ],
    dtype=np.float64,
)


def series_color(index: int) -> Color:
    """Colour of the curve or bar group with this index; repeats after eight."""
    return SERIES[index % len(SERIES)]


def joint_colors(body: definitions.Skeleton) -> list[Color]:
    """Colour of each joint by its side."""
    return [_side_color(name) for name in body.joints]


def bone_colors(body: definitions.Skeleton) -> list[Color]:
    """Colour of each bone: the side of whichever end has one, the child first."""
    colors = joint_colors(body)
    return [
        colors[child] if colors[child] != MIDDLE else colors[parent]
        for child, parent in body.bones
    ]


def lighter(color: Color, *, by: float = 0.5) -> Color:
    """The colour mixed with `by` parts of white out of one."""
    red, green, blue = (channel + by * (1.0 - channel) for channel in color)
    return red, green, blue


def depth_rgb(
    depth: Float[np.ndarray, "*batch height width"],
    *,
    depth_range: tuple[float, float],
) -> UInt8[np.ndarray, "*batch height width 3"]:
    """Colours of a depth map, with most of the contrast given to one range.

    The range takes three quarters of the colours, nearer and farther depths the rest:
    the room stays recognisable, and the person keeps a high contrast.

    Args:
        depth: z, metres; 0 or not finite where there is none, which has its own colour.
        depth_range: (near, far) in metres, as from `person_range`.
    """
    position = depth_position(depth, depth_range=depth_range)
    stops = np.linspace(0.0, 1.0, len(DEPTH_COLORS))
    table = np.stack(
        [np.interp(np.linspace(0, 1, 1024), stops, c) for c in DEPTH_COLORS.T], axis=-1
    )
    rgb = np.rint(table).astype(np.uint8)[np.rint(position * 1023).astype(np.int64)]
    missing = np.rint(np.array(NO_DEPTH) * 255).astype(np.uint8)
    return np.where(_has_depth(depth)[..., None], rgb, missing)


def depth_position(
    depth: Float[np.ndarray, "*shape"], *, depth_range: tuple[float, float]
) -> Float[np.ndarray, "*shape"]:
    """Where a depth lies on the colour map, in [0, 1]; 0 where there is no depth.

    Args:
        depth: z, metres.
        depth_range: (near, far) in metres; mapped to 0.1 and 0.85.
    """
    near, far = depth_range
    known = np.where(_has_depth(depth), depth, near).astype(np.float64)
    stops = (near - 2.0, near, far, far + 4.0)
    return np.where(_has_depth(depth), np.interp(known, stops, (0, 0.1, 0.85, 1)), 0.0)


def person_range(
    depth: Float[np.ndarray, "height width"],
    uv: Float[np.ndarray, "joints 2"],
    *,
    margin: float = 0.25,
) -> tuple[float, float]:
    """The depths at the joints' pixels, robustly, with a margin on both sides.

    Args:
        depth: z, metres; 0 or not finite where there is none.
        uv: joints in pixels of the depth map; NaN or outside is left out.
        margin: metres.

    Returns:
        (near, far) in metres; of the whole map if no joint has a depth.
    """
    height, width = depth.shape
    inside = np.all((uv >= 0) & (uv < (width, height)), axis=-1)
    column, row = uv[inside].astype(np.int64).T
    seen = depth[row, column]
    seen = seen[_has_depth(seen)]
    if seen.size < 3:
        seen = depth[_has_depth(depth)]
    if seen.size == 0:
        return 0.5, 5.0
    # A joint may miss the body and hit the wall: half of them set the centre.
    # One of them, not the middle of two that are far apart.
    center = float(np.quantile(seen, 0.5, method="lower"))
    close = seen[np.abs(seen - center) < 0.8]
    low, high = float(close.min()), float(close.max())
    return max(low - margin, 0.05), high + margin


def _side_color(name: str) -> Color:
    if name.startswith("left_"):
        return LEFT
    return RIGHT if name.startswith("right_") else MIDDLE


def _has_depth(depth: Float[np.ndarray, "*shape"]) -> np.ndarray:
    return np.isfinite(depth) & (depth > 0.0) & (depth < math.inf)

"""What a keypoint file says, before units and frames are fitted to a recording."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipelines.keypoints import joint_orders
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

PIXELS = "pixels"  # centres at integers
SHARES = "shares"  # of the width and height: pixel 160 of 320 is 0.5
CORNERS = "corners"  # centres of the corner pixels are (0, 0) and (1, 1)
SIGNED_CORNERS = "signed corners"  # they are (-1, -1) and (1, 1)

# Joint orders that detectors use without naming their joints.
BY_COUNT = (
    skeletons.COCO17,
    joint_orders.HALPE26,
    joint_orders.WHOLEBODY133,
    joint_orders.HALPE136,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Parsed:
    """People of all frames as a file gives them."""

    joints: skeletons.Skeleton
    people: Mapping[int, Sequence[np.ndarray]]  # frame -> (joints, 3): u, v, confidence
    unit: str = PIXELS  # of u and v
    sizes: frozenset[tuple[int, int]] = frozenset()  # (width, height) of the pictures
    time: Mapping[int, float] | None = None  # seconds of each frame, if they replace
    # frame numbers
    notes: tuple[str, ...] = ()  # lines for the user: what was understood


def parse_keypoints(
    values: Any, where: str, choices: Sequence[skeletons.Skeleton]
) -> tuple[np.ndarray, skeletons.Skeleton]:
    """Parses (u, v, confidence) of each joint; finds the order by their number.

    Raises:
        errors.BadInput: no choice has this number of joints.
    """
    try:
        flat = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        flat = np.zeros((), np.float64)
    for skeleton in choices:
        if flat.shape == (3 * skeleton.num_joints,):
            return flat.reshape(-1, 3), skeleton
    wanted = " or ".join(f"{s.num_joints} joints ({s.name})" for s in choices)
    count = f"{flat.size / 3:g} joints" if flat.ndim == 1 else "no list of numbers"
    raise errors.BadInput(f"{where} has {count}, expected {wanted} as u, v, confidence")


def frame_number(name: str) -> int | None:
    """The frame number in the name of a picture or file; None without one.

    A group of six digits is the number, as recordings have it, whatever an annotation
    tool has put around it ("3fa2b1-000012.png", "000012_png.rf.9a8b.jpg"). Otherwise it
    is the last group of digits.
    """
    stem = re.sub(r"\.[A-Za-z]\w*$", "", re.split(r"[/\\]", name)[-1])
    exact = re.findall(r"(?<![0-9A-Za-z])\d{6}(?![0-9A-Za-z])", stem)
    if len(exact) == 1:
        return int(exact[0])
    digits = re.findall(r"\d+", stem)
    return int(digits[-1]) if digits else None


def required_number(name: str, where: Any) -> int:
    """The same number.

    Raises:
        errors.BadInput: there is none.
    """
    number = frame_number(name)
    if number is None:
        raise errors.BadInput(f"{where}: no frame number in the file's name")
    return number

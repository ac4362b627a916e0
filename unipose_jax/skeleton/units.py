"""Checks of the units of poses and times against people and cameras; NumPy only."""

import numpy as np
from jaxtyping import Bool, Float, Shaped

from unipose_jax.skeleton import definitions

# Metres. The median over arms and legs is 0.08 for a newborn and 0.45 for a person of
# 2.1 m (0.15 to 0.27 H, Drillis & Contini), with room for the errors of a tracker.
# Poses of a bad network may have limbs of a metre; only other units have more than 5.
MIN_LIMB, MAX_LIMB, OTHER_UNIT = 0.04, 0.8, 5.0
# Seconds between frames. Even steps of more than 10 are milliseconds (of less than 100
# frames a second); stills may be minutes apart, but not evenly.
MAX_EVEN_STEP, MAX_STEP, MIN_STEP = 10.0, 1e4, 1e-3
# Seconds since 1970 are 1.7e9 today; a larger unit count is no number of seconds.
_MAX_SECONDS = 1e11

_LIMB_ENDS = {
    "elbow": ("shoulder",),
    "wrist": ("elbow",),
    "hand": ("elbow",),
    "knee": ("hip",),
    "ankle": ("knee",),
    "foot": ("knee",),
}


@definitions.accepts_name
def limb_length(
    xyz: Float[np.ndarray, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    valid: Bool[np.ndarray, "*batch joints"] | None = None,
) -> float:
    """Median length of arm and leg bones, in the unit of `xyz`; NaN without any.

    Args:
        xyz: joints, any unit and frame.
        skeleton: names the joints.
        valid: joints with False are ignored, as are those that are not finite.
    """
    known = np.isfinite(xyz).all(axis=-1)
    if valid is not None:
        known = known & valid
    kinds = [definitions.without_side(joint) for joint in skeleton.joints]
    bones = [
        (child, parent)
        for child, parent in skeleton.bones
        if kinds[parent] in _LIMB_ENDS.get(kinds[child], ())
    ]
    child, parent = np.asarray(bones, np.int32).reshape(-1, 2).T
    both = known[..., child] & known[..., parent]
    vectors = np.asarray(xyz, np.float64)[..., child, :] - xyz[..., parent, :]
    lengths = np.linalg.norm(vectors, axis=-1)[both]
    return float(np.median(lengths)) if lengths.size else float("nan")


@definitions.accepts_name
def check_metres(
    xyz: Float[np.ndarray, "*batch joints 3"],
    *,
    skeleton: definitions.Skeleton,
    valid: Bool[np.ndarray, "*batch joints"] | None = None,
) -> None:
    """Refuses joints whose limbs are so long that they must be in another unit.

    Args:
        xyz: joints, metres, any frame.
        skeleton: names the joints.
        valid: joints with False are ignored.

    Raises:
        ValueError: the message names the probable unit.
    """
    length = limb_length(xyz, skeleton=skeleton, valid=valid)
    if not length > OTHER_UNIT:
        return
    factors = {"millimetres": 1e-3, "centimetres": 1e-2}
    units = [u for u, f in factors.items() if 0.08 <= f * length <= MAX_LIMB]
    guess = f", as in {units[0]}" if units else ""
    raise ValueError(
        f"arms and legs are {length:.4g} long (median of their bones){guess}; joints "
        "must be in metres"
    )


def check_depth_metres(values: Shaped[np.ndarray, "..."], *, name: str) -> None:
    """Refuses depth or points that no depth camera sees in metres.

    Args:
        values: depth, or z of points, metres; zero, negative and not finite: missing.
        name: of the argument, for the message.

    Raises:
        ValueError: integers, or more than half of the values are beyond 100 m.
    """
    values = np.asarray(values)
    if values.dtype.kind not in "f":
        raise ValueError(
            f"{name} has dtype {values.dtype}; expected metres as floats: multiply "
            "counts by the depth unit (0.001 for millimetres)"
        )
    known = np.isfinite(values) & (values > 0)
    if 2 * np.count_nonzero(known & (values > 100.0)) > np.count_nonzero(known):
        median = np.median(values[known])
        raise ValueError(
            f"{name} has a median of {median:.4g}, as in millimetres; expected metres"
        )


def check_seconds(time: Shaped[np.ndarray, " time"]) -> None:
    """Refuses times that are not seconds of a camera.

    Args:
        time: of each frame, seconds from any origin.

    Raises:
        ValueError: the message names the probable unit.
    """
    given = np.asarray(time)
    time = given.astype(np.float64)
    if not np.isfinite(time).all():
        raise ValueError("a time is not finite")
    largest = float(np.abs(time).max(initial=0.0))
    if largest > _MAX_SECONDS:
        power = int(np.searchsorted([1e14, 1e17], largest))
        unit = ("milliseconds", "microseconds", "nanoseconds")[power]
        raise ValueError(f"times as large as {largest:.4g} are {unit}, not seconds")
    steps = np.diff(time)
    steps = steps[steps > 0]
    if not steps.size:
        return
    step = float(np.median(steps))
    even = steps.size >= 3 and np.mean(np.abs(steps - step) <= 0.2 * step) >= 0.5
    if step > MAX_STEP or (even and step > MAX_EVEN_STEP):
        power = int(np.searchsorted([1e4, 1e7], step))
        unit = ("milliseconds", "microseconds", "nanoseconds")[power]
        raise ValueError(f"frames are {step:.4g} apart, as in {unit}; expected seconds")
    if step < MIN_STEP:
        raise ValueError(f"frames are {step:.4g} s apart: no camera is so fast")
    if given.dtype.kind in "iu" and time.size >= 3 and (steps == 1).all():
        raise ValueError(
            f"times {time[0]:g}, {time[1]:g}, {time[2]:g}, ... count frames; expected "
            "seconds"
        )


def check_frame_numbers(
    time: Float[np.ndarray, " time"],
    xyz: Float[np.ndarray, "time joints 3"],
    *,
    valid: Bool[np.ndarray, "time joints"],
) -> None:
    """Refuses times 0, 1, 2, ... of joints that move as smoothly as in a video.

    At one frame a second, a person's steps from frame to frame are unrelated; in a
    video, the second difference of positions is small beside the first.

    Args:
        time: seconds.
        xyz: joints, metres.
        valid: joints with False are ignored.

    Raises:
        ValueError: the times are frame numbers.
    """
    if len(time) < 8 or not (np.diff(time) == 1).all():
        return
    known = valid & np.isfinite(xyz).all(axis=-1)
    known = known[2:] & known[1:-1] & known[:-2]
    xyz = np.where(np.isfinite(xyz), xyz, 0.0).astype(np.float64)
    velocity = np.diff(xyz, axis=0)
    speed = np.linalg.norm(velocity[1:], axis=-1)[known]
    change = np.linalg.norm(np.diff(velocity, axis=0), axis=-1)[known]
    if speed.size and np.median(change) < 0.5 * np.median(speed):
        raise ValueError(
            "times grow by 1 a frame, but the joints move as smoothly as in a video: "
            "these are frame numbers; expected seconds"
        )

"""Refinement of sequences of any length with few compiled programs.

A program is compiled for one number of frames, which takes much longer than to refine a
minute of video. Sequences are therefore filled up to one of few lengths by frames
without observations, which change nothing but the rounding.
"""

import dataclasses

import jax
import numpy as np
from jaxtyping import Array

from unipose_jax.refine import observations, offline
from unipose_jax.skeleton import definitions

_SHORTEST = 64  # frames


def padded_length(count: int) -> int:
    """Number of frames that a sequence is filled up to: 64, 96, 128, 192, 256, ...

    At most half of the frames are added, from 64 on.
    """
    length = _SHORTEST
    while length < count:
        is_power_of_two = not length & (length - 1)
        length = length * 3 // 2 if is_power_of_two else length * 4 // 3
    return length


@definitions.accepts_name
def refine(
    xyz: np.ndarray,
    *,
    skeleton: definitions.Skeleton,
    valid: np.ndarray,
    confidence: np.ndarray,
    time: np.ndarray,
    person: np.ndarray,
    keypoints: observations.Keypoints | None = None,
    clouds: observations.Clouds | None = None,
    prior: observations.Prior | None = None,
    schedule: offline.SolverSchedule = offline.OFFLINE,
) -> offline.Refined:
    """`offline.refine` of a sequence that is filled up to `padded_length`.

    Not for use in `jit`.

    Args:
        xyz: (time, joints, 3), metres, as in `offline.refine`.
        skeleton: skeleton of the joints.
        valid: (time, joints).
        confidence: (time, joints).
        time: (time,), seconds.
        person: (time,), number of the person.
        keypoints: observed 2D keypoints.
        clouds: points on the visible surface of the person.
        prior: joints predicted by a model of human motion.
        schedule: solver steps.

    Returns:
        The result for the given frames.

    Raises:
        ValueError: see `offline.refine`.
    """
    count = len(xyz)
    added = padded_length(count) - count
    found = offline.refine(
        fill(np.asarray(xyz, np.float32), added=added),
        skeleton=skeleton,
        valid=fill(valid, added=added),
        confidence=fill(np.asarray(confidence, np.float32), added=added),
        time=fill_time(time, added=added),
        person=fill(np.asarray(person, np.int32), added=added),
        keypoints=_filled(keypoints, ("uv", "confidence"), added),
        clouds=_filled(clouds, ("points", "valid"), added),
        prior=_filled(prior, ("prior_xyz", "prior_sd"), added),
        schedule=schedule,
    )
    # Cut by NumPy, for which nothing is compiled.
    cut = {
        field.name: jax.device_put(np.asarray(getattr(found, field.name))[:count])
        for field in dataclasses.fields(found)
        if field.name != "noise"
    }
    return dataclasses.replace(found, **cut)


def fill(values: np.ndarray | Array, *, added: int) -> Array:
    """The values of each frame, and 0 (False) for further frames."""
    values = np.asarray(values)
    zeros = np.zeros((added, *values.shape[1:]), values.dtype)
    return jax.device_put(np.concatenate([values, zeros]))


def fill_time(time: np.ndarray, *, added: int) -> Array:
    """Times in which further frames are segments of their own: time stands still."""
    time = np.asarray(time, np.float32)
    return jax.device_put(np.concatenate([time, np.full(added, time[-1])]))


def _filled(given, names, added):
    if given is None:
        return None
    values = {name: fill(getattr(given, name), added=added) for name in names}
    return dataclasses.replace(given, **values)

"""Refinement of a sequence, and of successive frames."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import refine_data
from benchmarks.speed import options, timing
from unipose_jax import refine, skeleton
from unipose_jax.refine import online

_FPS = 30.0
_BODY = skeleton.ITOP15
_LONG, _SHORT = 10_000, 1_000  # frames of the sequence
_LIVE = 100  # frames that are refined one by one


def whole(with_keypoints: bool, chosen: options.Options) -> timing.Measured:
    """A sequence at once."""
    count = _SHORT if chosen.quick else _LONG
    poses, keypoints = noisy_poses(count)
    stamps = jnp.arange(count) / _FPS
    run = jax.jit(functools.partial(refine.refine, skeleton=_BODY))
    given = keypoints if with_keypoints else None
    times = timing.repeat(lambda: run(poses, time=stamps, keypoints=given))
    shapes = f"{count:,} frames of {_BODY.num_joints} joints"
    return timing.rate(times, count, "frames/s", shapes)


def live(lag: int, chosen: options.Options) -> timing.Measured:
    """Frame by frame, with a delay of some frames."""
    poses, _ = noisy_poses(_LIVE + 20)
    push = jax.jit(functools.partial(online.update, skeleton=_BODY, lag=lag))
    history, numbers = online.init(skeleton=_BODY), itertools.count()

    def run():
        nonlocal history
        number = next(numbers)
        history, xyz, _ = push(history, poses[number], jnp.float32(number / _FPS))
        return xyz

    times = timing.repeat(run, repeats=_LIVE, warm_up=20)
    shapes = f"{_BODY.num_joints} joints, {lag} frames of delay"
    return timing.rate(times, 1, "frames/s", shapes)


def noisy_poses(count: int) -> tuple[jax.Array, refine.Keypoints]:
    """A waving line of joints with noise of 30 mm, and keypoints; time only matters."""
    rng = np.random.default_rng(0)
    xyz = rng.normal(scale=0.3, size=(1, _BODY.num_joints, 3)) + [0.0, 0.0, 3.0]
    xyz = xyz + 0.2 * np.sin(np.arange(count) / 10.0)[:, None, None]
    noisy = xyz + 0.03 * rng.normal(size=xyz.shape)
    truth = refine_data.truth_of(xyz, np.arange(count) / _FPS, _BODY)
    seen = refine_data.with_keypoints(truth, truth, pixels=3.0, seed=0)
    keypoints = refine.Keypoints(
        uv=jnp.asarray(seen.uv),
        confidence=jnp.ones(xyz.shape[:2]),
        intrinsics=jnp.asarray(seen.intrinsics),
        cam_from_xyz=jnp.eye(4),
    )
    return jnp.asarray(noisy, jnp.float32), keypoints


ROWS = {
    "refine/whole": functools.partial(whole, False),
    "refine/whole+keypoints": functools.partial(whole, True),
    "refine/live": functools.partial(live, 0),
    "refine/live+delay": functools.partial(live, online.LAG),
}

"""Refined frames per second, for whole sequences and for a live stream.

    python -m benchmarks.refine

Prints one JSON object with medians after warm-up, on the default device of JAX. The
poses are those of rendered people with noise; the time does not depend on them.
"""

import functools
import json
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from unipose_jax import refine, skeleton
from unipose_jax.cli import commands
from unipose_jax.refine import online
from unipose_jax.synthesis.motion import body_shape, procedural

_FRAMES = flags.DEFINE_integer("frames", 10_000, "Frames of the sequence.")
BODY = skeleton.ITOP15


def main(argv: list[str]) -> None:
    """Times a long sequence, then live frames."""
    del argv
    commands.silence_library_logs()
    poses = noisy_poses(_FRAMES.value)
    stamps = jnp.arange(len(poses)) / 30.0
    whole = jax.jit(functools.partial(refine.refine, skeleton=BODY))
    offline = seconds(lambda: whole(poses, time=stamps), repeats=3)
    print(
        json.dumps(
            {
                "device": jax.devices()[0].device_kind,
                "frames": len(poses),
                "offline_frames_per_s": round(len(poses) / offline, 1),
                "live_frames_per_s": round(1.0 / live_seconds(poses), 1),
                "live_lag_frames": online.LAG,
            },
            indent=1,
        )
    )


def noisy_poses(count: int) -> jax.Array:
    """Joints of a rendered person in a series of motions, with noise of 30 mm."""
    frames = 200
    stamps = jnp.arange(frames) / 30.0

    @jax.jit
    def clip(key):
        person = body_shape.sample_shape(key, body_shape.ShapeParams())
        return procedural.sample_motion(key, person, stamps, procedural.MotionParams())

    keys = jax.random.split(jax.random.key(0), -(-count // frames))
    clips = [np.asarray(clip(key)) for key in keys]
    body = np.concatenate(clips)[:count]
    xyz, _ = skeleton.convert(body, "BODY", BODY.name)
    rng = np.random.default_rng(0)
    return jnp.asarray(xyz + 0.03 * rng.normal(size=xyz.shape), jnp.float32)


def live_seconds(poses: jax.Array) -> float:
    """Median time of a live frame, seconds."""
    push = jax.jit(functools.partial(online.update, skeleton=BODY))
    history = online.init(skeleton=BODY)
    taken = []
    for index in range(100):
        start = time.perf_counter()
        history, xyz, _ = push(history, poses[index], jnp.float32(index / 30.0))
        xyz.block_until_ready()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[20:])


def seconds(call: Callable, *, repeats: int) -> float:
    """Median time of a call after the first, which compiles; seconds."""
    jax.block_until_ready(call())
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


if __name__ == "__main__":
    app.run(main)

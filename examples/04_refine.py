"""Refines poses over time: less jitter, constant bone lengths.

    python examples/04_refine.py

The poses here are the sample's true ones with noise. `python run.py --mode=refine`
takes the poses of any tracker, and a recording for depth and 2D keypoints.
"""

import jax
import jax.numpy as jnp
import numpy as np

from data_pipelines.readers.recordings import recording
from unipose_jax import metrics, refine, skeleton
from unipose_jax.cli import sample

truth = recording.open_recording(sample.cached()).joints()
body = skeleton.by_name(truth.skeleton)
rng = np.random.default_rng(0)
noisy = truth.xyz + rng.normal(0.0, 0.03, truth.xyz.shape).astype(np.float32)  # metres

solve = jax.jit(refine.refine, static_argnames="skeleton")
refined = solve(jnp.asarray(noisy), skeleton=body, time=jnp.asarray(truth.time))

for name, xyz in (("noisy", noisy), ("refined", refined.xyz)):
    scores = metrics.summary(
        jnp.asarray(xyz),
        jnp.asarray(truth.xyz),
        valid=jnp.asarray(truth.is_valid()),
        skeleton=body,
        time=jnp.asarray(truth.time),
    )
    print(
        f"{name}: error {scores['mpjpe_mm']:.0f} mm, of bone lengths "
        f"{scores['bone_length_error_mm']:.0f} mm, of acceleration "
        f"{scores['accel_error']:.1f} m/s^2"
    )

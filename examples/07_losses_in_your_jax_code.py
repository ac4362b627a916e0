"""Trains a small network on noisy keypoints and depth, without a 3D label.

    python examples/07_losses_in_your_jax_code.py

The mean error of random people falls from 669 to 49 mm in 500 steps.
"""

import jax
import jax.numpy as jnp
from jax.example_libraries import optimizers, stax

from unipose_jax import losses, skeleton
from unipose_jax.geometry import camera
from unipose_jax.physics import anthropometry

CAMERA = jnp.array([365.0, 365.0, 256.0, 212.0])  # fx, fy, cx, cy, pixels
REST = anthropometry.standing_pose(skeleton.ITOP15) + jnp.array([[0.0, 0.9, 3.0]])
SKIN = anthropometry.skin_depths(skeleton.ITOP15)  # from the joint to the skin, metres
init, apply = stax.serial(stax.Dense(256), stax.Gelu, stax.Dense(45))
adam_init, adam_update, parameters = optimizers.adam(2e-3)


@jax.jit
def people(key):  # poses in metres, keypoints in pixels, depth at these in metres
    pose, place, noise = jax.random.split(key, 3)
    xyz = REST[None] + 0.1 * jax.random.normal(pose, (128, 15, 3))
    xyz += 0.4 * jax.random.normal(place, (128, 1, 3))
    uv = camera.uv_from_xyz(xyz, CAMERA) + 4 * jax.random.normal(noise, (128, 15, 2))
    return xyz, uv, xyz[..., 2] - SKIN[None]


def predict(params, uv, depth):
    inputs = jnp.concatenate([uv / 365.0 - 0.6, depth[..., None] - 3.0], axis=-1)
    return REST[None] + apply(params, inputs.reshape(128, 45)).reshape(128, 15, 3)


def loss(params, uv, depth):
    xyz, person = predict(params, uv, depth), jnp.median(depth, axis=-1)
    ray = losses.point_to_ray(xyz, uv, CAMERA, at_depth=person)
    surface = losses.surface_distance(xyz, depth, skin_depth=SKIN, delta=0.3)
    return (ray + surface).mean()


@jax.jit
def update(index, state, uv, depth):
    return adam_update(index, jax.grad(loss)(parameters(state), uv, depth), state)


state = adam_init(init(jax.random.key(0), (-1, 45))[1])
for index in range(501):
    xyz, uv, depth = people(jax.random.key(index))  # other people in every step
    if index % 100 == 0:
        errors = jnp.linalg.norm(predict(parameters(state), uv, depth) - xyz, axis=-1)
        print(f"step {index}: mean error {1000 * errors.mean():.0f} mm")
    state = update(index, state, uv, depth)

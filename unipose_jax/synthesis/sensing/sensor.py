"""Simulated depth camera: noise, quantisation, shadows, holes and flying pixels.

The defaults describe a first-generation Kinect, whose depth is triangulated from a
projected pattern; a time-of-flight camera has no shadow and finer quantisation.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@dataclasses.dataclass(frozen=True)
class SensorParams:
    """Errors of a depth camera.

    Disparity is 1 / depth. Its quantisation step and noise give the depth resolution
    2.85 mm z^2 and the random error 1.425 mm z^2 (z in metres) that Khoshelham and
    Elberink measured for Kinect v1 (Sensors 2012, 12(2), 1437-1454). Nguyen et al.
    (3DIMPVT 2012) found the same growth, a lateral error of about 0.8 px of 640x480,
    and loss at grazing angles above about 70 degrees. We chose the other values
    ourselves.
    """

    disparity_noise: float = 1.425e-3  # 1/m, standard deviation
    disparity_step: float = 2.85e-3  # 1/m
    range: tuple[float, float] = (0.5, 6.0)  # metres; nothing is measured outside
    shadow_baseline: float = 0.075  # metres between projector and camera; 0 = none
    edge_jump: float = 0.08  # metres; larger steps between neighbours are edges
    flying_share: float = 0.12  # share of edge pixels that mix near and far depth
    edge_hole_share: float = 0.20  # share of edge pixels without depth
    grazing_cosine: float = 0.25  # pixels are lost below this cosine of incidence
    grazing_loss: float = 0.7  # share of pixels lost where a surface is seen edge-on
    dark_albedo: float = 0.12  # pixels are lost below this reflectance
    dark_loss: float = 0.5  # share of pixels lost on a black surface at 4 m
    speckle_loss: float = 0.003  # share of pixels lost anywhere
    tof_share: float = 0.0  # share of clips with a time-of-flight camera,
    stereo_share: float = 0.0  # with a stereo camera,
    lidar_share: float = 0.0  # and with a lidar (`sensor_kinds`)

    @property
    def mixed(self) -> bool:
        """Whether some clips have another kind of camera."""
        return self.tof_share + self.stereo_share + self.lidar_share > 0.0


def simulate(
    key: jax.Array,
    depth: Float[Array, "frames height width"],
    albedo: Float[Array, "frames height width"],
    intrinsics: Float[Array, "4"],
    *,
    params: SensorParams,
) -> Float[Array, "frames height width"]:
    """Simulates the measurement of an exact depth map.

    Args:
        key: random key; frames get independent noise.
        depth: exact z-depth, metres, finite.
        albedo: reflectance of each pixel, 0 black to 1 white.
        intrinsics: (fx, fy, cx, cy), pixels.
        params: the camera's errors.

    Returns:
        z-depth in metres, 0 where depth is missing.
    """
    key_fly, key_loss, key_noise = jax.random.split(key, 3)
    near, far = neighbourhood_range(depth)
    edge = far - near > params.edge_jump
    loss = _loss_share(depth, near, far, albedo, intrinsics, params)
    loss = jnp.where(edge, jnp.maximum(loss, params.edge_hole_share), loss)
    # One uniform number decides loss, another one flying pixels and their depth.
    draw = jax.random.uniform(key_loss, depth.shape)
    lost = draw < loss
    if params.shadow_baseline > 0.0:
        lost |= in_shadow(depth, intrinsics[0] * params.shadow_baseline)
    mix = jax.random.uniform(key_fly, depth.shape)
    flies = edge & (mix < params.flying_share)
    between = near + (far - near) * (mix / max(params.flying_share, 1e-6))
    seen = _quantise(key_noise, jnp.where(flies, between, depth), params)
    low, high = params.range
    return jnp.where(lost | (seen < low) | (seen > high), 0.0, seen)


def _quantise(key: jax.Array, depth: Array, params: SensorParams) -> Array:
    """Adds disparity noise and rounds disparity to the sensor's steps."""
    noise = params.disparity_noise * jax.random.normal(key, depth.shape)
    disparity = 1.0 / jnp.maximum(depth, 1e-3) + noise
    if params.disparity_step > 0.0:
        disparity = params.disparity_step * jnp.round(disparity / params.disparity_step)
    return 1.0 / jnp.maximum(disparity, 1e-3)


def _loss_share(
    depth: Array,
    near: Array,
    far: Array,
    albedo: Array,
    intrinsics: Array,
    params: SensorParams,
) -> Array:
    """Probability that a pixel is lost to grazing incidence, darkness or chance."""
    # Over two pixels of width 2 z / f a plane at angle a to the ray's normal
    # changes by 2 z tan(a) / f, so that near and far give the cosine.
    run = 2.0 * depth / intrinsics[0]
    cosine = run / jnp.sqrt(run**2 + (far - near) ** 2)
    grazing = jnp.clip(1.0 - cosine / params.grazing_cosine, 0.0, 1.0)
    dark = jnp.clip(1.0 - albedo / params.dark_albedo, 0.0, 1.0) * (depth / 4.0) ** 2
    loss = params.speckle_loss + params.grazing_loss * grazing
    return loss + params.dark_loss * jnp.minimum(dark, 1.5)


def neighbourhood_range(
    depth: Float[Array, "frames height width"],
) -> tuple[Float[Array, "frames height width"], Float[Array, "frames height width"]]:
    """Smallest and largest value among each pixel and its four neighbours."""
    padded = jnp.pad(depth, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = (
        padded[:, 1:-1, :-2],
        padded[:, 1:-1, 2:],
        padded[:, :-2, 1:-1],
        padded[:, 2:, 1:-1],
    )
    near = far = depth
    for shifted in around:
        near, far = jnp.minimum(near, shifted), jnp.maximum(far, shifted)
    return near, far


def in_shadow(
    depth: Float[Array, "*batch height width"], shift: Float[Array, ""]
) -> Array:
    """Shadow mask: pixels that a projector to the right of the camera cannot light.

    A pixel at column u and depth z lies at column u - shift / z of the projector. It
    is in shadow if a pixel farther right in the camera image lies at the same projector
    column or farther left, because that surface is nearer and blocks the light.

    Args:
        depth: z-depth, metres.
        shift: focal length times baseline, pixel metres.

    Returns:
        Boolean mask, shaped as `depth`.
    """
    column = jnp.arange(depth.shape[-1], dtype=depth.dtype)
    column = column.reshape((1,) * (depth.ndim - 1) + (-1,))
    projected = column - shift / depth
    leftmost = jax.lax.cummin(projected, axis=depth.ndim - 1, reverse=True)
    return projected > leftmost + 1e-3

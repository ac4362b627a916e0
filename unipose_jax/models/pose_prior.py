"""Learnt prior of human motion: a sequence of poses with errors to better ones.

Convolutions over time with residual connections, as in D. Pavllo et al., CVPR 2019. The
taps are a fixed time apart, not a number of frames, so one network serves all frame
rates and uneven times; no tap crosses a cut. The network works in a frame that follows
the person's path and heading. It returns a mean and a scale for each joint, because it
knows trunks better than hands, and steady poses better than wild ones.
"""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from unipose_jax.skeleton import definitions, kinematics

BODY = definitions.BODY
# Distance of the taps of each layer, seconds.
TAPS = tuple(taps / 15.0 for taps in (1, 3, 9, 1, 3, 9))
_PATH_TIME = 0.4  # seconds before and after, over which the path is averaged
_BODY_TIME = 2.0  # the same for heading and bone lengths
_CORRECTION, _SCALE = 0.05, 0.02  # metres, sizes of what the network returns
_SHORT = 128  # frames up to which rows are gathered by a matrix product
_TRUNK = tuple(
    BODY.index(name)
    for name in (
        "pelvis",
        "torso",
        "thorax",
        "neck",
        "left_shoulder",
        "right_shoulder",
        "left_hip",
        "right_hip",
    )
)
_SIDES = tuple(
    (BODY.index(f"left_{name}"), BODY.index(f"right_{name}"))
    for name in ("shoulder", "hip")
)


class PriorEstimate(NamedTuple):
    """Mean and scale of each joint of `skeleton.BODY`."""

    xyz: Array  # (frames, joints, 3), metres, frame of the input
    scale: Array  # (frames, joints), metres: b of the density exp(-|error| / b)


class PosePrior(nn.Module):
    """Network of one sequence; `vmap` over many.

    Attributes:
        width: channels.
        depth: layers.
    """

    width: int = 128
    depth: int = 6

    @nn.compact
    def __call__(
        self,
        xyz: Float[Array, "frames joints 3"],
        known: Bool[Array, "frames joints"],
        time: Float[Array, " frames"],
        segment: Int[Array, " frames"],
    ) -> PriorEstimate:
        """Estimates all joints.

        Args:
            xyz: joints of `skeleton.BODY`, metres, y roughly down; ignored, even if
                NaN, where not `known`.
            known: the joints that were observed.
            time: seconds.
            segment: number of the segment of each frame, non-decreasing.
        """
        walk = steps_in_time(time, segment)
        local, frame, centre = follow(xyz, known, walk)
        small, large = features(local, known, centre, frame, walk)
        x = nn.Dense(self.width)(jnp.concatenate([small, large], axis=-1))
        for layer in range(self.depth):
            before, after = walk.taps[layer % len(walk.taps)]
            y = nn.LayerNorm()(x)
            y = jnp.concatenate([rows(y, before), y, rows(y, after)], axis=-1)
            x = x + nn.Dense(self.width)(nn.gelu(nn.Dense(self.width)(y)))
        x = nn.LayerNorm()(x)
        joints = BODY.num_joints
        little = nn.initializers.normal(0.01)
        out = nn.Dense(joints * 4, kernel_init=little)(x)
        # Much of the correction is linear in the deviations from recent places and
        # usual bones; a direct path learns this within few steps.
        direct = nn.Dense(joints * 3, use_bias=False, kernel_init=little)(small)
        correction = _CORRECTION * (out[:, : 3 * joints] + direct)
        correction = correction.reshape(-1, joints, 3)
        place = nn.Dense(joints * 3)(x).reshape(-1, joints, 3)
        mean = jnp.where(known[..., None], local + correction, place)
        mean = jnp.einsum("tji,tik->tjk", mean, frame, precision="highest")
        scale = _SCALE * jnp.exp(jnp.clip(out[:, 3 * joints :], -4.0, 4.0))
        return PriorEstimate(mean + centre[:, None], scale)


class Walk(NamedTuple):
    """Frames at given times around each frame, within its segment."""

    time: Array  # (frames,), seconds, increasing
    path: tuple[Array, Array]  # first and last frame of the average of the path
    body: tuple[Array, Array]  # the same for heading and bone lengths
    taps: tuple[tuple[Array, Array], ...]  # frames before and after, of each layer


def steps_in_time(
    time: Float[Array, " frames"], segment: Int[Array, " frames"]
) -> Walk:
    """Finds the frames around each frame."""
    step = jnp.diff(time)
    step = jnp.where((step > 0.0) & (step < 10.0), step, 1.0)
    even = running_sum(step)
    method = "compare_all" if len(time) <= _SHORT else "scan"
    find = functools.partial(jnp.searchsorted, method=method)
    first = find(segment, segment, side="left")
    last = find(segment, segment, side="right") - 1

    def at(offset):
        right = jnp.clip(find(even, even + offset), 1, len(even) - 1)
        nearer = even + offset - even[right - 1] < even[right] - even - offset
        return jnp.clip(jnp.where(nearer, right - 1, right), first, last)

    return Walk(
        time=even,
        path=(at(-_PATH_TIME), at(_PATH_TIME)),
        body=(at(-_BODY_TIME), at(_BODY_TIME)),
        taps=tuple((at(-tap), at(tap)) for tap in TAPS),
    )


def running_sum(values: Float[Array, "frames ..."]) -> Float[Array, "sums ..."]:
    """Sums of the first 0, 1, ... values; for short sequences a matrix product.

    The compiler takes long for `jnp.cumsum`, and longer for its gradient.
    """
    number = len(values)
    if number > _SHORT:
        ends = ((1, 0),) + ((0, 0),) * (values.ndim - 1)
        return jnp.pad(jnp.cumsum(values, axis=0), ends)
    before = np.tri(number + 1, number, k=-1, dtype=np.float32)
    return jnp.tensordot(jnp.asarray(before), values, 1, precision="highest")


def rows(x: Float[Array, "frames width"], index: Int[Array, " wanted"]) -> Array:
    """x[index]; for short sequences a matrix product, whose gradient is faster."""
    if len(x) > _SHORT:
        return x[index]
    chosen = jax.nn.one_hot(index, len(x), dtype=x.dtype)
    return jnp.matmul(chosen, x, precision="highest")


def local_mean(values: Array, weight: Array, span: tuple[Array, Array]) -> Array:
    """Weighted mean over a span of frames around each frame; 0 without weight.

    Args:
        values: (frames, n).
        weight: (frames, n), non-negative.
        span: first and last frame of each span.
    """
    # Sums of differences from the overall mean keep float32 exact in long sequences.
    total = jnp.sum(weight, axis=0, keepdims=True)
    middle = jnp.sum(weight * values, axis=0, keepdims=True) / jnp.maximum(total, 1e-6)
    apart = jnp.where(weight > 0.0, values - middle, 0.0)

    def over(part):
        sums = running_sum(part)
        return rows(sums, span[1] + 1) - rows(sums, span[0])

    count = over(weight)
    mean = over(weight * apart) / jnp.maximum(count, 1e-6)
    return jnp.where(count > 1e-3, middle + mean, middle)


def follow(xyz: Array, known: Array, walk: Walk) -> tuple[Array, Array, Array]:
    """Joints in a frame that follows the person.

    Returns:
        Joints (frames, joints, 3), 0 where not known; axes (frames, 3, 3) as rows:
        right, down, forward; origin (frames, 3).
    """
    xyz = jnp.where(known[..., None], xyz, 0.0)
    weight = known.astype(xyz.dtype)
    trunk = np.array(_TRUNK)
    number = jnp.sum(weight[:, trunk], axis=1, keepdims=True)
    some = (number > 0.0).astype(xyz.dtype)
    middle = jnp.sum(xyz[:, trunk] * weight[:, trunk, None], axis=1)
    middle = middle / jnp.maximum(number, 1.0)
    centre = local_mean(middle, jnp.broadcast_to(some, middle.shape), walk.path)
    across = jnp.zeros((len(xyz), 3))
    for left, right in _SIDES:
        both = (known[:, left] & known[:, right])[:, None]
        across = across + jnp.where(both, xyz[:, right] - xyz[:, left], 0.0)
    across = local_mean(across, jnp.ones_like(across), walk.body)
    across = across.at[:, 1].set(0.0) + jnp.array([[1e-4, 0.0, 0.0]])
    right = across / jnp.linalg.norm(across, axis=-1, keepdims=True)
    down = jnp.broadcast_to(jnp.array([[0.0, 1.0, 0.0]]), right.shape)
    frame = jnp.stack([right, down, jnp.cross(right, down)], axis=1)
    apart = jnp.where(known[..., None], xyz - centre[:, None], 0.0)
    local = jnp.einsum("tji,tki->tjk", apart, frame, precision="highest")
    return local, frame, centre


def features(
    local: Array, known: Array, centre: Array, frame: Array, walk: Walk
) -> tuple[Float[Array, "frames small"], Float[Array, "frames large"]]:
    """What the network reads of each frame: deviations; and pose, bones and motion."""
    flat, number = local.reshape(len(local), -1), len(local)
    seen = jnp.repeat(known, 3, axis=1).astype(local.dtype)
    both = jnp.asarray(kinematics.both_ends(known, skeleton=BODY), local.dtype)
    vectors = kinematics.bone_vectors(local, skeleton=BODY)
    length = jnp.sqrt(jnp.sum(vectors**2, axis=-1) + 1e-8)
    usual = jnp.where(both > 0.0, local_mean(length, both, walk.body), 0.0)
    strayed = jnp.where(both > 0.0, length - usual, 0.0)
    along = vectors * (strayed / length)[..., None]
    before, after = walk.taps[0]
    around = seen * rows(seen, before) * rows(seen, after)
    bend = around * (flat - 0.5 * (rows(flat, before) + rows(flat, after)))
    apart = seen * (flat - local_mean(flat, seen, walk.path))
    elapsed = jnp.maximum(walk.time[after] - walk.time[before], 1e-3)[:, None]
    velocity = (rows(centre, after) - rows(centre, before)) / elapsed
    velocity = jnp.einsum("ti,tki->tk", velocity, frame, precision="highest")
    step = jnp.asarray(jnp.gradient(walk.time))[:, None]
    step = jnp.log(15.0 * jnp.maximum(step, 1e-3))
    small = jnp.concatenate([bend, apart, along.reshape(number, -1)], axis=-1)
    seen_joints = known.astype(local.dtype)
    large = (2.0 * flat, seen_joints, 3.0 * usual, 10.0 * strayed, velocity, step)
    return 10.0 * small, jnp.concatenate(large, axis=-1)


def negative_log_likelihood(
    estimate: PriorEstimate,
    xyz: Float[Array, "frames joints 3"],
) -> Float[Array, "frames joints"]:
    r"""|error| / b + 3 log b, up to a constant, of the density exp(-|error| / b).

    Args:
        estimate: of the network.
        xyz: true joints, metres.
    """
    error = jnp.sqrt(jnp.sum((estimate.xyz - xyz) ** 2, axis=-1) + 1e-8)
    return error / estimate.scale + 3.0 * jnp.log(estimate.scale / _SCALE)

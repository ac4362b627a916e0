"""Learnt prior of human motion for the refinement of poses.

The network is `models.pose_prior`, trained to undo simulated errors of pose estimates
(`synthesis.sensing.pose_errors`). Its mean already takes the observed joints into
account, and its errors are correlated with theirs.
"""

import dataclasses
import os
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from unipose_jax.models import pose_prior
from unipose_jax.refine import segments
from unipose_jax.skeleton import definitions
from unipose_jax.weights import store


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Network:
    """A trained network."""

    params: Any
    # What multiplies its scales, so that errors of people it has not seen fit them.
    calibration: float = dataclasses.field(metadata={"static": True})
    width: int = dataclasses.field(metadata={"static": True})
    depth: int = dataclasses.field(metadata={"static": True})


def load(path: str | os.PathLike) -> Network:
    """Reads weights.

    Args:
        path: without suffix, as `benchmarks.train_pose_prior` writes them.
    """
    params, meta = store.load(path)
    return Network(
        params=params,
        calibration=meta.get("calibration", 1.0),
        width=meta["width"],
        depth=meta["depth"],
    )


@definitions.accepts_name
def predict(
    network: Network,
    xyz: Float[Array, "time joints 3"],
    confidence: Float[Array, "time joints"],
    time: Float[Array, " time"],
    *,
    skeleton: definitions.Skeleton,
    segment: Int[Array, " time"] | None = None,
) -> tuple[Float[Array, "time joints 3"], Float[Array, "time joints"]]:
    """Predicts all joints of a sequence from the observed ones.

    Segments are predicted independently, each as a whole.

    Args:
        network: see `load`.
        xyz: joints, metres, any static frame whose y axis is roughly down; ignored
            where not finite.
        confidence: of each joint; a joint of confidence 0 was not observed.
        time: seconds, any frame rate.
        skeleton: skeleton of the joints.
        segment: number of the segment of each frame, non-decreasing. None: those of
            `segments.find_segments`.

    Returns:
        Mean, metres; and standard deviation per coordinate, metres. Joints that
        `skeleton.BODY` lacks have NaN and infinity.
    """
    observed = (confidence > 0.0) & jnp.isfinite(xyz).all(axis=-1)
    clean = jnp.where(observed[..., None], xyz, 0.0)
    if segment is None:
        segment = segments.find_segments(clean, time, valid=observed, skeleton=skeleton)
    body, has = definitions.convert(clean, skeleton, definitions.BODY)
    known, _ = definitions.convert(
        observed[..., None].astype(clean.dtype), skeleton, definitions.BODY
    )
    module = pose_prior.PosePrior(width=network.width, depth=network.depth)
    estimate: Any = module.apply(
        {"params": network.params},
        jnp.where(has[None, :, None], body, 0.0),
        has[None] & (known[..., 0] > 0.5),
        time,
        segment,
    )
    mean, kept = definitions.convert(estimate.xyz, definitions.BODY, skeleton)
    scale, _ = definitions.convert(
        estimate.scale[..., None], definitions.BODY, skeleton
    )
    # exp(-|error| / b) in three dimensions has the deviation 2 b per coordinate.
    deviation = 2.0 * network.calibration * scale[..., 0]
    deviation = jnp.where(kept[None], deviation, jnp.inf)
    return jnp.asarray(mean), deviation

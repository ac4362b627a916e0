"""Simulated 2D keypoint detector: jitter, misses, swaps and a calibrated confidence.

Kinds of error follow Ronchi and Perona, "Benchmarking and Error Diagnosis in
Multi-Instance Pose Estimation" (ICCV 2017): *jitter* (small), *miss* (far from any
right place), *inversion* (left taken for right); their *swap* needs a second person.
The detections depend on depth only through the visibility of the joints.
"""

import dataclasses
import statistics

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.skeleton import definitions

_REFERENCE_WIDTH = 320.0  # pixels; errors are given for images of this width

# Standard deviation of COCO annotators relative to person scale (the OKS constants of
# cocodataset.org). Hands, feet and spine joints, which COCO lacks, have the value of
# the most similar joint.
_OKS = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "head": 0.035,
    "head_top": 0.035,
    "neck": 0.079,
    "thorax": 0.079,
    "torso": 0.107,
    "pelvis": 0.107,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hand": 0.062,
    "hand_tip": 0.062,
    "thumb": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
    "foot": 0.089,
}
_ARM = ("shoulder", "elbow", "wrist", "hand", "hand_tip", "thumb")
_LEG = ("hip", "knee", "ankle", "foot")


@dataclasses.dataclass(frozen=True)
class DetectorParams:
    """Errors of a 2D detector; pixels are those of an image 320 wide.

    Shares of misses and inversions lie in the range that Ronchi and Perona report for
    detectors on COCO (a few per cent each). We chose the other values ourselves.
    """

    noise: float = 3.0  # px, standard deviation per axis over visible joints
    joint_contrast: float = 0.5  # power of the OKS constants that scales joint noise
    spread: float = 0.5  # log-normal spread of the noise scale from joint to joint
    hidden_noise: float = 2.5  # factor of the noise of hidden joints
    outlier_share: float = 0.04  # visible joints that land far away
    outlier_noise: float = 30.0  # px, standard deviation per axis of outliers
    swap_share: float = 0.03  # pairs of limbs with left and right swapped, per frame
    miss_share: float = 0.02  # visible joints without a keypoint
    hidden_report: float = 0.2  # hidden joints that still get a keypoint
    correlation: float = 0.6  # of all errors between consecutive frames
    confidence_noise: float = 0.35  # log-normal noise of the confidence
    overconfident_share: float = 0.35  # outliers and swaps that keep a high confidence


def simulate(
    key: jax.Array,
    uv: Float[Array, "frames joints 2"],
    visible: Bool[Array, "frames joints"],
    *,
    width: int,
    skeleton: definitions.Skeleton,
    params: DetectorParams,
) -> tuple[Float[Array, "frames joints 2"], Float[Array, "frames joints"]]:
    """Simulates the keypoints and confidences of a 2D detector.

    The noise scale of a joint is log-normal around the mean of its joint type. The
    confidence decreases with the noise scale, so that confident keypoints are precise.
    Misses, inversions and outliers persist over frames according to `correlation`.

    Args:
        key: random key.
        uv: exact pixels of the joints; NaN (behind the camera) must not be `visible`.
        visible: False where the joint is occluded or outside the image.
        width: image width, pixels; errors scale with it.
        skeleton: names of the joints.
        params: the detector's errors.

    Returns:
        uv in pixels and confidence in [0, 1]. Both are 0 for a missing keypoint.
    """
    key_lasting, key_own = jax.random.split(key)
    frames, joints = visible.shape
    lasting = correlated_normal(key_lasting, (frames, 6, joints), params.correlation)
    own = jax.random.normal(key_own, (2, frames, joints))
    noise, (far, ease, report, swap) = (
        lasting[:, :2],
        jnp.moveaxis(lasting[:, 2:], 1, 0),
    )
    swapped = _per_group(swap, skeleton) < quantile(params.swap_share)
    mirror = np.array(skeleton.mirror)
    uv = jnp.where(swapped[..., None], uv[:, mirror], uv)
    seen = jnp.where(swapped, visible[:, mirror], visible)
    uv = jnp.where(jnp.isfinite(uv), uv, 0.0)
    outlier = far < quantile(params.outlier_share)
    scale = _noise_scale(ease, seen, skeleton, params)
    spread = jnp.where(outlier, params.outlier_noise, params.noise * scale)
    spread = spread * (width / _REFERENCE_WIDTH)
    uv = uv + jnp.swapaxes(noise, 1, 2) * spread[..., None]
    confidence = _confidence(own, scale, outlier | swapped, params)
    limit = jnp.where(
        seen, quantile(1.0 - params.miss_share), quantile(params.hidden_report)
    )
    confidence = jnp.where(report < limit, confidence, 0.0)
    return jnp.where(confidence[..., None] > 0.0, uv, 0.0), confidence


def correlated_normal(
    key: jax.Array, shape: tuple[int, ...], correlation: float
) -> Float[Array, "..."]:
    """Standard normal noise, first-order autoregressive along the first axis."""
    steps = np.arange(shape[0])
    lag = steps[:, None] - steps[None, :]
    decay = np.where(lag >= 0, float(correlation) ** np.maximum(lag, 0), 0.0)
    decay[:, 1:] *= np.sqrt(1.0 - correlation**2)
    normal = jax.random.normal(key, shape)
    weights = jnp.asarray(decay, normal.dtype)
    return jnp.einsum("ts,s...->t...", weights, normal, precision="highest")


def joint_noise(
    skeleton: definitions.Skeleton, *, contrast: float
) -> Float[np.ndarray, " joints"]:
    """Relative noise of each joint, root mean square 1, from the OKS constants."""
    names = [_kind(name) for name in skeleton.joints]
    scale = np.array([_OKS[name] for name in names]) ** contrast
    return (scale / np.sqrt(np.mean(scale**2))).astype(np.float32)


def _kind(name: str) -> str:
    """Joint name without its side."""
    return name.removeprefix("left_").removeprefix("right_")


def quantile(share: float) -> float:
    """Quantile of the standard normal distribution for a `share` in [0, 1]."""
    if share in (0.0, 1.0):
        return float("inf") if share else float("-inf")
    return statistics.NormalDist().inv_cdf(share)


def _per_group(values: Array, skeleton: definitions.Skeleton) -> Array:
    """Copies the value of each group's first joint to the group: arms, legs, rest."""
    kinds = [_kind(name) for name in skeleton.joints]
    group = [0 if kind in _ARM else 1 if kind in _LEG else 2 for kind in kinds]
    return values[:, np.array([group.index(g) for g in group])]


def _noise_scale(
    normal: Array,
    visible: Array,
    skeleton: definitions.Skeleton,
    params: DetectorParams,
) -> Array:
    """Noise of each joint relative to the mean noise of visible joints."""
    kind = joint_noise(skeleton, contrast=params.joint_contrast)[None]
    # exp(s n - s^2) has mean square 1.
    scale = jnp.asarray(kind) * jnp.exp(params.spread * normal - params.spread**2)
    return scale * jnp.where(visible, 1.0, params.hidden_noise)


def _confidence(
    normal: Array, scale: Array, wrong: Array, params: DetectorParams
) -> Array:
    """Confidence that decreases with the noise scale and is lower for most errors.

    Args:
        normal: two independent standard normal values per joint.
        scale: noise relative to the mean.
        wrong: outliers and inversions.
        params: noise of the confidence and share of overconfident errors.
    """
    sure = normal[0] < quantile(params.overconfident_share)
    scale = scale * jnp.where(wrong & ~sure, 3.0, 1.0)
    scale = scale * jnp.exp(params.confidence_noise * normal[1])
    return jnp.clip(1.0 / (1.0 + (0.6 * scale) ** 2), 0.02, 1.0)

"""Simulated 2D keypoint detector: localisation errors, swaps, misses, confidence.

Kinds of error follow Ronchi and Perona, "Benchmarking and Error Diagnosis in
Multi-Instance Pose Estimation" (ICCV 2017): *jitter* (small), *miss* (far from any
right place), *inversion* (left taken for right); their *swap* needs a second person.
The detections depend on depth only through the visibility of the joints, the direction
from which the person is seen, and the person's height H in the image: that of a
standing person at this distance, stature x focal length / depth, pixels.

`DetectorParams()` has the errors of MoveNet SinglePose Thunder v4 on real pictures, and
`IDEAL` errors that depend on neither person nor view.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from unipose_jax.geometry import camera
from unipose_jax.skeleton import definitions, kinematics
from unipose_jax.synthesis.sensing import normal_noise

_REFERENCE_WIDTH = 320.0  # pixels; pixel noise is given for images of this width
_REFERENCE_FPS = 15.0  # frames per second for which correlations are given
_MIN_DEPTH = 0.3  # metres; H is not computed for people closer than this
_TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")

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
# Constant offset relative to most joints, as measured (see `DetectorParams`).
_OFFSETS = {"hip": 2.0, "pelvis": 2.0, "torso": 2.0}
_OFFSETS |= dict.fromkeys(("nose", "eye", "ear"), 0.3)
_ARM = ("shoulder", "elbow", "wrist", "hand", "hand_tip", "thumb")
_LEG = ("hip", "knee", "ankle", "foot")


@dataclasses.dataclass(frozen=True)
class DetectorParams:
    """Errors of a 2D detector; H is the person's height in the image, pixels.

    Standard deviations are per axis and, unless noted, root mean squares over visible
    joints. The defaults were fitted to statistics of MoveNet on real pictures of few
    people: docs/detector.md lists them beside those of the simulation. Shares of
    outliers and misses lie in the range that Ronchi and Perona report for detectors on
    COCO.
    """

    noise: float = 0.0  # px at 320 wide, lasting noise that does not depend on H
    relative_noise: float = 0.0117  # of H, lasting noise
    noise_floor: float = 0.5  # px of the image, least lasting noise of a joint
    fresh_noise: float = 0.0005  # of H, noise that is independent from frame to frame
    offset: float = 0.010  # of H along each axis of the body, constant in a clip
    joint_contrast: float = 0.9  # power of the OKS constants that scales joint noise
    spread: float = 0.3  # log-normal spread of the noise scale from joint to joint
    hidden_noise: float = 5.1  # factor of the lasting noise of hidden joints
    outlier_share: float = 0.04  # visible joints that land far away
    outlier_noise: float = 30.0  # px at 320 wide, of outliers
    swap_share: float = 0.0  # pairs of limbs with left and right swapped, per frame
    side_swap_share: float = 0.01  # further pairs of limbs, seen from the side
    hidden_swap_share: float = 0.19  # hidden joints seen from the side that are
    # reported at the same joint of the other side
    miss_share: float = 0.02  # visible joints without a keypoint
    hidden_report: float = 1.0  # hidden joints in the image that have a keypoint
    outside_report: float = 0.0  # joints outside the image that have a keypoint; with
    # 0, no keypoint lies outside the image
    correlation: float = 0.85  # of lasting errors over 1/15 s
    confidence_correlation: float = 0.85  # of the confidence's noise over 1/15 s
    confidence_scale: float = 0.59  # times the relative noise, 1 at confidence 0.5
    confidence_power: float = 1.5  # of the noise in the odds of the confidence
    confidence_noise: float = 0.6  # log-normal noise of the confidence
    confidence_hidden_noise: float = 1.85  # `hidden_noise` as the confidence shows it
    max_confidence: float = 0.97
    min_confidence: float = 0.25  # a joint below it has no keypoint
    overconfident_share: float = 0.35  # outliers and swaps that keep a high confidence


IDEAL = DetectorParams(
    noise=3.0,
    relative_noise=0.0,
    noise_floor=0.0,
    fresh_noise=0.0,
    offset=0.0,
    joint_contrast=0.5,
    spread=0.5,
    hidden_noise=2.5,
    outlier_share=0.04,
    outlier_noise=30.0,
    swap_share=0.03,
    side_swap_share=0.0,
    hidden_swap_share=0.0,
    miss_share=0.02,
    hidden_report=0.2,
    outside_report=0.2,
    correlation=0.6,
    confidence_correlation=0.0,
    confidence_scale=0.6,
    confidence_power=2.0,
    confidence_noise=0.35,
    confidence_hidden_noise=2.5,
    max_confidence=1.0,
    min_confidence=0.0,
    overconfident_share=0.35,
)
"""Errors of one size in pixels for all people, which hardly last from frame to frame.

Swaps do not depend on the view, most hidden joints have no keypoint, and the confidence
tells more about the error than MoveNet's. We chose these values ourselves.
"""


@dataclasses.dataclass(frozen=True)
class _Person:
    """What the errors of a clip depend on."""

    scale: Array  # (frames, 2) pixels of one stature at the person's depth, along u, v
    axes: Array  # (frames, 3, 3) rows: right, down, forward of the body; 0 if unknown
    from_side: Array  # (frames,) bool, seen from the left or the right


class _Draws(NamedTuple):
    """Standard normal values; all but `offset` and `fresh` last over frames."""

    lasting: Array  # (frames, 2, joints), noise along u and v
    far: Array  # (frames, joints), outliers
    ease: Array  # (frames, joints), noise scale
    report: Array  # (frames, joints), misses
    swap: Array  # (frames, joints), inversions of pairs of limbs
    hidden: Array  # (frames, joints), inversions of hidden joints
    own: Array  # (frames, 2, joints), confidence
    offset: Array  # (joints, 3)
    fresh: Array  # (frames, joints, 2)


def simulate(
    key: jax.Array,
    xyz: Float[Array, "frames joints 3"],
    visible: Bool[Array, "frames joints"],
    *,
    intrinsics: Float[Array, " 4"],
    stature: Float[Array, ""] | float,
    size: tuple[int, int],
    fps: float,
    skeleton: definitions.Skeleton,
    params: DetectorParams,
) -> tuple[Float[Array, "frames joints 2"], Float[Array, "frames joints"]]:
    """Simulates the keypoints and confidences of a 2D detector.

    The error of a keypoint is the sum of an offset that is constant in the clip, of
    lasting noise (first-order autoregressive) and of noise that is new in each frame.
    The offset stands for the places where annotators put joints: it is fixed in the
    body's frame, with left and right alike, so that it turns with the person. The scale
    of the lasting noise of a joint is log-normal around the mean of its joint type. The
    confidence decreases with the noise scale, so that confident keypoints are precise.
    Misses, inversions and outliers persist over frames as the lasting noise does.

    Args:
        key: random key.
        xyz: exact joints, metres, camera frame. A joint that is NaN or behind the
            camera must not be `visible`; it has no keypoint.
        visible: False where the joint is occluded or outside the image.
        intrinsics: (fx, fy, cx, cy), pixels.
        stature: height of the person, metres.
        size: height and width of the image, pixels.
        fps: frames per second.
        skeleton: names of the joints.
        params: the detector's errors.

    Returns:
        uv in pixels and confidence in [0, 1]. Both are 0 for a missing keypoint.
    """
    frames, joints = visible.shape
    draws = _draw(key, (frames, joints), _REFERENCE_FPS / fps, params)
    person = _person(xyz, intrinsics, stature, skeleton)
    uv = camera.uv_from_xyz(xyz, intrinsics)
    uv = uv + _offset(draws.offset, person, skeleton, params)
    swapped = _swapped(draws, person, visible, skeleton, params)
    mirror = np.array(skeleton.mirror)
    uv = jnp.where(swapped[..., None], uv[:, mirror], uv)
    seen = jnp.where(swapped, visible[:, mirror], visible)
    finite = jnp.all(jnp.isfinite(uv), axis=-1)
    inside = _inside(uv, size)
    uv = jnp.where(finite[..., None], uv, 0.0)

    outlier = draws.far < normal_noise.quantile(params.outlier_share)
    scale = _noise_scale(draws.ease, skeleton, params)
    pixel, height = size[1] / _REFERENCE_WIDTH, person.scale[:, 1:]
    deviation = _deviation(scale, seen, outlier, height, pixel, params)
    uv = uv + jnp.swapaxes(draws.lasting, 1, 2) * deviation[..., None]
    uv = uv + params.fresh_noise * height[..., None] * draws.fresh

    scale = scale * jnp.where(seen, 1.0, params.confidence_hidden_noise)
    confidence = _confidence(draws.own, scale, outlier | swapped, params)
    found = _reported(draws.report, seen, inside, params) & finite
    found &= confidence >= params.min_confidence
    if params.outside_report == 0.0:
        found &= _inside(uv, size)
    confidence = jnp.where(found, confidence, 0.0)
    return jnp.where(found[..., None], uv, 0.0), confidence


def joint_noise(
    skeleton: definitions.Skeleton, *, contrast: float
) -> Float[np.ndarray, " joints"]:
    """Relative noise of each joint, root mean square 1, from the OKS constants."""
    names = [definitions.without_side(name) for name in skeleton.joints]
    scale = np.array([_OKS[name] for name in names]) ** contrast
    return (scale / np.sqrt(np.mean(scale**2))).astype(np.float32)


def _draw(
    key: jax.Array, shape: tuple[int, int], steps: float, params: DetectorParams
) -> _Draws:
    """Draws the values of a clip.

    Args:
        key: random key.
        shape: (frames, joints).
        steps: time between frames, in steps of the correlations of `params`.
        params: correlations.
    """
    key_lasting, key_own = jax.random.split(key)
    key_offset, key_fresh, key_hidden = jax.random.split(jax.random.fold_in(key, 2), 3)
    frames, joints = shape
    correlation = params.correlation**steps
    lasting = normal_noise.correlated(key_lasting, (frames, 6, joints), correlation)
    far, ease, report, swap = jnp.moveaxis(lasting[:, 2:], 1, 0)
    own = jnp.moveaxis(jax.random.normal(key_own, (2, frames, joints)), 1, 0)
    return _Draws(
        lasting=lasting[:, :2],
        far=far,
        ease=ease,
        report=report,
        swap=swap,
        hidden=normal_noise.correlated(key_hidden, shape, correlation),
        own=normal_noise.correlate(own, params.confidence_correlation**steps),
        offset=jax.random.normal(key_offset, (joints, 3)),
        fresh=jax.random.normal(key_fresh, (frames, joints, 2)),
    )


def _per_group(values: Array, skeleton: definitions.Skeleton) -> Array:
    """Copies the value of each group's first joint to the group: arms, legs, rest."""
    kinds = [definitions.without_side(name) for name in skeleton.joints]
    group = [0 if kind in _ARM else 1 if kind in _LEG else 2 for kind in kinds]
    return values[:, np.array([group.index(g) for g in group])]


def _person(xyz: Array, intrinsics: Array, stature: Array | float, skeleton) -> _Person:
    """Height, body axes and view of a person; only finite joints count."""
    torso = xyz[:, np.array([skeleton.index(name) for name in _TORSO])]
    known = jnp.isfinite(torso).all(axis=-1, keepdims=True)
    middle = jnp.sum(jnp.where(known, torso, 0.0), axis=1)
    middle = middle / jnp.maximum(jnp.sum(known, axis=1), 1)
    depth = jnp.maximum(middle[:, 2:], _MIN_DEPTH)
    axes = kinematics.body_frame(xyz, skeleton=skeleton)
    axes = jnp.where(jnp.isfinite(axes), axes, 0.0)
    right, _, forward = jnp.moveaxis(jnp.sum(axes * middle[:, None], axis=-1), -1, 0)
    return _Person(
        scale=stature * intrinsics[None, :2] / depth,
        axes=axes,
        from_side=jnp.abs(right) > jnp.abs(forward),
    )


def _offset(normal: Array, person: _Person, skeleton, params: DetectorParams) -> Array:
    """Constant offset of each joint in the body's frame, projected, pixels."""
    mirror = np.array(skeleton.mirror)
    joints = np.arange(len(mirror))
    kinds = [definitions.without_side(name) for name in skeleton.joints]
    scale = np.array([_OFFSETS.get(kind, 1.0) for kind in kinds], np.float32)
    # Left and right joints are mirror images; those on the midline stay on it.
    normal = normal[np.minimum(joints, mirror)]
    sense = np.ones((len(mirror), 3), np.float32)
    sense[:, 0] = np.sign(joints - mirror)
    offset = params.offset * scale[:, None] * sense * normal
    moved = jnp.einsum("ja,tax->tjx", offset, person.axes, precision="highest")
    return moved[..., :2] * person.scale[:, None]


def _swapped(
    draws: _Draws,
    person: _Person,
    visible: Array,
    skeleton,
    params: DetectorParams,
) -> Array:
    """Joints that are reported at the place of the same joint of the other side.

    Args:
        draws: values of pairs of limbs and of hidden joints.
        person: whether the person is seen from the side.
        visible: of the joints.
        skeleton: of the joints.
        params: shares.
    """
    from_side = person.from_side[:, None]
    limit = jnp.where(
        from_side,
        normal_noise.quantile(params.swap_share + params.side_swap_share),
        normal_noise.quantile(params.swap_share),
    )
    pair = _per_group(draws.swap, skeleton) < limit
    jump = _per_group(draws.hidden, skeleton) < normal_noise.quantile(
        params.hidden_swap_share
    )
    return pair | (jump & from_side & ~visible)


def _inside(uv: Array, size: tuple[int, int]) -> Array:
    """Whether pixels lie in an image of this height and width; NaN does not."""
    limit = jnp.array(size[::-1]).reshape(1, 1, 2)
    return jnp.all((uv >= 0.0) & (uv < limit), axis=-1)


def _noise_scale(normal: Array, skeleton, params: DetectorParams) -> Array:
    """Lasting noise of each joint, if visible, relative to the mean."""
    kind = joint_noise(skeleton, contrast=params.joint_contrast)[None]
    # exp(s n - s^2) has mean square 1.
    return jnp.asarray(kind) * jnp.exp(params.spread * normal - params.spread**2)


def _deviation(
    scale: Array,
    seen: Array,
    outlier: Array,
    height: Array,
    pixel: float,
    params: DetectorParams,
) -> Array:
    """Standard deviation of the lasting noise of each joint, pixels.

    Args:
        scale: noise of the joints, if visible, relative to the mean.
        seen: whether the joint at the reported place is visible.
        outlier: joints that land far away.
        height: H in each frame, (frames, 1), pixels.
        pixel: pixels of the image per pixel at 320 wide.
        params: sizes of the noise.
    """
    mean = jnp.hypot(params.noise * pixel, params.relative_noise * height)
    deviation = mean * scale * jnp.where(seen, 1.0, params.hidden_noise)
    deviation = jnp.maximum(deviation, params.noise_floor)
    return jnp.where(outlier, params.outlier_noise * pixel, deviation)


def _reported(
    normal: Array, seen: Array, inside: Array, params: DetectorParams
) -> Array:
    """Joints that are not missed, by visibility and place in the image."""
    hidden_limit = jnp.where(
        inside,
        normal_noise.quantile(params.hidden_report),
        normal_noise.quantile(params.outside_report),
    )
    return normal < jnp.where(
        seen, normal_noise.quantile(1.0 - params.miss_share), hidden_limit
    )


def _confidence(
    normal: Array, scale: Array, wrong: Array, params: DetectorParams
) -> Array:
    """Confidence that decreases with the noise scale and is lower for most errors.

    Args:
        normal: (frames, 2, joints), independent standard normal values.
        scale: noise relative to the mean.
        wrong: outliers and inversions.
        params: noise of the confidence and share of overconfident errors.
    """
    sure = normal[:, 0] < normal_noise.quantile(params.overconfident_share)
    scale = scale * jnp.where(wrong & ~sure, 3.0, 1.0)
    scale = scale * jnp.exp(params.confidence_noise * normal[:, 1])
    odds = (params.confidence_scale * scale) ** params.confidence_power
    return jnp.clip(1.0 / (1.0 + odds), 0.02, params.max_confidence)

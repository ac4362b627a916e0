"""Left and right of arms and legs over time, from continuity and from 2D keypoints.

Trackers exchange the sides of a whole arm or leg pair for several frames. Between two
exchanges nothing is wrong with a single frame: only the jumps at both ends, or
keypoints, show the error.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from unipose_jax.geometry import camera, transforms
from unipose_jax.refine import noise as noises
from unipose_jax.refine import observations, residual_terms, robust, swaps, tracks
from unipose_jax.skeleton import definitions

# Log-likelihoods: cost of a change of sides, and of each frame with exchanged sides,
# which makes the shorter part of a sequence the exchanged one. With 10 in place of 15,
# one exchange is found in 7,458 frames of true joints (ITOP and CMU).
_CHANGE, _EXCHANGED = 15.0, 0.5
_STEP_RADIUS = 7  # frames on each side, for the usual step of a joint
_UV_STEP = 2.0  # pixels, least usual step of a keypoint
# Roots of limbs, and the first joint of what hangs on them.
_LIMBS = (("shoulder", "elbow"), ("hip", "knee"))
# Parts of a limb that are exchanged: nothing, all but the root, all.
_PARTS = ((0, 0), (1, 0), (1, 1))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Sides:
    """Where the sides of joints and of keypoints are exchanged."""

    swapped: Array  # (time, joints), bool
    uv_swapped: Array | None  # (time, joints), bool; None without keypoints

    def undo(
        self, track: tracks.Track, *, skeleton: definitions.Skeleton
    ) -> tracks.Track:
        """Returns the track with exchanged joints back on their sides."""
        filled, valid, known = (
            swaps.swap_sides(value, self.swapped, skeleton=skeleton)
            for value in (track.filled, track.valid, track.known)
        )
        return track._replace(filled=filled, valid=valid, known=known)

    def undo_values(
        self, values: Array | None, *, skeleton: definitions.Skeleton
    ) -> Array | None:
        """Returns values of joints, such as confidence, on their right sides."""
        if values is None:
            return None
        return swaps.swap_sides(values, self.swapped, skeleton=skeleton)

    def undo_keypoints(
        self,
        keypoints: observations.Keypoints | None,
        *,
        skeleton: definitions.Skeleton,
    ) -> observations.Keypoints | None:
        """Returns the keypoints with exchanged ones back on their sides."""
        if keypoints is None or self.uv_swapped is None:
            return keypoints
        uv, confidence = (
            swaps.swap_sides(value, self.uv_swapped, skeleton=skeleton)
            for value in (keypoints.uv, keypoints.confidence)
        )
        return dataclasses.replace(keypoints, uv=uv, confidence=confidence)


@definitions.accepts_name
def find(
    track: tracks.Track,
    keypoints: observations.Keypoints | None,
    *,
    skeleton: definitions.Skeleton,
) -> Sides:
    r"""Finds the most probable sequence of sides of each pair of limbs (Viterbi).

    States: nothing, the limb without its root, or all of it is exchanged, for joints
    and for keypoints. Costs are negative log-likelihoods of Student's t: of steps from
    frame to frame, of the distance between projected joints and keypoints, and of a
    change of state. The sides in most frames of a segment are taken as right.

    Args:
        track: joints with their noise and segments.
        keypoints: their observations in 2D.
        skeleton: skeleton of the joints, with its left/right pairs.
    """
    xyz, known = track.filled, track.known
    steps = [_step_costs(xyz, known, track.segment, track.level.noise, skeleton)]
    observed, distance = known.any(axis=1), None
    if keypoints is not None:
        seen = keypoints.confidence > 0.0
        observed |= seen.any(axis=1)
        uv = jnp.where(seen[..., None], keypoints.uv, 0.0)
        pixels = jnp.full(skeleton.num_joints, _UV_STEP)
        steps.append(_step_costs(uv, seen, track.segment, pixels, skeleton))
        distance = _distance_costs(xyz, known, uv, seen, keypoints, skeleton)
    exchanged = [jnp.zeros(xyz.shape[:2], bool) for _ in steps]
    for root, first in _LIMBS:
        members = _members(skeleton, root, first)
        if members[0].any():
            path, states = _most_probable(steps, distance, members, observed)
            for kind in range(len(steps)):
                parts = jnp.asarray(states[:, kind], bool)[path]
                lower, upper = (
                    parts[:, part, None] & members[part][None] for part in (0, 1)
                )
                exchanged[kind] |= lower | upper
    return Sides(exchanged[0], exchanged[1] if keypoints is not None else None)


def _members(skeleton, root, first):
    """Masks (joints,) of what hangs on the roots of a pair of limbs, and of these."""
    below = np.zeros(skeleton.num_joints, bool)
    for joint in range(skeleton.num_joints):
        path = joint
        while path >= 0:
            below[joint] |= definitions.without_side(skeleton.joints[path]) == first
            path = skeleton.parents[path]
    roots = [definitions.without_side(name) == root for name in skeleton.joints]
    paired = np.asarray(skeleton.mirror) != np.arange(skeleton.num_joints)
    return below & paired, np.asarray(roots) & paired


def _cost(sq):
    """Negative log-likelihood of a squared distance in units of its variance."""
    freedom = residual_terms.DEGREES_OF_FREEDOM
    return 0.5 * (freedom + 3.0) * jnp.log1p(sq / freedom)


def _step_costs(values, known, segment, noise, skeleton):
    """Costs (time, joints, 2) of a step: as given, and with exchanged sides."""
    mirror = np.asarray(skeleton.mirror)
    both = known[1:] & known[:-1] & (segment[1:] == segment[:-1])[:, None]
    both &= both[:, mirror] & known[:-1][:, mirror]
    step, crossed = (
        jnp.sum((values[1:] - before) ** 2, axis=-1)
        for before in (values[:-1], values[:-1][:, mirror])
    )
    around, used = (
        robust.temporal_neighbors(part, radius=_STEP_RADIUS)
        for part in (jnp.sqrt(jnp.minimum(step, crossed)), both)
    )
    usual = robust.masked_median(around, used, axis=0)
    usual = usual / noises.MEDIAN_LENGTH[values.shape[-1]]
    usual = jnp.maximum(usual, usual[:, mirror])
    scale_sq = usual**2 + 2.0 * noise[None] ** 2
    costs = jnp.stack([_cost(step / scale_sq), _cost(crossed / scale_sq)], axis=-1)
    return jnp.pad(jnp.where(both[..., None], costs, 0.0), ((1, 0), (0, 0), (0, 0)))


def _distance_costs(xyz, known, uv, seen, keypoints, skeleton):
    """Costs (time, joints, 2) of a keypoint for its joint, and for the other side."""
    mirror = np.asarray(skeleton.mirror)
    in_camera = transforms.apply(keypoints.cam_from_xyz, xyz)
    known = known & (in_camera[..., 2] > 0.1)
    safe = jnp.where(known[..., None], in_camera, jnp.array([[[0.0, 0.0, 1.0]]]))
    projected = camera.uv_from_xyz(safe, keypoints.intrinsics)
    same, crossed = (
        jnp.sum((projected - other) ** 2, axis=-1) for other in (uv, uv[:, mirror])
    )
    both = known & seen
    both &= both[:, mirror]
    usual = robust.masked_median(jnp.sqrt(jnp.minimum(same, crossed)), both, axis=0)
    usual = jnp.maximum(usual, usual[mirror]) / noises.MEDIAN_LENGTH[2]
    scale_sq = usual[None] ** 2 + _UV_STEP**2
    costs = jnp.stack([_cost(same / scale_sq), _cost(crossed / scale_sq)], axis=-1)
    return jnp.where(both[..., None], costs, 0.0)


def _most_probable(steps, distance, members, observed):
    """The best state of each frame, and the states (number, kinds, 2 parts)."""
    kinds = np.meshgrid(*[np.arange(len(_PARTS))] * len(steps), indexing="ij")
    states = np.asarray(_PARTS)[np.stack(kinds, axis=-1).reshape(-1, len(steps))]
    change = (states[:, None] != states[None]).any(axis=-1)  # (from, to, kinds)
    switch = jnp.asarray(_CHANGE * change.sum(axis=-1), jnp.float32)
    stay = jnp.asarray(_EXCHANGED * states.any(axis=-1).sum(axis=-1), jnp.float32)
    # Costs of a part of the limb: (time, 2); the second one if its sides change.
    moves = [
        [jnp.sum(cost * mask[None, :, None], axis=1) for mask in members]
        for cost in steps
    ]
    # A frame without observations has no sides, so that it costs nothing.
    pair = switch[None] + jnp.where(observed[:, None, None], stay[None, None], 0.0)
    for kind, parts in enumerate(moves):
        for part, cost in enumerate(parts):
            differs = states[:, None, kind, part] ^ states[None, :, kind, part]
            pair = pair + cost[:, differs]
    if distance is not None:
        for part, mask in enumerate(members):
            cost = jnp.sum(distance * mask[None, :, None], axis=1)
            pair = pair + cost[:, states[:, 0, part] ^ states[:, 1, part]][:, None]
    return viterbi(pair), states


def viterbi(pair: Float[Array, "time states states"]) -> Int[Array, " time"]:
    """States of least total cost (dynamic programming).

    Args:
        pair: cost of each state (last axis) after the state of the frame before. Any
            state may come before the first frame.
    """

    def forward(total, cost):
        through = total[:, None] + cost
        best = jnp.argmin(through, axis=0)
        return jnp.min(through, axis=0), best

    total, best = jax.lax.scan(forward, jnp.zeros(pair.shape[1]), pair)
    last = jnp.argmin(total)

    def backward(state, before):
        return before[state], state

    _, path = jax.lax.scan(backward, last, best, reverse=True)
    return path

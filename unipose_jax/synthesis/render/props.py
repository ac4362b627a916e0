"""Samples the things that a person holds, carries, wears or stands beside.

Sizes are common dimensions of household things, clothes and instruments, in metres.
World frame: y down, the floor at y = 0.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from unipose_jax.geometry import numerics
from unipose_jax.skeleton import definitions
from unipose_jax.synthesis.render import raycast
from unipose_jax.synthesis.render.things import Things
from unipose_jax.synthesis.uniform_ranges import scale_to_range

BODY = definitions.BODY
_REFERENCE_STATURE = 1.80  # metres, of the person whose clothes are tabulated
# Things in one hand: stick or bow, bottle or telephone, bag, ball. Ranges of length and
# radius (metres), relative end radius and relative thickness.
_HELD_LENGTH = np.array([(0.3, 1.3), (0.08, 0.25), (0.12, 0.35), (0.0, 0.02)])
_HELD_RADIUS = np.array([(0.008, 0.03), (0.025, 0.05), (0.07, 0.15), (0.06, 0.15)])
_HELD_TAPER = np.array([0.8, 0.9, 1.2, 1.0])
_HELD_THICKNESS = np.array([1.0, 0.8, 0.5, 1.0])
_BAG = 2  # hangs from the hand


@dataclasses.dataclass(frozen=True)
class PropParams:
    """Shares of clips with each kind of thing; 0 for all renders none."""

    held_share: float = 0.0  # of hands with a stick, bottle, bag or ball
    front_share: float = 0.0  # cello, board or carried box in front of the trunk
    worn_share: float = 0.0  # of heads with long hair or a hat, and of trunks with a
    # skirt or a backpack
    near_share: float = 0.0  # a thing of up to 30 cm beside the person
    held_in_mask: float = 0.8  # share of held, carried and near things in the mask

    @property
    def any_share(self) -> bool:
        """Whether some clips have things."""
        return (
            max(self.held_share, self.front_share, self.worn_share, self.near_share)
            > 0.0
        )


@dataclasses.dataclass(frozen=True)
class _Cone:
    """One round cone of all frames; see `raycast.Primitives`."""

    center: Array  # (frames, 3)
    axes: Array  # (frames, 3, 3), orthonormal columns, the first along the cone
    length: Array  # ()
    radii: tuple[Array, Array]
    flat: Array  # () relative thickness along the third axis
    present: Array  # () bool


def sample_props(
    key: jax.Array,
    xyz_world: Float[Array, "frames joints 3"],
    *,
    stature: Float[Array, ""],
    params: PropParams,
) -> Things:
    """Samples the things around a person's motion.

    Args:
        key: random key.
        xyz_world: BODY joints in all frames, metres, world.
        stature: the person's height, metres; worn things scale with it.
        params: shares.
    """
    draw = jax.random.uniform(key, (8, 12))
    trunk = _trunk_axes(xyz_world)
    front = draw[2, 0] < params.front_share
    cello = front & (draw[2, 1] < 0.5)
    cones = [
        _held(draw[0], xyz_world, "left", params),
        _held(draw[1], xyz_world, "right", params),
        *_cello(draw[2, 2:], xyz_world, trunk, cello),
        _head_wear(draw[3], xyz_world, stature, params),
        _trunk_wear(draw[4], xyz_world, trunk, stature, params),
        _near(draw[5], xyz_world, params),
    ]
    center, half = _carried_box(draw[6], xyz_world, trunk)
    half = jnp.where(front & ~cello, half, 0.0)
    masked = draw[7] < params.held_in_mask
    # Both cones of the cello are in the mask or neither; clothes always are.
    worn = jnp.ones((), bool)
    in_mask = [masked[0], masked[1], masked[2], masked[2], worn, worn, masked[3]]
    return Things(_stack(cones), center, trunk, half, jnp.stack([*in_mask, masked[4]]))


def _stack(cones: list[_Cone]) -> raycast.Primitives:
    """Round cones (frames, cones); absent ones have no size and lie underground."""
    columns = []
    for cone in cones:
        frames = cone.center.shape[0]
        size = jnp.where(cone.present, 1.0, 0.0)
        sunk = jnp.array([0.0, 100.0, 0.0]).reshape(1, 3)
        thickness = jnp.stack([1.0 + 0.0 * cone.flat, 1.0 + 0.0 * cone.flat, cone.flat])
        columns.append(
            raycast.Primitives(
                center=jnp.where(cone.present, cone.center, sunk),
                basis=cone.axes * thickness.reshape(1, 1, 3),
                length=jnp.broadcast_to(size * cone.length, (frames,)),
                start_radius=jnp.broadcast_to(size * cone.radii[0], (frames,)),
                end_radius=jnp.broadcast_to(size * cone.radii[1], (frames,)),
            )
        )
    return jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *columns)


def _held(draw: Array, xyz: Array, side: str, params: PropParams) -> _Cone:
    """A stick, bottle, bag or ball in one hand."""
    kind = (4.0 * draw[0]).astype(jnp.int32)
    shortest, longest = jnp.asarray(_HELD_LENGTH)[kind]
    thinnest, thickest = jnp.asarray(_HELD_RADIUS)[kind]
    length = shortest + (longest - shortest) * draw[1]
    radius = thinnest + (thickest - thinnest) * draw[2]
    hand = _joint(xyz, f"{side}_hand")
    along = _joint(xyz, f"{side}_hand_tip") - _joint(xyz, f"{side}_wrist")
    across = _joint(xyz, f"{side}_thumb") - _joint(xyz, f"{side}_wrist")
    grip = _axes(along, across)  # fingers, thumb, off the palm
    mixed = jnp.stack([1.2 * draw[3] - 0.6, 1.0 + 0.0 * draw[3], 0.8 * draw[4] - 0.4])
    axis = jnp.einsum("fij,j->fi", grip, mixed, precision="highest")
    down = jnp.broadcast_to(jnp.array([0.0, 1.0, 0.0]).reshape(1, 3), axis.shape)
    is_bag = kind == _BAG
    axis = numerics.safe_normalize(jnp.where(is_bag, down, axis))
    # A hand holds a stick near its end or its middle; a bag hangs below the hand.
    back = jnp.where(is_bag, -0.05 - radius, 0.6 * draw[5] * length)
    palm = jnp.where(kind == 3, 0.8 * radius, 0.02) * grip[..., 2]
    palm = jnp.where(is_bag, 0.0, palm)
    return _Cone(
        center=hand - back * axis + palm,
        axes=_axes(axis, grip[..., 0]),
        length=length,
        radii=(radius, radius * jnp.asarray(_HELD_TAPER)[kind]),
        flat=jnp.asarray(_HELD_THICKNESS)[kind],
        present=draw[6] < params.held_share,
    )


def _cello(
    draw: Array, xyz: Array, trunk: Array, present: Array
) -> tuple[_Cone, _Cone]:
    """Body and neck of a cello, or another tall flat thing, before the trunk."""
    left, up, forward = trunk[..., 0], trunk[..., 1], trunk[..., 2]
    size = scale_to_range(draw[0], (0.6, 1.1))
    ahead = scale_to_range(draw[1], (0.22, 0.38))
    lean, turn = 0.5 * draw[2] - 0.35, 0.5 * draw[3] - 0.25
    axis = numerics.safe_normalize(up + lean * forward + turn * left)
    foot = _joint(xyz, "pelvis") + ahead * forward + (0.3 * draw[4] - 0.25) * up
    foot = foot + (0.2 * draw[5] - 0.1) * left
    axes = _axes(axis, left)
    length = 0.5 * size
    lower, upper = 0.22 * size, 0.16 * size
    body = _Cone(
        foot, axes, length, (lower, upper), scale_to_range(draw[6], (0.2, 0.5)), present
    )
    tip = foot + axis * (length + 0.8 * upper)
    neck = _Cone(
        tip, axes, 0.6 * size, (0.035 * size, 0.025 * size), 1.0 + 0.0 * size, present
    )
    return body, neck


def _carried_box(draw: Array, xyz: Array, trunk: Array) -> tuple[Array, Array]:
    """Centre (frames, 3) and half sizes of a board or box before the trunk."""
    hands = 0.5 * (_joint(xyz, "left_hand") + _joint(xyz, "right_hand"))
    thin = draw[0] < 0.4  # a board, book or tablet
    depth = jnp.where(
        thin,
        scale_to_range(draw[1], (0.008, 0.03)),
        scale_to_range(draw[1], (0.06, 0.2)),
    )
    half = jnp.stack(
        [
            scale_to_range(draw[2], (0.1, 0.4)),
            scale_to_range(draw[3], (0.1, 0.45)),
            depth,
        ]
    )
    before = _joint(xyz, "torso") + (0.16 + depth) * trunk[..., 2]
    before = before + (0.4 * draw[4] - 0.3) * trunk[..., 1]
    in_hands = hands + 0.5 * depth * trunk[..., 2]
    return jnp.where(draw[5] < 0.6, in_hands, before), half


def _head_wear(draw: Array, xyz: Array, stature: Array, params: PropParams) -> _Cone:
    """Long hair that falls from the head, or a hat or helmet."""
    scale = stature / _REFERENCE_STATURE
    head, top, neck = (_joint(xyz, name) for name in ("head", "head_top", "neck"))
    up = numerics.safe_normalize(top - neck)
    ears = _joint(xyz, "left_ear") - _joint(xyz, "right_ear")
    head_axes = _axes(up, ears)  # up, left, back or forward
    ahead = numerics.safe_normalize(jnp.cross(numerics.safe_normalize(ears), up))
    down = jnp.array([0.0, 1.0, 0.0]).reshape(1, 3)
    fall = numerics.safe_normalize(0.6 * down - up)
    is_hat = draw[0] < 0.4
    hair = head - scale * (0.03 * ahead - 0.02 * up)
    hat = top - scale * (0.03 + 0.05 * draw[1]) * up
    radius = scale_to_range(draw[2], (0.085, 0.105))
    radius = jnp.where(is_hat, radius + 0.05 * draw[3] ** 2, radius)
    fallen = scale_to_range(draw[4], (0.1, 0.4))
    length = jnp.where(is_hat, 0.08 * draw[5], fallen)
    end = jnp.where(is_hat, 0.085, scale_to_range(draw[6], (0.05, 0.09)))
    return _Cone(
        center=jnp.where(is_hat, hat, hair),
        axes=jnp.where(is_hat, head_axes, _axes(fall, ears)),
        length=scale * length,
        radii=(scale * radius, scale * end),
        flat=jnp.where(is_hat, 1.0, 0.85),
        present=draw[7] < params.worn_share,
    )


def _trunk_wear(
    draw: Array, xyz: Array, trunk: Array, stature: Array, params: PropParams
) -> _Cone:
    """A skirt or coat from the waist towards the knees, or a backpack."""
    scale = stature / _REFERENCE_STATURE
    pelvis, torso = _joint(xyz, "pelvis"), _joint(xyz, "torso")
    knees = 0.5 * (_joint(xyz, "left_knee") + _joint(xyz, "right_knee"))
    skirt = draw[0] < 0.6
    size = scale_to_range(draw[1], (0.10, 0.17))
    pack = torso - scale * (0.1 + size) * trunk[..., 2] + 0.02 * trunk[..., 1]
    hem = jnp.where(skirt, scale_to_range(draw[2], (0.16, 0.3)), size)
    length = jnp.where(skirt, scale_to_range(draw[3], (0.2, 0.5)), 0.2 + 0.1 * draw[3])
    return _Cone(
        center=jnp.where(skirt, pelvis, pack),
        axes=jnp.where(
            skirt,
            _axes(knees - pelvis, trunk[..., 0]),
            _axes(trunk[..., 1], trunk[..., 0]),
        ),
        length=scale * length,
        radii=(scale * jnp.where(skirt, 0.15, size), scale * hem),
        flat=jnp.where(skirt, 0.9, 0.75),
        present=draw[4] < params.worn_share,
    )


def _near(draw: Array, xyz: Array, params: PropParams) -> _Cone:
    """A thing of up to 30 cm that stands or hangs still beside a random joint."""
    middle = xyz[xyz.shape[0] // 2]
    joint = (BODY.num_joints * draw[0]).astype(jnp.int32)
    angle = 2.0 * jnp.pi * draw[1]
    aside = jnp.stack([jnp.cos(angle), 0.0 * angle, jnp.sin(angle)])
    radius = scale_to_range(draw[2], (0.03, 0.15))
    length = jnp.where(draw[3] < 0.5, 0.0, 0.5 * draw[4])
    place = middle[joint] + (radius + scale_to_range(draw[5], (0.03, 0.2))) * aside
    place = place.at[1].min(-radius)
    place = jnp.broadcast_to(place[None], (xyz.shape[0], 3))
    axis = 2.0 * draw[6:9] - 1.0 - jnp.array([0.0, 1.0, 0.0])
    axis = jnp.broadcast_to(numerics.safe_normalize(axis)[None], place.shape)
    return _Cone(
        center=place,
        axes=_axes(axis, aside[None] + 0.1),
        length=length,
        radii=(radius, radius * scale_to_range(draw[9], (0.5, 1.0))),
        flat=scale_to_range(draw[10], (0.4, 1.0)),
        present=draw[11] < params.near_share,
    )


def _trunk_axes(xyz: Array) -> Array:
    """Axes (left, up, forward) of the trunk, (frames, 3, 3)."""
    up = _joint(xyz, "thorax") - _joint(xyz, "pelvis")
    left = _joint(xyz, "left_shoulder") - _joint(xyz, "right_shoulder")
    upright = _axes(up, left)  # up, left, up x left
    return jnp.stack([upright[..., 1], upright[..., 0], -upright[..., 2]], axis=-1)


def _axes(first: Array, second: Array) -> Array:
    """Orthonormal columns: `first`, what of `second` is across it, and their cross."""
    first = numerics.safe_normalize(first)
    across = second - jnp.sum(second * first, axis=-1, keepdims=True) * first
    across = numerics.safe_normalize(across)
    return jnp.stack([first, across, jnp.cross(first, across)], axis=-1)


def _joint(xyz: Array, name: str) -> Array:
    return xyz[:, BODY.index(name)]

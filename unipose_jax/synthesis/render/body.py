"""Body surface: capsules and ellipsoids from BODY joints, stature and girth.

Half breadths, depths and radii are those of a person of 1.80 m and scale with
stature and girth. They are rounded means of US Army men and women in ANSUR II (Gordon
et al. 2014: chest depth 25 cm, waist breadth 33, hip breadth 34, buttock depth 25,
head 15 x 20, thigh circumference 62, calf 39, ankle 23, biceps 36, wrist 18, neck 40,
hand breadth 9, foot 27 x 10 cm). Where parts overlap, sizes were chosen by eye.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from unipose_jax.skeleton import body_parts, definitions
from unipose_jax.synthesis.render import raycast

BODY = definitions.BODY
MATERIALS = ("skin", "hair", "shirt", "sleeve", "trousers", "leg", "shoe")
_REFERENCE_STATURE = 1.80  # metres, of the person whose radii are tabulated
_REFERENCE_HEAD = 0.106  # metres from the skull's centre to its top
_SOLE_PITCH = 0.35  # radians between the line from ankle to foot joint and the sole


@dataclasses.dataclass(frozen=True)
class _Capsule:
    """A tapered capsule between two joints; radii in metres."""

    start: str
    end: str
    start_radius: float
    end_radius: float
    material: str


@dataclasses.dataclass(frozen=True)
class _Ellipsoid:
    """An ellipsoid fixed in a body frame, (left, up, forward), metres.

    The centre is the mean of the `anchors` joints plus `offset`. The size is
    proportional to girth to the power of `girth_power`.
    """

    frame: str
    anchors: tuple[str, ...]
    offset: tuple[float, float, float]
    semi_axes: tuple[float, float, float]
    material: str
    girth_power: float = 1.0


def _side_capsules(side: str) -> dict[str, _Capsule]:
    """Capsules of the limbs of one side."""

    def limb(start, end, start_radius, end_radius, material):
        names = f"{side}_{start}", f"{side}_{end}"
        return _Capsule(*names, start_radius, end_radius, material)

    return {
        f"{side}_upper_arm": limb("shoulder", "elbow", 0.054, 0.043, "shirt"),
        f"{side}_forearm": limb("elbow", "wrist", 0.045, 0.029, "sleeve"),
        f"{side}_thumb": limb("wrist", "thumb", 0.018, 0.012, "skin"),
        f"{side}_thigh": limb("hip", "knee", 0.090, 0.058, "trousers"),
        f"{side}_shank": limb("knee", "ankle", 0.057, 0.038, "leg"),
    }


def _side_ellipsoids(side: str, sign: float) -> dict[str, _Ellipsoid]:
    """Ellipsoids of one side; `sign` is +1 on the left."""
    knee, ankle, foot = f"{side}_knee", f"{side}_ankle", f"{side}_foot"
    return {
        f"{side}_breast": _Ellipsoid(
            "chest",
            ("thorax", "torso"),
            (sign * 0.07, 0.0, 0.076),
            (0.078, 0.065, 0.05),
            "shirt",
        ),
        f"{side}_buttock": _Ellipsoid(
            "pelvis",
            ("pelvis",),
            (sign * 0.07, -0.035, -0.056),
            (0.084, 0.088, 0.07),
            "trousers",
        ),
        f"{side}_calf": _Ellipsoid(
            f"{side}_shank",
            (knee, knee, ankle),
            (0.0, 0.0, -0.018),
            (0.056, 0.13, 0.05),
            "leg",
        ),
        f"{side}_hand": _Ellipsoid(
            f"{side}_hand",
            (f"{side}_hand",),
            (0.0, 0.0, 0.0),
            (0.042, 0.097, 0.019),
            "skin",
            0.0,
        ),
        f"{side}_foot": _Ellipsoid(
            f"{side}_foot",
            (ankle, foot),
            (0.0, -0.013, 0.004),
            (0.047, 0.040, 0.132),
            "shoe",
            0.0,
        ),
    }


_CAPSULES = {
    "neck": _Capsule("neck", "head", 0.064, 0.056, "skin"),
    **_side_capsules("left"),
    **_side_capsules("right"),
}
_ELLIPSOIDS = {
    "chest": _Ellipsoid(
        "chest", ("thorax", "torso"), (0.0, -0.03, 0.01), (0.155, 0.195, 0.115), "shirt"
    ),
    "girdle": _Ellipsoid(
        "chest", ("thorax",), (0.0, 0.01, 0.015), (0.165, 0.065, 0.082), "shirt"
    ),
    "belly": _Ellipsoid(
        "waist",
        ("torso", "pelvis"),
        (0.0, 0.01, 0.008),
        (0.15, 0.165, 0.112),
        "shirt",
        1.5,
    ),
    "pelvis": _Ellipsoid(
        "pelvis", ("pelvis",), (0.0, 0.01, 0.004), (0.168, 0.125, 0.112), "trousers"
    ),
    "cranium": _Ellipsoid(
        "head", ("head",), (0.0, 0.008, -0.01), (0.077, 0.097, 0.098), "skin", 0.0
    ),
    "jaw": _Ellipsoid(
        "head", ("head",), (0.0, -0.055, 0.03), (0.06, 0.07, 0.062), "skin", 0.0
    ),
    "nose": _Ellipsoid(
        "head", ("nose",), (0.0, 0.004, -0.008), (0.015, 0.024, 0.02), "skin", 0.0
    ),
    "hair": _Ellipsoid(
        "head", ("head",), (0.0, 0.015, -0.022), (0.084, 0.098, 0.097), "hair", 0.0
    ),
    **_side_ellipsoids("left", 1.0),
    **_side_ellipsoids("right", -1.0),
}
_FRAMES = (
    "chest",
    "waist",
    "pelvis",
    "head",
    *(
        f"{side}_{part}"
        for part in ("hand", "shank", "foot")
        for side in ("left", "right")
    ),
)
PARTS = (*_CAPSULES, *_ELLIPSOIDS)
NUM_CAPSULES = len(_CAPSULES)
SEMI_AXES = np.array([lump.semi_axes for lump in _ELLIPSOIDS.values()], np.float32)
PART_MATERIAL = np.array(
    [MATERIALS.index(limb.material) for limb in _CAPSULES.values()]
    + [MATERIALS.index(lump.material) for lump in _ELLIPSOIDS.values()]
)


# Limb that a primitive of a side belongs to, where it has another name.
_LIMB_OF = {"thumb": "forearm", "hand": "forearm", "calf": "shank", "foot": "shank"}
_HEAD_PARTS = ("neck", "cranium", "jaw", "nose", "hair")


def _body_part(primitive: str) -> int:
    """Index in `body_parts.NAMES` of the part that one of `PARTS` belongs to."""
    side, _, name = primitive.partition("_")
    part = f"{side}_{_LIMB_OF.get(name, name)}"
    if part not in body_parts.NAMES:
        part = "head" if primitive in _HEAD_PARTS else "torso"
    return body_parts.NAMES.index(part)


BODY_PART = np.array([_body_part(primitive) for primitive in PARTS], np.int8)
"""Index in `body_parts.NAMES` of each of `PARTS`."""


def primitives(
    xyz_world: Float[Array, "*batch joints 3"],
    *,
    stature: Float[Array, "*batch"],
    girth: Float[Array, "*batch"],
    looseness: Float[Array, "*batch materials"] | None = None,
) -> raycast.Primitives:
    """Builds the person's primitives, in the order of `PARTS`.

    Args:
        xyz_world: BODY joints, metres; any right-handed frame.
        stature: the person's height, metres.
        girth: thickness relative to the tabulated person.
        looseness: relative extra width of clothes for each of `MATERIALS`; None is 0.

    Returns:
        Primitives with batch axes (*batch,), in the frame of the joints.
    """
    if looseness is None:
        looseness = jnp.zeros((*stature.shape, len(MATERIALS)))
    scale = (stature / _REFERENCE_STATURE)[..., None]
    scale = scale * (1.0 + looseness[..., PART_MATERIAL])
    limb_scale, lump_scale = jnp.split(scale, [len(_CAPSULES)], axis=-1)
    limbs = _capsule_primitives(xyz_world, limb_scale * girth[..., None])
    lumps = _ellipsoid_primitives(xyz_world, lump_scale, girth)
    return jax.tree.map(
        lambda a, b: jnp.concatenate([a, b], axis=xyz_world.ndim - 2), limbs, lumps
    )


def estimate_stature(xyz_world: Float[Array, "frames joints 3"]) -> Float[Array, ""]:
    """Estimates a person's height in metres from joints: bones from ankle to crown.

    The distance from sole to ankle is assumed to be 4.2 % of the height (ANSUR II).
    """
    chain = ["ankle", "knee", "hip"]
    sides = [[f"{s}_{j}" for j in chain] for s in ("left", "right")]
    legs = [jnp.sum(_bone_lengths(xyz_world, names), axis=-1) for names in sides]
    trunk = _bone_lengths(xyz_world, ["pelvis", "torso", "thorax", "head", "head_top"])
    height = 0.5 * (legs[0] + legs[1]) + jnp.sum(trunk, axis=-1)
    return jnp.median(height) / (1.0 - 0.042)


def _bone_lengths(xyz: Array, names: list[str]) -> Array:
    """Lengths of the bones between consecutive joints, (frames, bones)."""
    chain = xyz[:, np.array([BODY.index(name) for name in names])]
    return jnp.sqrt(jnp.sum((chain[:, 1:] - chain[:, :-1]) ** 2, axis=-1))


def _capsule_primitives(xyz: Array, scale: Array) -> raycast.Primitives:
    """Tapered capsules between joints."""
    table = list(_CAPSULES.values())
    start = xyz[..., np.array([BODY.index(limb.start) for limb in table]), :]
    end = xyz[..., np.array([BODY.index(limb.end) for limb in table]), :]
    shape = (1,) * (scale.ndim - 1) + (-1,)
    start_radius = jnp.array([limb.start_radius for limb in table]).reshape(shape)
    end_radius = jnp.array([limb.end_radius for limb in table]).reshape(shape)
    return raycast.Primitives(
        center=start,
        basis=_reflection_onto(_unit(end - start)),
        length=_norm(end - start)[..., 0],
        start_radius=start_radius * scale,
        end_radius=end_radius * scale,
    )


def _ellipsoid_primitives(xyz: Array, scale: Array, girth: Array) -> raycast.Primitives:
    """Ellipsoids fixed in body frames, whose axes are the columns of the basis."""
    table = list(_ELLIPSOIDS.values())
    lead = (1,) * (scale.ndim - 1)
    fat = jnp.array([lump.girth_power for lump in table]).reshape(*lead, -1)
    scale = scale * girth[..., None] ** fat
    skull = _norm(_joint(xyz, "head_top") - _joint(xyz, "head")) / _REFERENCE_HEAD
    is_head = np.array([lump.frame == "head" for lump in table]).reshape(*lead, -1)
    scale = jnp.where(is_head, jnp.clip(skull, 0.8, 1.25), scale)[..., None]
    frames = _frames(xyz)[..., np.array([_FRAMES.index(p.frame) for p in table]), :, :]
    semi_axes = jnp.array([p.semi_axes for p in table]).reshape(*lead, -1, 3)
    offset = jnp.array([p.offset for p in table]).reshape(*lead, -1, 3)
    anchor = jnp.einsum("pj,...jk->...pk", _anchor_weights(), xyz, precision="highest")
    shift = jnp.einsum("...ij,...j->...i", frames, offset * scale, precision="highest")
    ones = jnp.ones_like(scale[..., 0])
    return raycast.Primitives(
        center=anchor + shift,
        basis=frames * (semi_axes * scale)[..., None, :],
        length=0.0 * ones,
        start_radius=ones,
        end_radius=ones,
    )


def _anchor_weights() -> np.ndarray:
    """Weights of the anchor joints' mean for each ellipsoid, (ellipsoids, joints)."""
    weights = np.zeros((len(_ELLIPSOIDS), BODY.num_joints), np.float32)
    for row, lump in enumerate(_ELLIPSOIDS.values()):
        for name in lump.anchors:
            weights[row, BODY.index(name)] += 1.0 / len(lump.anchors)
    return weights


def _frames(xyz: Array) -> Array:
    """Body frames (*batch, frames, 3, 3), columns (left, up, forward), orthonormal."""
    hips = _joint(xyz, "left_hip") - _joint(xyz, "right_hip")
    shoulders = _joint(xyz, "left_shoulder") - _joint(xyz, "right_shoulder")
    ears = _joint(xyz, "left_ear") - _joint(xyz, "right_ear")
    middle = _unit(hips) + _unit(shoulders)
    thorax, torso, pelvis = (_joint(xyz, n) for n in ("thorax", "torso", "pelvis"))
    frames = [
        _frame(shoulders, thorax - torso),
        _frame(middle, thorax - pelvis),
        _frame(hips, torso - pelvis),
        _frame(ears, _joint(xyz, "head_top") - _joint(xyz, "neck")),
    ]
    for part in (_hand_frame, _shank_frame, _foot_frame):
        frames += [part(xyz, "left"), part(xyz, "right")]
    return jnp.stack(frames, axis=-3)


def _hand_frame(xyz: Array, side: str) -> Array:
    """Up from fingertips to wrist, left towards the thumb, forward off the palm."""
    wrist = _joint(xyz, f"{side}_wrist")
    thumb = _joint(xyz, f"{side}_thumb") - wrist
    return _frame(thumb, wrist - _joint(xyz, f"{side}_hand_tip"))


def _shank_frame(xyz: Array, side: str) -> Array:
    """Up along the shank, forward in the direction of the foot."""
    ankle = _joint(xyz, f"{side}_ankle")
    up = _joint(xyz, f"{side}_knee") - ankle
    return _frame(_cross(up, _joint(xyz, f"{side}_foot") - ankle), up)


def _foot_frame(xyz: Array, side: str) -> Array:
    """Forward along the sole, up away from it."""
    ankle = _joint(xyz, f"{side}_ankle")
    forward = _unit(_joint(xyz, f"{side}_foot") - ankle)
    left = _unit(_cross(_joint(xyz, f"{side}_knee") - ankle, forward))
    up = _cross(forward, left)
    return _frame(left, np.cos(_SOLE_PITCH) * up - np.sin(_SOLE_PITCH) * forward)


def _frame(left: Array, up: Array) -> Array:
    """Orthonormal columns (left, up, forward) from two directions; up is kept."""
    up = _unit(up)
    left = _unit(left - jnp.sum(left * up, axis=-1, keepdims=True) * up)
    return jnp.stack([left, up, _cross(left, up)], axis=-1)


def _reflection_onto(direction: Array) -> Array:
    """Orthogonal matrix whose first column is a unit direction (Householder)."""
    axis = jnp.array([1.0, 0.0, 0.0]).reshape((1,) * (direction.ndim - 1) + (3,))
    normal = _unit(axis - direction)
    identity = jnp.eye(3).reshape((1,) * (direction.ndim - 1) + (3, 3))
    return identity - 2.0 * normal[..., :, None] * normal[..., None, :]


def _joint(xyz: Array, name: str) -> Array:
    return xyz[..., BODY.index(name), :]


def _cross(a: Array, b: Array) -> Array:
    return jnp.cross(a, b)


def _norm(vector: Array) -> Array:
    return jnp.sqrt(jnp.maximum(jnp.sum(vector**2, axis=-1, keepdims=True), 1e-16))


def _unit(vector: Array) -> Array:
    """Vector / length; the zero vector stays zero."""
    return vector / _norm(vector)

"""Colours, light and shading of people and rooms."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from unipose_jax.synthesis.render import body

# Linear RGB reflectances of light and dark human skin and of hair, mixed at random;
# rounded by eye from photographs.
_SKIN = ((0.25, 0.13, 0.08), (0.75, 0.52, 0.41))
_HAIR = ((0.02, 0.015, 0.01), (0.45, 0.30, 0.15))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Appearance:
    """Colours and light of one clip; reflectances are linear RGB in [0, 1]."""

    person: Array  # (materials, 3), in the order of body.MATERIALS
    surroundings: Array  # (surfaces, 3), in the order of room.cast
    light: Array  # (3,) unit vector towards the light, world
    ambient: Array  # () share of ambient light
    stripes: Array  # (materials,) contrast of stripes, which only shirts have
    stripe_width: Array  # () metres
    looseness: Array  # (materials,) relative extra width of clothes


def sample_appearance(key: jax.Array, *, surfaces: int) -> Appearance:
    """Samples colours, light and clothes.

    Args:
        key: random key.
        surfaces: number of surfaces of the room.
    """
    key_light, key_person, key_room = jax.random.split(key, 3)
    draw = jax.random.uniform(key_light, (11,))
    long = {"sleeve": draw[9] < 0.5, "leg": draw[10] < 0.8}
    stripes = jnp.where(draw[4] < 0.4, 0.7 * draw[5], 0.0)
    light = jnp.stack([1.6 * draw[0] - 0.8, -0.4 - 0.6 * draw[1], 1.1 * draw[2] - 0.9])
    return Appearance(
        person=_person_colors(key_person, long),
        surroundings=_room_colors(key_room, surfaces),
        light=light / jnp.sqrt(jnp.sum(light**2)),
        ambient=0.35 + 0.3 * draw[3],
        stripes=_by_material(shirt=stripes, sleeve=stripes * long["sleeve"]),
        stripe_width=0.02 + 0.06 * draw[6],
        looseness=_looseness(draw[7:9], long),
    )


def luminance(color: Float[Array, "*batch 3"]) -> Float[Array, "*batch"]:
    """Relative luminance of linear RGB (Rec. 709 weights)."""
    weights = jnp.array([0.2126, 0.7152, 0.0722])
    return jnp.sum(color * weights.reshape((1,) * (color.ndim - 1) + (3,)), axis=-1)


def shade(
    appearance: Appearance,
    albedo: Float[Array, "*batch 3"],
    normal: Float[Array, "*batch 3"],
    view_dirs: Float[Array, "*batch 3"],
) -> Float[Array, "*batch 3"]:
    """Linear RGB of matt surfaces under ambient light, a lamp and a weak headlight.

    Args:
        appearance: direction and ambient share of the light.
        albedo: linear RGB reflectance.
        normal: unit surface normals, world.
        view_dirs: unit directions from the camera to the surface, world.
    """
    lamp = jnp.maximum(_dot(normal, appearance.light), 0.0)
    head = jnp.maximum(-_dot(normal, view_dirs), 0.0)
    amount = (
        appearance.ambient * (0.6 + 0.4 * head)
        + 1.1 * (1.0 - appearance.ambient) * lamp
    )
    return albedo * amount[..., None]


def person_albedo(
    appearance: Appearance,
    part: Int[Array, "*batch"],
    local: Float[Array, "*batch 3"],
) -> Float[Array, "*batch 3"]:
    """Reflectance of points on the body, with the stripes of the shirt.

    Args:
        appearance: colours.
        part: index into `body.PARTS`; -1 gives an arbitrary colour.
        local: local coordinates from `raycast.normals`, metres along the part.
    """
    material = jnp.asarray(body.PART_MATERIAL)[part]
    along = _dot(local, jnp.asarray(_STRIPE_AXIS)[part])
    band = jnp.floor(along / appearance.stripe_width) % 2.0
    dim = 1.0 - appearance.stripes[material] * band
    return appearance.person[material] * dim[..., None]


def room_albedo(
    appearance: Appearance,
    surface: Int[Array, "*batch"],
    xyz_world: Float[Array, "*batch 3"],
) -> Float[Array, "*batch 3"]:
    """Reflectance of points of the room: floor boards, skirting, plain furniture."""
    x, y, z = xyz_world[..., 0], xyz_world[..., 1], xyz_world[..., 2]
    board = jnp.floor(x / 0.16)
    seam = jnp.floor(z / 0.9 + 0.37 * board)
    tone = 0.85 + 0.3 * jnp.mod(jnp.sin(12.9898 * board + 78.233 * seam) * 43.758, 1.0)
    skirting = jnp.where(y > -0.08, 0.6, 1.0)
    is_wall = (surface == 0) | (surface == 3)
    tone = jnp.where(surface == 1, tone, jnp.where(is_wall, skirting, 1.0))
    return appearance.surroundings[surface] * tone[..., None]


def _dot(a: Array, b: Array) -> Array:
    """Sums of three products; XLA's reduction of so short an axis is slow on CPU."""
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def to_srgb(color: Float[Array, "*batch 3"]) -> Array:
    """8-bit sRGB of linear RGB (IEC 61966-2-1), clipped."""
    color = jnp.clip(color, 0.0, 1.0)
    low = 12.92 * color
    high = 1.055 * jnp.maximum(color, 1e-6) ** (1.0 / 2.4) - 0.055
    return jnp.round(255.0 * jnp.where(color < 0.0031308, low, high)).astype(jnp.uint8)


def _stripe_axis() -> np.ndarray:
    """Local axis across the stripes: along limbs, up on ellipsoids (in metres)."""
    rows = [(1.0, 0.0, 0.0)] * body.NUM_CAPSULES
    rows += [(0.0, lump[1], 0.0) for lump in body.SEMI_AXES]
    return np.asarray(rows, np.float32)


_STRIPE_AXIS = _stripe_axis()


def _mix(draw: Array, ends: tuple) -> Array:
    """A random colour between two, slightly tinted, from four uniform numbers."""
    low, high = jnp.array(ends[0]), jnp.array(ends[1])
    return (low + (high - low) * draw[0]) * (0.88 + 0.24 * draw[1:])


def _cloth(draw: Array) -> Array:
    """Colour of a cloth: any hue, often greyish, from almost black to white.

    Args:
        draw: five uniform numbers in the last axis.
    """
    hue, grey, value = draw[..., :3], draw[..., 3:4], 0.03 + 0.82 * draw[..., 4:]
    return value * (grey + (1.0 - grey) * hue)


def _person_colors(key: jax.Array, long: dict[str, Array]) -> Array:
    """Colours of `body.MATERIALS`; bare parts under short clothes have skin colour."""
    draw = jax.random.uniform(key, (5, 5))
    skin, hair = _mix(draw[0, :4], _SKIN), _mix(draw[1, :4], _HAIR)
    shirt, trousers = _cloth(draw[2]), _cloth(draw[3])
    colors = {
        "skin": skin,
        "hair": hair,
        "shirt": shirt,
        "sleeve": jnp.where(long["sleeve"], shirt, skin),
        "trousers": trousers,
        "leg": jnp.where(long["leg"], trousers, skin),
        "shoe": _cloth(draw[4]),
    }
    return jnp.stack([colors[name] for name in body.MATERIALS])


def _looseness(draw: Array, long: dict[str, Array]) -> Array:
    """Relative extra width of each material, 0 for skin, from two uniform numbers."""
    upper, lower = 0.12 * draw[0], 0.18 * draw[1]
    return _by_material(
        shirt=0.6 * upper,
        sleeve=upper * long["sleeve"],
        trousers=0.6 * lower,
        leg=lower * long["leg"],
        hair=0.5 * upper,
    )


def _by_material(**values: Array) -> Array:
    """A vector over `body.MATERIALS`, 0 where not given."""
    zero = jnp.zeros(())
    return jnp.stack([values.get(name, zero) for name in body.MATERIALS])


def _room_colors(key: jax.Array, surfaces: int) -> Array:
    """Pale walls of one colour, white ceiling, random floor and furniture."""
    draw = jax.random.uniform(key, (surfaces, 5))
    cloth, wall = _cloth(draw), 0.45 + 0.4 * draw[0, :3]
    colors = cloth.at[0].set(wall).at[3].set(0.93 * wall)
    return colors.at[1].set(0.1 + 0.5 * cloth[1]).at[2].set(0.85)

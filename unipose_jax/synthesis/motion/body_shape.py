"""Random body shapes: stature, limb proportions and girth.

Rest pose and body frame: origin between the hips, x to the person's right, y down,
z forward, arms and legs straight down, feet pointing forward.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from unipose_jax.skeleton import definitions

BODY = definitions.BODY
ROOT = BODY.index("pelvis")

# Stature (metres) of the rest pose `_REST`.
REFERENCE_STATURE = 1.80

# Right-hand side and midline of the rest pose: lateral, height above the floor,
# forward (metres). Heights follow the segment fractions of Drillis and Contini as
# printed by Winter, "Biomechanics and Motor Control of Human Movement", figure 4.1,
# with hips raised by 3 cm and neck, torso and hips spaced like the joints of ITOP
# (bone medians of its ground truth; the data README lists them).
_REST = {
    "head_top": (0.0, 1.800, 0.015),
    "head": (0.0, 1.695, 0.030),
    "nose": (0.0, 1.670, 0.135),
    "eye": (0.032, 1.705, 0.110),
    "ear": (0.075, 1.690, 0.025),
    "neck": (0.0, 1.480, 0.000),
    "thorax": (0.0, 1.445, -0.020),
    "torso": (0.0, 1.235, 0.000),
    "pelvis": (0.0, 0.985, 0.000),
    "shoulder": (0.180, 1.465, 0.000),
    "elbow": (0.180, 1.150, 0.000),
    "wrist": (0.180, 0.885, 0.000),
    "hand": (0.180, 0.800, 0.000),
    "hand_tip": (0.180, 0.705, 0.000),
    "thumb": (0.170, 0.785, 0.055),
    "hip": (0.105, 0.985, 0.000),
    "knee": (0.105, 0.505, 0.000),
    "ankle": (0.105, 0.075, 0.000),
    "foot": (0.110, 0.030, 0.125),
}

# Segments whose bones have a common random scale: (name, joints of these bones).
_SEGMENTS = (
    ("head", ("head_top", "nose", "eye", "ear")),
    ("neck", ("head",)),
    ("trunk", ("torso", "thorax", "neck")),
    ("shoulder_width", ("shoulder",)),
    ("hip_width", ("hip",)),
    ("upper_arm", ("elbow",)),
    ("forearm", ("wrist",)),
    ("hand", ("hand", "hand_tip", "thumb")),
    ("thigh", ("knee",)),
    ("shank", ("ankle",)),
    ("foot", ("foot",)),
)


@dataclasses.dataclass(frozen=True)
class ShapeParams:
    """Distribution of body shapes. Lengths in metres, deviations relative to them.

    Statures of adults follow the two normal distributions of NCD-RisC (eLife 2016,
    "A century of trends in adult human height"), rounded over countries.
    """

    male_stature: tuple[float, float] = (1.76, 0.07)  # mean, standard deviation
    female_stature: tuple[float, float] = (1.63, 0.065)
    stature_range: tuple[float, float] = (1.50, 1.95)  # adults are clipped to it
    female_share: float = 0.5
    child_share: float = 0.05
    child_stature_range: tuple[float, float] = (1.15, 1.50)
    segment_sd: float = 0.035  # per limb segment, left and right together
    asymmetry_sd: float = 0.006  # left against right
    head_exponent: float = 0.45  # head size grows with stature to this power
    girth_sd: float = 0.11
    girth_range: tuple[float, float] = (0.75, 1.4)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Shape:
    """One person's body, or a batch of them.

    `stature` is the height of the head's top above the soles, metres. `offsets` are
    rest-pose vectors from each joint's parent in `skeleton.BODY`, body frame, metres;
    the root's offset is its height above the soles. `girth` multiplies body radii.
    """

    stature: Array  # []
    offsets: Array  # [joints 3]
    girth: Array  # []


def split_side(name: str) -> tuple[str, int]:
    """Returns the joint name without its side, and -1 left, 0 midline, 1 right."""
    if name.startswith("left_"):
        return name.removeprefix("left_"), -1
    if name.startswith("right_"):
        return name.removeprefix("right_"), 1
    return name, 0


def _rest_positions() -> np.ndarray:
    """Joints of the reference person, body frame, metres, pelvis at the origin."""
    rows = []
    for name in BODY.joints:
        base, side = split_side(name)
        lateral, height, forward = _REST[base]
        rows.append((side * lateral, _REST["pelvis"][1] - height, forward))
    return np.asarray(rows, np.float32)


def _rest_offsets() -> np.ndarray:
    """Rest-pose offset of each joint from its parent; of the root, its height."""
    rest = _rest_positions()
    offsets = np.zeros_like(rest)
    for joint, parent in enumerate(BODY.parents):
        offsets[joint] = rest[joint] - rest[parent] if parent >= 0 else 0.0
    offsets[ROOT] = (0.0, -_REST["pelvis"][1], 0.0)
    return offsets


def _segment_indices() -> np.ndarray:
    """Index in `_SEGMENTS` of each joint's bone, (joints,); 0 for the root."""
    order = {name: i for i, (_, names) in enumerate(_SEGMENTS) for name in names}
    return np.asarray([order.get(split_side(n)[0], 0) for n in BODY.joints])


REST_OFFSETS = _rest_offsets()
_SEGMENT = _segment_indices()
_SIDE = np.asarray([split_side(n)[1] for n in BODY.joints], np.float32)
_IS_HEAD = np.asarray(_SEGMENT == 0, np.float32)
_TRUNK = [name for name, _ in _SEGMENTS].index("trunk")
_IS_SHOULDER = np.asarray([n.endswith("shoulder") for n in BODY.joints])


def sample_shape(key: Array, params: ShapeParams) -> Shape:
    """Samples the body of one person.

    Args:
        key: a `jax.random.key`.
        params: distribution of statures and proportions.

    Returns:
        An unbatched `Shape`; `vmap` over keys for many people.
    """
    count = len(_SEGMENTS)
    u = jax.random.uniform(key, (2 * count + 5,))
    normal = normal_from_uniform(u[3:])
    stature = _choose_stature(u[:3], normal[0], params)
    girth = jnp.clip(jnp.exp(params.girth_sd * normal[1]), *params.girth_range)
    segments = jnp.exp(params.segment_sd * normal[2 : 2 + count])
    sides = params.asymmetry_sd * normal[2 + count :]
    head = (stature / REFERENCE_STATURE) ** (params.head_exponent - 1.0)
    scale = segments[_SEGMENT] * (1.0 + 0.5 * _SIDE * sides[_SEGMENT])
    scale = scale * jnp.where(_IS_HEAD > 0, head, 1.0)
    # The shoulders' height scales with the trunk, their width independently of it.
    along = jnp.where(_IS_SHOULDER, segments[_TRUNK], scale)
    offsets = jnp.asarray(REST_OFFSETS) * jnp.stack([scale, along, scale], axis=-1)
    return Shape(stature, _with_stature(offsets, stature), girth)


def normal_from_uniform(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Standard normal values from uniform ones by the inverse distribution function.

    So one generator call gives both kinds, which saves compile time. `u` is in [0, 1).
    """
    return 2.0**0.5 * jax.lax.erf_inv(jnp.clip(2.0 * u - 1.0, -0.999999, 0.999999))


def _choose_stature(
    u: Float[Array, "3"], normal: Float[Array, ""], params: ShapeParams
) -> Float[Array, ""]:
    """Stature in metres of a man, woman or child, from uniform and normal draws."""
    female = u[0] < params.female_share
    mean = jnp.where(female, params.female_stature[0], params.male_stature[0])
    deviation = jnp.where(female, params.female_stature[1], params.male_stature[1])
    adult = jnp.clip(mean + deviation * normal, *params.stature_range)
    low, high = params.child_stature_range
    child = low + (high - low) * u[1]
    return jnp.where(u[2] < params.child_share, child, adult)


def _path_up(name: str) -> list[int]:
    """Joint indices from `name` to the root, root excluded."""
    path, joint = [], BODY.index(name)
    while BODY.parents[joint] >= 0:
        path.append(joint)
        joint = BODY.parents[joint]
    return path


_HEAD_PATH = _path_up("head_top")
_LEG_PATH = _path_up("right_ankle")


# Heights of the ball of the foot and of the ankle above the sole, reference person, m.
BALL_HEIGHT = _REST["foot"][1]
_SOLE_DROP = _REST["ankle"][1]


def _with_stature(
    offsets: Float[Array, "joints 3"], stature: Float[Array, ""]
) -> Float[Array, "joints 3"]:
    """Scales all offsets (metres) so that the rest pose is `stature` high."""
    up = -jnp.sum(offsets[np.asarray(_HEAD_PATH), 1])
    pelvis = jnp.sum(offsets[np.asarray(_LEG_PATH), 1]) + _SOLE_DROP
    offsets = offsets.at[ROOT, 1].set(-pelvis)
    return offsets * (stature / (up + pelvis))


def sole_drop(shape: Shape) -> Float[Array, ""]:
    """Height of the ankle above the sole of a flat foot, metres."""
    return -shape.offsets[ROOT, 1] - jnp.sum(shape.offsets[np.asarray(_LEG_PATH), 1])

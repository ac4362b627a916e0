"""Terms of the refinement objective as whitened residuals.

Each residual is divided by its standard deviation, so the terms need no weights. The
standard deviations are estimated from the sequence where possible (`noise`); the others
are the constants below.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from unipose_jax.geometry import camera, depth, transforms
from unipose_jax.physics import anthropometry, capsules, constraints, finite_differences
from unipose_jax.refine import observations, robust
from unipose_jax.skeleton import definitions, kinematics

# Degrees of freedom of Student's t: real errors have heavier tails than a Gaussian.
DEGREES_OF_FREEDOM = 3.0
# Bones are rigid, so their residuals have lighter tails.
BONE_DEGREES_OF_FREEDOM = 30.0
JOINT_LIMIT_STD = 0.1  # radians, of violations of elbow and knee limits
SURFACE_STD = 0.06  # metres, of the depth of joints below the skin
IN_FRONT_STD = 0.02  # metres, of a joint in front of the observed surface
# Standard deviations per coordinate at which an error counts half as an outlier.
_OUTLIER = 3.0
COVERAGE_STD = 0.05  # metres, of the distance of a point from its capsule


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Problem:
    """Observations of a sequence and their standard deviations."""

    observed: Array  # (time, joints, 3), metres, finite
    weight: Array  # (time, joints): relative confidence, 0 if not observed
    noise: Array  # (joints,), metres
    motion: Array  # (time, joints), metres, of second differences
    # (time - 2, joints): 1 where second differences are defined, else 0
    acceleration_weight: Array
    time: Array  # (time,), seconds
    step: Array  # (), seconds, median time between frames
    length: Array  # (time, bones), metres, of the person in each frame
    length_noise: Array  # (bones,), metres
    keypoints: observations.Keypoints | None = None
    uv_noise: Array | None = None  # (joints,), pixels
    # (time, joints): correlation of the error with that of the frame before, in [0, 1);
    # None: 0. And the same for keypoints.
    correlation: Array | None = None
    uv_correlation: Array | None = None
    clouds: observations.Clouds | None = None
    prior: observations.Prior | None = None


@definitions.accepts_name
def evaluate(
    xyz: Float[Array, "time joints 3"],
    settings: Float[Array, "2"],
    *,
    problem: Problem,
    skeleton: definitions.Skeleton,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Computes the residuals of all terms and their robust weights.

    Args:
        xyz: joints, metres.
        settings: width, a factor on the scales above which residuals are outliers; and
            slack, a factor on the standard deviation of bone lengths.
        problem: the observations.
        skeleton: skeleton of the joints.
    """
    width, slack = settings
    found, expected = {}, {}
    for term in _TERMS:
        for name, (residual, sure) in term(xyz, problem, skeleton).items():
            found[name], expected[name] = residual, sure
    found["bones"] = found["bones"] / slack
    # Fast motion also increases the distance of a joint from its observation.
    moving = 1.0 + (problem.motion / (width * problem.noise[None])) ** 2
    distance_sq = {}
    for name, factor, correlation in (
        ("position", moving, problem.correlation),
        ("ray", 1.0, problem.uv_correlation),
    ):
        if name in found:
            sq = jnp.sum(found[name] ** 2, axis=-1) / factor
            found[name] = innovations(found[name], sq / width**2, correlation)
            fresh_sq = jnp.sum(found[name] ** 2, axis=-1) / factor
            distance_sq[name] = jnp.maximum(sq, fresh_sq)
    weights = {}
    for name, residual in found.items():
        sq = distance_sq.get(name, jnp.sum(residual**2, axis=-1))
        robustly = robust.student_t_weight(
            sq / width**2,
            degrees_of_freedom=BONE_DEGREES_OF_FREEDOM
            if name == "bones"
            else DEGREES_OF_FREEDOM,
            num_components=residual.shape[-1],
        )
        weights[name] = jax.lax.stop_gradient(expected[name] * robustly)
    return found, weights


def _position(xyz, problem, skeleton):
    residual = (xyz - problem.observed) / problem.noise[None, :, None]
    return {"position": (residual, problem.weight)}


def innovations(
    error: Float[Array, "time joints d"],
    distance_sq: Float[Array, "time joints"],
    correlation: Float[Array, "time joints"] | None,
) -> Float[Array, "time joints d"]:
    r"""Parts of errors that those of the frame before do not predict.

    For errors e of unit variance with correlation p in successive frames (AR(1)), the
    values (e(t) - p e(t-1)) / sqrt(1 - p^2) are independent of each other. An outlier
    says nothing about the next frame, so p is 0 on both sides of it.

    Args:
        error: in units of its standard deviation.
        distance_sq: squared length of the error, by which outliers are told.
        correlation: with the error of the frame before. None: 0.
    """
    if correlation is None:
        return error
    ordinary = 1.0 / (1.0 + (distance_sq / (3.0 * _OUTLIER**2)) ** 2)
    both = jnp.sqrt(ordinary[1:] * ordinary[:-1])
    kept = jax.lax.stop_gradient(correlation[1:] * both)[..., None]
    fresh = (error[1:] - kept * error[:-1]) / jnp.sqrt(1.0 - kept**2)
    return jnp.concatenate([error[:1], fresh])


def _acceleration(xyz, problem, skeleton):
    second = finite_differences.acceleration(xyz, problem.time) * problem.step**2
    residual = second / problem.motion[1:-1, :, None]
    return {"acceleration": (residual, problem.acceleration_weight)}


def _bones(xyz, problem, skeleton):
    lengths = kinematics.bone_lengths(xyz, skeleton=skeleton)
    residual = (lengths - problem.length) / problem.length_noise[None]
    sure = jnp.broadcast_to(anthropometry.bone_rigidity(skeleton)[None], residual.shape)
    # A length of 0 means that the bone is unknown.
    return {"bones": (residual[..., None], sure * (problem.length > 0.0))}


def _hinges(xyz, problem, skeleton):
    triples = [list(joints) for _, *joints in kinematics.hinges(skeleton)]
    of_hinge = np.zeros((skeleton.num_joints, len(triples)), np.float32)
    for hinge, joints in enumerate(triples):
        of_hinge[joints, hinge] = 1.0
    fixed = jax.lax.stop_gradient(xyz)
    terms = {}
    for broken in (constraints.hyperextension, constraints.hyperflexion):
        value, pull = jax.vjp(functools.partial(broken, skeleton=skeleton), fixed)
        # No joint belongs to two hinges, so this is the Jacobian.
        (slope,) = pull(jnp.ones_like(value))
        change = jnp.sum(slope * (xyz - fixed), axis=-1)
        change = jnp.matmul(change, of_hinge, precision="highest")
        residual = (value + change)[..., None] / JOINT_LIMIT_STD
        terms[broken.__name__] = (residual, jnp.ones(value.shape))
    return terms


def _keypoints(xyz, problem, skeleton):
    seen = problem.keypoints
    if seen is None:
        return {}
    camera.check_intrinsics(seen.intrinsics)
    # Distance from the ray, in pixels at the current depth. The depth is held constant
    # to make the residual linear in the joint; its slopes are computed once per step.
    known = seen.confidence > 0.0
    centre = seen.intrinsics[None, None, 2:]
    offset = jnp.where(known[..., None], seen.uv, centre) - centre
    in_camera = transforms.apply(seen.cam_from_xyz, jax.lax.stop_gradient(xyz))
    depth_now = jnp.maximum(in_camera[..., 2:], 0.1)
    rotation, terms = seen.cam_from_xyz[:3, :3], []
    for part, focal in enumerate(seen.intrinsics[:2]):
        pixels = focal * in_camera[..., part] - offset[..., part] * in_camera[..., 2]
        slope = (
            focal * rotation[None, None, part]
            - offset[..., part, None] * rotation[None, None, 2]
        )
        change = slope / depth_now * (xyz - jax.lax.stop_gradient(xyz))
        terms.append(pixels / depth_now[..., 0] + jnp.sum(change, axis=-1))
    pixels = jnp.stack(terms, axis=-1)
    return {"ray": (pixels / problem.uv_noise[None, :, None], seen.confidence)}


def _prior(xyz, problem, skeleton):
    if problem.prior is None:
        return {}
    mean, sd = problem.prior.prior_xyz, problem.prior.prior_sd
    known = jnp.isfinite(mean).all(axis=-1) & jnp.isfinite(sd) & (sd > 0.0)
    mean = jnp.where(known[..., None], mean, 0.0)
    residual = (xyz - mean) / jnp.where(known, sd, 1.0)[..., None]
    return {"prior": (residual, known.astype(xyz.dtype))}


def _surface(xyz, problem, skeleton):
    if problem.clouds is None:
        return {}
    points, points_valid = problem.clouds.points, problem.clouds.valid
    front, known = depth.surface_depth(xyz, points, points_valid=points_valid)
    z = jnp.where(known, xyz[..., 2], 0.0)
    below = problem.clouds.skin_depth
    least = anthropometry.min_skin_depths(skeleton)
    if below is None:
        below = anthropometry.skin_depths(skeleton)
    else:
        least = anthropometry.MIN_SKIN_SHARE * below
    hidden = front + least[None] - z
    behind = z - front - below[None]
    weight = known.astype(z.dtype)
    return {
        "in_front": (jnp.maximum(hidden, 0.0)[..., None] / IN_FRONT_STD, weight),
        "surface": (behind[..., None] / SURFACE_STD, weight),
        "coverage": _coverage(xyz, problem.clouds, skeleton),
    }


def _coverage(xyz, clouds, skeleton):
    """Distances of cloud points from the nearest capsule around a bone."""
    excess, counted = capsules.capsule_excess(
        xyz,
        clouds.points,
        skeleton=skeleton,
        radii=anthropometry.capsule_radii(skeleton),
        points_valid=clouds.valid,
    )
    # All points of a frame together have the same weight as its joints.
    number = jnp.maximum(jnp.sum(clouds.valid, axis=-1, keepdims=True), 1)
    sure = counted * (skeleton.num_joints / number)
    return excess[..., None] / COVERAGE_STD, sure


_TERMS = (_position, _acceleration, _bones, _hinges, _keypoints, _surface, _prior)

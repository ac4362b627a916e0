"""Offsets of joints in the frame of the torso: where another data set puts them."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from unipose_jax.geometry import camera, transforms
from unipose_jax.skeleton import definitions, kinematics

_LIMBS = (
    *("elbow", "wrist", "hand", "thumb", "knuckle"),
    *("knee", "ankle", "foot", "heel", "toe"),
)
_MIRRORED = ((-1.0, 1.0, 1.0),)  # right, down, forward of the other side
_STEPS = 20  # of iteratively reweighted least squares


@definitions.accepts_name
def moves_with_torso(skeleton: definitions.Skeleton) -> Float[Array, " joints"]:
    """1 for joints from head to hips, 0 for those of arms and legs beyond them."""
    limb = [any(word in name for word in _LIMBS) for name in skeleton.joints]
    return 1.0 - jnp.asarray(limb, jnp.float32)


@definitions.accepts_name
def make_symmetric(
    offset: Float[Array, "joints 3"], *, skeleton: definitions.Skeleton
) -> Float[Array, "joints 3"]:
    """Mean of offsets and those of the other side; no limb moves forward.

    Joints of the middle keep to the plane of symmetry. The place of elbows, hands,
    knees and feet relative to the torso changes with the pose, and the rays of one
    camera do not tell that from an offset forward.

    Args:
        offset: right, down, forward from the person's view, metres.
        skeleton: names the joints.
    """
    mirror = np.array(skeleton.mirror)
    offset = 0.5 * (offset + offset[mirror] * jnp.asarray(_MIRRORED))
    return offset.at[:, 2].multiply(moves_with_torso(skeleton))


@definitions.accepts_name
def add_offsets(
    xyz: Float[Array, "*batch joints 3"],
    offset: Float[Array, "joints 3"],
    *,
    skeleton: definitions.Skeleton,
) -> Float[Array, "*batch joints 3"]:
    """Joints moved by offsets in the frame of the torso; that frame is a constant.

    Args:
        xyz: metres.
        offset: right, down, forward from the person's view, metres.
        skeleton: names the joints.
    """
    axes = kinematics.body_frame(jax.lax.stop_gradient(xyz), skeleton=skeleton)
    return xyz + jnp.einsum("ji,...ik->...jk", offset, axes, precision="highest")


@definitions.accepts_name
def fit_to_rays(
    xyz: Float[Array, "frames joints 3"],
    uv: Float[Array, "frames joints 2"],
    intrinsics: Float[Array, "4"],
    *,
    skeleton: definitions.Skeleton,
    confidence: Float[Array, "frames joints"] | None = None,
    cam_from_xyz: Float[Array, "4 4"] | None = None,
    delta: float = 0.03,
    ridge: float = 0.01,
) -> Float[Array, "joints 3"]:
    r"""Symmetric offsets that bring joints closest to the rays of their keypoints.

    Minimises, by iteratively reweighted least squares,

    $$ \sum c \left[ \delta^2 \left( \sqrt{1 + \lVert r \rVert^2 / \delta^2} - 1 \right)
    + \tfrac{1}{2} \rho \lVert o \rVert^2 \right], \qquad
    r = (I - d d^T)(x + R^T o) $$

    over the offset $o$ of each joint, with its position $x$, ray $d$ and confidence
    $c$, the frame $R$ of the torso, and $\rho$ = `ridge`. Offsets forward need people
    who face in different directions: what less than a share `ridge` of the rays can
    tell stays near 0.

    Args:
        xyz: predicted joints, metres.
        uv: keypoints, pixels; ignored, even if NaN, at confidence 0.
        intrinsics: (fx, fy, cx, cy) of the keypoints' camera.
        skeleton: names the joints.
        confidence: in [0, 1]; default: 1.
        cam_from_xyz: to the frame of the keypoints' camera; default: the same frame.
        delta: distance at which the penalty becomes linear, metres.
        ridge: see above.

    Returns:
        Right, down, forward from the person's view, metres; see `make_symmetric`.
    """
    weight = jnp.ones(xyz.shape[:2]) if confidence is None else confidence
    known = weight > 0
    rays = camera.ray_dirs_from_uv(
        jnp.where(known[..., None], uv, intrinsics[None, None, 2:]), intrinsics
    )
    across = jnp.eye(3)[None, None] - rays[..., :, None] * rays[..., None, :]
    axes = kinematics.body_frame(xyz, skeleton=skeleton)
    if cam_from_xyz is not None:
        axes = jnp.einsum("fik,lk->fil", axes, cam_from_xyz[:3, :3])
        xyz = transforms.apply(cam_from_xyz, xyz)
    # The residual is away + slope o.
    away = jnp.einsum("fjkl,fjl->fjk", across, xyz)
    slope = jnp.einsum("fjkl,fil->fjki", across, axes)
    mirror, flip = np.array(skeleton.mirror), jnp.asarray(_MIRRORED)
    free = jnp.ones((skeleton.num_joints, 3))
    free = free.at[:, 2].set(moves_with_torso(skeleton))
    total = weight.sum(0) + weight.sum(0)[mirror]
    prior = ridge * total[:, None, None] + 1e-9

    def improve(_, offset):
        residual = away + jnp.einsum("fjki,ji->fjk", slope, offset)
        sure = weight / jnp.sqrt(1.0 + (residual**2).sum(-1) / delta**2)
        square = jnp.einsum("fj,fjki,fjkl->jil", sure, slope, slope)
        linear = -jnp.einsum("fj,fjki,fjk->ji", sure, slope, away)
        square = square + square[mirror] * flip[:, :, None] * flip[:, None, :]
        linear = linear + linear[mirror] * flip
        square = square * free[:, :, None] * free[:, None, :] + prior * jnp.eye(3)[None]
        found = jnp.linalg.solve(square, (linear * free)[..., None])[..., 0]
        return make_symmetric(found, skeleton=skeleton)

    start = jnp.zeros((skeleton.num_joints, 3))
    return jax.lax.fori_loop(0, _STEPS, improve, start)

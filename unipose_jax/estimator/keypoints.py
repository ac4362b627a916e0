"""2D keypoints as an input of a network, beside points or crops."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from unipose_jax import errors
from unipose_jax import skeleton as skeletons
from unipose_jax.geometry import camera

FIELDS = ("uv", "confidence", "intrinsics", "cam_from_points")
_MAX_UV = 1e5  # pixels, largest distance of a keypoint from the picture's corner
_SHARES = 2.0  # pixels; keypoints that all lie nearer to the corner are no pixels
_FEW = 3  # keypoints; fewer may all lie in the corner
_MAX_APART = 20.0  # metres between the cameras
_ROUNDING = 1e-3  # of a rotation matrix


class Keypoints(NamedTuple):
    """2D keypoints of clips, in the joints of the network's skeleton.

    `data_pipelines.keypoints.detections.convert_keypoints` converts those of another.
    """

    uv: np.ndarray  # (clips, frames, joints, 2), pixels without lens distortion
    confidence: np.ndarray  # (clips, frames, joints), in [0, 1]; 0: no keypoint
    intrinsics: np.ndarray  # (fx, fy, cx, cy), pixels, of their camera; or one per clip
    # (4, 4), from the points to that camera, metres; or one per clip. None: identity.
    cam_from_points: np.ndarray | None = None


class KeypointCamera(NamedTuple):
    """The camera of 2D keypoints that come with depth frames."""

    intrinsics: np.ndarray  # (fx, fy, cx, cy), pixels
    cam_from_depth: np.ndarray | None = None  # (4, 4), metres; None: identity


def are_input(inputs: Collection[str]) -> bool:
    """Whether a network with these input fields takes keypoints of any camera."""
    return set(FIELDS) <= set(inputs)


def require(inputs: Collection[str], name: str) -> None:
    """Checks that a network takes keypoints.

    Args:
        inputs: its input fields.
        name: of the network, for the message.

    Raises:
        errors.BadInput: it does not.
    """
    if not are_input(inputs):
        raise errors.BadInput(
            f"{name} takes {', '.join(inputs)}, no 2D keypoints; weights that do have "
            "model.keypoints=True"
        )


def all_or_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out the camera of keypoints where there are none.

    Args:
        fields: of a network that takes keypoints (see `are_input`).

    Raises:
        ValueError: there are keypoints without their camera or confidence.
    """
    if "uv" in fields:
        if missing := [name for name in FIELDS if name not in fields]:
            raise ValueError(f"uv is given without {', '.join(missing)}")
        return dict(fields)
    unused = {"confidence", "intrinsics"}
    if "color_crop" not in fields:
        unused.add("cam_from_points")
    return {name: value for name, value in fields.items() if name not in unused}


def fields_of(
    given: Keypoints, *, skeleton: str, lead: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Checks keypoints and returns them as batch fields.

    Args:
        given: the keypoints of clips.
        skeleton: name of the skeleton of the network.
        lead: number of clips and frames.

    Raises:
        ValueError: see `check` and `check_camera`.
    """
    uv, confidence = check(given.uv, given.confidence, skeleton=skeleton, lead=lead)
    intrinsics = np.broadcast_to(given.intrinsics, (lead[0], 4))
    shape = (lead[0], 4, 4)
    if given.cam_from_points is None:
        transform = np.broadcast_to(np.eye(4), shape)
    else:
        transform = np.broadcast_to(given.cam_from_points, shape)
    for one, pose in zip(intrinsics, transform, strict=True):
        check_camera(KeypointCamera(one, pose))
    return {
        "uv": uv,
        "confidence": confidence,
        "intrinsics": intrinsics.astype(np.float32),
        "cam_from_points": transform.astype(np.float32),
    }


def check(
    uv: np.ndarray, confidence: np.ndarray, *, skeleton: str, lead: tuple[int, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Checks shapes and values of keypoints.

    Args:
        uv: (*lead, joints, 2), pixels; anything, such as NaN, where `confidence` is 0.
        confidence: (*lead, joints).
        skeleton: name of the skeleton of the network.
        lead: leading axes.

    Returns:
        Both as float32, with `uv` 0 where `confidence` is 0.

    Raises:
        ValueError: another shape or number of joints, confidence outside [0, 1],
            keypoints that are not finite, or no pixels.
    """
    uv, confidence = np.asarray(uv), np.asarray(confidence)
    shape = (*lead, skeletons.by_name(skeleton).num_joints)
    if uv.ndim >= 2 and uv.shape[-2] != shape[-1]:
        raise ValueError(
            f"keypoints have {uv.shape[-2]} joints, {skeleton} has {shape[-1]}; "
            "data_pipelines.keypoints.detections.convert_keypoints converts them"
        )
    if uv.shape != (*shape, 2) or confidence.shape != shape:
        raise ValueError(
            f"keypoints have shapes {uv.shape} and confidence {confidence.shape}, "
            f"expected {(*shape, 2)} and {shape}"
        )
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError(
            f"confidence of keypoints is {confidence.min():.3g} to "
            f"{confidence.max():.3g}, expected [0, 1] with 0 where there is none"
        )
    known = confidence > 0
    if not np.isfinite(uv[known]).all():
        raise ValueError("a keypoint with a confidence above 0 is not finite")
    away = np.abs(uv[known])
    if away.max(initial=0.0) > _MAX_UV:
        raise ValueError(f"a keypoint is {away.max():.3g} pixels away from the picture")
    if known.sum() >= _FEW and away.max() <= _SHARES:
        raise ValueError(
            f"keypoints are at most {away.max():.3g}, as in shares of the picture; "
            "expected pixels: multiply them by its width and height"
        )
    cleaned = np.where(known[..., None], uv, 0.0).astype(np.float32)
    return cleaned, confidence.astype(np.float32)


def check_camera(given: KeypointCamera) -> tuple[np.ndarray, np.ndarray]:
    """Checks the camera of keypoints.

    Returns:
        float32 (4,), intrinsics, and (4, 4), from depth to this camera, metres.

    Raises:
        ValueError: another shape, a focal length that is not positive, no rotation, or
            cameras that are so far apart that it must be in another unit.
    """
    intrinsics = np.asarray(given.intrinsics, np.float32)
    camera.check_intrinsics(intrinsics)
    if (
        intrinsics.ndim != 1
        or not (np.isfinite(intrinsics) & (intrinsics > 0))[:2].all()
    ):
        raise ValueError(
            f"intrinsics of the keypoints' camera are {intrinsics.tolist()}, expected "
            "(fx, fy, cx, cy), pixels"
        )
    pose = np.eye(4) if given.cam_from_depth is None else given.cam_from_depth
    pose = np.asarray(pose, np.float64)
    turn = pose[:3, :3]
    rigid = pose.shape == (4, 4) and np.allclose(
        turn @ turn.T, np.eye(3), atol=_ROUNDING
    )
    if not (rigid and np.linalg.det(turn) > 0):
        raise ValueError(
            "the pose of the keypoints' camera is no rigid 4x4 transform from depth"
        )
    if not (apart := float(np.linalg.norm(pose[:3, 3]))) < _MAX_APART:
        raise ValueError(
            f"the cameras are {apart:.4g} apart; expected metres, as for points"
        )
    return intrinsics, pose.astype(np.float32)

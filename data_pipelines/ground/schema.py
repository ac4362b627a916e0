"""Batch schema: names, shapes, dtypes and units of the fields of every example.

One example is a clip of T frames with N points and J joints; a batch has additional
leading axes. Points and ground truth are in the frame of the depth camera. Keypoints
are in undistorted pixels of the keypoint camera, which may be a different one.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from unipose_jax import errors
from unipose_jax.skeleton import body_parts


class Field(NamedTuple):
    """Shape (axis names or sizes), dtype and meaning of one entry of an example."""

    shape: tuple[str | int, ...]
    dtype: str
    description: str


FIELDS: dict[str, Field] = {
    "points": Field(
        ("T", "N", 3), "float32", "point cloud, metres, depth-camera frame"
    ),
    "points_valid": Field(("T", "N"), "bool", "False where a point is padding"),
    "time": Field(("T",), "float32", "seconds since the first frame"),
    "uv": Field(("T", "J", 2), "float32", "keypoints, undistorted pixels"),
    "confidence": Field(("T", "J"), "float32", "in [0, 1]; 0 where none was found"),
    "intrinsics": Field((4,), "float32", "(fx, fy, cx, cy) of the keypoint camera"),
    "cam_from_points": Field((4, 4), "float32", "depth to keypoint camera, metres"),
    "xyz": Field(("T", "J", 3), "float32", "truth, metres, depth-camera frame"),
    "xyz_valid": Field(("T", "J"), "bool", "where the truth is known"),
    "visible": Field(("T", "J"), "bool", "truth: the joint is not occluded"),
}
"""Fields of every example. `xyz`, `xyz_valid` and `visible` are for evaluation only."""

OPTIONAL_FIELDS: dict[str, Field] = {
    "depth": Field(("T", "H", "W"), "float32", "metres, 0 where there is none"),
    "color": Field(("T", "Hc", "Wc", 3), "uint8", "RGB"),
    "mask": Field(("T", "H", "W"), "bool", "the person"),
    "depth_crop": Field(
        ("T", "S", "S"), "float32", "metres, 0 where the person is not"
    ),
    "depth_crop_matrix": Field(("T", 3, 3), "float32", "P of the depth camera"),
    "color_crop": Field(("T", "S", "S", 3), "uint8", "RGB, 0 where there is none"),
    "color_crop_matrix": Field(("T", 3, 3), "float32", "P of the keypoint camera"),
    "reference_depth": Field(("T",), "float32", "median z of the person, metres, or 0"),
    "floor": Field(
        (4,), "float32", "n, d of the floor n.p + d = 0, n upwards, keypoint camera"
    ),
    "points_part": Field(
        ("T", "N"), "int8", "truth: index in `body_parts.NAMES`, -1 where unknown"
    ),
}
"""Optional fields. The point network does not use them as inputs.

A crop is the square around the person. Colour crops include the background, depth crops
do not. The crop matrix P maps (x / z, y / z, 1) in the camera frame to pixels of the
crop, centres at +0.5. The determinant of P is negative for a mirrored crop.
"""

IMAGE_FIELDS: dict[str, Field] = {
    "image": Field(("H", "W", 3), "uint8", "RGB, 0 where there is none"),
    "people_uv": Field(("P", "J", 2), "float32", "keypoints, pixels of the image"),
    "people_confidence": Field(("P", "J"), "float32", "0 where none was found"),
    "people_xyz": Field(("P", "J", 3), "float32", "truth, metres, camera frame"),
    "people_visible": Field(("P", "J"), "bool", "truth: seen, and where is known"),
}
"""Fields of an image example with up to P people, which has none of the fields above.
The last two are for evaluation only."""

CROP_FIELDS = tuple(
    name for name in OPTIONAL_FIELDS if "crop" in name or name == "reference_depth"
)
"""Names of the crop fields. An example may have only those of depth."""


def pack(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Converts fields for storage: depth crops become uint16 millimetres."""
    if "depth_crop" not in fields:
        return dict(fields)
    counts = np.rint(1000.0 * fields["depth_crop"])
    counts = np.where(counts < 2**16, counts, 0).astype(np.uint16)
    return {**fields, "depth_crop": counts}


def unpack(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Inverse of `pack`, up to rounding of depth crops."""
    if "depth_crop" not in fields:
        return dict(fields)
    depth = fields["depth_crop"].astype(np.float32) / np.float32(1000.0)
    return {**fields, "depth_crop": depth}


def validate(batch: Mapping[str, Any]) -> None:
    """Checks an example or a batch of them against the schema.

    Args:
        batch: arrays by name. Any leading axes before those of the schema are
            accepted, but they must be the same in every field.

    Raises:
        errors.BadInput: a field is missing, unknown, has a wrong shape or dtype, or
            an invalid value; the message names the first one.
    """
    missing = [name for name in FIELDS if name not in batch]
    if missing:
        raise errors.BadInput(f"field {missing[0]!r} is missing from the batch")
    fields = FIELDS | OPTIONAL_FIELDS
    sizes: dict[str, Any] = {}
    for name, value in batch.items():
        if name not in fields:
            raise errors.BadInput(
                f"field {name!r} is not in the schema; it has {sorted(fields)}"
            )
        _check_field(name, np.asarray(value), fields[name], sizes)
    checked = {name: np.asarray(value) for name, value in batch.items()}
    _check_values(checked)
    _check_crops(checked)


def _check_field(
    name: str, value: np.ndarray, field: Field, sizes: dict[str, Any]
) -> None:
    """Checks dtype and shape. `sizes` holds the size of each named axis so far."""
    if value.dtype != field.dtype:
        raise errors.BadInput(
            f"field {name!r} has dtype {value.dtype}, expected {field.dtype}"
        )
    lead = value.ndim - len(field.shape)
    expected = ("*batch", *field.shape)
    if lead < 0 or sizes.setdefault("*batch", value.shape[:lead]) != value.shape[:lead]:
        raise errors.BadInput(
            f"field {name!r} has shape {value.shape}, expected {expected}"
            f" with *batch = {sizes.get('*batch', ())}"
        )
    for axis, size in zip(field.shape, value.shape[lead:], strict=True):
        wanted = axis if isinstance(axis, int) else sizes.setdefault(axis, size)
        if size != wanted:
            raise errors.BadInput(
                f"field {name!r} has shape {value.shape}, expected {expected}"
                f" with {axis} = {wanted}"
            )


def _check_values(batch: dict[str, np.ndarray]) -> None:
    """Raises for the first field with an invalid value."""
    fx_fy = batch["intrinsics"][..., :2]
    transform = batch["cam_from_points"]
    gram = np.einsum(
        "...ji,...jk->...ik", transform[..., :3, :3], transform[..., :3, :3]
    )
    confidence = batch["confidence"]
    parts = batch.get("points_part", np.zeros((), np.int8))
    problems = {
        "points": ~np.isfinite(batch["points"]).all(-1) & batch["points_valid"],
        "time": ~(np.diff(batch["time"], axis=-1) >= 0),
        "confidence": ~((confidence >= 0) & (confidence <= 1)),
        "uv": ~np.isfinite(batch["uv"]).all(-1) & (confidence > 0),
        "intrinsics": ~(np.isfinite(fx_fy) & (fx_fy > 0)),
        "cam_from_points": ~(np.abs(gram - np.eye(3)) < 1e-3),
        "xyz": ~np.isfinite(batch["xyz"]).all(-1) & batch["xyz_valid"],
        "points_part": (parts < body_parts.UNKNOWN) | (parts >= body_parts.COUNT),
    }
    reasons = {
        "points": "is not finite where points_valid is True",
        "time": "decreases or is not finite",
        "confidence": "is outside [0, 1]",
        "uv": "is not finite where confidence is positive",
        "intrinsics": "has a focal length that is not positive",
        "cam_from_points": "has no rotation matrix in its upper left 3x3",
        "xyz": "is not finite where xyz_valid is True",
        "points_part": f"is outside [-1, {body_parts.COUNT - 1}]",
    }
    for name, bad in problems.items():
        if bad.any():
            raise errors.BadInput(f"field {name!r} {reasons[name]}")


def _check_crops(batch: dict[str, np.ndarray]) -> None:
    """Raises for the first crop field with an invalid value."""
    for name in ("depth_crop", "reference_depth"):
        depth = batch.get(name, np.zeros(()))
        if not (np.isfinite(depth) & (depth >= 0)).all():
            raise errors.BadInput(f"field {name!r} is negative or not finite")
    for name in ("depth_crop_matrix", "color_crop_matrix"):
        matrix = batch.get(name, np.eye(3))
        affine = (matrix[..., 2, :] == [0, 0, 1]).all()
        # The comparison is written so that NaN fails.
        if not (affine and (np.abs(np.linalg.det(matrix)) > 0).all()):
            raise errors.BadInput(f"field {name!r} is not an invertible affine map")

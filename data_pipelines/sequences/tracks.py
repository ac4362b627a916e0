"""Tracks: points, keypoints and ground truth of one person in every frame.

A track is the part of a recording that training uses and that is stored.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import numpy as np

from data_pipelines.ground import sampling, schema
from data_pipelines.sequences import keypoint_check, labels, people, person_crops
from data_pipelines.sequences.sequence import Sequence
from unipose_jax import errors
from unipose_jax.geometry import point_cloud


class PersonCloud(NamedTuple):
    """Points, mask and depth of the person in one frame."""

    xyz: np.ndarray  # float32 (points, 3), metres, depth-camera frame; may be empty
    mask: np.ndarray  # bool (height, width)
    depth: np.ndarray  # float32 (height, width), metres

    @property
    def person_depth(self) -> np.ndarray:
        """Depth inside the mask, metres, 0 elsewhere."""
        return np.where(self.mask, self.depth, np.float32(0.0))


EMPTY_CLOUD = PersonCloud(
    np.zeros((0, 3), np.float32), np.zeros((1, 1), bool), np.zeros((1, 1), np.float32)
)  # for a frame without depth


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """One person over time, in memory; `len` is the number of frames."""

    points: list[np.ndarray]  # float32 (points, 3) of each frame, metres
    time: np.ndarray  # (frames,), seconds
    per_frame: dict[str, np.ndarray]  # packed schema fields, with a frame axis
    static_fields: dict[str, np.ndarray]  # schema fields without a frame axis
    unusable_reason: str = ""  # why it cannot be used for training, or ""
    # Why some joints cannot be trained without a teacher model, or ""
    missing_joints_reason: str = ""
    name: str = ""  # of the sequence
    subject: str = ""  # identifier of the person

    def __len__(self) -> int:
        return len(self.time)

    @property
    def has_points(self) -> bool:
        """Whether any frame has points of the person."""
        return any(len(xyz) for xyz in self.points)

    @property
    def crops(self) -> tuple[str, ...]:
        """Names of the crop fields of the track."""
        return tuple(name for name in schema.CROP_FIELDS if name in self.per_frame)

    def frame(self, position: int) -> dict[str, np.ndarray]:
        """Returns `points`, `time` and the other per-frame fields of one frame."""
        fields = {name: value[position] for name, value in self.per_frame.items()}
        fields = schema.unpack(fields)
        return fields | {"points": self.points[position], "time": self.time[position]}


def read_track(
    source: Sequence,
    *,
    skeleton: str,
    stored_points: int,
    seed: int = 0,
    skipped: list[str] | None = None,
    crop_size: int = 0,
) -> Track:
    """Reads a sequence, segments the person and returns the track.

    Args:
        source: any sequence.
        skeleton: name of the skeleton of keypoints and ground truth.
        stored_points: largest number of points stored per frame.
        seed: seed of the sampling of points.
        skipped: list to which one line is added for each frame that cannot be read and
            is skipped. If None, such a frame raises an error.
        crop_size: side of the crops, pixels; 0 for no crops. Colour crops are made only
            if the sequence has colour images.

    Raises:
        errors.BadInput: a frame, the keypoints or the ground truth cannot be read.
    """
    xyz = labels.read_truth(source, skeleton)
    known = np.isfinite(xyz).all(axis=-1)
    visible = known.copy()
    points: dict[int, np.ndarray] = {}
    frame_crops: dict[int, dict[str, np.ndarray]] = {}

    def take(index: int, cloud: PersonCloud) -> None:
        try:
            frame_crops[index] = _crops(source, index, cloud, crop_size)
        except errors.BadInput as error:
            _skip_frame(error, skipped)
            return
        rng = np.random.default_rng((seed, index))
        drawn, valid = sampling.sample_points(cloud.xyz, stored_points, rng)
        points[index] = drawn[valid]
        visible[index] &= labels.is_visible(xyz[index], cloud.depth, source)

    keypoints = visit(source, skeleton, take, skipped)
    kept = sorted(points)
    if keypoints is None:
        keypoints = people.Keypoints(
            np.zeros_like(xyz[..., :2]), np.zeros_like(xyz[..., 0])
        )
    fields = {
        "uv": np.nan_to_num(keypoints.uv),
        "confidence": keypoints.confidence,
        "xyz": xyz,
        "xyz_valid": known,
        "visible": visible,
    }
    return Track(
        [points[index] for index in kept],
        source.time[kept],
        per_frame={name: value[kept] for name, value in fields.items()}
        | person_crops.stack_frames([frame_crops[index] for index in kept]),
        static_fields={
            "intrinsics": source.keypoint_camera.intrinsics,
            "cam_from_points": source.color_from_depth,
        },
        unusable_reason=labels.unusable_reason(
            source, known[kept], fields["confidence"][kept]
        ),
        missing_joints_reason=""
        if known[kept].any()
        else labels.missing_joints_reason(source, skeleton),
        name=source.name,
        subject=source.subject,
    )


def person_clouds(
    source: Sequence,
    keypoints: people.Keypoints | None = None,
    *,
    notes: list[str] | None = None,
) -> Iterator[PersonCloud]:
    """Yields the person in each frame, in order.

    Uses the mask of the sequence if there is one. Otherwise all frames are read twice:
    the person is chosen by the evidence of the whole sequence, then segmented.

    Args:
        source: any sequence.
        keypoints: of the person to follow, if known.
        notes: list to which one line is added if the keypoints cannot be used.

    Raises:
        errors.BadInput: a frame cannot be read.
    """
    for _, cloud in _readable_clouds(source, keypoints, None, notes=notes):
        yield cloud


def visit(
    source: Sequence,
    skeleton: str,
    take: Callable[[int, PersonCloud], None],
    skipped: list[str] | None = None,
) -> people.Keypoints | None:
    """Calls `take(position, person)` once for each readable frame, in any order.

    Masks determine which person's keypoints are selected. So frames with masks are read
    first, once, and the keypoints are selected next. The other frames are segmented
    with these keypoints as a hint.

    Args:
        source: any sequence.
        skeleton: name of the skeleton of the keypoints.
        take: function to call for each frame.
        skipped: see `read_track`.

    Returns:
        The keypoints; see `read_keypoints`.
    """
    without_mask: Collection[int] = range(len(source))
    center, seen = None, keypoint_check.Silhouettes(source)
    if _has_mask(source, skipped):
        center, without_mask = np.full((len(source), 3), np.nan), []
        for index, cloud in _masked_clouds(source, skipped):
            if cloud is None:
                without_mask.append(index)
            else:
                center[index] = _center(cloud.xyz)
                seen.add(index, cloud.xyz)
                take(index, cloud)
    keypoints = _keypoints_near(source, skeleton, center)
    for index, cloud in _readable_clouds(source, keypoints, skipped, without_mask):
        seen.add(index, cloud.xyz)
        take(index, cloud)
    if keypoints is not None:
        check_keypoints(source, keypoints, seen, skipped)
    return keypoints


def check_keypoints(
    source: Sequence,
    keypoints: people.Keypoints,
    seen: keypoint_check.Silhouettes,
    skipped: list[str] | None = None,
) -> None:
    """Checks that keypoints are on the person in depth.

    Where segmentation found nobody at the keypoints, they are compared with the person
    that it finds without them.

    Raises:
        errors.BadInput: most are not.
    """
    if not seen.tells(keypoints.confidence):
        for index, cloud in _readable_clouds(source, None, skipped, seen.frames):
            seen.add(index, cloud.xyz)
    seen.check(keypoints.uv, keypoints.confidence)


def masked_points(mask: np.ndarray, depth: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Back-projects the pixels of a mask and removes flying pixels.

    Args:
        mask: bool (height, width).
        depth: (height, width), metres; 0, NaN or infinite where missing.
        rays: (height, width, 2), x/z and y/z of each pixel.

    Returns:
        float32 (points, 3), metres.
    """
    index = np.flatnonzero(mask & (depth > 0) & np.isfinite(depth))
    z = depth.ravel().take(index)
    xyz = np.empty((len(index), 3), np.result_type(rays, depth))
    # `take` is several times as fast as indexing, and a column as both at once.
    directions = rays.reshape(-1, 2).take(index, axis=0)
    for axis in range(2):
        np.multiply(directions[:, axis], z, out=xyz[:, axis])
    xyz[:, 2] = z
    kept = np.flatnonzero(point_cloud.inliers(xyz))
    return xyz.take(kept, axis=0).astype(np.float32, copy=False)


def read_keypoints(
    source: Sequence, skeleton: str, skipped: list[str] | None = None
) -> people.Keypoints | None:
    """Reads the keypoints of the person in the masks, or of the most visible person.

    Args:
        source: any sequence.
        skeleton: name of the skeleton of the result.
        skipped: see `read_track`.

    Returns:
        The keypoints, or None if the sequence has none.
    """
    center, seen = None, keypoint_check.Silhouettes(source)
    if _has_mask(source, skipped):
        center = np.full((len(source), 3), np.nan)
        for index, cloud in _masked_clouds(source, skipped):
            if cloud is not None:
                center[index] = _center(cloud.xyz)
                seen.add(index, cloud.xyz)
    keypoints = _keypoints_near(source, skeleton, center)
    if keypoints is not None and center is not None:
        seen.check(keypoints.uv, keypoints.confidence)
    return keypoints


def _keypoints_near(
    source: Sequence, skeleton: str, center: np.ndarray | None
) -> people.Keypoints | None:
    """Selects the keypoints of the person at `center`, or of the most visible one.

    Args:
        source: any sequence.
        skeleton: name of the skeleton of the result.
        center: (frames, 3), metres, depth-camera frame; NaN where unknown.
    """
    near = None
    if center is not None:
        # Without lens distortion, which the detections have. The difference is a few
        # pixels, much less than the size of a person.
        near = source.keypoint_camera.project(
            center @ source.color_from_depth[:3, :3].T + source.color_from_depth[:3, 3]
        )
    found = source.keypoints(skeleton, near)
    return None if found is None else people.Keypoints(*found)


def _crops(
    source: Sequence, index: int, cloud: PersonCloud, size: int
) -> dict[str, np.ndarray]:
    """Crop fields of one frame; empty if `size` is 0."""
    if not size:
        return {}
    return person_crops.frame_crops(
        source, index, cloud.xyz, cloud.person_depth, size=size
    )


def _readable_clouds(
    source: Sequence,
    keypoints: people.Keypoints | None,
    skipped: list[str] | None,
    only: Collection[int] | None = None,
    notes: list[str] | None = None,
) -> Iterator[tuple[int, PersonCloud]]:
    """Yields (position, person) for each frame that can be read."""
    found = None
    for index in range(len(source)) if only is None else only:
        try:
            depth, mask = source.depth(index), source.mask(index)
        except errors.BadInput as error:
            _skip_frame(error, skipped)
            continue
        if depth is None:
            yield index, EMPTY_CLOUD
            continue
        if mask is None:
            if found is None:
                found = _find_people(source, keypoints, skipped)
                if notes is not None:
                    notes.extend(found.notes)
            mask = found.mask(index, depth)
        points = masked_points(mask, depth, source.rays)
        yield index, PersonCloud(points, mask, depth)


def _masked_clouds(
    source: Sequence, skipped: list[str] | None
) -> Iterator[tuple[int, PersonCloud | None]]:
    """Yields (position, person) for each readable frame; None where it has no mask."""
    for index in range(len(source)):
        try:
            mask = source.mask(index)
            depth = None if mask is None else source.depth(index)
        except errors.BadInput as error:
            _skip_frame(error, skipped)
            continue
        if mask is None or depth is None:
            yield index, None
            continue
        points = masked_points(mask, depth, source.rays)
        yield index, PersonCloud(points, mask, depth)


def _find_people(
    source: Sequence,
    keypoints: people.Keypoints | None,
    skipped: list[str] | None,
) -> people.People:
    """People in all frames of a sequence; masks of some frames choose the person."""
    return people.find(
        source,
        range(len(source)),
        keypoints=keypoints,
        on_error=lambda error: _skip_frame(error, skipped),
    )


def _skip_frame(error: errors.BadInput, skipped: list[str] | None) -> None:
    """Adds the error to `skipped`, or raises it if `skipped` is None."""
    if skipped is None:
        raise error
    if str(error) not in skipped:
        skipped.append(str(error))


def _has_mask(source: Sequence, skipped: list[str] | None) -> bool:
    """Whether the first readable frame has a mask."""
    for index in range(len(source)):
        try:
            return source.mask(index) is not None
        except errors.BadInput:
            if skipped is None:
                raise
    return False


def _center(xyz: np.ndarray) -> np.ndarray:
    return np.median(xyz, axis=0) if len(xyz) else np.full(3, np.nan)

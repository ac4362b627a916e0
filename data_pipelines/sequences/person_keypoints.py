"""2D keypoints of the people whom segmentation finds, as an input of a network."""

from collections.abc import Callable

import numpy as np

from data_pipelines.ground import assignment
from data_pipelines.keypoints import detections, person_tracking
from data_pipelines.sequences import keypoint_check, people, tracks
from data_pipelines.sequences.sequence import Sequence
from unipose_jax import errors

_MAX_AWAY = 1.0  # distance between a body and its keypoints, in sizes of the keypoints


def checked(
    source: Sequence,
    keypoints: people.Keypoints | None,
    cloud: Callable[[int], tracks.PersonCloud],
) -> people.Keypoints | None:
    """The keypoints, or None and a warning if most lie beside the person.

    Args:
        source: any sequence.
        keypoints: of the person.
        cloud: the person in a frame, by position; called for 24 frames.

    Raises:
        errors.BadInput: a frame cannot be read.
    """
    if keypoints is None or not keypoints.confidence.any():
        return None
    seen = keypoint_check.Silhouettes(source)
    for index in seen.frames:
        if keypoints.confidence[index].any():
            seen.add(index, cloud(index).xyz)
    try:
        seen.check(keypoints.uv, keypoints.confidence)
    except errors.BadInput as error:
        errors.warn(f"keypoints are not given to the network: {error}")
        return None
    return keypoints


def of_everyone(
    source: Sequence, found: people.People, skeleton: str
) -> list[people.Keypoints | None]:
    """Keypoints of each person: detections and bodies of a frame, one to one.

    The sum of their distances in the picture, in sizes of the detections, is smallest.

    Args:
        source: any sequence.
        found: its people.
        skeleton: name of the skeleton of the result.

    Returns:
        For each of `People.everyone` as `Sequence.keypoints`; None without any.
    """
    detected = source.keypoint_detections()
    if detected is None or not found.everyone:
        return [None] * len(found.everyone)
    joints = detected.joints.num_joints
    values = np.zeros((len(found.everyone), len(source), joints, 3), np.float32)
    places = [_pixels(source, center) for center in found.centers]
    for index, frame in enumerate(source.frames):
        persons = detected.by_frame.get(frame, np.zeros((0, joints, 3), np.float32))
        uv = np.stack([place[index] for place in places])
        for number, which in _assign(uv, persons):
            values[number, index] = persons[which]
    return [_converted(source, one, detected, skeleton) for one in values]


def _pixels(source: Sequence, center: np.ndarray) -> np.ndarray:
    """Where points (frames, 3) of the depth camera appear in the keypoints' images."""
    pose, camera = source.color_from_depth, source.keypoint_camera
    return camera.distort_uv(camera.project(center @ pose[:3, :3].T + pose[:3, 3]))


def _assign(uv: np.ndarray, persons: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (body, detection) of a frame.

    Args:
        uv: (bodies, 2), pixels; NaN where a body is hidden.
        persons: (detections, joints, 3).
    """
    if not len(persons):
        return []
    apart = uv[:, None] - person_tracking.person_center(persons)
    away = np.linalg.norm(apart, axis=-1) / person_tracking.person_size(persons)
    return assignment.assign(np.where(away <= _MAX_AWAY, away, np.inf))


def _converted(
    source: Sequence, values: np.ndarray, detected: detections.Detections, skeleton: str
) -> people.Keypoints | None:
    """Keypoints of one person in the joints of a skeleton, undistorted."""
    if not values[..., 2].any():
        return None
    uv, confidence = detections.convert_keypoints(
        values[..., :2], values[..., 2], detected.joints, skeleton
    )
    return people.Keypoints(source.keypoint_camera.undistort(uv), confidence)

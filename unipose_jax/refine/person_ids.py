"""Person identification in a sequence of several people by bone lengths."""

import numpy as np

from unipose_jax.skeleton import definitions

# Metres: standard error of a person's bone lengths.
_LENGTH_STD = 0.012
# Largest mean squared difference of two persons' lengths, in units of its variance.
_MAX_DISTANCE = 2.0
# Least number of frames of a segment that can start a new person.
_MIN_FRAMES = 10


@definitions.accepts_name
def assign_person_ids(
    xyz: np.ndarray,
    segment: np.ndarray,
    *,
    valid: np.ndarray,
    skeleton: definitions.Skeleton,
) -> np.ndarray:
    """Assigns a person number to each frame; number 0 has the most frames.

    All frames of a segment (`segments.find_segments`) belong to one person. Segments
    are assigned in order of length, longest first, to the person with the nearest
    median bone lengths. If the difference is significant, the segment starts a new
    person; segments of fewer than ten frames never do. Runs on the host in NumPy,
    because the number of people is not known in advance.

    Args:
        xyz: (time, joints, 3), metres.
        segment: (time,), int.
        valid: (time, joints), bool.
        skeleton: skeleton of the joints.

    Returns:
        (time,), int.
    """
    child, parent = skeleton.bone_ends
    known = valid[:, child] & valid[:, parent]
    bones = np.where(known[..., None], xyz[:, child] - xyz[:, parent], np.nan)
    lengths = np.linalg.norm(bones, axis=-1)
    names, frames = np.unique(segment, return_counts=True)
    people: list[tuple[np.ndarray, np.ndarray]] = []  # lengths, squared standard errors
    person = np.zeros(len(segment), np.int32)
    for name in names[np.argsort(-frames, kind="stable")]:
        here = segment == name
        length, error_sq = _summary(lengths[here])
        distance = [_distance(length, error_sq, *other) for other in people]
        nearest = int(np.argmin(distance)) if people else -1
        new = not people or distance[nearest] > _MAX_DISTANCE
        if new and (here.sum() >= _MIN_FRAMES or not people):
            people.append((length, error_sq))
            nearest = len(people) - 1
        else:
            people[nearest] = _merge(people[nearest], (length, error_sq))
        person[here] = nearest
    return _sort_by_frames(person)


def _summary(lengths):
    """Median bone lengths of a segment, and squared errors (inf where unknown)."""
    count = np.sum(np.isfinite(lengths), axis=0)
    padded = np.where(count > 0, lengths, 0.0)
    median = np.nanmedian(padded, axis=0)
    spread = 1.4826 * np.nanmedian(np.abs(padded - median), axis=0)
    error_sq = (1.25 * spread) ** 2 / np.maximum(count, 1) + _LENGTH_STD**2
    return median, np.where(count > 0, error_sq, np.inf)


def _distance(length, error_sq, other_length, other_error_sq):
    sq = (length - other_length) ** 2 / (error_sq + other_error_sq)
    known = np.isfinite(error_sq + other_error_sq)
    return float(np.mean(sq[known])) if known.any() else 0.0


def _merge(one, other):
    weights = [1.0 / one[1], 1.0 / other[1]]
    total = weights[0] + weights[1]
    share = np.where(total > 0.0, weights[0] / np.where(total > 0.0, total, 1.0), 0.5)
    length = share * one[0] + (1.0 - share) * other[0]
    error_sq = np.where(total > 0.0, 1.0 / np.where(total > 0.0, total, 1.0), np.inf)
    # Errors that all segments of a person share do not average out.
    return length, np.maximum(error_sq, 0.5 * _LENGTH_STD**2)


def _sort_by_frames(person):
    names, frames = np.unique(person, return_counts=True)
    rank = np.empty(names.max() + 1, np.int32)
    rank[names[np.argsort(-frames, kind="stable")]] = np.arange(len(names))
    return rank[person]

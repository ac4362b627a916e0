"""Tracking of one person through per-frame detections with the Viterbi algorithm."""

from collections.abc import Sequence

import numpy as np


def viterbi(
    people: Sequence[np.ndarray],
    frame_indices: Sequence[int],
    person_uv: np.ndarray | None,
) -> list[np.ndarray]:
    """Selects one person in each frame; see `detections.track_person`."""
    sizes = [person_size(found) for found in people]
    largest = max((float(size.max()) for size in sizes), default=1.0)
    value = np.zeros(0)
    back: list[np.ndarray] = []
    for t, found in enumerate(people):
        gain = found[..., 2].mean(axis=1) * (0.5 + 0.5 * sizes[t] / largest)
        if person_uv is not None:
            away = (
                np.linalg.norm(
                    person_center(found) - person_uv[frame_indices[t]], axis=-1
                )
                / sizes[t]
            )
            gain = gain - 3 * np.minimum(np.nan_to_num(away, nan=0.0), 1.0)
        if t:
            step = found[:, None, :, :2] - people[t - 1][None, :, :, :2]
            away = _nanmedian(np.linalg.norm(step, axis=-1)) / sizes[t][:, None]
            total = value - np.minimum(np.nan_to_num(away, nan=1.0), 1.0)
            back.append(total.argmax(axis=1))
            gain = gain + total.max(axis=1)
        value = gain
    if not len(value):
        return []
    path = [int(value.argmax())]
    for choice in reversed(back):
        path.append(int(choice[path[-1]]))
    return [found[i] for found, i in zip(people, reversed(path), strict=True)]


def person_size(people: np.ndarray) -> np.ndarray:
    """Diagonal of the box around each person's keypoints, pixels, at least 1."""
    uv = people[..., :2]
    known = np.isfinite(uv)
    high = np.where(known, uv, -np.inf).max(axis=1)
    low = np.where(known, uv, np.inf).min(axis=1)
    diagonal = np.hypot(*np.nan_to_num(high - low, neginf=0.0).T)
    return np.maximum(diagonal, 1.0)


def person_center(people: np.ndarray) -> np.ndarray:
    """Median of each person's keypoints, pixels: (people, 2)."""
    return _nanmedian(np.swapaxes(people[..., :2], -1, -2))


def _nanmedian(values: np.ndarray) -> np.ndarray:
    """Median of the finite values over the last axis; NaN if there are none."""
    count = np.isfinite(values).sum(axis=-1, keepdims=True)
    ordered = np.sort(np.where(np.isfinite(values), values, np.inf), axis=-1)
    middle = np.maximum(count - 1, 0) // 2
    median = np.take_along_axis(ordered, middle, axis=-1)
    return np.where(count > 0, median, np.nan)[..., 0]

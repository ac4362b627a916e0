"""Pure functions on one example: sampling a cloud, cutting clips."""

import numpy as np


def sample_points(
    xyz: np.ndarray, count: int, rng: np.random.Generator, *, repeat: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Draws points without replacement, in random order, each one equally likely.

    Any prefix of the drawn points is a random sample of the cloud, too.

    Args:
        xyz: (points, 3), metres.
        count: how many to return.
        rng: decides which, and in which order.
        repeat: fills up a cloud of fewer points: it takes each point equally often, or
            once more than others. The networks were trained on clouds filled so.

    Returns:
        float32 (count, 3), zeros after the last point where there are fewer, and bool
        (count,), False for those zeros.
    """
    if len(xyz) > count:
        order = rng.choice(len(xyz), count, replace=False)
    else:
        order = rng.permutation(len(xyz))
        if repeat and len(xyz):
            order = np.resize(order, count)
    chosen = xyz[order]
    points = np.zeros((count, 3), np.float32)
    points[: len(chosen)] = chosen
    return points, np.arange(count) < len(chosen)


def clip_windows(frames: int, length: int, stride: int) -> np.ndarray:
    """Frame numbers of the clips that cover a sequence.

    The last clip ends with the last frame; a sequence shorter than a clip repeats its
    last frame.

    Args:
        frames: length of the sequence, at least 1.
        length: frames per clip.
        stride: frames between the starts of clips, at most `length`.

    Returns:
        int64 (clips, length).
    """
    if not 1 <= stride <= length:
        raise ValueError(f"stride must be in 1..{length} to leave no gap, got {stride}")
    last = max(frames - length, 0)
    starts = np.append(np.arange(0, last, stride), last)
    return np.minimum(starts[:, None] + np.arange(length), frames - 1)

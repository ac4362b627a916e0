"""Pure functions on one example: sampling a cloud, cropping an image, cutting clips.

A crop moves pixels, keypoints and intrinsics together, so that a point still projects
on its pixel afterwards.
"""

import numpy as np

VOXEL, MIN_SHARE = 0.05, 0.002  # metres; of the points: what is company to a point


def sample_points(
    xyz: np.ndarray, count: int, rng: np.random.Generator, *, repeat: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Draws points without replacement, every one equally likely.

    Args:
        xyz: (points, 3), metres.
        count: how many to return.
        rng: decides which.
        repeat: where there are fewer, take each of them again, as often as the others
            or once more. Rendered clouds are filled so, and networks used to it.

    Returns:
        float32 (count, 3), zeros after the last point where there are fewer, and bool
        (count,), False for those zeros.
    """
    chosen = xyz
    if len(xyz) > count:
        chosen = xyz[rng.choice(len(xyz), count, replace=False, shuffle=False)]
    elif repeat and 0 < len(xyz) < count:
        chosen = xyz[np.resize(rng.permutation(len(xyz)), count)]
    points = np.zeros((count, 3), np.float32)
    points[: len(chosen)] = chosen
    return points, np.arange(count) < len(chosen)


def inliers(xyz: np.ndarray, *, min_share: float = MIN_SHARE) -> np.ndarray:
    """Which points of a cloud have company; flying pixels have none.

    A point stays if the 3x3x3 voxels of 5 cm around its own hold at least 4 points and
    at least `min_share` of the cloud.

    Args:
        xyz: (points, 3), metres; one person, within a few metres.
        min_share: of all points.

    Returns:
        bool (points,).
    """
    if not len(xyz):
        return np.zeros(0, bool)
    voxel = np.floor(xyz / VOXEL).astype(np.int64)
    voxel -= voxel.min(axis=0) - 1
    shape = np.minimum(voxel.max(axis=0) + 2, 256)
    inside = (voxel < shape - 1).all(axis=1)
    flat = np.ravel_multi_index(tuple(np.minimum(voxel, shape - 1).T), shape)
    count = np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)
    for axis in range(3):
        count = count + np.roll(count, 1, axis) + np.roll(count, -1, axis)
    return inside & (count.ravel()[flat] >= max(4, min_share * len(xyz)))


def square_box(
    box: tuple[float, float, float, float], *, margin: float = 0.1
) -> tuple[float, float, float, float]:
    """The square around a box, larger by a share `margin` on each side, pixels."""
    left, top, right, bottom = box
    half = max(right - left, bottom - top) * (0.5 + margin)
    u, v = (left + right) / 2, (top + bottom) / 2
    return u - half, v - half, u + half, v + half


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

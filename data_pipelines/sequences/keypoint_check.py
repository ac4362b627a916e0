"""Checks that 2D keypoints lie on the person that depth or masks show.

Keypoints of a resized picture, another camera or another recording have the right form
and train a network wrongly. Their distance from the person's silhouette shows it.
"""

from typing import NamedTuple

import cv2
import numpy as np

from data_pipelines.keypoints import picture
from data_pipelines.sequences.sequence import Sequence
from unipose_jax import errors
from unipose_jax.geometry import camera as pinhole

_FRAMES = 24  # compared, equally spaced
_CELLS = 80  # of the coarse silhouette along the longer side of the picture
_REACH = 0.05  # of the person's height; joints nearer to the silhouette are on it
_MIN_SHARE = 0.5  # of the keypoints on the person, below which they are refused
_DOUBTFUL = 0.75  # below which a line is printed
_RESIZED = 0.95  # a scale that puts as many of too small keypoints there is the cause
_EXPLAINED = 0.8  # a suspicion is named if it puts as many on the person
_MIN_KEYPOINTS = 8
_SOME_POINTS = 800  # of the person, that keypoints of one frame are compared with
_MIN_REACH = 2.0  # pixels
# Size of the keypoints' box by the person's. True ones have 0.8 to 1, upper bodies 0.5.
_SMALL, _LARGE = 0.6, 1.6

# Pictures that detectors are given in place of the recorded one, by size.
_SCALES = (1 / 4, 1 / 3, 3 / 8, 1 / 2, 2 / 3, 3 / 4, 4 / 3, 3 / 2, 2, 8 / 3, 3, 4)


class Silhouette(NamedTuple):
    """A person on a coarse grid over the picture of the keypoints."""

    near: np.ndarray  # bool (rows, columns), on the person or near it
    cell: float  # pixels per cell
    size: float  # diagonal of the box around the person, pixels


class Silhouettes:
    """Silhouettes of the person in some frames of a sequence."""

    def __init__(self, source: Sequence):
        count = min(_FRAMES, len(source))
        chosen = np.linspace(0, len(source) - 1, count).round().astype(int)
        self._source = source
        self.frames = sorted({int(index) for index in chosen})  # that are compared
        self._found: dict[int, Silhouette] = {}

    def add(self, index: int, xyz: np.ndarray) -> None:
        """Adds a frame if it is one of those compared.

        Args:
            index: position in the sequence.
            xyz: (points, 3) of the person, metres, depth-camera frame; may be empty.
        """
        if index in self.frames and len(xyz):
            self._found[index] = silhouette(self._source, xyz)

    def tells(self, confidence: np.ndarray) -> bool:
        """Whether the person was found in half of the frames with keypoints.

        Args:
            confidence: (frames, joints), 0 where there is none.
        """
        known = [index for index in self.frames if confidence[index].any()]
        return 2 * sum(index in self._found for index in known) >= len(known)

    def share(
        self,
        uv: np.ndarray,
        confidence: np.ndarray,
        scale: float = 1.0,
        mirrored: bool = False,
    ) -> float | None:
        """Share of the confident keypoints that lie on the person.

        Args:
            uv: (frames, joints, 2), undistorted pixels of all frames of the sequence.
            confidence: (frames, joints), 0 where there is none.
            scale: multiplies the keypoints first.
            mirrored: mirrors them first.

        Returns:
            The share, or None where there are too few keypoints to tell.
        """
        inside: list[np.ndarray] = []
        for index, person in self._found.items():
            known = (confidence[index] > 0) & picture.sure(confidence[index])
            place = uv[index][known] * scale
            if mirrored:
                width = self._source.keypoint_camera.width
                place = place * (-1, 1) + (width, 0)
            inside.append(_is_near(person, place))
        flat = np.concatenate(inside or [np.zeros(0, bool)])
        return float(flat.mean()) if flat.size >= _MIN_KEYPOINTS else None

    def check(self, uv: np.ndarray, confidence: np.ndarray) -> None:
        """Refuses keypoints that are mostly beside the person; warns of doubtful ones.

        Args:
            uv: see `share`.
            confidence: see `share`.

        Raises:
            errors.BadInput: less than half of the keypoints are on the person; names
                the cause where another size of the picture explains it.
        """
        share, name = self.share(uv, confidence), self._source.name
        if share is None:
            return
        line = f"{name}: {share:.0%} of the 2D keypoints are on the person in depth"
        if share >= _DOUBTFUL:
            if self._is_resized(uv, confidence):
                raise errors.BadInput(f"{line}; {self._suspicion(uv, confidence)}")
            return
        if share >= _MIN_SHARE:
            errors.warn(f"{line}; see --mode=keypoints for a picture of them")
            return
        raise errors.BadInput(f"{line}; {self._suspicion(uv, confidence)}")

    def _size_ratio(self, uv: np.ndarray, confidence: np.ndarray) -> float:
        """Median size of the keypoints' box by that of the person's box."""
        ratios = []
        for index, person in self._found.items():
            known = (confidence[index] > 0) & picture.sure(confidence[index])
            if known.sum() >= 2:
                box = np.ptp(uv[index][known], axis=0)
                ratios.append(float(np.hypot(*box)) / max(person.size, 1.0))
        return float(np.median(ratios)) if ratios else 1.0

    def _is_resized(self, uv: np.ndarray, confidence: np.ndarray) -> bool:
        """Whether keypoints on the person have another size and one scale mends it.

        Near the corner of the picture, keypoints of a resized picture stay on a large
        person. Those of half a body do not fit the person when they are scaled.
        """
        ratio = self._size_ratio(uv, confidence)
        if _SMALL <= ratio <= _LARGE:
            return False
        fitting = [s for s in _SCALES if 0.75 <= s * ratio <= 1.3]
        shares = [self.share(uv, confidence, scale=s) or 0.0 for s in fitting]
        return max(shares, default=0.0) >= _RESIZED

    def _suspicion(self, uv: np.ndarray, confidence: np.ndarray) -> str:
        """What would put the keypoints on the person, for the message."""
        camera = self._source.keypoint_camera
        ratio = max(self._size_ratio(uv, confidence), 1e-3)
        shares = {s: self.share(uv, confidence, scale=s) or 0.0 for s in _SCALES}
        most = max(shares.values())
        best = min(
            (s for s in _SCALES if shares[s] > most - 0.05),
            key=lambda scale: abs(np.log(scale * ratio)),
        )
        mirrored = self.share(uv, confidence, mirrored=True) or 0.0
        if max(mirrored, most) < _EXPLAINED:
            return (
                "are they of another recording, frame rate or camera, or is the "
                "calibration of the cameras wrong?"
            )
        if mirrored > most:
            return f"{mirrored:.0%} would be if the picture were mirrored"
        size = [round(camera.width / best), round(camera.height / best)]
        return (
            f"{shares[best]:.0%} would be, with the person's size, if they were of "
            f'a resized picture: "keypoints": {{"size": {size}}} in camera.json'
        )


def on_person(
    uv: np.ndarray,
    confidence: np.ndarray,
    xyz: np.ndarray,
    intrinsics: np.ndarray,
    cam_from_points: np.ndarray,
) -> bool:
    """Whether at least half of the confident keypoints of a frame lie on the person.

    Args:
        uv: (joints, 2), undistorted pixels; anything where `confidence` is 0.
        confidence: (joints,), 0 where there is none.
        xyz: (points, 3) of the person, metres.
        intrinsics: (fx, fy, cx, cy) of the camera of the keypoints, pixels.
        cam_from_points: (4, 4), from the points to that camera, metres.

    Returns:
        True without keypoints.
    """
    known = (confidence > 0) & picture.sure(confidence)
    if not known.any():
        return True
    some = xyz[:: max(1, len(xyz) // _SOME_POINTS)]
    moved = some @ cam_from_points[:3, :3].T + cam_from_points[:3, 3]
    seen = pinhole.uv_from_xyz(moved[moved[:, 2] > 0], intrinsics)
    if not len(seen):
        return False
    low, high = np.quantile(seen, [0.01, 0.99], axis=0)
    away = np.linalg.norm(uv[known][:, None] - seen, axis=-1).min(axis=1)
    near = away <= max(_REACH * (high - low).max(), _MIN_REACH)
    return bool(near.mean() >= _MIN_SHARE)


def silhouette(source: Sequence, xyz: np.ndarray) -> Silhouette:
    """The person's points as a coarse silhouette in the picture of the keypoints.

    Args:
        source: names the cameras.
        xyz: (points, 3), metres, depth-camera frame; not empty.
    """
    camera = source.keypoint_camera
    moved = xyz @ source.color_from_depth[:3, :3].T + source.color_from_depth[:3, 3]
    uv = camera.project(moved)
    uv = uv[np.isfinite(uv).all(axis=1)]
    cell = max(camera.width, camera.height) / _CELLS
    shape = (int(np.ceil(camera.height / cell)), int(np.ceil(camera.width / cell)))
    near = np.zeros(shape, np.uint8)
    column, row = np.floor(uv / cell).astype(int).T
    inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    near[row[inside], column[inside]] = 1
    height = float(np.ptp(row[inside])) if inside.any() else 0.0
    reach = max(1, round(_REACH * height))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    spread = (
        np.ptp(np.quantile(uv, [0.01, 0.99], axis=0), axis=0) if len(uv) else (0, 0)
    )
    return Silhouette(
        cv2.dilate(near, kernel).astype(bool), cell, float(np.hypot(*spread))
    )


def _is_near(person: Silhouette, uv: np.ndarray) -> np.ndarray:
    """Whether each pixel position is on the silhouette or near it."""
    rows, columns = person.near.shape
    column, row = np.floor(uv / person.cell).astype(int).T
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    return inside & person.near[row * inside, column * inside]

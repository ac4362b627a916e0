"""Keypoints of the person in every colour image of a recording, by crops that follow.

Frames are taken in blocks, so that the network computes several pictures at once. All
frames of a block start with the crop that follows from the last keypoints before it. A
frame is computed again, with another crop, where its keypoints ask for another crop,
where no person is seen, or where they are not on the person of the depth map.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from data_pipelines.ground import read_ahead
from data_pipelines.keypoints import crops
from data_pipelines.sequences import onnx_pose, sequence, tracks

BLOCK = 8  # frames
MIN_JOINTS = 5  # seen joints of a person
_MAX_CROPS = 4  # of a frame
_MIN_OVERLAP = 0.6  # of the crop of a frame with the one that its keypoints ask for
_MIN_SHARE = 0.5  # of the keypoints that lie on the person of the depth map
_MIN_GAIN = 0.9  # of the confidence of a crop by that of the crop that follows from it
_CELL = 0.03  # of the height of a person; keypoints this far away are on the person


class Found(NamedTuple):
    """What was found in a frame."""

    frame: int  # number
    person: np.ndarray | None  # (17, 3), u, v, confidence; None without a colour image
    outside: int  # keypoints that are not on the person of the depth map
    compared: int  # keypoints that were compared with the depth map

    @property
    def has_keypoints(self) -> bool:
        """Whether a person was seen."""
        return self.person is not None and bool(self.person[:, 2].any())


class Block(NamedTuple):
    """Consecutive frames, and the crop with which the next block starts."""

    found: list[Found]
    crop: crops.Square | None


def follow(
    source: sequence.Sequence,
    network: crops.Network,
    *,
    skip: int = 0,
    crop: crops.Square | None = None,
) -> Iterator[Block]:
    """Detects the keypoints of the person of the depth map, block by block.

    Args:
        source: a recording, or any sequence with colour images.
        network: the keypoint network.
        skip: blocks that are known already and are left out.
        crop: the crop that the last of these ended with.

    Yields:
        Blocks of `BLOCK` frames; the last one may be shorter.

    Raises:
        errors.BadInput: a frame cannot be read.
    """
    ahead = read_ahead.read_ahead(_read(source, skip * BLOCK), depth=BLOCK)
    with contextlib.closing(ahead) as read:
        while frames := dict(itertools.islice(read, BLOCK)):
            seen = [frame for frame in frames.values() if frame is not None]
            _detect(seen, network, crop)
            if seen:
                crop = seen[-1].next_crop()
            found = [
                Found(number, None, 0, 0) if frame is None else frame.result(number)
                for number, frame in frames.items()
            ]
            yield Block(found, crop)


def _read(
    source: sequence.Sequence, skip: int
) -> Iterator[tuple[int, "_Frame | None"]]:
    """Numbers and images of the frames after those that are skipped."""
    for index, cloud in enumerate(tracks.person_clouds(source)):
        if index >= skip:
            yield source.frames[index], _Frame.read(source, index, cloud.xyz)


class Follower:
    """Keypoints of the person in successive colour images of a camera."""

    def __init__(self, source: onnx_pose.Cameras, network: crops.Network):
        """Takes the cameras and the keypoint network."""
        self._source, self._network = source, network
        self._crop: crops.Square | None = None

    def warm_up(self) -> None:
        """Compiles the network before the first image."""
        size = self._network.size
        self._network(np.zeros((1, size, size, 3), np.uint8))

    def __call__(self, image: np.ndarray, xyz: np.ndarray) -> np.ndarray:
        """Detects the keypoints in the next image.

        Args:
            image: uint8 RGB (height, width, 3).
            xyz: (points, 3) of the person, metres, depth-camera frame, as last seen;
                may be empty.

        Returns:
            float32 (17, 3): u and v, pixels as recorded, and the confidence, 0 for a
            joint that is not seen; COCO17.
        """
        frame = _Frame.of(self._source, image, xyz)
        _detect([frame], self._network, self._crop)
        self._crop = frame.next_crop()
        best = frame.best()
        return best.person if best.is_person() else np.zeros_like(best.person)


class _Area:
    """The pixels of a person in the colour image, on a coarse grid."""

    def __init__(self, uv: np.ndarray, shape: tuple[int, ...]):
        (left, top), (right, bottom) = uv.min(axis=0), uv.max(axis=0)
        self.box = float(left), float(top), float(right), float(bottom)
        self._cell = max(_CELL * max(right - left, bottom - top), 2.0)
        rows, columns = (int(side / self._cell) + 1 for side in shape[:2])
        grid = np.zeros((rows, columns), np.uint8)
        column, row = (uv / self._cell).astype(int).T
        grid[row, column] = 1
        self._grid = cv2.dilate(grid, np.ones((3, 3), np.uint8))

    def holds(self, uv: np.ndarray) -> np.ndarray:
        """Which keypoints in the image lie on the person: bool (keypoints,)."""
        column, row = (uv / self._cell).astype(int).T
        return self._grid[row, column] > 0


class _Attempt(NamedTuple):
    """Keypoints found with one crop."""

    crop: crops.Square
    person: np.ndarray  # (17, 3)
    on_person: float  # share of the keypoints on the person of the depth map, or 1

    def is_person(self) -> bool:
        return bool((self.person[:, 2] > 0).sum() >= MIN_JOINTS)

    def certainty(self) -> int:
        """0: nobody; 1: a person; 2: also the person of the depth map, if known."""
        return self.is_person() + (self.is_person() and self.on_person >= _MIN_SHARE)

    def is_better(self, before: "_Attempt") -> bool:
        """Whether it replaces an attempt before it, whose crop led to this one."""
        if self.certainty() != before.certainty():
            return self.certainty() > before.certainty()
        return self.person[:, 2].sum() >= _MIN_GAIN * before.person[:, 2].sum()


@dataclasses.dataclass
class _Frame:
    """A frame with a colour image, and the crops that were tried."""

    image: np.ndarray
    area: _Area | None
    attempts: list[_Attempt] = dataclasses.field(default_factory=list)

    @classmethod
    def read(
        cls, source: sequence.Sequence, index: int, xyz: np.ndarray
    ) -> "_Frame | None":
        """Reads a frame; None if it has no colour image."""
        image = source.color(index)
        return None if image is None else cls.of(source, image, xyz)

    @classmethod
    def of(
        cls, source: onnx_pose.Cameras, image: np.ndarray, xyz: np.ndarray
    ) -> "_Frame":
        """A colour image, and the area of the person's points in it."""
        uv = onnx_pose.pixels_of(xyz, source)
        return cls(image, _Area(uv, image.shape) if len(uv) else None)

    def fresh_crop(self) -> crops.Square:
        """A start without a crop to follow: the person of the depth map, or all."""
        shape = self.image.shape
        if self.area is None:
            return crops.whole(shape)
        return crops.around(self.area.box, shape)

    def another_crop(self) -> crops.Square | None:
        """The crop to try next; None where the frame is finished."""
        last, tried = self.attempts[-1], [attempt.crop for attempt in self.attempts]
        choices: list[crops.Square | None] = []
        if last.on_person < _MIN_SHARE or not last.is_person():
            choices.append(self.fresh_crop())
        if last.is_person():
            choices.append(crops.following(last.person, self.image.shape))
        else:
            choices.append(crops.whole(self.image.shape))
        for choice in choices:
            if choice and all(crops.overlap(choice, t) < _MIN_OVERLAP for t in tried):
                return choice if len(tried) < _MAX_CROPS else None
        return None

    def add(self, crop: crops.Square, person: np.ndarray) -> None:
        """Takes the keypoints that were found in a crop."""
        seen = person[person[:, 2] > 0, :2]
        on_person = 1.0
        if self.area is not None and len(seen):
            on_person = float(self.area.holds(seen).mean())
        self.attempts.append(_Attempt(crop, person, on_person))

    def best(self) -> _Attempt:
        """The last attempt that is no worse than those before it."""
        best = self.attempts[0]
        for attempt in self.attempts[1:]:
            best = attempt if attempt.is_better(best) else best
        return best

    def next_crop(self) -> crops.Square | None:
        """The crop for the next frame; None where the person is lost."""
        best = self.best()
        if not best.is_person():
            return None
        return crops.following(best.person, self.image.shape)

    def result(self, number: int) -> Found:
        """The keypoints, compared with the person of the depth map."""
        best = self.best()
        if not best.is_person():
            return Found(number, np.zeros_like(best.person), 0, 0)
        compared = 0 if self.area is None else int((best.person[:, 2] > 0).sum())
        outside = round((1 - best.on_person) * compared)
        return Found(number, best.person, outside, compared)


def _detect(
    frames: list[_Frame], network: crops.Network, crop: crops.Square | None
) -> None:
    """Tries crops in all frames until every frame is finished."""
    wanted = [(frame, crop or frame.fresh_crop()) for frame in frames]
    while wanted:
        images, squares = [frame.image for frame, _ in wanted], [c for _, c in wanted]
        found = crops.keypoints_in_squares(network, images, squares)
        for (frame, square), person in zip(wanted, found, strict=True):
            frame.add(square, person)
        again = [(frame, frame.another_crop()) for frame, _ in wanted]
        wanted = [(frame, square) for frame, square in again if square is not None]

"""People of a sequence without masks, found by the evidence of all of its frames."""

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import numpy as np
import tqdm

from data_pipelines.ground import read_ahead
from data_pipelines.segmentation import person_path, whole_recording
from data_pipelines.segmentation import segmenter as segmentation
from data_pipelines.sequences.sequence import Sequence
from unipose_jax import errors


class Keypoints(NamedTuple):
    """2D keypoints of one person in a whole sequence."""

    uv: np.ndarray  # float32 (frames, joints, 2), undistorted pixels
    confidence: np.ndarray  # float32 (frames, joints)


class People(NamedTuple):
    """Who was found; `mask` cuts one of them out."""

    bodies: whole_recording.WholeRecording
    person: dict[int, int | None]  # body of the person by frame; None where hidden
    everyone: list[dict[int, int | None]]  # the same of all people
    centers: list[np.ndarray]  # of everyone: (frames, 3), metres; NaN where hidden
    notes: list[str]  # one line if no body has the keypoints, which are then not used

    def mask(
        self, index: int, depth: np.ndarray, number: int | None = None
    ) -> np.ndarray:
        """Mask of one person in a frame: bool (height, width).

        Args:
            index: position of the frame.
            depth: its depth map, metres.
            number: position in `everyone`; None for the person to follow.
        """
        who = self.person if number is None else self.everyone[number]
        if index not in who:
            return np.zeros(depth.shape, bool)
        return self.bodies.segment(index, depth, who[index]).mask


def find(
    source: Sequence,
    frames: Collection[int],
    *,
    keypoints: Keypoints | None = None,
    on_error: Callable[[errors.BadInput], None],
    progress: bool = False,
) -> People:
    """Reads frames and finds the person, or all people, in them.

    Args:
        source: any sequence.
        frames: positions, ascending.
        keypoints: of the person to follow, if known.
        on_error: called with the error of a frame that cannot be read.
        progress: whether to show a progress bar if it takes more than two seconds.
    """
    bodies = whole_recording.WholeRecording(source.rays, source.depth_camera.intrinsics)
    added = []
    with contextlib.closing(read_ahead.read_ahead(_read(source, frames))) as read:
        bar = tqdm.tqdm(
            read,
            desc="finding people",
            total=len(frames),
            unit="frame",
            delay=2.0,
            disable=not progress,
        )
        for index, depth, mask, error in bar:
            if error is not None:
                on_error(error)
            elif depth is not None:
                time = float(source.time[index])
                bodies.add(index, depth, time, _hint(source, keypoints, index), mask)
                added.append(index)
    tracks, fit = bodies.link()
    person = person_path.one_person(tracks)
    everyone = person_path.everyone(tracks)
    centers = [np.full((len(source), 3), np.nan) for _ in everyone]
    for center, places in zip(centers, everyone, strict=True):
        for index, candidates, place in zip(added, tracks.seen, places, strict=True):
            if place is not None:
                center[index] = candidates[place].center
    note = (
        f"{source.name}: most of the 2D keypoints lie on no person and do not choose "
        "the person to follow; are they of this camera, image size and time?"
    )
    return People(
        bodies,
        dict(zip(added, person, strict=True)),
        [dict(zip(added, places, strict=True)) for places in everyone],
        centers,
        [] if fit else [note],
    )


class _Read(NamedTuple):
    """A frame as read."""

    place: int  # its index
    depth: np.ndarray | None
    mask: np.ndarray | None
    error: errors.BadInput | None  # why it cannot be read


def _read(source: Sequence, frames: Collection[int]) -> Iterator[_Read]:
    """The images of each frame, or why they cannot be read."""
    for index in frames:
        try:
            yield _Read(index, source.depth(index), source.mask(index), None)
        except errors.BadInput as error:
            yield _Read(index, None, None, error)


def _hint(
    source: Sequence, keypoints: Keypoints | None, index: int
) -> segmentation.KeypointHint | None:
    """Segmentation hint from the keypoints of a frame; None if it has none."""
    if keypoints is None or not keypoints.confidence[index].any():
        return None
    return segmentation.KeypointHint(
        keypoints.uv[index],
        keypoints.confidence[index],
        source.keypoint_camera.intrinsics,
        source.color_from_depth,
    )

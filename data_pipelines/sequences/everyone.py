"""The person to follow, or all people, in a sequence whose frames are read twice."""

from collections.abc import Callable

from data_pipelines.sequences import people, tracks
from data_pipelines.sequences.sequence import Sequence
from unipose_jax import errors


def find(
    source: Sequence,
    keypoints: people.Keypoints | None = None,
    *,
    progress: bool = False,
) -> people.People:
    """Reads all frames and finds the people in them.

    Args:
        source: any sequence.
        keypoints: of the person to follow, if known.
        progress: see `tracks.person_clouds`.

    Raises:
        errors.BadInput: a frame cannot be read.
    """
    return people.find(
        source,
        range(len(source)),
        keypoints=keypoints,
        on_error=_fail,
        progress=progress,
    )


def clouds(
    source: Sequence, found: people.People, number: int | None = None
) -> Callable[[int], tracks.PersonCloud]:
    """The cloud of one person as a function of the frame's position.

    A frame where the person is hidden has no points and an empty mask. Masks of the
    sequence, which show one person, are those of the person to follow.

    Args:
        source: any sequence.
        found: its people.
        number: position in `People.everyone`; None for the person to follow.
    """

    def cloud(index: int) -> tracks.PersonCloud:
        depth = source.depth(index)
        if depth is None:
            return tracks.EMPTY_CLOUD
        mask = source.mask(index) if number is None else None
        if mask is None:
            mask = found.mask(index, depth, number)
        points = tracks.masked_points(mask, depth, source.rays)
        return tracks.PersonCloud(points, mask, depth)

    return cloud


def _fail(error: errors.BadInput) -> None:
    raise error

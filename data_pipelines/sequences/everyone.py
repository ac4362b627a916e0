"""All people of a sequence, one after another."""

from collections.abc import Iterator

from data_pipelines.sequences import people, tracks
from data_pipelines.sequences.sequence import Sequence
from unipose_jax import errors


def clouds_of_everyone(
    source: Sequence, *, progress: bool = False
) -> list[Iterator[tracks.PersonCloud]]:
    """All people, the most evident first: each yields the person in each frame.

    Masks of the sequence are not used, because they show one person. A frame where a
    person is hidden has no points and an empty mask.

    Args:
        source: any sequence.
        progress: see `tracks.person_clouds`.

    Raises:
        errors.BadInput: a frame cannot be read.
    """
    frames = range(len(source))
    found = people.find(source, frames, on_error=_fail, progress=progress)
    return [_clouds(source, found, number) for number in range(len(found.everyone))]


def _clouds(
    source: Sequence, found: people.People, number: int
) -> Iterator[tracks.PersonCloud]:
    for index in range(len(source)):
        depth = source.depth(index)
        if depth is None:
            yield tracks.EMPTY_CLOUD
            continue
        mask = found.mask(index, depth, number)
        points = tracks.masked_points(mask, depth, source.rays)
        yield tracks.PersonCloud(points, mask, depth)


def _fail(error: errors.BadInput) -> None:
    raise error

"""Origin of the examples of a config: rendered, or read from files.

Includes the parser of `config.data.collections`, a list in one string.
"""

import pathlib
from typing import NamedTuple

import ml_collections

from unipose_jax import errors

RENDERED = "rendered"


class Collection(NamedTuple):
    """A source of images of several people, and its weight."""

    annotations: str  # a file, or `RENDERED`
    images: str  # folder
    weight: float

    @property
    def is_rendered(self) -> bool:
        """Whether its images are rendered, so that true depth is known."""
        return self.annotations == RENDERED


class Origin(NamedTuple):
    """Origin of all examples of a config."""

    collections: tuple[Collection, ...]  # collections of images; () for clips
    synthetic: (
        bool  # all examples show rendered people, rendered now or read from files
    )
    renders: bool  # some examples are rendered by this run


def of(data: ml_collections.ConfigDict) -> Origin:
    """The origin of the examples of `config.data`.

    Raises:
        errors.BadInput: `data.collections` cannot be parsed.
    """
    if data.get("collections", ""):
        found = parse(data.collections)
        rendered = [one.is_rendered for one in found]
        return Origin(tuple(found), all(rendered), any(rendered))
    synthetic = data.name == "synthetic"
    return Origin((), synthetic, synthetic and not data.data_dir)


def parse(text: str) -> list[Collection]:
    """Parses the collections of a config.

    Args:
        text: "rendered", or a comma-separated list "ANNOTATIONS[@IMAGES][=WEIGHT]" of
            files in COCO format. The default image folder is that of the annotations.
            The list may include "rendered".

    Raises:
        errors.BadInput: the text is invalid.
    """
    found = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        place, _, number = part.partition("=")
        annotations, _, images = (piece.strip() for piece in place.partition("@"))
        try:
            weight = float(number or 1.0)
        except ValueError:
            weight = -1.0
        if not weight > 0.0 or not annotations:
            raise errors.BadInput(
                f"config.data.collections has {part!r}; expected "
                "ANNOTATIONS.json[@IMAGES][=WEIGHT] or rendered[=WEIGHT]"
            )
        images = images or str(pathlib.Path(annotations).parent)
        found.append(Collection(annotations, images, weight))
    if not found:
        raise errors.BadInput("config.data.collections is empty; try 'rendered'")
    return found

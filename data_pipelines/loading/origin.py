"""Where the examples of a config come from: rendered, or read from files.

`config.data.collections`, a list in one string, is parsed here and nowhere else.
"""

import pathlib
from typing import NamedTuple

import ml_collections

from unipose_jax import errors

RENDERED = "rendered"


class Collection(NamedTuple):
    """Where pictures of several people come from, and how often."""

    annotations: str  # a file, or `RENDERED`
    images: str  # folder
    weight: float

    @property
    def is_rendered(self) -> bool:
        """Whether its pictures are rendered, so that their true depth is known."""
        return self.annotations == RENDERED


class Origin(NamedTuple):
    """The answer for a whole config."""

    collections: tuple[Collection, ...]  # of pictures; () for clips
    synthetic: bool  # every example shows rendered people, perhaps read from files
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
    """The collections that a config asks for.

    Args:
        text: "rendered", or a list "ANNOTATIONS[@IMAGES][=WEIGHT]" with commas, of
            files in COCO's format; images lie beside them unless a folder is named.
            "rendered" may be among them.

    Raises:
        errors.BadInput: it does not read so.
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

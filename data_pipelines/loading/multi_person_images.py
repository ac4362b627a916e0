"""Images of several people with 2D keypoints, to train depth ordering.

Photographs in COCO format and rendered images, mixed by weight. An example has the
fields of `schema.IMAGE_FIELDS`.
"""

import math
import pathlib
import zlib
from collections.abc import Sequence

import cv2
import numpy as np

from data_pipelines.ground import settings
from data_pipelines.readers import coco
from unipose_jax import errors

_SPLIT_PARTS = 20  # parts of the photographs: one for validation, one for test
_MIN_KEYPOINTS = 4  # least number of keypoints of a person


class RenderedImages:
    """Rendered images in memory, with ground truth."""

    protocol = "The people are rendered; keypoints come from a simulated 2D detector."

    def __init__(self, stacked: dict[str, np.ndarray]):
        """Wraps fields with a leading image axis."""
        self._stacked = stacked

    def __len__(self) -> int:
        return len(self._stacked["image"])

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return {name: value[index] for name, value in self._stacked.items()}

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Returns example `index`; `rng` is not used."""
        del rng
        return self[index]


class CocoImages:
    """Images of at least two people from a file in COCO format.

    Images are scaled to one size, keeping the aspect ratio, with black padding. If
    there are more than `max_people` people, the largest ones are used.
    """

    protocol = "The order of people comes from the rule itself, not from true depth."

    def __init__(self, images: Sequence[coco.Image], data: settings.DataSettings):
        """Selects the images with several people, without decoding them.

        Args:
            images: images of a collection.
            data: with `height`, `width`, `max_people` and `skeleton`.
        """
        self._data = data
        self.images = [image for image in images if len(self._largest(image)) > 1]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        image, data = self.images[index], self._data
        scale = min(data.width / image.width, data.height / image.height)
        size = (round(scale * image.width), round(scale * image.height))
        picture = np.zeros((data.height, data.width, 3), np.uint8)
        small = cv2.resize(image.read(), size, interpolation=cv2.INTER_AREA)
        picture[: size[1], : size[0]] = small[: data.height, : data.width]
        uv, confidence = image.keypoints(data.skeleton)
        chosen = self._largest(image)[: data.max_people]
        lacking = data.max_people - len(chosen)
        uv = np.where(confidence[..., None] > 0, uv * scale, 0.0)[chosen]
        joints = uv.shape[1]
        return {
            "image": picture,
            "people_uv": _pad_people(uv, lacking),
            "people_confidence": _pad_people(confidence[chosen], lacking),
            "people_xyz": np.zeros((data.max_people, joints, 3), np.float32),
            "people_visible": np.zeros((data.max_people, joints), bool),
        }

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Returns example `index`; `rng` is not used."""
        del rng
        return self[index]

    def _largest(self, image: coco.Image) -> np.ndarray:
        """Indices of people with enough keypoints, largest first."""
        _, confidence = image.keypoints(self._data.skeleton)
        enough = (confidence > 0).sum(axis=-1) >= _MIN_KEYPOINTS
        order = np.argsort(-image.area, kind="stable")
        return order[enough[order] & ~image.crowd[order]]


def _pad_people(values: np.ndarray, lacking: int) -> np.ndarray:
    pad = [(0, lacking)] + [(0, 0)] * (values.ndim - 1)
    return np.pad(values, pad).astype(np.float32)


def open_train(data: settings.DataSettings) -> list[RenderedImages | CocoImages]:
    """Opens the training split of every collection.

    Raises:
        errors.BadInput: a collection is invalid or has no image with two people.
    """
    return [_open_collection(one, data, "train") for one in data.image_collections]


def open_split(data: settings.DataSettings, split: str) -> RenderedImages | CocoImages:
    """Opens a split of the first collection as a random-access source.

    Raises:
        errors.BadInput: see `open_train`.
    """
    return _open_collection(data.image_collections[0], data, split)


def _open_collection(
    one: settings.Collection, data: settings.DataSettings, split: str
) -> RenderedImages | CocoImages:
    if one.is_rendered:
        from data_pipelines.rendered import clip_pool

        if data.max_people < 2:
            raise errors.BadInput(
                f"config.data.max_people={data.max_people} leaves no pairs of "
                "people to train on"
            )
        return RenderedImages(clip_pool.open_images(data, split))
    images = coco.open_images(
        pathlib.Path(one.annotations).expanduser(),
        pathlib.Path(one.images).expanduser(),
    )
    usable = CocoImages(images, data).images
    if not usable:
        raise errors.BadInput(_no_pairs_message(one.annotations))
    if len(usable) < 3:
        raise errors.BadInput(
            f"{one.annotations}: images of several people: {len(usable)}; training, "
            "validation and test need one each"
        )
    return CocoImages(_select_split(usable, split), data)


def _select_split(images: Sequence[coco.Image], split: str) -> Sequence[coco.Image]:
    """Selects the images of a split: one twentieth each for validation and test."""

    def shuffled(image: coco.Image) -> tuple[int, str]:
        return zlib.crc32(image.path.name.encode()), image.path.name

    ordered = sorted(images, key=shuffled)
    held = math.ceil(len(ordered) / _SPLIT_PARTS)
    validation, test, train = np.split(np.arange(len(ordered)), [held, 2 * held])
    parts = {"validation": validation, "test": test, "train": train}
    return [ordered[index] for index in parts[split]]


def _no_pairs_message(where: str) -> str:
    return (
        f"{where}: no image has two people with {_MIN_KEYPOINTS} keypoints each, so "
        "there are no pairs of people to train on"
    )

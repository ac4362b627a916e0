"""Photographs on disk: each record is an encoded image with its people."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from data_pipelines.ground import settings
from data_pipelines.prepared import storage
from data_pipelines.readers import coco
from unipose_jax import errors


def features(num_joints: int):
    """TFDS features of a record; people are the leading axis."""
    import tensorflow_datasets as tfds

    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Tensor(shape=(), dtype=np.object_),
            "uv": tfds.features.Tensor(shape=(None, num_joints, 2), dtype=np.float32),
            "confidence": tfds.features.Tensor(
                shape=(None, num_joints), dtype=np.float32
            ),
            "boxes": tfds.features.Tensor(shape=(None, 4), dtype=np.float32),
            "area": tfds.features.Tensor(shape=(None,), dtype=np.float32),
            "crowd": tfds.features.Tensor(shape=(None,), dtype=np.bool_),
        }
    )


def records(
    one: coco.ImageGroup,
    data: settings.DataSettings,
    skipped: list[str] | None,
    read: Callable | None = None,
) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """Returns the index entry of a group of images, and its images as records.

    Args:
        one: the group of images.
        data: gives `skeleton`.
        skipped: list to which one line is added for each image that cannot be decoded.
            If None, such an image raises an error.
        read: not used.

    Raises:
        errors.BadInput: an image cannot be decoded.
    """
    kept = []
    for image in one.images:
        try:
            image.read()
        except errors.BadInput as error:
            if skipped is None:
                raise
            skipped.append(str(error))
            continue
        kept.append(image)
    entry = {
        "name": one.name,
        "subject": one.subject,
        "frames": len(kept),
        "with_points": 0,
        "with_keypoints": len(kept),
        "with_joints": 0,
    }
    return entry, (_record(image, data.skeleton) for image in kept)


def _record(image: coco.Image, skeleton: str) -> dict[str, Any]:
    uv, confidence = image.keypoints(skeleton)
    return {
        "image": image.path.read_bytes(),
        "uv": uv.astype(np.float32),
        "confidence": confidence.astype(np.float32),
        "boxes": image.boxes,
        "area": image.area,
        "crowd": image.crowd,
    }


class ImageSource:
    """Images of a split: `len(source)`, `source[index]`."""

    def __init__(self, data: settings.DataSettings, split: str):
        """Opens a split.

        Raises:
            errors.BadInput: see `storage.open_split`.
        """
        self._records: Sequence
        self._records, _, self.protocol = storage.open_split(data, split, kind="images")

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Returns `image`, uint8 RGB (height, width, 3), and its people.

        The other fields are `uv` (people, joints, 2), pixels, `confidence` (people,
        joints), `boxes` (people, 4), left, top, right, bottom, pixels, `area`
        (people,), pixels^2, and `crowd` (people,), True for a group without keypoints.
        """
        record = self._records[index]
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        image = cv2.imdecode(np.frombuffer(record["image"], np.uint8), flags)
        assert image is not None  # images are decoded once before they are written
        return record | {"image": np.ascontiguousarray(image[..., ::-1])}

"""COCO results and annotations, as detectors and annotation tools write them.

- Results: a list of {image_id, keypoints: J x (u, v, confidence), score}. AlphaPose
  gives the name of the picture as `image_id`; joints are identified by their number
  (COCO17, Halpe 26 or 136, COCO-WholeBody 133).
- Annotations: {images, annotations, categories}, where the category names the joints
  (CVAT, Label Studio, RectLabel). `images` gives the `file_name` of each `image_id`,
  which may count from 1, and the size of the picture.

Sources: cocodataset.org/#format-data, MVIG-SJTU/AlphaPose docs/output.md.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipelines.keypoints import joint_orders
from data_pipelines.keypoints.formats import parsed
from unipose_jax import errors
from unipose_jax import skeleton as skeletons


def is_coco(raw: Any) -> bool:
    """Whether parsed JSON is in this format; True for an empty list."""
    if isinstance(raw, dict):
        return "annotations" in raw or "categories" in raw
    return isinstance(raw, list) and all(
        isinstance(entry, dict) and "image_id" in entry for entry in raw[:1]
    )


def parse(raw: Any, path: pathlib.Path) -> parsed.Parsed:
    """Parses results or annotations.

    If the third number of a keypoint is a visibility flag (a 2 occurs in a file of
    annotations), 1 (labelled, occluded) becomes confidence 0.5.

    Raises:
        errors.BadInput: names the entry that is wrong.
    """
    choices = list(parsed.BY_COUNT)
    images: dict[Any, dict] = {}
    named: set[Any] | None = None
    if isinstance(raw, dict):
        order, named = _named_joints(raw, path)
        choices, images = [order], _images(raw, path)
        raw = raw.get("annotations")
    if not isinstance(raw, list):
        raise errors.BadInput(f"{path} is not a list of COCO keypoint results")
    people: dict[int, list[np.ndarray]] = {}
    for number, entry in enumerate(raw):
        where = f"{path}: entry {number}"
        frame = _frame(entry, images, where)
        if _is_other_thing(entry, named):
            continue
        person, order = parsed.parse_keypoints(
            entry.get("keypoints"), f"{where}: 'keypoints'", choices
        )
        choices = [order]
        people.setdefault(frame, []).append(person)
    flags = [person[:, 2] for found in people.values() for person in found]
    if flags and set(np.unique(np.concatenate(flags))) <= {0.0, 1.0, 2.0}:
        if any((flag == 2).any() for flag in flags):
            for flag in flags:
                flag /= 2
    sizes = frozenset(size for image in images.values() if (size := _size(image)))
    return parsed.Parsed(choices[0], people, sizes=sizes)


def _frame(entry: Any, images: Mapping[Any, dict], where: str) -> int:
    """The frame number of an entry: of its picture's name, or its `image_id`."""
    if not isinstance(entry, dict) or "image_id" not in entry:
        raise errors.BadInput(f"{where} has no 'image_id'")
    key = entry["image_id"]
    image = images.get(key) if isinstance(key, int | str) else None
    if images and image is None:
        raise errors.BadInput(f"{where}: 'image_id' {key!r} is not among the 'images'")
    name = (image or entry).get("file_name", key)
    if isinstance(name, str):
        return parsed.required_number(name, f"{where}: {name!r}")
    if type(key) is not int:
        raise errors.BadInput(
            f"{where}: 'image_id' is neither an integer nor the name of a picture"
        )
    return key


def _is_other_thing(entry: dict, named: set[Any] | None) -> bool:
    """Whether an annotation is of a category without keypoints, such as a box."""
    return named is not None and (
        "keypoints" not in entry and entry.get("category_id") not in named
    )


def _images(raw: Mapping[str, Any], path: pathlib.Path) -> dict[Any, dict]:
    """The table of pictures by their identifier."""
    table = raw.get("images") or []
    if not isinstance(table, list) or not all(
        isinstance(image, dict) and isinstance(image.get("id"), int | str)
        for image in table
    ):
        raise errors.BadInput(f"{path}: an entry of 'images' has no 'id'")
    images = {image["id"]: image for image in table}
    if len(images) < len(table):
        raise errors.BadInput(f"{path}: an 'id' occurs twice in 'images'")
    numbers: dict[int, Any] = {}
    for key, image in images.items():
        name = image.get("file_name")
        if not isinstance(name, str):
            continue
        number = parsed.required_number(name, f"{path}: image {name!r}")
        if number in numbers:
            raise errors.BadInput(
                f"{path}: the images {images[numbers[number]]['file_name']!r} and "
                f"{name!r} are both frame {number}; keep one recording per file"
            )
        numbers[number] = key
    return images


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    """(width, height) of a picture of the table, or None where it does not say."""
    width, height = image.get("width"), image.get("height")
    if not (isinstance(width, int | float) and isinstance(height, int | float)):
        return None
    if not (0 < width < np.inf and 0 < height < np.inf):
        return None
    return int(width), int(height)


def _named_joints(
    raw: Mapping[str, Any], path: Any
) -> tuple[skeletons.Skeleton, set[Any]]:
    """Joint order of the first category that names joints, and all such categories."""
    listed = raw.get("categories")
    found: list[list[str]] = []
    ids: set[Any] = set()
    for category in listed if isinstance(listed, list) else ():
        names = category.get("keypoints") if isinstance(category, dict) else None
        if not isinstance(names, list) or not names:
            continue
        if all(isinstance(name, str) for name in names):
            found.append(names)
            key = category.get("id")
            ids |= {key} if isinstance(key, int | str) else set()
    if not found:
        raise errors.BadInput(f"{path}: no category names its 'keypoints'")
    try:
        return joint_orders.joint_order("keypoints of the file", found[0]), ids
    except ValueError as error:
        raise errors.BadInput(f"{path}: {error}") from error

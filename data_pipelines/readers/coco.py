"""Photographs of people with 2D keypoints in COCO format.

A JSON file with `images`, `annotations` and `categories`, and a folder of images: COCO
itself, and versions of MPII, PoseTrack or CrowdPose in this format. The category names
the joints.
"""

import dataclasses
import os
import pathlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from data_pipelines.ground import file_io, settings
from data_pipelines.keypoints import detections, joint_orders
from data_pipelines.sequences import sequence
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

# COCO's keypoints are "0-indexed" pixels (COCO-WholeBody, data_format.md). Boxes come
# from outlines, whose coordinates start at the corner of the image, as ours do.
_PIXEL_CENTER = 0.5

# Other joint names. The "head" of CrowdPose is the top of the head. The bottom of the
# head in PoseTrack is the upper neck of MPII, which no skeleton here has.
_ALIASES = {"top_head": "head_top", "head_bottom": "upper_neck"}
_CROWDPOSE = {"head": "head_top"}
_CROWDPOSE_JOINTS = 14
_VALIDATION_SHARE = 20
_GROUP_SIZE = 100  # images


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Image:
    """A photograph with annotated people."""

    path: pathlib.Path
    width: int
    height: int
    joints: skeletons.Skeleton  # joint order; has a tree only if it is COCO17
    uv: np.ndarray  # float32 (people, joints, 2), pixels; NaN where not labelled
    confidence: np.ndarray  # float32 (people, joints): 1, occluded 0.5, unlabelled 0
    boxes: np.ndarray  # float32 (people, 4): left, top, right, bottom, pixels
    area: np.ndarray  # float32 (people,), area of the outline, pixels^2
    crowd: np.ndarray  # bool (people,), outline of a group, without keypoints

    def keypoints(self, skeleton: str) -> tuple[np.ndarray, np.ndarray]:
        """Converts `uv` and `confidence` to another skeleton by joint name."""
        return detections.convert_keypoints(
            self.uv, self.confidence, self.joints, skeleton
        )

    def read(self) -> np.ndarray:
        """Reads the image: uint8 RGB (height, width, 3), EXIF orientation ignored.

        Raises:
            errors.BadInput: the image cannot be decoded or has a wrong size.
        """
        image = _decode(self.path)
        if image.shape[:2] != (self.height, self.width):
            raise errors.BadInput(
                f"{self.path} is {image.shape[1]}x{image.shape[0]}, but the annotations"
                f" say {self.width}x{self.height}"
            )
        return image


@dataclasses.dataclass(frozen=True, eq=False)
class ImageGroup:
    """Images of a split, without person identifiers; `len` is their number."""

    name: str
    images: tuple[Image, ...]
    subject: str = ""

    def __len__(self) -> int:
        return len(self.images)


def open_data_set(
    source: pathlib.Path, data: settings.DataSettings
) -> sequence.DataSet:
    """Opens COCO: two annotation files and their folders of images.

    One twentieth of the training images, by a hash of the file name, is the validation
    split.

    Raises:
        errors.BadInput: a file is missing or invalid.
    """
    paths = [source / part for split in ("train", "val") for part in _parts(split)]
    if absent := [str(p.relative_to(source)) for p in paths if not p.exists()]:
        raise errors.BadInput(f"{source} lacks {', '.join(absent)}")
    train, test = (
        open_images(*(source / part for part in _parts(split)))
        for split in ("train", "val")
    )
    held_out = [
        zlib.crc32(image.path.name.encode()) % _VALIDATION_SHARE == 0 for image in train
    ]
    splits = {
        "train": [i for i, out in zip(train, held_out, strict=True) if not out],
        "validation": [i for i, out in zip(train, held_out, strict=True) if out],
        "test": test,
    }
    return sequence.DataSet(
        name="coco",
        sequences={
            split: _group_images(split, images) for split, images in splits.items()
        },
        protocol=(
            f"COCO val2017 is the test split; every {_VALIDATION_SHARE}th training"
            " image, by crc32 of its name, is for validation. Labels are 2D."
        ),
        kind="images",
    )


def _parts(split: str) -> tuple[str, str]:
    """Paths of the annotations and images of an original split."""
    return f"annotations/person_keypoints_{split}2017.json", f"{split}2017"


def _group_images(split: str, images: Sequence[Image]) -> list[ImageGroup]:
    starts = range(0, len(images), _GROUP_SIZE)
    return [
        ImageGroup(f"{split}-{number:05d}", tuple(images[start : start + _GROUP_SIZE]))
        for number, start in enumerate(starts)
    ]


def open_images(
    annotations: str | os.PathLike,
    images_folder: str | os.PathLike,
    *,
    min_keypoints: int = 1,
) -> list[Image]:
    """Opens images with annotated people, in the order of the file, without decoding.

    Args:
        annotations: the JSON file.
        images_folder: folder that `file_name` in it is relative to.
        min_keypoints: people with fewer labelled keypoints are dropped, and then images
            without people. Crowd outlines stay in the remaining images.

    Raises:
        errors.BadInput: the file has another format, no person remains, or images are
            missing (the message names the first five).
    """
    path, folder = pathlib.Path(annotations), pathlib.Path(images_folder)
    raw = file_io.read_json(path)
    joints, category = _joints(raw, path)
    people = _people(raw, joints, category, path)
    images = []
    for number, entry in enumerate(_entries(raw, "images", path)):
        where = f"{path}: image {number}"
        name, key = entry.get("file_name"), entry.get("id")
        if not isinstance(name, str) or type(key) is not int:
            raise errors.BadInput(f"{where} has no 'file_name' or no integer 'id'")
        found = [
            p for p in people.get(key, ()) if p.crowd or p.num_labeled >= min_keypoints
        ]
        if any(not person.crowd for person in found):
            images.append(_image(entry, folder / name, joints, found, where))
    _check_files([image.path for image in images])
    if not images:
        raise errors.BadInput(f"{path} has no person with {min_keypoints} keypoints")
    return images


@dataclasses.dataclass(frozen=True, eq=False)
class _Person:
    """One annotation."""

    keypoints: np.ndarray  # (joints, 3): u, v, visibility flag, as in the file
    box: np.ndarray  # (4,): left, top, width, height
    area: float
    crowd: bool

    @property
    def num_labeled(self) -> int:
        return int((self.keypoints[:, 2] > 0).sum())


def _joints(raw: Any, path: pathlib.Path) -> tuple[skeletons.Skeleton, Any]:
    """Joint order of the first category that names joints, and its id."""
    for category in _entries(raw, "categories", path):
        names = category.get("keypoints")
        if isinstance(names, list) and names and all(isinstance(n, str) for n in names):
            names = _canonical_names(names)
            if tuple(names) == skeletons.COCO17.joints:
                return skeletons.COCO17, category.get("id")
            try:
                joints = joint_orders.joint_order("keypoints of the file", names)
            except ValueError as error:
                raise errors.BadInput(f"{path}: {error}") from error
            return joints, category.get("id")
    raise errors.BadInput(f"{path}: no category names its 'keypoints'")


def _canonical_names(names: Sequence[str]) -> tuple[str, ...]:
    plain = [name.strip().lower().replace(" ", "_") for name in names]
    aliases = _ALIASES
    if len(plain) == _CROWDPOSE_JOINTS and {"head", "neck"} < set(plain):
        aliases = _ALIASES | _CROWDPOSE
    return tuple(aliases.get(name, name) for name in plain)


def _people(
    raw: Any, joints: skeletons.Skeleton, category: Any, path: pathlib.Path
) -> dict[int, list[_Person]]:
    """Annotations of people by image."""
    people: dict[int, list[_Person]] = {}
    for number, entry in enumerate(_entries(raw, "annotations", path)):
        if entry.get("category_id", category) != category:
            continue
        where = f"{path}: annotation {number}"
        if type(entry.get("image_id")) is not int:
            raise errors.BadInput(f"{where} has no integer 'image_id'")
        people.setdefault(entry["image_id"], []).append(_person(entry, joints, where))
    everyone = [person for found in people.values() for person in found]
    # COCO has flags 0, 1 (occluded) and 2. In files without a 2, 1 means labelled.
    if not any((person.keypoints[:, 2] > 1).any() for person in everyone):
        for person in everyone:
            person.keypoints[:, 2] *= 2
    return people


def _person(
    entry: Mapping[str, Any], joints: skeletons.Skeleton, where: str
) -> _Person:
    crowd = bool(entry.get("iscrowd", 0))
    count = 3 * joints.num_joints
    absent = [0] * count if crowd else None
    keypoints = _numbers(entry.get("keypoints") or absent, count, where, "keypoints")
    keypoints = keypoints.reshape(-1, 3)
    if not np.isin(keypoints[:, 2], (0, 1, 2)).all():
        raise errors.BadInput(f"{where}: a visibility flag is not 0, 1 or 2")
    if entry.get("bbox") is not None:
        box = _numbers(entry["bbox"], 4, where, "bbox")
    else:
        box = _box_around(keypoints)
    area = _numbers([entry.get("area", box[2] * box[3])], 1, where, "area")
    return _Person(keypoints, box, float(area[0]), crowd)


def _box_around(keypoints: np.ndarray) -> np.ndarray:
    """Bounding box of labelled keypoints: left, top, width, height."""
    uv = keypoints[keypoints[:, 2] > 0, :2]
    if not len(uv):
        return np.zeros(4)
    return np.concatenate([uv.min(axis=0), np.ptp(uv, axis=0) + 1])


def _image(
    entry: Mapping[str, Any],
    path: pathlib.Path,
    joints: skeletons.Skeleton,
    people: Sequence[_Person],
    where: str,
) -> Image:
    keypoints = np.stack([person.keypoints for person in people])
    labelled = keypoints[..., 2] > 0
    uv = np.where(labelled[..., None], keypoints[..., :2] + _PIXEL_CENTER, np.nan)
    boxes = np.stack([person.box for person in people])
    boxes[:, 2:] += boxes[:, :2]
    width, height = _size(entry, path, where)
    return Image(
        path=path,
        width=width,
        height=height,
        joints=joints,
        uv=uv.astype(np.float32),
        confidence=(keypoints[..., 2] / 2).astype(np.float32),
        boxes=boxes.astype(np.float32),
        area=np.array([person.area for person in people], np.float32),
        crowd=np.array([person.crowd for person in people]),
    )


def _size(entry: Mapping[str, Any], path: pathlib.Path, where: str) -> tuple[int, int]:
    """Width and height; read from the image file if missing (PoseTrack)."""
    if "width" not in entry and "height" not in entry:
        _check_files([path])
        height, width = _decode(path).shape[:2]
        return width, height
    sides = [entry.get("width"), entry.get("height")]
    width, height = _numbers(sides, 2, where, "width and height")
    if min(width, height) < 1:
        raise errors.BadInput(f"{where} is {width:g}x{height:g}")
    return int(width), int(height)


def _decode(path: pathlib.Path) -> np.ndarray:
    """Decodes an image: uint8 RGB (height, width, 3)."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imread(str(path), flags)
    except cv2.error:
        image = None
    if image is None:
        raise errors.BadInput(f"{path} cannot be decoded as an image")
    return np.ascontiguousarray(image[..., ::-1])


def _check_files(paths: Iterable[pathlib.Path]) -> None:
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise errors.BadInput(f"missing images: {', '.join(missing[:5])}{more}")


def _entries(raw: Any, key: str, path: pathlib.Path) -> list[Mapping[str, Any]]:
    entries = raw.get(key) if isinstance(raw, dict) else None
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise errors.BadInput(f"{path} has no list {key!r}: not a COCO annotation file")
    return entries


def _numbers(values: Any, count: int, where: str, key: str) -> np.ndarray:
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.shape != (count,) or not np.isfinite(array).all():
        raise errors.BadInput(f"{where}: {key!r} must be {count} numbers")
    return array

"""Writes COCO keypoint annotations and their images from known keypoints."""

import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from unipose_jax import skeleton

CROWDPOSE = (
    *(
        f"{side}_{j}"
        for j in ("shoulder", "elbow", "wrist")
        for side in ("left", "right")
    ),
    *(f"{side}_{j}" for j in ("hip", "knee", "ankle") for side in ("left", "right")),
    *("head", "neck"),
)
POSETRACK = (
    *("nose", "head_bottom", "head_top", "left_ear", "right_ear"),
    *skeleton.COCO17.joints[5:],
)
MPII = (
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
    *("pelvis", "thorax", "upper_neck", "head_top"),
    *("right_wrist", "right_elbow", "right_shoulder"),
    *("left_shoulder", "left_elbow", "left_wrist"),
)


def write(
    folder: pathlib.Path,
    people: Sequence[np.ndarray],
    *,
    names: Sequence[str] = skeleton.COCO17.joints,
    alter: Callable[[dict[str, Any]], Any] | None = None,
) -> tuple[pathlib.Path, pathlib.Path]:
    """Writes `annotations.json` and `images/` with a 64x48 image for each entry.

    Args:
        folder: output folder.
        people: for each image, (people, joints, 3): u, v counted from 0, flag.
        names: names of the joints.
        alter: function that modifies the annotations before they are written.

    Returns:
        The annotations and the folder of the images.
    """
    (folder / "images").mkdir()
    raw: dict[str, Any] = {"images": [], "annotations": []}
    raw["categories"] = [
        {"id": 7, "name": "dog"},
        {"id": 1, "name": "person", "keypoints": list(names)},
    ]
    for number, found in enumerate(people):
        name = f"{number:06d}.png"
        image = np.full((48, 64, 3), [0, 0, 200 + number], np.uint8)  # red, as BGR
        cv2.imwrite(str(folder / "images" / name), image)
        size = {"width": 64, "height": 48}
        raw["images"].append({"id": 100 + number, "file_name": name, **size})
        for keypoints in found:
            raw["annotations"].append(
                {
                    "image_id": 100 + number,
                    "category_id": 1,
                    "keypoints": keypoints.ravel().tolist(),
                    "bbox": [1.0, 2.0, 30.0, 40.0],
                    "area": 800.5,
                    "iscrowd": 0,
                }
            )
    raw["annotations"].append({"image_id": 100, "category_id": 7, "bbox": [0, 0, 9, 9]})
    if alter is not None:
        alter(raw)
    (folder / "annotations.json").write_text(json.dumps(raw))
    return folder / "annotations.json", folder / "images"


def people(*counts: int, joints: int = 17) -> list[np.ndarray]:
    """Makes the given numbers of people per image, with joints at known positions.

    All joints are visible except the second, which is occluded, and the last, which is
    not labelled.
    """
    found = []
    for image, count in enumerate(counts):
        u, v = np.meshgrid(3.0 * np.arange(joints), 5.0 + image + np.arange(count))
        keypoints = np.stack([u, v, np.full(u.shape, 2.0)], -1)
        keypoints[:, 1, 2] = 1
        keypoints[:, -1] = 0
        found.append(keypoints)
    return found

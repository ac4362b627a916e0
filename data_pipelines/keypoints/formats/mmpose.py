"""Keypoint files of MMPose 1.x for images and videos.

- The inferencer (`pred_out_dir`) writes a list of instances for each image, to a file
  with the name of the image. For a video it writes a list of {frame_id, instances},
  with frames counted from 0.
- The demo scripts (`--save-predictions`) write {meta_info, instance_info}, where
  `instance_info` is such a list. They count the frames of a video from 1.

An instance has `keypoints`, J x (u, v), and `keypoint_scores`, J. Sources:
open-mmlab/mmpose, mmpose/apis/inferencers/base_mmpose_inferencer.py,
demo/topdown_demo_with_mmdet.py and mmpose/structures/utils.py.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipelines.keypoints import joint_orders
from data_pipelines.keypoints.formats import parsed
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

# Joint names of MMPose that differ from those of this package. In all its data sets,
# "head" is the top of the head.
_NAMES = {
    "head": "head_top",
    "top_head": "head_top",
    "hip": "pelvis",
    "root": "pelvis",
}


def parse(contents: Mapping[pathlib.Path, Any]) -> parsed.Parsed:
    """Parses one file of a video, or one for each picture.

    Raises:
        errors.BadInput: names the file and frame that are wrong.
    """
    people: dict[int, list[np.ndarray]] = {}
    order = None
    for path, raw in contents.items():
        choices = joint_choices(raw, path) if order is None else [order]
        for frame, instances in frames(raw, path):
            where = f"{path}: frame {frame}: 'keypoints'"
            if frame in people:
                raise errors.BadInput(f"{path}: frame {frame} occurs twice")
            found = people[frame] = []
            for instance in instances:
                person, order = parsed.parse_keypoints(
                    triples(instance), where, choices
                )
                choices = [order]
                found.append(person)
    return parsed.Parsed(order or skeletons.COCO17, people)


def is_mmpose(raw: Any) -> bool:
    """Whether parsed JSON is in MMPose's format; False for an empty list."""
    if isinstance(raw, dict):
        return "instance_info" in raw
    first = raw[0] if isinstance(raw, list) and raw else None
    return isinstance(first, dict) and bool({"instances", "keypoint_scores"} & {*first})


def joint_choices(raw: Any, path: pathlib.Path) -> Sequence[skeletons.Skeleton]:
    """Possible joint orders of a file: the order that it names, or common ones.

    Raises:
        errors.BadInput: the file names a joint twice.
    """
    meta = raw.get("meta_info") if isinstance(raw, dict) else None
    names = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(meta, dict) or not isinstance(names, dict):
        return parsed.BY_COUNT
    if meta.get("dataset_name") == "h36m":
        return [skeletons.H36M17]  # its "foot" is the ankle
    try:
        ordered = [names[str(joint)] for joint in range(len(names))]
        ordered = [_NAMES.get(name, name) for name in ordered]
        return [joint_orders.joint_order("keypoint_id2name", ordered)]
    except (KeyError, TypeError, ValueError) as error:
        raise errors.BadInput(
            f"{path}: 'keypoint_id2name' does not name joints 0, 1, ... once each"
        ) from error


def frames(raw: Any, path: pathlib.Path) -> list[tuple[int, list]]:
    """Instances of each frame. Video frames count from 0; images use the file's number.

    Raises:
        errors.BadInput: there are no such lists, or there is no number in the name.
    """
    entries = raw.get("instance_info") if isinstance(raw, dict) else raw
    if not isinstance(entries, list):
        raise errors.BadInput(f"{path} has no list of MMPose instances")
    if not any(isinstance(entry, dict) and "instances" in entry for entry in entries):
        return [(parsed.required_number(path.name, path), entries)]
    found = []
    for number, entry in enumerate(entries):
        entry = entry if isinstance(entry, dict) else {}
        frame, instances = entry.get("frame_id"), entry.get("instances")
        if type(frame) is not int or not isinstance(instances, list):
            raise errors.BadInput(
                f"{path}: entry {number} has no integer 'frame_id' and 'instances'"
            )
        found.append((frame, instances))
    # Other tools that write this format may count from 0.
    first = int(isinstance(raw, dict) and all(frame > 0 for frame, _ in found))
    return [(frame - first, instances) for frame, instances in found]


def triples(instance: Any) -> np.ndarray | None:
    """u, v, score of each joint in one array; None if the shapes do not match."""
    try:
        uv, scores = (
            np.asarray(instance[key], np.float64)
            for key in ("keypoints", "keypoint_scores")
        )
    except (KeyError, TypeError, ValueError):
        return None
    if uv.ndim != 2 or uv.shape[1] != 2 or scores.shape != uv.shape[:1]:
        return None
    return np.concatenate([uv, scores[:, None]], axis=1).ravel()

"""Named skeletons, conversion between them by joint names, and kinematics."""

from unipose_jax.skeleton import (
    body_parts,
    definitions,
    kinematics,
    names,
    trackers,
    units,
)
from unipose_jax.skeleton.definitions import (
    BODY,
    COCO17,
    H36M17,
    HUMANEVA15,
    ITOP15,
    MSR20,
    NAMES,
    NTU25,
    PANOPTIC19,
    TRACKERS,
    Skeleton,
    by_name,
    convert,
    resolve,
)

__all__ = [
    "BODY",
    "COCO17",
    "H36M17",
    "HUMANEVA15",
    "ITOP15",
    "MSR20",
    "NAMES",
    "NTU25",
    "PANOPTIC19",
    "Skeleton",
    "TRACKERS",
    "body_parts",
    "by_name",
    "convert",
    "definitions",
    "kinematics",
    "names",
    "resolve",
    "trackers",
    "units",
]

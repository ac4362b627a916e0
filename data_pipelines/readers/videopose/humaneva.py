"""HumanEva-I with the 15 joints and chunks of VideoPose3D (see `joint_tables`)."""

import pathlib

import numpy as np

from data_pipelines.ground import settings
from data_pipelines.readers.videopose import joint_tables
from data_pipelines.sequences import sequence
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

SKELETON = "HUMANEVA15"

_TEST = (
    "HumanEva-I: all frames of Validate/S1-S3 with valid motion capture, 3 colour"
    " cameras, 15 joints, except heads below the thorax; training uses the same"
    " persons"
)
PROTOCOLS = {
    "": f"{_TEST} (Train/S1, Train/S3), as is usual for this data set. Validation:"
    " Train/S2.",
    "usual": f"{_TEST} (Train/S1-S3), as is usual for this data set. Validation: the"
    " action ThrowCatch of Train. The test split has ThrowCatch of S2, an action that"
    " this variant does not train on.",
}
"""Evaluation protocol by `config.data.variant`."""


def open_data_set(
    source: pathlib.Path, data: settings.DataSettings
) -> sequence.DataSet:
    """Opens `data_3d_humaneva15.npz` and `data_2d_humaneva15_gt.npz` in a folder.

    Args:
        source: the folder, or a flat file (see `joint_tables`).
        data: `variant` is "" or "usual"; with `check_counts`, a missing
            subject is an error.

    Raises:
        errors.BadInput: the variant is unknown, or see `joint_tables.open_clips`.
    """
    if data.variant not in PROTOCOLS:
        raise errors.BadInput(
            f"config.data.variant is {data.variant!r}; humaneva has "
            f"{', '.join(map(repr, PROTOCOLS))}"
        )
    usual = data.variant == "usual"
    layout = joint_tables.DataSetSpec(
        name="humaneva15",
        skeleton=SKELETON,
        fps=60.0,
        sizes=((640, 480),) * 3,
        splits={
            "Train/S1": "train",
            "Train/S2": "train" if usual else "validation",
            "Train/S3": "train",
            "Validate/S1": "test",
            "Validate/S2": "test",
            "Validate/S3": "test",
        },
        validation_action="ThrowCatch" if usual else "",
        joints={15: range(15)},
        is_invalid=_heads_below_thorax,
    )
    views, skipped = joint_tables.open_clips(source, data, layout)
    return sequence.DataSet(
        name="humaneva",
        sequences=views,
        protocol=PROTOCOLS[data.variant],
        skipped=skipped,
        read=joint_tables.read_track,
    )


def _heads_below_thorax(xyz: np.ndarray) -> np.ndarray:
    """Mask of heads below the thorax, which are errors in all actions of the data set.

    In "Walking 1" of S3, the head is 0.3 m below the thorax, also in the original files
    (facebookresearch/VideoPose3D, issue 29).
    """
    skeleton = skeletons.by_name(SKELETON)
    head, thorax = skeleton.index("head"), skeleton.index("thorax")
    wrong = np.zeros(xyz.shape[:2], bool)
    wrong[:, head] = xyz[:, head, 2] < xyz[:, thorax, 2]
    return wrong

"""HumanEva-I with the 15 joints and the chunks of VideoPose3D (see `videopose`)."""

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
    " cameras, 15 joints, but no head that lies below the thorax; the same persons"
    " train"
)
PROTOCOLS = {
    "": f"{_TEST} (Train/S1, Train/S3), as is usual there. Our validation split is"
    " Train/S2.",
    "usual": f"{_TEST} (Train/S1-S3), as is usual there. Our validation split is the"
    " action ThrowCatch of Train, which Validate lacks.",
}
"""What is trained on and scored, by `config.data.variant`."""


def open_data_set(
    source: pathlib.Path, data: settings.DataSettings
) -> sequence.DataSet:
    """Opens `data_3d_humaneva15.npz` and `data_2d_humaneva15_gt.npz` in a folder.

    Args:
        source: the folder, or a flat file (see `videopose`).
        data: `variant` is "" or "usual"; with `check_counts`, a missing
            subject is an error.

    Raises:
        errors.BadInput: no such variant; or see `videopose.open_views`.
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
    """Heads below the thorax, which nobody's is: all walk, jog, box, throw or wave.

    In S3's "Walking 1" the head lies 0.3 m below (facebookresearch/VideoPose3D, issue
    29: so it is in the original files).
    """
    skeleton = skeletons.by_name(SKELETON)
    head, thorax = skeleton.index("head"), skeleton.index("thorax")
    wrong = np.zeros(xyz.shape[:2], bool)
    wrong[:, head] = xyz[:, head, 2] < xyz[:, thorax, 2]
    return wrong

"""Human3.6M in the format of VideoPose3D (see `joint_tables`)."""

import pathlib

from data_pipelines.ground import settings
from data_pipelines.readers.videopose import joint_tables
from data_pipelines.sequences import sequence

SKELETON = "H36M17"

PROTOCOL = (
    "Human3.6M, protocol 1: all frames of S9 and S11 at 50 Hz, 4 cameras, 17 joints;"
    " S1, S5, S6 and S7 train. Validation: S8, which other work also trains on."
)

# Joints of the 32 that VideoPose3D removes: duplicates, fingers and toes.
_REMOVED = {4, 5, 9, 10, 11, 16, 20, 21, 22, 23, 24, 28, 29, 30, 31}


def open_data_set(
    source: pathlib.Path, data: settings.DataSettings
) -> sequence.DataSet:
    """Opens `data_3d_h36m.npz` (17 or 32 joints) and `data_2d_h36m_gt.npz`.

    Args:
        source: the folder with these files.
        data: with `check_counts`, a missing subject is an error.

    Raises:
        errors.BadInput: see `joint_tables.open_clips`.
    """
    layout = joint_tables.DataSetSpec(
        name="h36m",
        skeleton=SKELETON,
        fps=50.0,
        # Cameras 54138969, 55011271, 58860488 and 60457274.
        sizes=((1000, 1002), (1000, 1000), (1000, 1000), (1000, 1002)),
        splits={
            **dict.fromkeys(("S1", "S5", "S6", "S7"), "train"),
            "S8": "validation",
            **dict.fromkeys(("S9", "S11"), "test"),
        },
        joints={17: range(17), 32: [j for j in range(32) if j not in _REMOVED]},
    )
    views, skipped = joint_tables.open_clips(source, data, layout)
    return sequence.DataSet(
        name="human36m",
        sequences=views,
        protocol=PROTOCOL,
        skipped=skipped,
        read=joint_tables.read_track,
    )

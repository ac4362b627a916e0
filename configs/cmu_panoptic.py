"""UniPose stage 1 on CMU Panoptic's Kinects, from 2D keypoints and depth.

    python run.py --mode=prepare --config=configs/cmu_panoptic.py --source=DIR \
        --data_dir=D --config.data.keypoints=KEYPOINTS
    python run.py --config=configs/cmu_panoptic.py --workdir=W --config.data.data_dir=D

Time and score: not measured; no raw streams of Panoptic were at hand. The reader is
tested on files that the tests write in the original format.

Variants `:quick`, `:full` and `:smoke` as in `configs/unipose.py`. KEYPOINTS is a
folder with the files of a 2D detector; without it the keypoints are projections of the
3D labels. Data and protocol: docs/datasets/cmu_panoptic.md.
"""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = unipose.stage_1(mode)
    config.data.name = "cmu_panoptic"
    config.data.skeleton = "PANOPTIC19"
    config.data.frame_step = 2  # of 30 Hz
    return config

"""UniPose stage 1 on NTU RGB+D 60: masked depth and 2D keypoints, no 3D labels.

    python run.py --mode=prepare --config=configs/ntu_rgbd.py --source=DIR --data_dir=D
    python run.py --config=configs/ntu_rgbd.py --workdir=W --config.data.data_dir=D

Variants `:quick`, `:full` and `:smoke` as in `configs/unipose.py`. The other protocol:
`--config.data.variant=cross_view` in both commands. The 2D keypoints are those of
Kinect's own tracker unless `--config.data.keypoints=FOLDER` names a 2D detector's: see
docs/datasets/ntu_rgbd.md.
"""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = unipose.stage_1(mode)
    config.data.name = "ntu_rgbd"
    config.data.variant = "cross_subject"
    config.data.skeleton = "NTU25"
    config.data.frame_step = 2  # of 30 Hz
    return config

"""UniPose stage 1 on NTU RGB+D 60, from masked depth and 2D keypoints, no 3D labels.

    python run.py --mode=prepare --config=configs/ntu_rgbd.py --source=DIR --data_dir=D
    python run.py --config=configs/ntu_rgbd.py --workdir=W --config.data.data_dir=D

Time and score: not measured; no original depth of NTU was at hand. The reader is tested
on real skeleton files and on depth files that the tests write in the original format.

Variants `:quick`, `:full` and `:smoke` as in `configs/unipose.py`. The other protocol:
`--config.data.variant=cross_view` in both commands. The 2D keypoints are those of
Kinect's own tracker unless `--config.data.keypoints=FOLDER` names the files of a 2D
detector. Data and protocol: docs/datasets/ntu_rgbd.md.
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

"""UniPose stage 1 on ITOP's side view, from 2D keypoints and depth without 3D labels.

    python run.py --mode=prepare --config=configs/itop.py --source=DIR --data_dir=D
    python run.py --config=configs/itop.py --workdir=W --config.data.data_dir=D

Time and score: not measured; no original ITOP files were at hand. The reader is tested
on files that the tests write in the original format.

Variants `:quick`, `:full` and `:smoke` as in `configs/unipose.py`. The top view:
`--config.data.variant=top` in both commands. Data and protocol: docs/datasets/itop.md.
"""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = unipose.stage_1(mode)
    config.data.name = "itop"
    config.data.variant = "side"
    config.data.skeleton = "ITOP15"
    return config

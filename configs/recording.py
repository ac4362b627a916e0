r"""UniPose stage 1 on your own recordings (docs/datasets/recording.md).

    python run.py --config=configs/recording.py --workdir=W --config.data.path=FOLDER

or, prepared once for many or long recordings,

    python run.py --mode=prepare --config=configs/recording.py \
        --source=FOLDER --data_dir=D
    python run.py --config=configs/recording.py --workdir=W --data_dir=D
"""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = unipose.get_config(mode)
    config.data.name = "recording"
    config.data.skeleton = "COCO17"  # the joints that 2D detectors know
    return config

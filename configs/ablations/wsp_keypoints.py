"""The rival of WSP: the fine-tuned network, pre-trained by 2D keypoints alone.

python run.py --config=configs/ablations/wsp_keypoints.py --workdir=W1
python run.py --config=configs/wsp_finetune.py --workdir=W2 --config.init=W1
"""

import ml_collections

from configs import wsp_finetune


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/wsp_finetune.py`."""
    config = wsp_finetune.get_config(mode)
    config.data.label_share = 1.0  # every clip has keypoints
    if mode == "quick":
        config.student.num_train_steps, config.checkpoint_every = 1_000, 500
    config.student.teacher.kind = "keypoints"
    for name in ("pseudo_depth", "pseudo_root", "confidence"):
        config.student.loss_weights.rgb[name] = 0.0
    return config

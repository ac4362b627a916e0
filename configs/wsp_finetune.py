"""3D pose from colour crops, with few 3D labels and a backbone that has seen others.

    python run.py --config=configs/wsp.py --workdir=W1
    python run.py --config=configs/wsp_finetune.py --workdir=W2 --config.init=W1

`config.init` is the workdir of a run whose backbone is taken over: of `configs/wsp.py`,
of `configs/ablations.py:wsp_keypoints`, or of any other with the same image network; ""
starts from nothing. Rendered people; `config.data.label_share` of the clips have 3D
labels, the others are not used. `--config.student.teacher.kind=network` learns from a
point network instead of labels (docs/method.md).
Variants: `:quick` (the default; two CPU cores, minutes), `:full` and `:smoke` (tests).
"""

import ml_collections

from configs import unipose, wsp


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` is "quick", "full" or "smoke"."""
    config = unipose.stage_1(mode)
    config.stages = ("rgb",)
    config.init = ""
    config.data.label_share = 0.1
    config.optimizer.backbone_rate = 1.0  # of the backbone, a share of learning_rate
    config.student.models.rgb.backbone = wsp.get_config(mode).model.backbone
    config.student.teacher.kind = "truth"
    if mode == "quick":
        config.student.num_train_steps, config.checkpoint_every = 500, 250
        config.optimizer.learning_rate, config.optimizer.ema_decay = 0.03, 0.99
        config.data.frames = 1
        config.data.train_clips, config.data.num_points = 3_000, 64
    elif mode == "full":
        config.data.train_clips = 20_000  # of which there are shares
        config.data.frames = 1
    elif mode == "smoke":
        config.data.label_share = 0.5
    return config

"""3D pose from colour crops with few 3D labels and a pre-trained backbone.

    python run.py --config=configs/wsp.py --workdir=W1
    python run.py --config=configs/wsp_finetune.py --workdir=W2
    --config.init_backbone=W1

`config.init_backbone` is the workdir of the run whose backbone is the initial one: a
run of `configs/wsp.py`, of `configs/ablations.py:wsp_keypoints`, or of any config with
the same image network; "" is random initialization. The people are rendered. A share of
the clips, `config.data.labeled_fraction`, has 3D labels; the others are not used. With
`--config.student.teacher.kind=network` the labels are those of a point network
(docs/method.md).

`:quick` (the default), one of two shared CPU cores (AMD EPYC), jax 0.10.2: 13 minutes
for both commands (fc339b8), of which fine-tuning has about 1. With 10 % of the labels
(300), absolute and root-relative MPJPE on 500 rendered test clips, three seeds, b4688ba
to 34dea5d:

    with WSP    325.1 ± 0.1 mm, 200.2 ± 1.2 mm
    without     389.5 ± 3.8 mm, 216.4 ± 1.5 mm

`:full`: not measured. `:smoke`: for tests, seconds.
"""

import ml_collections

from configs import unipose, wsp


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` is "quick", "full" or "smoke"."""
    config = unipose.stage_1(mode)
    config.stages = ("rgb",)
    config.init_backbone = ""
    config.data.labeled_fraction = 0.1
    # Learning rate of the backbone, relative
    config.optimizer.backbone_lr_multiplier = 1.0
    config.student.models.rgb.backbone = wsp.get_config(mode).model.backbone
    config.student.teacher.kind = "truth"
    if mode == "quick":
        config.student.num_train_steps, config.checkpoint_every = 500, 250
        config.optimizer.learning_rate, config.optimizer.ema_decay = 0.03, 0.99
        config.data.frames = 1
        config.data.train_clips, config.data.num_points = 3_000, 64
    elif mode == "full":
        config.data.train_clips = 20_000  # rendered once, since a share has labels
        config.data.frames = 1
    elif mode == "smoke":
        config.data.labeled_fraction = 0.5
    unipose.leave_out_motion(config)
    return config

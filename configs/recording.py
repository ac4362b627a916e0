r"""UniPose stage 1 on your own recordings (docs/datasets/recording.md).

    python run.py --config=configs/recording.py --workdir=W --config.data.path=FOLDER

Many or long recordings are prepared once and then read from disk:

    python run.py --mode=prepare --config=configs/recording.py \
        --source=FOLDER --data_dir=D
    python run.py --config=configs/recording.py --workdir=W --data_dir=D

`:adapt` fine-tunes the weights that ship: 300 steps of 8 clips, about 5 minutes on two
CPU cores. `:adapt_keypoints` fine-tunes those with 2D keypoints as an input; predict
then uses the keypoints of a recording, if it has some. To fine-tune a stage-1 run of
your own, add `--config.teacher.workdir=RUN` and the same `config.model` as that run.

Score: not measured (no real recording here has 3D truth). `:quick`, `:full` and
`:smoke` as in `configs/unipose.py`; their time on recordings was not measured.
"""

import ml_collections

from configs import unipose
from unipose_jax.weights import store

# Variants that fine-tune weights that ship, and the names of these.
_ADAPTED = {"adapt": store.SHIPPED, "adapt_keypoints": store.WITH_KEYPOINTS}


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` is a key of `_ADAPTED`, or as in `unipose.py`."""
    if mode not in (*_ADAPTED, "quick", "full", "smoke"):
        raise ValueError(
            f"unknown mode {mode!r}; use 'adapt', 'adapt_keypoints', 'quick', 'full' "
            "or 'smoke'"
        )
    config = unipose.stage_1("quick" if mode in _ADAPTED else mode)
    config.data.name = "recording"
    config.data.skeleton = "COCO17"  # the joints of most 2D detectors
    if mode in _ADAPTED:
        adapt(config, _ADAPTED[mode])
    return config


def adapt(config: ml_collections.ConfigDict, weights: str) -> None:
    """Changes that fine-tune weights that ship.

    Args:
        config: of stage 1.
        weights: their name.
    """
    shipped = store.read_meta(store.FOLDER / weights)
    config.data.skeleton = shipped["skeleton"]
    config.data.num_points = shipped["num_points"]
    config.data.frames = shipped["frames"]
    config.model.update(shipped["model"])
    unipose.leave_out_motion(config)
    config.init_weights = "" if weights == store.SHIPPED else weights
    config.teacher.init_from_teacher = weights == store.SHIPPED
    config.loss_weights.pseudo_position = 0.5
    config.augment.no_points_prob = 0.0  # depth is what it is adapted to
    # Hands and feet have no keypoint in COCO17, which does not mean occlusion.
    config.loss_weights.occlusion = 0.0
    config.num_train_steps, config.checkpoint_every = 300, 50
    config.global_batch_size = 8
    config.log_every = 10
    config.optimizer.learning_rate = 1e-3
    config.optimizer.warmup_steps = 30

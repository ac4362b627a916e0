"""WSP: pre-trains an image network on depth order, from 2D keypoints alone.

    python run.py --config=configs/wsp.py --workdir=W

Trains on rendered pictures of several people, or on photographs in COCO's format with
--config.data.collections=person_keypoints_train2017.json@train2017 (docs/wsp.md).

`:quick` (the default), one of two shared CPU cores (AMD EPYC), jax 0.10.2, b4688ba to
34dea5d: 6 minutes of rendering, 4 to 6 minutes of training. Keypoint pairs of different
people ordered correctly, rendered test pictures, three seeds:

    90.0 ± 0.2 %

`:full`: not measured. `:smoke`: for tests, seconds.
"""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` is "quick", "full" or "smoke"."""
    config = unipose.stage_1("quick")
    for unused in ("student", "crop_augment", "loss"):
        del config[unused]
    config.recipe = "wsp"
    config.num_train_steps, config.global_batch_size = 1_200, 16
    config.log_every, config.checkpoint_every = 50, 400
    config.remat = False  # compute activations twice: slower, less memory
    crowd_data(config.data)
    config.model = network()
    config.optimizer.learning_rate, config.optimizer.ema_decay = 0.015, 0.99
    config.augment = augmentation()
    config.ordinal_labels = label_rule()
    config.pairs_per_image = 128  # keypoint pairs sampled from each picture
    config.loss_weights = ml_collections.ConfigDict()
    config.loss_weights.ranking = 1.0
    config.loss_weights.heatmap = 0.1  # nats
    config.ramp.terms = ()
    if mode == "full":
        config.num_train_steps, config.global_batch_size = 50_000, 128
        config.optimizer.learning_rate, config.optimizer.ema_decay = 5e-3, 0.998
        config.data.train_clips = 20_000
        config.augment.zoom, config.augment.translation = 0.3, 0.15
        config.data.height, config.data.width = 192, 256
        config.model.backbone, config.model.dtype = "resnet18", "bfloat16"
    elif mode == "smoke":
        shrink(config)
    elif mode != "quick":
        raise ValueError(f"unknown mode {mode!r}; use 'quick', 'full' or 'smoke'")
    return config


def crowd_data(data: ml_collections.ConfigDict) -> None:
    """Changes the data to pictures of several people with 2D keypoints."""
    for unused in ("scene", "train_view", "motion", "part_labels"):
        del data[unused]
    data.name = "crowd"
    data.collections = "rendered"  # or "A.json@IMAGES=0.7,B.json=0.3", by weight
    data.skeleton = "COCO17"
    data.height, data.width = 96, 128  # pixels
    data.max_people = 4  # most people in a picture
    data.train_clips, data.validation_clips, data.test_clips = 3_000, 160, 500


def network() -> ml_collections.ConfigDict:
    """The backbone and the ranking head."""
    model = ml_collections.ConfigDict()
    model.name = "rank_net"
    model.backbone = "small"
    model.width = 64
    model.dtype = "float32"
    return model


def augmentation() -> ml_collections.ConfigDict:
    """Augmentation of the pictures."""
    augment = ml_collections.ConfigDict()
    augment.mirror = True
    augment.zoom = 0.0  # largest zoom factor, less 1
    augment.translation = 0.0  # largest shift, as a share of width and height
    augment.contrast = 0.3
    augment.tint = 0.1
    return augment


def label_rule() -> ml_collections.ConfigDict:
    """Settings of the rule that labels depth order; see `unipose_jax.perspective`."""
    settings = ml_collections.ConfigDict()
    settings.source = "keypoints"  # or "depth", measured as in RGB-D pictures
    settings.depth_margin = 0.05  # metres, least difference of measured depths
    settings.min_confidence = 0.2
    settings.margin = 1.0  # least difference of two sizes, in standard deviations
    # Largest one at which depths count as equal; 0 is never
    settings.equal_margin = 0.0
    settings.use_feet = True  # whether labels that contradict the feet are dropped
    # Metres in depth, least distance of the pairs that are scored
    settings.min_depth_difference = 0.3
    return settings


def shrink(config: ml_collections.ConfigDict) -> None:
    """Changes for tests: seconds."""
    config.num_train_steps, config.global_batch_size = 4, 4
    config.log_every, config.checkpoint_every = 1, 2
    config.data.height, config.data.width, config.data.max_people = 48, 64, 3
    config.data.train_clips, config.data.validation_clips = 8, 4
    config.data.test_clips, config.pairs_per_image, config.model.width = 6, 16, 8

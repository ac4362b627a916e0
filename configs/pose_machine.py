"""3D pose machine on HumanEva-I: 2D keypoints over time to 3D poses.

    python run.py --config=configs/pose_machine.py --workdir=W --config.data.path=NPZ

NPZ is a flat file, or the folder with VideoPose3D's two (docs/datasets/humaneva.md).
The same command with another file of the same format scores the finished run on it.
Variants: `:quick` (the default; two CPU cores, minutes), `:full` and `:smoke` (tests).
"""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` is "quick", "full" or "smoke"."""
    config = unipose.stage_1("quick")
    for unused in ("student", "crop_augment"):
        del config[unused]
    config.recipe = "pose_machine"
    config.num_train_steps, config.global_batch_size = 4_000, 32
    config.log_every, config.checkpoint_every = 50, 500
    lifted_people(config.data)
    config.model = network()
    config.optimizer.learning_rate = 1e-2
    config.optimizer.ema_decay = 0.995
    config.augment = views()
    config.loss_weights = loss_weights()
    config.ramp = ramp()
    config.loss = loss_scales()
    config.correction = correction()
    config.study = tried()
    if mode == "full":
        config.num_train_steps, config.global_batch_size = 20_000, 256
        config.model.width, config.model.hidden = 512, 1_024
    elif mode == "smoke":
        shrink(config)
    elif mode != "quick":
        raise ValueError(f"unknown mode {mode!r}; use 'quick', 'full' or 'smoke'")
    return config


def lifted_people(data: ml_collections.ConfigDict) -> None:
    """Who is seen: joints in 2D and 3D, without depth."""
    for unused in ("scene", "train_view", "motion"):
        del data[unused]
    data.name, data.variant = "humaneva", "usual"
    data.skeleton = "HUMANEVA15"
    data.frames, data.frame_step = 32, 1
    data.num_points = 0
    data.check_counts = False
    data.labelled = ""  # people whose 3D is learnt from: "S1,S2"; "" is everybody
    data.keypoints_only = True  # the others give keypoints; or nothing


def network() -> ml_collections.ConfigDict:
    """The pose machine."""
    model = ml_collections.ConfigDict()
    model.name = "pose_machine"
    model.features = "keypoints"  # or image, both
    model.backbone = "small"  # of images
    model.core = "convolutions"  # or lstm (the paper's), gru, attention
    model.width, model.depth = 128, 3
    model.hidden = 256  # of correction and projector; 1024 in the paper
    model.dtype = "float32"
    return model


def views() -> ml_collections.ConfigDict:
    """From where clips are seen in training; the last two need 3D labels."""
    augment = ml_collections.ConfigDict()
    augment.pan, augment.tilt, augment.roll = 0.2, 0.05, 0.03  # radians
    augment.mirror = True
    augment.noise = 5.0  # pixels, largest deviation of keypoints ...
    augment.noisy = 0.3  # ... in this share of clips
    augment.turn = 0.5  # radians, of the person
    augment.approach = 0.2  # largest factor of the distance, beyond 1
    return augment


def loss_weights() -> ml_collections.ConfigDict:
    """The whole objective; each term is a mean in metres unless noted."""
    weights = ml_collections.ConfigDict()
    weights.coarse_position = 1.0  # relative to the root; so is position
    weights.coarse_bone_vector = 0.5
    weights.coarse_whole_position = 0.1
    weights.position = 1.0
    weights.bone_vector = 0.5
    weights.whole_position = 0.2
    weights.point_to_ray = 0.1
    weights.projection = 0.1  # squares of the apparent size, as is bone_extent
    weights.bone_extent = 0.0
    return weights


def ramp() -> ml_collections.ConfigDict:
    """The paper's stages: the coarse pose first, then correction and projector."""
    schedule = ml_collections.ConfigDict()
    schedule.terms = (
        "position",
        "bone_vector",
        "whole_position",
        "projection",
        "point_to_ray",
    )
    schedule.start, schedule.end = 0.1, 0.3  # shares of the run
    return schedule


def loss_scales() -> ml_collections.ConfigDict:
    """The scales inside the terms, metres."""
    loss = ml_collections.ConfigDict()
    loss.position_delta = 0.01
    loss.whole_delta = 0.05
    loss.ray_delta = 0.02
    return loss


def correction() -> ml_collections.ConfigDict:
    """At test time: a few steps on the correction network, for each clip anew."""
    settings = ml_collections.ConfigDict()
    settings.kind = "rays"  # or projector, the learnt one of the paper
    settings.steps = 5
    settings.learning_rate = 1e-4  # of Adam
    settings.bones = 0.0  # weight of the paper's bone term
    settings.mirror = True  # averages over the mirror image
    return settings


def tried() -> ml_collections.ConfigDict:
    """What the evaluation compares."""
    study = ml_collections.ConfigDict()
    study.noise = (0.0, 2.0, 5.0)  # pixels
    study.steps = (0, 1, 2, 5, 10)
    study.kinds = ("rays", "projector")
    return study


def shrink(config: ml_collections.ConfigDict) -> None:
    """For tests: seconds."""
    config.num_train_steps, config.global_batch_size = 4, 4
    config.log_every, config.checkpoint_every = 1, 2
    config.data.frames = 4
    config.model.width, config.model.depth, config.model.hidden = 16, 1, 16
    config.correction.steps = 2
    config.study.noise, config.study.steps = (0.0, 2.0), (0, 2)

"""3D pose machine: lifts sequences of 2D keypoints to 3D poses; HumanEva-I.

    python run.py --config=configs/pose_machine.py --workdir=W --config.data.path=NPZ

NPZ is a flat file, or the folder with the two files of VideoPose3D
(docs/datasets/humaneva.md). The same command with another file of the same format
scores the finished run on that file.

`:quick` (the default), two busy CPU cores, jax 0.10.2, f890e49 with today's
`missing_prob`: 16 minutes with evaluation and report. True 2D keypoints, trained on
Train/S1-S3, seed 0, Validate/S1:

    13.4 mm MPJPE, 11.6 mm P-MPJPE, relative to the pelvis (VideoPose3D: 19.4, 15.8)

`:people` is for people who are not in the training set: S1 when trained on S2 and S3
(`--config.data.labeled_subjects=S2,S3 --config.data.use_unlabeled_keypoints=False`)
has 44.9 mm instead of 63.0 (500 steps), people of the training set
17.7 mm (docs/results/pose_machine.md; keypoints dropped in 30 % of the clips, which
alone costs 0.9 mm). `:full`: not measured.
`:smoke`: for tests, seconds.
"""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` is "people", "quick", "full" or "smoke"."""
    config = unipose.stage_1("quick")
    for unused in ("student", "crop_augment"):
        del config[unused]
    config.recipe = "pose_machine"
    config.num_train_steps, config.global_batch_size = 4_000, 32
    config.log_every, config.checkpoint_every = 50, 500
    config.remat = False  # compute activations twice: slower, less memory
    lifting_data(config.data)
    config.model = network()
    config.optimizer.learning_rate = 1e-2
    config.optimizer.ema_decay = 0.995
    config.augment = augmentation()
    config.loss_weights = loss_weights()
    config.ramp = ramp()
    config.loss = loss_scales()
    config.correction = correction()
    config.study = study()
    if mode == "full":
        config.num_train_steps, config.global_batch_size = 20_000, 256
        config.model.width, config.model.hidden = 512, 1_024
    elif mode == "people":
        for_new_people(config.augment)
    elif mode == "smoke":
        shrink(config)
    elif mode != "quick":
        raise ValueError(
            f"unknown mode {mode!r}; use 'people', 'quick', 'full' or 'smoke'"
        )
    return config


def lifting_data(data: ml_collections.ConfigDict) -> None:
    """Changes the data to joints in 2D and 3D, without depth."""
    for unused in ("scene", "train_view", "part_labels"):
        del data[unused]
    data.name, data.variant = "humaneva", "usual"
    data.skeleton = "HUMANEVA15"
    data.frames, data.frame_step = 32, 1
    data.num_points = 0
    data.check_counts = False
    # People with 3D labels in training: "S1,S2"; "" is everybody
    data.labeled_subjects = ""
    # Whether the others train with their 2D keypoints
    data.use_unlabeled_keypoints = True
    # Clips of rendered motion under the cameras of the data set, added to training;
    # half of them from the motion capture in the file `motion`, if it is given
    data.added_people = 0
    data.motion = ""


def network() -> ml_collections.ConfigDict:
    """The pose machine."""
    model = ml_collections.ConfigDict()
    model.name = "pose_machine"
    model.features = "keypoints"  # or "image", "both"
    model.backbone = "small"  # of images
    model.core = "convolutions"  # or "lstm" (as in the paper), "gru", "attention"
    model.width, model.depth = 128, 3
    model.hidden = 256  # of correction and projector; 1024 in the paper
    model.dtype = "float32"
    return model


def augmentation() -> ml_collections.ConfigDict:
    """Augmentation of clips; people change only where there are 3D labels."""
    augment = ml_collections.ConfigDict()
    augment.pan, augment.tilt, augment.roll = 0.2, 0.05, 0.03  # radians
    augment.camera_height = 0.0  # metres, largest change
    augment.mirror = True
    augment.keypoint_noise = 5.0  # pixels, largest noise of keypoints
    augment.keypoint_noise_prob = 0.3  # share of clips with noise
    augment.missing_prob = 0.1  # share of clips with missing keypoints
    augment.missing_joints = 0.2  # largest share of single joints
    augment.missing_run = 0.5  # longest run of frames, share of the clip
    augment.person_rotation = 0.5  # radians, largest rotation of the person
    augment.distance_scale = 0.2  # largest factor of the distance, less 1
    # Share of clips with a person of another size; see `for_new_people`
    augment.person_scale_prob = 0.0
    augment.person_scale = 0.15  # largest factor of the size, less 1
    augment.bone_scale = 0.05  # the same of each pair of bones
    return augment


def for_new_people(augment: ml_collections.ConfigDict) -> None:
    """Changes the augmentation for people who are not in the training set.

    Training people get other sizes on the same floor, so that the network reads the
    distance from where a person stands. A tilt of the camera would hide this. People of
    the training set, whose size the network otherwise knows, lose 4 mm.
    """
    augment.person_scale_prob = 1.0
    augment.tilt, augment.roll = 0.01, 0.01


def loss_weights() -> ml_collections.ConfigDict:
    """Weights of all terms; each term is a mean, in metres unless noted."""
    weights = ml_collections.ConfigDict()
    weights.coarse_position = 1.0  # relative to the root, as is position
    weights.coarse_bone_vector = 0.5
    weights.coarse_unaligned_position = 0.1
    weights.position = 1.0
    weights.bone_vector = 0.5
    weights.unaligned_position = 0.2
    weights.point_to_ray = 0.1
    weights.projection = 0.1  # squared, in apparent sizes of the person, as bone_extent
    weights.bone_extent = 0.0
    return weights


def ramp() -> ml_collections.ConfigDict:
    """As in the paper, correction and projector follow the coarse pose."""
    schedule = ml_collections.ConfigDict()
    schedule.terms = (
        "position",
        "bone_vector",
        "unaligned_position",
        "projection",
        "point_to_ray",
    )
    schedule.start, schedule.end = 0.1, 0.3  # shares of the run; weights rise from 0
    return schedule


def loss_scales() -> ml_collections.ConfigDict:
    """Transition of each term from quadratic to linear, metres."""
    loss = ml_collections.ConfigDict()
    loss.position_delta = 0.01
    loss.absolute_position_delta = 0.05
    loss.ray_delta = 0.02
    return loss


def correction() -> ml_collections.ConfigDict:
    """Test-time optimization of the correction network, separately for each clip."""
    settings = ml_collections.ConfigDict()
    settings.kind = "rays"  # or "projector", the learned one of the paper
    settings.steps = 5
    settings.learning_rate = 1e-4  # of Adam
    settings.bone_weight = 0.0  # weight of the bone term of the paper
    # Whether predictions are averaged with the mirror image's
    settings.flip_test = True
    return settings


def study() -> ml_collections.ConfigDict:
    """Settings that the evaluation compares."""
    settings = ml_collections.ConfigDict()
    settings.noise = (0.0, 2.0, 5.0)  # pixels, of the 2D keypoints
    settings.steps = (0, 1, 2, 5, 10)  # of the correction at test time
    settings.kinds = ("rays", "projector")
    return settings


def shrink(config: ml_collections.ConfigDict) -> None:
    """Changes for tests: seconds."""
    config.num_train_steps, config.global_batch_size = 4, 4
    config.log_every, config.checkpoint_every = 1, 2
    config.data.frames = 4
    config.model.width, config.model.depth, config.model.hidden = 16, 1, 16
    config.correction.steps = 2
    config.study.noise, config.study.steps = (0.0, 2.0), (0, 2)

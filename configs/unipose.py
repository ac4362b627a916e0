"""UniPose on rendered people, from 2D keypoints and depth without 3D labels.

    python run.py --config=configs/unipose.py --workdir=runs/unipose

Trains a point network on keypoints, depth and physical priors (stage 1), then a network
on depth images with the point network as its teacher (stage 2). All scores: 500
rendered test clips, all ITOP15 joints, absolute positions, seed 0.

`:quick` (the default), two CPU cores (AMD EPYC), jax 0.10.2, caa3f3b: 11 min 4 s with
rendering, testing and report. Scores at 52f68a7 (with the detector of
`configs/ablations.py:detector_ideal` at 8d27999: 86.8 and 77.0 %, 63 and 90 mm):

    points  84.6 % mAP@10cm, 68 mm MPJPE
    depth   74.8 % mAP@10cm, 96 mm MPJPE

`:full`, for an accelerator, which renders new people for every batch: not measured at
its full length. About 90 seconds of each stage on one H200, jax 0.11.2, 5d4d1dc, gave
the weights that ship:

    points  93.1 % mAP@10cm, 41 mm MPJPE  (1,331 of 50,000 steps)
    depth   89.4 % mAP@10cm, 56 mm MPJPE  (631 of 50,000 steps, other settings)

`:smoke`, for tests: points alone, seconds. Override any value: `--config.seed=1`. The
settings of the H200 runs and all tables: docs/results.md.
"""

import dataclasses

import ml_collections
from ml_collections import config_dict

from unipose_jax.synthesis import scene
from unipose_jax.train.recipes import unipose_terms


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` is "quick", "full" or "smoke"."""
    config = stage_1(mode)
    if mode != "smoke":
        config.stages = ("points", "depth")
    return config


def stage_1(mode: str) -> ml_collections.ConfigDict:
    """Stage 1 alone, on which other configs are based."""
    config = ml_collections.ConfigDict()
    config.recipe = "stage1"
    config.seed = 0  # of the parameters, the order of the data and the augmentation
    config.num_train_steps = 1_500
    config.global_batch_size = 16  # clips over all devices of all hosts
    config.log_every = 50
    config.remat = False  # compute activations twice: slower, less memory
    config.checkpoint_every = 500  # steps; each checkpoint is validated

    config.data = rendered_data()
    config.model = ml_collections.ConfigDict()
    config.model.name = "point_net"
    config.model.num_patches = 64
    config.model.width = 96
    config.model.num_blocks = 4
    config.model.num_heads = 2
    config.model.keypoints = False  # whether 2D keypoints are an input
    config.model.fusion = "none"  # or depth, rgb, rgbd: crops as a second input
    config.model.backbone = "small"  # of the crops, one of backbones.BACKBONES
    config.model.image_grid = 4  # tokens along each side of a crop
    config.model.convention_head = ""  # skeleton whose joints move by learnt offsets
    config.model.point_parts = False  # whether to estimate each point's body part
    config.model.dtype = "float32"

    config.optimizer = ml_collections.ConfigDict()
    config.optimizer.learning_rate = 1e-2
    config.optimizer.warmup_steps = 100
    config.optimizer.weight_decay = 1e-2
    config.optimizer.clip_norm = 1.0
    config.optimizer.ema_decay = 0.998
    config.optimizer.head_steps = 0  # first steps, in which the offsets alone learn
    config.optimizer.head_learning_rate = 3e-3  # of the offsets, metres per step

    # Weights to start from: "shipped", the name of weights that ship, such as
    # "points_keypoints", or a path that `estimator.export` wrote
    config.init_weights = ""
    config.teacher = ml_collections.ConfigDict()  # of stage 1, for fine-tuning
    config.teacher.workdir = ""  # of a stage-1 run; "" is the weights that ship
    # Whether training starts from its parameters
    config.teacher.init_from_teacher = False
    config.stages = ("points",)  # and "depth", "rgb": students of the points
    config.student = student()
    config.augment = augmentation()
    config.crop_augment = crop_augmentation()
    config.loss_weights = loss_weights()
    config.ramp = ramp()
    config.loss = loss_scales()

    if mode == "full":
        enlarge(config)
    elif mode == "smoke":
        shrink(config)
    elif mode != "quick":
        raise ValueError(f"unknown mode {mode!r}; use 'quick', 'full' or 'smoke'")
    return config


def rendered_data() -> ml_collections.ConfigDict:
    """The data: rendered people, the depth sensor and the simulated 2D detector."""
    data = ml_collections.ConfigDict()
    data.name = "synthetic"
    data.seed = 0  # of the renderer
    data.skeleton = "ITOP15"
    data.frames = 3
    data.num_points = 512
    data.crop_size = 0  # pixels along a side of depth and colour crops; 0 for none
    data.crops = ("depth", "rgb")  # rendered in stage 1; students render their own
    data.train_clips = 4_000  # rendered once; 0 renders new clips for every step
    data.validation_clips = 160
    data.test_clips = 500
    data.cache_dir = "~/.cache/unipose_jax"  # of rendered pools; "" for none
    data.motion = ""  # npz of motion capture for the people; "" is procedural motion
    # Data sets and recordings (docs/datasets lists their names):
    data.variant = ""  # view or evaluation protocol of a data set
    data.data_dir = ""  # folder of prepared data sets (--mode=prepare)
    data.path = ""  # original files, read into memory; used without data_dir
    data.mixture = ""  # other prepared sets: "ntu_rgbd/cross_subject=0.4,recording=0.1"
    data.keypoints = ""  # folder of 2D keypoints by sequence; "" is the set's own
    data.frame_step = 1  # frames of the recording from one frame of a clip to the next
    data.max_interval = 0.15  # s between frames of a clip; a longer gap ends the clip
    data.stored_points = 2_048  # most points that are kept of a frame
    data.workers = 0  # processes that read batches
    data.skip_corrupt = False  # whether unreadable frames are skipped, and listed
    data.check_counts = True  # whether sets with too few frames are refused
    data.scene = ml_collections.ConfigDict(dataclasses.asdict(scene.SceneParams()))
    data.train_view = ml_collections.ConfigDict()  # overrides scene.view in training
    data.train_view.frontal_share = config_dict.placeholder(float)
    data.train_view.close_share = config_dict.placeholder(float)
    data.part_labels = False  # whether points name the body part that they are on
    return data


def augmentation() -> ml_collections.ConfigDict:
    """Augmentation of the network's input; losses use the original clip."""
    augment = ml_collections.ConfigDict()
    augment.pan = 0.3  # radians, largest rotation of the camera
    augment.tilt = 0.2
    augment.roll = 0.15
    augment.scale = 0.1
    augment.mirror = True
    augment.occlusion_prob = 0.3  # share of clips with a hole in the cloud
    augment.occlusion_radius = (0.1, 0.3)  # metres
    augment.modality_dropout = 0.3  # share of clips without one input of a fusion
    # Of keypoints as an input:
    augment.keypoint_dropout = 0.5  # mean share of joints whose keypoint is withheld
    augment.keypoint_noise = 0.0  # metres at the person, largest standard deviation
    augment.no_keypoints_prob = 0.25  # share of clips without any keypoint
    augment.no_points_prob = 0.1  # share of clips with keypoints alone
    # Whether terms that compare with keypoints count withheld keypoints only. Otherwise
    # a network copies the keypoints that it is given, with their errors.
    augment.blind_spot = True
    return augment


def crop_augmentation() -> ml_collections.ConfigDict:
    """Augmentation of depth and colour crops, independent of that of the points."""
    augment = ml_collections.ConfigDict()
    augment.rotation = 0.3  # radians
    augment.scale = 0.2
    augment.translation = 0.06  # of the crop's size
    augment.mirror = True
    augment.erase_prob = 0.3  # share of frames with an erased rectangle
    augment.erase_area = (0.02, 0.2)  # of the crop
    augment.depth_noise = 0.001  # metres at 1 m
    augment.contrast = 0.3
    augment.brightness = 0.3
    augment.tint = 0.15
    return augment


def keypoint_errors() -> ml_collections.ConfigDict:
    """Errors that training adds to keypoints that are an input of a student."""
    augment = ml_collections.ConfigDict()
    augment.person_dropout = 0.2  # share of frames without any keypoint
    augment.joint_dropout = 0.1  # share of joints without a keypoint
    augment.noise = 0.04  # of the crop's side, largest standard deviation
    augment.noise_prob = 0.5  # share of frames with noise
    augment.outlier_prob = 0.04  # share of joints
    augment.outlier_noise = 0.25  # of the crop's side, standard deviation
    augment.swap_prob = 0.08  # share of frames with left and right arms or legs swapped
    return augment


def loss_weights() -> ml_collections.ConfigDict:
    """Weights of all terms; each term is a mean, in metres unless noted."""
    weights = ml_collections.ConfigDict()
    weights.point_to_ray = 1.0
    weights.reprojection = 0.0  # pixels
    weights.surface = 0.5
    weights.surface_hinge = 0.5
    weights.occlusion = 0.05
    weights.coverage = 0.0
    weights.confidence = 0.01  # nats
    weights.cross_modal = 0.1  # of fusions
    weights.symmetry = 0.05  # log-ratio
    weights.bone_constancy = 0.05  # log-ratio
    weights.bone_ratio = 0.1
    weights.joint_limit = 0.01  # radians
    weights.speed = 0.1
    weights.acceleration = 0.1
    weights.pseudo_position = 0.0  # to the teacher's joints, where no keypoint is known
    # From true joints: only for the supervised ablation and the weights that ship.
    weights.joint_position = 0.0
    weights.joint_confidence = 0.0  # nats
    # Nats; the body part of each point of rendered people (data.part_labels)
    weights.point_part = 0.0
    return weights


def student() -> ml_collections.ConfigDict:
    """Stage 2: settings of the networks on crops that differ from those of stage 1."""
    student = ml_collections.ConfigDict()
    student.num_train_steps = 1_000
    student.crop_size = 64  # pixels; replaces data.crop_size
    student.single_frames = True  # one frame of each clip; motion terms need False
    student.models = ml_collections.ConfigDict()
    student.models.depth = anchor_net("depth_anchor_net", "tokens", head_depth=0)
    student.models.rgb = anchor_net("color_anchor_net", "small", head_depth=1)
    student.loss_weights = ml_collections.ConfigDict()
    student.loss_weights.depth = pseudo_weights(pixel=0.03, anchor=0.01)
    # Colour shows distance poorly: larger weights keep the pixel terms noticeable.
    student.loss_weights.rgb = pseudo_weights(pixel=0.3, anchor=0.3)
    student.teacher = teacher()
    student.crop_augment = crop_augmentation()
    student.keypoint_augment = keypoint_errors()
    student.ramp = ramp()
    return student


def pseudo_weights(*, pixel: float, anchor: float) -> ml_collections.ConfigDict:
    """Weights of a student's objective; any term of stage 1 can be added."""
    weights = loss_weights()
    for name in weights:
        weights[name] = 0.0
    weights.confidence = 0.01  # nats
    weights.pseudo_pixel = pixel  # crop pixels; a pixel is about 3 cm
    weights.pseudo_anchor = anchor  # crop pixels
    weights.pseudo_depth = 1.0  # metres, relative to the depth of the person
    weights.pseudo_root = 1.0  # metres
    weights.pseudo_bins = 0.0  # nats, of model.depth_bins
    return weights


def anchor_net(
    name: str, backbone: str, *, head_depth: int
) -> ml_collections.ConfigDict:
    """Settings of a network of stage 2."""
    model = ml_collections.ConfigDict()
    model.name = name
    model.backbone = backbone  # one of backbones.BACKBONES
    model.head_width = 32
    model.head_depth = head_depth  # layers of each branch of the head
    model.keypoints = False  # whether 2D keypoints are an input, too
    model.depth_bins = 0  # bins of the depth of a joint; 0: regression
    model.dtype = "float32"
    return model


def teacher() -> ml_collections.ConfigDict:
    """The source of a student's labels: a trained point network."""
    settings = ml_collections.ConfigDict()
    settings.kind = "network"  # or, for ablations, "truth", "keypoints" or "none"
    settings.workdir = ""  # of a stage-1 run; "" is this one, or the weights that ship
    # Whether the confidence of the teacher weights the labels,
    settings.weight_by_confidence = True
    # and whether their distance to the rays of the keypoints does.
    settings.weight_by_ray_distance = True
    settings.ray_scale = 0.05  # metres
    return settings


def ramp() -> ml_collections.ConfigDict:
    """Terms whose weights rise linearly from 0, once poses are no longer random."""
    schedule = ml_collections.ConfigDict()
    schedule.terms = (
        "occlusion",
        "symmetry",
        "bone_constancy",
        "bone_ratio",
        "joint_limit",
        "speed",
        "acceleration",
    )
    schedule.start = 0.2  # share of the run
    schedule.end = 0.4
    return schedule


def loss_scales() -> ml_collections.ConfigDict:
    """Scales and thresholds of the terms."""
    loss = ml_collections.ConfigDict()
    loss.ray_delta = 0.05  # metres
    loss.ray_at_cloud_depth = True
    loss.reprojection_delta = 5.0  # pixels
    loss.surface_radius = 0.05  # metres
    loss.surface_scale = 0.1  # metres
    # Depths of joints below the skin: "anatomy", "learnt" by a convention head, or
    # those of the labels of a data set, "ITOP" (physics/skin_depths.py)
    loss.skin_depths = "anatomy"
    # Points less probably on the body, by model.point_parts, are left out of the
    # surface terms
    loss.least_body_probability = 0.0
    loss.occlusion_margin = 0.15  # metres, least depth of a hidden joint below the skin
    loss.coverage_points = 128
    loss.agreement_scale = 0.05  # metres
    loss.log_ratio_delta = 0.1  # log-ratio
    # Factor of physical gradients at joints with keypoints
    loss.physics_weight_on_keypoints = 0.3
    loss.position_delta = 0.1  # metres
    return loss


def leave_out_motion(config: ml_collections.ConfigDict) -> None:
    """Sets the weights of terms to 0 that compare more frames than clips have."""
    for name, least in unipose_terms.LEAST_FRAMES.items():
        if config.data.frames < least:
            config.loss_weights[name] = 0.0


def enlarge(config: ml_collections.ConfigDict) -> None:
    """Changes for an accelerator: larger networks and batches, new clips every step."""
    config.num_train_steps, config.global_batch_size = 50_000, 128
    config.student.num_train_steps = 50_000
    config.student.models.depth.backbone = "tokens_large"
    config.student.models.rgb.backbone = "resnet18"
    config.student.models.rgb.head_width, config.student.models.rgb.head_depth = 64, 2
    for model in config.student.models.values():
        model.dtype = "bfloat16"
    config.log_every, config.checkpoint_every = 200, 2_500
    config.data.train_clips = 0
    # Many clips allow a wider range of views: from all sides, and at close range.
    config.data.train_view.frontal_share = 0.5
    config.data.train_view.close_share = 0.1
    config.data.num_points, config.model.num_patches = 1_024, 96
    config.model.width, config.model.num_blocks = 192, 6
    config.model.num_heads, config.model.dtype = 6, "bfloat16"
    config.model.backbone = "resnet18"


def shrink(config: ml_collections.ConfigDict) -> None:
    """Changes for tests: seconds."""
    config.num_train_steps, config.global_batch_size = 4, 4
    config.student.num_train_steps, config.student.crop_size = 4, 32
    for model in config.student.models.values():
        model.head_width = 8
    config.log_every, config.checkpoint_every = 1, 2
    config.data.train_clips, config.data.num_points = 8, 64
    config.data.validation_clips, config.data.test_clips = 4, 6
    config.model.num_patches, config.model.width = 8, 16
    config.model.num_blocks = 2

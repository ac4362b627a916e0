"""UniPose on rendered people: 2D keypoints and depth, no 3D labels.

Points, which learn from evidence and physics, then a network on depth images, which
learns from them.

    python run.py --config=configs/unipose.py --workdir=runs/unipose

Variants: `:quick` (the default; two CPU cores, minutes), `:full` (an accelerator,
fresh people for every batch) and `:smoke` (tests; points alone). Override:
`--config.seed=1`.
"""

import dataclasses

import ml_collections
from ml_collections import config_dict

from unipose_jax.synthesis import scene


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` is "quick", "full" or "smoke"."""
    config = stage_1(mode)
    if mode != "smoke":
        config.stages = ("points", "depth")
    return config


def stage_1(mode: str) -> ml_collections.ConfigDict:
    """The same without students; other configs start from it."""
    config = ml_collections.ConfigDict()
    config.recipe = "stage1"
    config.seed = 0  # of the parameters, the order of the data and the augmentation
    config.num_train_steps = 1_500
    config.global_batch_size = 16  # clips over all devices of all hosts
    config.log_every = 50
    config.checkpoint_every = 500  # validates, too

    config.data = rendered_people()
    config.model = ml_collections.ConfigDict()
    config.model.name = "point_net"
    config.model.num_patches = 64
    config.model.width = 96
    config.model.num_blocks = 4
    config.model.num_heads = 2
    config.model.fusion = "none"  # or depth, rgb, rgbd: crops beside the points ...
    config.model.backbone = "small"  # ... seen by this network (image_net.KINDS) ...
    config.model.image_grid = 4  # ... as so many tokens along a side
    config.model.dtype = "float32"

    config.optimizer = ml_collections.ConfigDict()
    config.optimizer.learning_rate = 1e-2
    config.optimizer.warmup_steps = 100
    config.optimizer.weight_decay = 1e-2
    config.optimizer.clip_norm = 1.0
    config.optimizer.ema_decay = 0.998

    config.teacher = ml_collections.ConfigDict()  # of points that go on from others
    config.teacher.workdir = ""  # of their run; "" is the weights that ship
    config.teacher.start = False  # whether to start with its parameters
    config.stages = ("points",)  # then "depth" and "rgb", which learn from points
    config.student = students()
    config.augment = views()
    config.crop_augment = crop_views()
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


def rendered_people() -> ml_collections.ConfigDict:
    """Who is seen, and by which sensor and 2D detector."""
    data = ml_collections.ConfigDict()
    data.name = "synthetic"
    data.seed = 0  # of the rendered people
    data.skeleton = "ITOP15"
    data.frames = 3
    data.num_points = 512
    data.crop_size = 0  # pixels, of square crops of depth and colour; 0 for none
    data.crops = ("depth", "rgb")  # those that are rendered; a stage renders its own
    data.train_clips = 4_000  # rendered once; 0 renders fresh ones for each step
    data.validation_clips = 160
    data.test_clips = 500
    data.cache_dir = "~/.cache/unipose_jax"  # of rendered pools; "" for none
    data.motion = ""  # joint clips (npz) that move the people; "" is procedural
    # Data sets and recordings (data_pipelines/loading/sources.py lists their names):
    data.variant = ""  # of a data set: a view, or an evaluation protocol
    data.data_dir = ""  # prepared data (--mode=prepare)
    data.path = ""  # original files, read into memory instead
    data.mixture = ""  # other prepared sets: "ntu_rgbd/cross_subject=0.4,recording=0.1"
    data.keypoints = ""  # folder of 2D keypoints by sequence; "" is the set's own
    data.frame_step = 1  # a clip has every n-th frame
    data.stored_points = 2_048  # most points kept of a frame
    data.workers = 0  # processes that read batches, or prepare
    data.skip_corrupt = False  # leave out, and list, what cannot be read
    data.check_counts = True  # refuse a data set with fewer frames than published
    data.scene = ml_collections.ConfigDict(dataclasses.asdict(scene.SceneParams()))
    data.train_view = ml_collections.ConfigDict()  # in place of data.scene.view's
    data.train_view.frontal_share = config_dict.placeholder(float)
    data.train_view.close_share = config_dict.placeholder(float)
    return data


def views() -> ml_collections.ConfigDict:
    """What the network sees of a clip; the losses always see the original."""
    augment = ml_collections.ConfigDict()
    augment.pan = 0.3  # radians, largest turn of the camera
    augment.tilt = 0.2
    augment.roll = 0.15
    augment.scale = 0.1
    augment.mirror = True
    augment.cut_out = 0.3  # share of clips with a hole in the cloud
    augment.cut_out_radius = (0.1, 0.3)  # metres
    augment.drop_modality = 0.3  # share of clips, in a fusion, without one of them
    return augment


def crop_views() -> ml_collections.ConfigDict:
    """What networks see of crops; views of points do not turn or shift them."""
    augment = ml_collections.ConfigDict()
    augment.turn = 0.3  # radians
    augment.scale = 0.2
    augment.shift = 0.06  # of the crop's size
    augment.mirror = True
    augment.erase = 0.3  # share of frames with a hidden rectangle
    augment.erase_area = (0.02, 0.2)  # of the crop
    augment.depth_noise = 0.001  # metres at 1 m
    augment.contrast = 0.3
    augment.brightness = 0.3
    augment.tint = 0.15
    return augment


def loss_weights() -> ml_collections.ConfigDict:
    """The whole objective; an ablation sets one of them to 0.

    Each term is a mean in metres unless noted.
    """
    weights = ml_collections.ConfigDict()
    weights.point_to_ray = 1.0
    weights.reprojection = 0.0  # pixels
    weights.surface = 0.5
    weights.surface_hinge = 0.5
    weights.occlusion = 0.05
    weights.coverage = 0.0
    weights.confidence = 0.01  # nats
    weights.cross_modal = 0.1  # in a fusion
    weights.symmetry = 0.05  # log-ratio
    weights.bone_constancy = 0.05  # log-ratio
    weights.bone_ratio = 0.1
    weights.joint_limit = 0.01  # radians
    weights.speed = 0.1
    weights.acceleration = 0.1
    weights.pseudo_position = 0.0  # to a teacher's joints that no keypoint is known of
    weights.joint_position = 0.0  # 3D labels: the supervised ablation only
    return weights


def students() -> ml_collections.ConfigDict:
    """Stage 2: what differs from stage 1 in networks that look at crops."""
    student = ml_collections.ConfigDict()
    student.num_train_steps = 1_000
    student.crop_size = 64  # pixels; is data.crop_size there
    student.single_frames = True  # of each clip; False where motion terms join
    student.models = ml_collections.ConfigDict()
    student.models.depth = anchor_net("depth_anchor_net", "tokens", head_depth=0)
    student.models.rgb = anchor_net("color_anchor_net", "small", head_depth=1)
    student.loss_weights = ml_collections.ConfigDict()
    student.loss_weights.depth = pseudo_weights(pixel=0.03, anchor=0.01)
    # Distance is seen badly, and would drown where joints are in the picture.
    student.loss_weights.rgb = pseudo_weights(pixel=0.3, anchor=0.3)
    student.teacher = teachers()
    student.crop_augment = crop_views()
    student.ramp = ramp()
    return student


def pseudo_weights(*, pixel: float, anchor: float) -> ml_collections.ConfigDict:
    """The objective of a student; any term of stage 1 may join."""
    weights = loss_weights()
    for name in weights:
        weights[name] = 0.0
    weights.confidence = 0.01  # nats
    weights.pseudo_pixel = pixel  # crop pixels; a pixel is about 3 cm
    weights.pseudo_anchor = anchor  # crop pixels
    weights.pseudo_depth = 1.0  # metres, relative to the whole person
    weights.pseudo_root = 1.0  # metres
    return weights


def anchor_net(
    name: str, backbone: str, *, head_depth: int
) -> ml_collections.ConfigDict:
    """A network of stage 2."""
    model = ml_collections.ConfigDict()
    model.name = name
    model.backbone = backbone  # one of image_net.KINDS
    model.head_width = 32
    model.head_depth = head_depth  # 0: votes straight from the features
    model.dtype = "float32"
    return model


def teachers() -> ml_collections.ConfigDict:
    """What a student learns from: a trained point network."""
    teacher = ml_collections.ConfigDict()
    teacher.kind = "network"  # or, for ablations, "truth", "keypoints" or "none"
    teacher.workdir = ""  # of a stage-1 run; "" is this one, or the weights that ship
    teacher.by_confidence = True  # weigh labels by the teacher's confidence
    teacher.by_rays = True  # and by their distance to the keypoints' rays
    teacher.ray_scale = 0.05  # metres
    return teacher


def ramp() -> ml_collections.ConfigDict:
    """Physical terms come in gently, once keypoints and depth have shaped poses."""
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
    schedule.start = 0.2  # shares of the run
    schedule.end = 0.4
    return schedule


def loss_scales() -> ml_collections.ConfigDict:
    """The scales inside the terms."""
    loss = ml_collections.ConfigDict()
    loss.ray_delta = 0.05  # metres
    loss.ray_at_reference = True
    loss.reprojection_delta = 5.0  # pixels
    loss.surface_radius = 0.05  # metres
    loss.surface_scale = 0.1  # metres
    loss.hidden_margin = 0.15  # metres behind the surface, if hidden
    loss.coverage_points = 128
    loss.agreement_scale = 0.05  # metres
    loss.ratio_delta = 0.1  # log-ratio
    loss.physics_on_seen = 0.3  # how far physics moves joints with keypoints
    loss.position_delta = 0.1  # metres
    return loss


def enlarge(config: ml_collections.ConfigDict) -> None:
    """For an accelerator: more of everything, and fresh people for every batch."""
    config.num_train_steps, config.global_batch_size = 50_000, 128
    config.student.num_train_steps = 50_000
    config.student.models.depth.backbone = "tokens_large"
    config.student.models.rgb.backbone = "resnet18"
    config.student.models.rgb.head_width, config.student.models.rgb.head_depth = 64, 2
    for model in config.student.models.values():
        model.dtype = "bfloat16"
    config.log_every, config.checkpoint_every = 200, 2_500
    config.data.train_clips = 0
    # Enough of them to learn people from all sides, and near ones.
    config.data.train_view.frontal_share = 0.5
    config.data.train_view.close_share = 0.1
    config.data.num_points, config.model.num_patches = 1_024, 96
    config.model.width, config.model.num_blocks = 192, 6
    config.model.num_heads, config.model.dtype = 6, "bfloat16"
    config.model.backbone = "resnet18"


def shrink(config: ml_collections.ConfigDict) -> None:
    """For tests: seconds."""
    config.num_train_steps, config.global_batch_size = 4, 4
    config.student.num_train_steps, config.student.crop_size = 4, 32
    for model in config.student.models.values():
        model.head_width = 8
    config.log_every, config.checkpoint_every = 1, 2
    config.data.train_clips, config.data.num_points = 8, 64
    config.data.validation_clips, config.data.test_clips = 4, 6
    config.model.num_patches, config.model.width = 8, 16
    config.model.num_blocks = 2

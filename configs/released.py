"""Points with 2D keypoints as an input, trained with labels of rendered people.

    python run.py --config=configs/released.py --workdir=runs/released

This is how `weights/points_keypoints` was trained, in two runs of other lengths (see
unipose_jax/weights/MODEL_CARD.md). The 3D joints of rendered people cost nothing, so it
learns from them; `configs/unipose.py` shows what the method reaches without labels.
Training starts from the weights that ship and leaves out keypoints, single joints and
points at random: one network then serves depth, depth with keypoints, and keypoints. A
second head learns which points lie on the body. People and scenes are those of
`configs/real_scene.py`. `config.stages` also trains the network on depth images.

`:quick`, for CPUs, trains on single frames: about 2 s a step on two cores. `:smoke`,
for tests. Scores on real recordings: docs/results/real_data.md.
"""

import ml_collections

from configs import real_scene, unipose
from unipose_jax.weights import store


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` is "quick", "full" or "smoke"."""
    config = unipose.stage_1(mode)
    for name in config.loss_weights:
        config.loss_weights[name] = 0.0
    config.loss_weights.joint_position = 1.0
    config.loss_weights.joint_confidence = 0.01
    config.augment.blind_spot = False  # true joints are the target
    config.augment.keypoint_dropout = 0.3
    config.augment.keypoint_noise = 0.03
    config.model.keypoints = True
    # Which points are on the body, and on which part of it
    config.model.point_parts = config.data.part_labels = True
    config.loss_weights.point_part = 0.02
    config.student.teacher.kind = "truth"
    for weights in config.student.loss_weights.values():
        weights.confidence, weights.joint_confidence = 0.0, 0.01
    if mode == "smoke":
        return config
    config.stages = ("points", "depth")
    config.student.models.depth.backbone = "tokens_large"
    real_scene.realistic_scene(config)
    config.augment.tilt, config.augment.roll = 0.4, 0.3
    if mode == "quick":
        shipped = store.read_meta()
        config.model.update(shipped["model"])
        config.model.keypoints = config.model.point_parts = True
        config.init_weights = "shipped"
        config.data.num_points = 512  # fewer than the weights use: training is faster
        config.data.frames = 1
        config.data.train_clips = 16_000
        config.num_train_steps, config.global_batch_size = 2_000, 48
        config.optimizer.learning_rate = 3e-3
        config.optimizer.warmup_steps = 50
        config.checkpoint_every = 250
        config.student.num_train_steps = 2_000
    return config

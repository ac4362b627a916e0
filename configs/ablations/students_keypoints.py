"""Students without a teacher: the terms of stage 1, applied to their joints.

python -m benchmarks.ablations --configs=unipose,ablations/students_keypoints \
    --modality=depth --workdir=runs/students \
    --set=config.student.single_frames=False
"""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = unipose.stage_1(mode)
    config.stages = ("depth",)
    student = config.student
    student.teacher.kind = "none"
    student.single_frames = False  # motion is among the terms
    for weights in student.loss_weights.values():
        for name in weights:
            weights[name] = config.loss_weights.get(name, 0.0)
    return config

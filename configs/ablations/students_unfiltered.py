"""Students that believe every joint of their teacher alike.

python -m benchmarks.ablations --configs=unipose,ablations/students_unfiltered \
    --modality=depth --workdir=runs/students
"""

import ml_collections

from configs import unipose


def get_config(mode: str = "quick") -> ml_collections.ConfigDict:
    """Returns the config; `mode` as in `configs/unipose.py`."""
    config = unipose.stage_1(mode)
    config.stages = ("depth",)
    config.student.teacher.by_confidence = config.student.teacher.by_rays = False
    return config

"""Trains a small network on rendered people from 2D keypoints, without 3D labels.

    python examples/05_train.py

The variant `smoke` takes four steps, to show the way. `configs/unipose.py` itself
takes eleven minutes on two CPU cores, with scores and a page:

    python run.py --config=configs/unipose.py --workdir=W
"""

import json
import pathlib
import tempfile

from configs import unipose
from unipose_jax.train import loop, plan

config = unipose.get_config("smoke")
config.loss_weights.symmetry = 0.1  # any value of the config; each term has a weight

workdir = pathlib.Path(tempfile.mkdtemp())
resolved = plan.resolve(config, workdir, training=True)  # checks everything
loop.train(resolved.stages[0])  # called again with the same folder, it continues

for line in (workdir / "log.jsonl").read_text().splitlines():
    record = json.loads(line)
    print(f"step {record['step']}: point_to_ray {record['loss/point_to_ray']:.3f} m")
print(f"checkpoints: {workdir}")

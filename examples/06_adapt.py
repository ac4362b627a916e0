r"""Adapts the released weights to a recording from its 2D keypoints, without 3D labels.

    python examples/06_adapt.py [RECORDING]

Two steps, to show the way; the config takes 300, in about five minutes on two CPU
cores:

    python run.py --config=configs/recording.py:adapt --workdir=W \
      --config.data.path=RECORDING
"""

import pathlib
import sys
import tempfile

from configs import recording as config_file
from data_pipelines.readers.recordings import recording
from unipose_jax.cli import networks, predict, sample
from unipose_jax.train import loop, plan

folder = sys.argv[1] if sys.argv[1:] else sample.cached()
config = config_file.get_config("adapt")
config.data.path = str(folder)  # a recording, or a folder of recordings
config.num_train_steps = config.checkpoint_every = config.log_every = 2
config.optimizer.warmup_steps = 1

workdir = pathlib.Path(tempfile.mkdtemp())
loop.train(plan.resolve(config, workdir, training=True).stages[0])
print((workdir / "log.jsonl").read_text())

network, _ = networks.load_trained(None, workdir, "points")
opened = recording.open_recording(folder)
poses, _ = predict.predict_recording(network, opened, pictures=False)
print(f"poses of the adapted network: {poses.xyz.shape}")

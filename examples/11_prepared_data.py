"""A data set as NumPy arrays and, with PyTorch, as batches of tensors.

    python examples/11_prepared_data.py [DATA CONFIG]

DATA is the folder of a prepared data set and CONFIG its config, such as `recording`:
`python run.py --mode=prepare --config=recording --source=FOLDER --data_dir=DATA`.
Without them, the sample is prepared.
"""

import importlib
import importlib.util
import pathlib
import sys
import tempfile

from configs import recording
from data_pipelines.ground import settings
from data_pipelines.loading import sources
from unipose_jax import cluster
from unipose_jax.cli import prepare, sample

if sys.argv[1:]:
    data_dir, name = sys.argv[1:]
    config = importlib.import_module(f"configs.{name}").get_config()
    config.data.data_dir = data_dir
else:
    config = recording.get_config()
    config.data.data_dir = tempfile.mkdtemp()
    config.data.check_counts = False  # of frames: the sample is short
    source = pathlib.Path(sample.cached())
    prepare.prepare_run(config, source, engine=cluster.HERE)

values = settings.DataSettings.from_config(config.data)
clips = sources.open_split(values, "train")
print(f"{len(clips)} clips; {config.data.frames} frames each")
first = clips[0]  # a dict of arrays: data_pipelines/ground/schema.py
for name, value in first.items():
    print(f"{name}: {value.dtype} {value.shape}")

if importlib.util.find_spec("torch"):
    from torch.utils import data

    batch = next(iter(data.DataLoader(clips, batch_size=2, shuffle=True)))
    print(f"a batch of tensors: points {tuple(batch['points'].shape)}")

"""A prepared data set as NumPy arrays and, with PyTorch, as batches of tensors.

python run.py --mode=prepare --config=recording --source=FOLDER --data_dir=DATA
python examples/prepared_data.py DATA recording
"""

import importlib
import sys

from data_pipelines.ground import settings
from data_pipelines.loading import sources
from unipose_jax import errors


def open_clips(data_dir: str, config: str, split: str = "train"):
    """Clips of a split: `len(clips)`; `clips[index]` is a dict of NumPy arrays."""
    values = importlib.import_module(f"configs.{config}").get_config().data
    values.data_dir = data_dir
    return sources.open_split(settings.DataSettings.from_config(values), split)


def batches(clips, batch_size: int):
    """Shuffled batches of tensors; anything with a length and an index will do."""
    from torch.utils import data

    return data.DataLoader(clips, batch_size, shuffle=True)


def main(data_dir: str, config: str) -> None:
    """Prints the shape of each field of the first clip."""
    clips = open_clips(data_dir, config)
    print(f"{len(clips)} clips")
    for name, value in clips[0].items():
        print(f"{name}: {value.dtype} {value.shape}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: prepared_data.py DATA CONFIG")
    with errors.exit_on_bad_input():
        main(*sys.argv[1:])

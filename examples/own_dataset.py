"""A data set of your own: a reader, the line that registers it, and a config.

    python run.py --config=examples/own_dataset.py --workdir=W --config.data.path=FOLDER

FOLDER/{train,validation,test}/CLIP/ have depth.npy (frames, height, width), metres;
keypoints.npy (frames, 17, 3), COCO's u, v in pixels of the depth image and confidence;
intrinsics.npy (fx, fy, cx, cy), pixels; and time.npy (frames,), seconds.
"""

import numpy as np

from configs import unipose
from data_pipelines.readers import registry
from data_pipelines.sequences import arrays, sequence


def open_mine(source, data):
    """Opens the data set; `data` holds the values of `config.data`."""
    clips = {
        split: [open_clip(folder) for folder in sorted((source / split).iterdir())]
        for split in sequence.SPLITS
    }
    return sequence.DataSet(name="mine", sequences=clips, protocol="Test clips.")


def open_clip(folder):
    files = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
    return arrays.from_arrays(folder.name, **files, skeleton="COCO17")


registry.READERS["mine"] = open_mine  # the line


def get_config(mode="quick"):
    config = unipose.stage_1(mode)
    config.data.name, config.data.skeleton = "mine", "COCO17"
    return config

r"""A data set of your own: a reader, the line that registers it, and a config.

    python examples/10_own_dataset.py
    python run.py --config=examples/10_own_dataset.py --workdir=W \
      --config.data.path=FOLDER

FOLDER/{train,validation,test}/CLIP.npz have depth (frames, height, width), metres;
keypoints (frames, 17, 3), COCO's u, v in pixels of the depth image and confidence;
intrinsics (fx, fy, cx, cy), pixels; and time (frames,), seconds. The first command
writes the sample in this way and takes four steps.
"""

import pathlib
import tempfile

import numpy as np

from configs import unipose
from data_pipelines.readers import registry
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import arrays, sequence
from unipose_jax.cli import sample
from unipose_jax.train import loop, plan


def open_mine(source, data):
    """Opens the data set; `data` holds the values of `config.data`."""
    files = {split: sorted((source / split).iterdir()) for split in sequence.SPLITS}
    clips = {split: list(map(open_clip, found)) for split, found in files.items()}
    return sequence.DataSet(name="mine", sequences=clips, protocol="Test clips.")


def open_clip(path):
    return arrays.from_arrays(path.stem, **np.load(path), skeleton="COCO17")


registry.READERS["mine"] = open_mine  # the line


def get_config(mode="quick"):
    config = unipose.stage_1(mode)
    config.data.name, config.data.skeleton = "mine", "COCO17"
    return config


if __name__ == "__main__":
    opened = recording.open_recording(sample.cached())
    people = opened.keypoint_detections().by_frame
    depth = [opened.depth(index) for index in range(len(opened))]
    uv = [people[frame][0] for frame in opened.frames]  # here, also pixels of depth
    camera, time = opened.depth_camera.intrinsics, opened.time
    config, folder = get_config("smoke"), pathlib.Path(tempfile.mkdtemp())
    for name in sequence.SPLITS:
        (folder / name).mkdir()
        fields = {"depth": depth, "keypoints": uv, "intrinsics": camera, "time": time}
        np.savez(folder / name / "clip.npz", **fields)
    config.data.path = str(folder)
    loop.train(plan.resolve(config, folder / "run", training=True).stages[0])
    print((folder / "run" / "log.jsonl").read_text())

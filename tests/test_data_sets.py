"""Original files to figures: prepare, train and evaluate each data set with depth.

The files are written by our tests in each set's own format, of rendered people;
`synthetic` has no files. One set trains a network; of the others, the same commands
trace the programs of their skeleton, which checks every shape, and do not compile them.
"""

import json

import numpy as np
import pytest

from configs import cmu_panoptic, itop, ntu_rgbd, recording, unipose
from data_pipelines.ground import schema
from data_pipelines.prepared import storage
from tests import config_data, filmed_people
from tests.data_pipelines.originals import cmu_panoptic as panoptic_files
from tests.data_pipelines.originals import itop as itop_files
from tests.data_pipelines.originals import ntu_rgbd as ntu_files
from tests.test_run import run
from unipose_jax import skeleton


def write_itop(folder, people):
    itop_files.write(folder, filmed_people.of_skeleton(people, "ITOP15"))


def write_ntu(folder, people):
    ntu_files.write(folder, filmed_people.of_skeleton(people, "NTU25"))


def write_panoptic(folder, people):
    for name in panoptic_files.RECORDINGS.values():
        panoptic_files.write(folder, name, frames=6)


def write_nothing(folder, people):
    del folder, people


@pytest.mark.slow
@pytest.mark.parametrize(
    ("configs", "write"),
    [
        (itop, write_itop),
        (ntu_rgbd, write_ntu),
        (cmu_panoptic, write_panoptic),
        (recording, filmed_people.write),
        (unipose, write_nothing),
    ],
    ids=["itop", "ntu_rgbd", "cmu_panoptic", "recording", "synthetic"],
)
def test_original_files_are_prepared_trained_on_and_scored(
    configs, write, rendered_people, pools, tmp_path, capsys, request
):
    if configs is not itop:
        request.getfixturevalue("traced_only")
    write(tmp_path / "source", rendered_people)
    config = configs.get_config("smoke")
    config.data.check_counts, config.data.cache_dir = False, pools
    config.data.frame_step = 1
    config.num_train_steps = config.checkpoint_every = 2
    places = {"source": tmp_path / "source", "data_dir": tmp_path / "prepared"}
    assert run("prepare", config, **places) == 0
    printed = capsys.readouterr().out
    assert "with 3D" in printed
    pictures = len(list((tmp_path / "prepared").glob("*_keypoints.png")))
    assert pictures == (configs is not unipose)  # it stores no images

    index = storage.read_index(storage.folder_of(config_data.typed(config.data)))
    assert set(index["splits"]) == {"train", "validation", "test"}
    subjects = [{e["subject"] for e in part} for part in index["splits"].values()]
    assert len(set.union(*subjects)) == sum(map(len, subjects))  # no person in two
    for split in ("train", "validation", "test"):
        source = config_data.open_split(config, split)
        check_example(source[0], config.data)

    if configs is unipose:  # a mixture of a set with itself is the set
        config.data.mixture = "synthetic=0.25"
    workdir = tmp_path / "w"
    assert run("train", config, workdir=workdir, data_dir=places["data_dir"]) == 0
    record = json.loads((workdir / "metrics.json").read_text())
    assert np.isfinite(record["results"]["all"]["mpjpe_mm"])
    assert f"all {config.data.skeleton} joints" in capsys.readouterr().out
    scored = sum(entry["with_joints"] for entry in index["splits"]["test"])
    assert record["results"]["all"]["num_frames"] == scored > 0


def check_example(example, data):
    """Points lie on the person: joints near them, keypoints where joints project."""
    schema.validate(example)
    valid = example["xyz_valid"].any(-1)
    assert example["points_valid"][valid].any(-1).all()
    joints = skeleton.by_name(data.skeleton).joints
    trunk = ("pelvis", "torso", "left_hip")
    torso = next(joints.index(joint) for joint in trunk if joint in joints)
    for frame in np.flatnonzero(valid):
        points = example["points"][frame][example["points_valid"][frame]]
        away = np.linalg.norm(points - example["xyz"][frame, torso], axis=-1)
        assert away.min() < 0.3
    pose = example["cam_from_points"]
    seen = example["xyz"] @ pose[:3, :3].T + pose[:3, 3]
    focal, center = example["intrinsics"][:2], example["intrinsics"][2:]
    uv = seen[..., :2] / seen[..., 2:] * focal + center
    confident = example["xyz_valid"] & (example["confidence"] > 0)
    assert confident.any()
    away = np.linalg.norm(uv[confident] - example["uv"][confident], axis=-1)
    if data.name == "synthetic":  # a detector's, with noise and outliers
        assert np.median(away) < 5.0
    else:  # ITOP's are whole pixels
        assert away.max() < 1.5

"""Mistakes in any stage of a run, as `run.py` meets them."""

import pytest

from configs import unipose, wsp
from tests.test_run import run
from unipose_jax import errors
from unipose_jax.cli import train as cli_train
from unipose_jax.train.plan import checks


def test_what_a_later_stage_lacks_is_said_before_the_first_trains(
    tmp_path, monkeypatch
):
    def open_split(data, split):
        if data.crop_size:
            raise errors.BadInput(f"no crops for {split}")

    monkeypatch.setattr(checks.sources, "open_split", open_split)
    monkeypatch.setattr(checks.evaluate, "check_fields", lambda *_, **__: None)
    monkeypatch.setattr(cli_train.loop, "train", lambda *_: pytest.fail("it trained"))
    config = unipose.get_config("smoke")
    config.stages, config.data.data_dir = ("points", "depth"), "prepared"
    with pytest.raises(errors.BadInput, match="no crops for validation"):
        run("train", config, workdir=tmp_path / "w")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.skeleton": "ITOP"}, "data.skeleton is 'ITOP'; use one of .*ITOP15"),
        ({"data.test_clips": 0}, "data.test_clips is 0; use 1 or more"),
        ({"data.frames": 0}, "config.data.frames is 0; use 1 or more"),
        ({"data.frame_step": 0}, "config.data.frame_step is 0; use 1 or more"),
        ({"data.num_points": 0}, "config.data.num_points is 0; use 1 or more"),
        ({"data.train_clips": -1}, "config.data.train_clips is -1; use 0 or more"),
        ({"optimizer.learning_rate": -1.0}, "learning_rate is -1.0; use a positive"),
        ({"optimizer.learning_rate": float("nan")}, "learning_rate is nan; use a pos"),
        ({"optimizer.ema_decay": 1.5}, "ema_decay is 1.5; use 0 or more, below 1"),
        ({"seed": -1}, "config.seed is -1; use 0 or more"),
        ({"model.num_patches": 0}, "config.model.num_patches is 0; use 1 or more"),
        ({"model.dtype": "float33"}, "model.dtype is 'float33'; use one of float32, b"),
        ({"model.dtype": "float16"}, "dtype is 'float16', which .* on a CPU; use flo"),
        ({"student.models.depth.head_width": 0}, "model.head_width is 0; use 1 or"),
        ({"log_every": 0}, "config.log_every is 0; use 1 or more"),
        ({"checkpoint_every": 0}, "config.checkpoint_every is 0; use 1 or more"),
        ({"global_batch_size": 0}, "config.global_batch_size is 0; use 1 or more"),
        ({"student.num_train_steps": 0}, "num_train_steps is 0; use 1 or more"),
        ({"model.fusion": "rgdb"}, "model.fusion is 'rgdb'; use one of none, depth"),
        ({"student.crop_size": 50}, "crop_size is 50; tokens needs a multiple of 4"),
        ({"model.num_heads": 3}, "width is 16, which num_heads=3 .* cannot share"),
        ({"model.num_heads": 0}, "config.model.num_heads is 0; use 1 or more"),
        (
            {"model.fusion": "depth", "data.crop_size": 64},
            "teacher uses crops of 64 pixels, the student crops of 32",
        ),
        ({"student.models.depth.backbone": "vgg"}, "model.backbone is 'vgg'; use one"),
        ({"data.frames": 2}, "acceleration, which compares 3 frames .*frames is 2"),
        ({"init_weights": "nowhere"}, "init_weights: there is no .*nowhere.npz; those"),
        ({"student.teacher.kind": "none"}, "no teacher, but"),
        ({"student.teacher.workdir": "nowhere"}, "no checkpoint in .*nowhere"),
        (
            {"teacher.init_from_teacher": True, "teacher.workdir": "there"},
            "checkpoint in .*there",
        ),
    ],
)
def test_what_is_wrong_with_any_stage_is_said_before_the_first_trains(
    tmp_path, monkeypatch, changes, message
):
    monkeypatch.setattr(cli_train.loop, "train", lambda *_: pytest.fail("it trained"))
    config = unipose.get_config("smoke")
    config.stages = ("points", "depth")
    config.update_from_flattened_dict(changes)
    with pytest.raises(errors.BadInput, match=message):
        run("train", config, workdir=tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_points_to_come_may_teach_another_skeleton(tmp_path, monkeypatch):
    class Trains(Exception):
        pass

    def train(*_):
        raise Trains

    monkeypatch.setattr(cli_train.loop, "train", train)
    config = unipose.get_config("smoke")
    config.data.skeleton = "COCO17"
    config.stages = ("points", "depth")
    with pytest.raises(Trains):
        run("train", config, workdir=tmp_path / "w")
    config.stages = ("depth",)  # taught by the weights that ship
    with pytest.raises(errors.BadInput, match="has the joints of ITOP15"):
        run("train", config, workdir=tmp_path / "w")


def test_workdir_that_is_a_file_is_said(tmp_path):
    (tmp_path / "w").write_text("")
    with pytest.raises(errors.BadInput, match="--workdir=.*w: File exists"):
        run("train", unipose.get_config("smoke"), workdir=tmp_path / "w")


@pytest.mark.parametrize(
    "collections", ["rendered", "rendered=1.0", "rendered=0.5,photographs.json=0.5"]
)
def test_pictures_of_several_people_are_counted_too(tmp_path, collections):
    config = wsp.get_config("smoke")
    config.data.collections = collections
    config.data.validation_clips = 0
    with pytest.raises(errors.BadInput, match="validation_clips is 0; use 1 or more"):
        run("train", config, workdir=tmp_path / "w")

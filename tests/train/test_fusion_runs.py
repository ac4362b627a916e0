"""Points and crops together: from training to a recording without colour."""

import shutil

import numpy as np
import pytest

from configs import unipose
from data_pipelines.ground import pose_file
from tests import stages
from tests.test_run import run
from unipose_jax import errors, models
from unipose_jax.train.checkpoints import checkpoint, restore
from unipose_jax.train.plan import checks


@pytest.fixture
def config():
    config = unipose.get_config("smoke")
    config.model.fusion = "rgb"
    return config


@pytest.mark.slow
def test_fused_network_trains_and_predicts_with_what_there_is(
    config, tmp_path, pools, filmed
):
    config.num_train_steps = config.checkpoint_every = 2
    config.data.cache_dir = pools
    workdir = tmp_path / "run"
    assert run("train", config, workdir=workdir) == 0
    found = {}
    for name, cameras in {"both": "color", "gray": ""}.items():
        shutil.copytree(filmed, tmp_path / name)
        if not cameras:
            shutil.rmtree(tmp_path / name / "color")
        output = tmp_path / f"{name}.npz"
        where = {"workdir": workdir, "input": tmp_path / name, "output": output}
        assert run("predict", config, **where) == 0
        poses = pose_file.read(output)
        assert np.isfinite(poses.xyz[poses.is_valid()]).all()
        found[name] = poses.xyz
    assert np.abs(found["both"] - found["gray"]).max() > 1e-4  # colour was looked at


def test_a_stage_of_points_gets_the_crops_that_it_fuses(config, tmp_path):
    stage = stages.values(config, "points", tmp_path)
    assert stage.data.crop_size == config.student.crop_size
    assert stage.data.crops == ("rgb",)
    recipe = stages.recipe(stage)
    assert set(models.CROP_FIELDS["rgb"]) < set(recipe.inputs)
    assert len(set(recipe.fields)) == len(recipe.fields)
    assert "xyz" not in recipe.fields
    config.model.fusion = "none"
    plain = stages.values(config, "points", tmp_path)
    assert plain.data.crop_size == 0
    assert stages.recipe(plain).inputs == models.POINT_FIELDS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.fusion": "sound"}, "fusion is 'sound'; use one of none, depth, rgb"),
        ({"data.crop_size": 24}, "crop_size is 24; .*rgb needs a multiple of 32"),
        ({"model.backbone": "vgg"}, "backbone is 'vgg'"),
        (
            {"model.name": "depth_anchor_net"},
            "stage1 trains point_net, not depth_anch",
        ),
    ],
)
def test_fusions_that_cannot_be(config, tmp_path, changes, message):
    stage = stages.values(config, "points", tmp_path)
    stage.update_from_flattened_dict(changes)
    with pytest.raises(errors.BadInput, match=message):
        stages.recipe(stage)


def test_a_fused_teacher_looks_at_crops_of_the_students_size(
    config, tmp_path, monkeypatch
):
    fused = stages.values(config, "points", tmp_path)
    monkeypatch.setattr(restore, "read_config", lambda workdir: fused.to_dict())
    monkeypatch.setattr(checkpoint, "latest_meta", lambda workdir: None)
    config.student.teacher.workdir = str(tmp_path)
    student = stages.values(config, "depth", tmp_path)
    found = checks.check_teacher(stages.stage(student, tmp_path))
    assert set(found.inputs) > set(models.CROP_FIELDS["rgb"])
    student.data.crop_size = 2 * fused.data.crop_size
    with pytest.raises(errors.BadInput, match="32 pixels, the student crops of 64"):
        checks.check_teacher(stages.stage(student, tmp_path))

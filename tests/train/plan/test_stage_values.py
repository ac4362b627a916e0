"""Which stages a config has, and the config of each."""

import pathlib

import pytest

from configs import unipose, wsp
from tests import stages
from unipose_jax import errors
from unipose_jax.train.checkpoints import checkpoint, folders
from unipose_jax.train.plan import stage_values
from unipose_jax.weights import store


@pytest.fixture
def config():
    config = unipose.get_config("smoke")
    config.stages = folders.MODALITIES
    return config


def test_teacher_is_part_of_the_run(config, tmp_path, monkeypatch):
    """A student that goes on has the teacher that it began with, or says so."""
    shipped = stages.values(config, "depth", tmp_path)
    assert shipped.teacher.workdir == ""
    saved = {"config": checkpoint.to_json(shipped.to_dict())}
    points = {"config": checkpoint.to_json(config.to_dict())}  # trained since
    monkeypatch.setattr(checkpoint, "latest_step", lambda folder: 2)
    monkeypatch.setattr(checkpoint, "latest_meta", lambda folder: points)
    own = stages.values(config, "depth", tmp_path)
    assert own.teacher.workdir == ".."
    assert "teacher.workdir is '' there" in checkpoint.config_difference(
        saved, own.to_dict()
    )
    config.student.teacher.workdir = "elsewhere"
    other = stages.values(config, "depth", tmp_path)
    assert pathlib.Path(other.teacher.workdir) == pathlib.Path.cwd() / "elsewhere"
    config.student.teacher.kind = "truth"
    untaught = stages.values(config, "depth", tmp_path)
    assert untaught.teacher.workdir == ""


@pytest.mark.parametrize(
    ("trained", "fusion", "own", "size"),
    [
        (("points",), "none", 0, 0),
        (("points",), "none", 48, 48),
        (("points",), "rgbd", 0, 32),
        (("points",), "rgbd", 48, 48),
        (("points", "depth"), "none", 48, 32),
        (("depth",), "rgbd", 0, 32),
    ],
)
def test_crops_are_prepared_in_the_size_that_stages_want(
    config, trained, fusion, own, size
):
    config.stages, config.model.fusion, config.data.crop_size = trained, fusion, own
    assert stage_values.shared_crop_size(config.to_dict()) == size


def test_stages_that_want_crops_of_two_sizes_are_refused(config):
    config.model.fusion, config.data.crop_size = "depth", 48
    config.stages = ("points", "depth")
    with pytest.raises(errors.BadInput, match="is 48, but students use crops"):
        stage_values.shared_crop_size(config.to_dict())


def test_methods_without_students_refuse_their_stages():
    config = wsp.get_config("smoke")
    config.stages = ("points", "depth")
    with pytest.raises(errors.BadInput, match="but a wsp has no students"):
        stage_values.requested_stages(config.to_dict())


def test_unknown_stage(config):
    config.stages = ("points", "sound")
    with pytest.raises(errors.BadInput, match="choose from points, depth, rgb"):
        stage_values.requested_stages(config.to_dict())


def test_stages_are_trained_in_their_order(config):
    config.stages = ("rgb", "points")
    assert stage_values.requested_stages(config.to_dict()) == ("points", "rgb")


@pytest.mark.parametrize("wanted", [("points",), ("depth", "rgb")])
def test_a_stage_is_the_same_whatever_is_trained_beside_it(config, wanted):
    """So stages can be added to a finished run, and evaluated one by one."""
    folder = pathlib.Path("nowhere")
    together = [stages.values(config, m, folder) for m in folders.MODALITIES]
    assert [stage.data.crop_size for stage in together] == [0, 32, 32]
    assert [stage.data.crops for stage in together[1:]] == [("depth",), ("rgb",)]
    config.stages = wanted
    alone = [stages.values(config, m, folder) for m in folders.MODALITIES]
    assert [a.to_dict() for a in alone] == [t.to_dict() for t in together]


def test_clips_have_the_points_that_the_teacher_is_used_to(
    config, tmp_path, monkeypatch
):
    own, shipped = config.data.num_points, store.read_meta()["num_points"]
    assert own != shipped

    def points(**settings):
        whole = unipose.get_config("smoke")
        whole.student.teacher.update(settings)
        return stages.values(whole, "depth", tmp_path).data.num_points

    assert points() == shipped
    assert points(kind="truth") == own
    assert points(workdir="nowhere") == own
    meta = {"config": {"data": {"num_points": 96}}}
    monkeypatch.setattr(stage_values.checkpoint, "latest_step", lambda folder: 4)
    monkeypatch.setattr(stage_values.checkpoint, "latest_meta", lambda folder: meta)
    assert points(workdir="there") == 96
    assert points() == 96  # of the run's own points

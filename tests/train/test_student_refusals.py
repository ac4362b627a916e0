"""Stage 2: settings and data that a student cannot learn with."""

import pytest

from configs import unipose
from data_pipelines.loading import sources
from tests import stages
from tests.train import test_students
from unipose_jax import errors
from unipose_jax.train import loop
from unipose_jax.train.checkpoints import folders


@pytest.fixture
def config(pools):
    config = unipose.get_config("smoke")
    config.stages = folders.MODALITIES
    config.data.cache_dir = pools
    return config


@pytest.mark.parametrize(
    ("modality", "message"),
    [
        ("depth", "which are of the color camera; only color_anchor_net"),
        ("rgb", "which have no depth, but config.loss_weights has pseudo_depth"),
    ],
)
def test_what_keypoints_cannot_teach_is_said(config, modality, message):
    with pytest.raises(errors.BadInput, match=message):
        stages.recipe(test_students.student(config, modality, kind="keypoints"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.model.update(name="point_net"), "recipe stage2 trains"),
        (lambda c: c.teacher.update(kind="me"), "config.teacher.kind is 'me'"),
        (lambda c: c.teacher.update(kind="none"), "no teacher, but"),
        (
            lambda c: (
                c.update(single_frames=True),
                c.loss_weights.update(speed=1.0),
            ),
            "has speed, which compares 2 frames of a clip, but .* is True",
        ),
        (lambda c: c.data.update(crop_size=0), "tokens needs a multiple of 4"),
        (lambda c: c.data.update(crop_size=62), "tokens needs a multiple of 4"),
        (
            lambda c: (
                c.teacher.update(kind="truth"),
                c.loss_weights.update(pseudo_position=1.0),
            ),
            "kind is 'truth', but config.loss_weights has pseudo_position",
        ),
        (
            lambda c: c.model.update(backbone="vgg"),
            "tokens, tokens_large, small, resnet18",
        ),
    ],
)
def test_what_stage_2_cannot_do_is_said(config, change, message):
    settings = test_students.student(config, "depth")
    change(settings)
    with pytest.raises(errors.BadInput, match=message):
        stages.recipe(settings)


@pytest.mark.slow
def test_data_without_colour_cannot_be_looked_at_in_colour(
    config, tmp_path, monkeypatch
):
    open_split = sources.open_split

    class Colourless:
        def __init__(self, source):
            self._source = source

        def __len__(self):
            return len(self._source)

        def __getitem__(self, index):
            example = self._source[index]
            return {name: example[name] for name in example if "color" not in name}

    monkeypatch.setattr(
        sources, "open_split", lambda *wanted: Colourless(open_split(*wanted))
    )
    with pytest.raises(errors.BadInput, match="has no color_crop, .*which color_anc"):
        loop.train(stages.stage(test_students.student(config, "rgb"), tmp_path))
    assert not (tmp_path / "checkpoints").exists()

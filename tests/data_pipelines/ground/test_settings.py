"""`config.data` as typed settings, and where its examples come from."""

import dataclasses
import json
import pickle

import ml_collections
import pytest

from configs import (
    cmu_panoptic,
    itop,
    ntu_rgbd,
    pose_machine,
    recording,
    unipose,
    wsp,
    wsp_finetune,
)
from data_pipelines.ground import settings
from unipose_jax import errors

CONFIGS = (
    cmu_panoptic,
    itop,
    ntu_rgbd,
    pose_machine,
    recording,
    unipose,
    wsp,
    wsp_finetune,
)


def crowd(collections):
    return settings.DataSettings(name="crowd", collections=collections)


def test_settings_have_the_values_of_every_config():
    for module in CONFIGS:
        data = module.get_config("smoke").data
        typed = settings.DataSettings.from_config(data)
        assert typed.to_dict() == data.to_dict(), module.__name__
        assert settings.DataSettings.from_config(typed.to_dict()) == typed
        for name in data:
            if name not in ("scene", "train_view"):
                assert getattr(typed, name) == data[name]


def test_settings_can_be_restored_from_json_and_pickle():
    typed = settings.DataSettings.from_config(unipose.get_config("smoke").data)
    text = json.dumps(typed.to_dict())
    assert settings.DataSettings.from_config(json.loads(text)) == typed
    assert pickle.loads(pickle.dumps(typed)) == typed
    assert hash(typed) == hash(pickle.loads(pickle.dumps(typed)))


def test_the_config_can_change_after_the_settings_are_made():
    data = unipose.get_config("smoke").data
    typed = settings.DataSettings.from_config(data)
    noise = data.scene.detector.noise
    data.scene.detector.noise = noise + 1.0
    assert typed.scene["detector"]["noise"] == noise


def test_settings_cannot_change():
    typed = settings.DataSettings.from_config(unipose.get_config("smoke").data)
    with pytest.raises(dataclasses.FrozenInstanceError):
        typed.frames = 1
    with pytest.raises(TypeError):
        typed.scene["fps"] = 1.0


def test_a_changed_value_is_in_the_dict_without_new_keys():
    data = itop.get_config("smoke").data
    typed = settings.DataSettings.from_config(data)
    data.crop_size = 24
    assert dataclasses.replace(typed, crop_size=24).to_dict() == data.to_dict()


def test_an_unknown_key_is_rejected_with_the_nearest_one():
    data = ml_collections.ConfigDict({"name": "itop", "frame": 3})
    with pytest.raises(
        errors.BadInput, match="no config.data.frame; did you mean 'frames'"
    ):
        settings.DataSettings.from_config(data)


def test_a_name_is_required():
    with pytest.raises(errors.BadInput, match="config.data.name is missing"):
        settings.DataSettings.from_config({})


def test_shares_of_a_mixture_are_parsed():
    data = settings.DataSettings(
        name="itop", mixture="ntu_rgbd/cross_subject=0.4, recording=0.1"
    )
    assert data.mixture_shares == {"ntu_rgbd/cross_subject": 0.4, "recording": 0.1}
    assert settings.DataSettings(name="itop").mixture_shares == {}


@pytest.mark.parametrize(
    "text", ["ntu_rgbd", "ntu_rgbd=x", "ntu_rgbd=0", "ntu_rgbd=0.6,recording=0.4"]
)
def test_invalid_shares_are_rejected(text):
    with pytest.raises(errors.BadInput, match="expected shares such as") as caught:
        settings.DataSettings(name="itop", mixture=text)
    assert "\n" not in str(caught.value)


def test_subjects_with_labels_are_a_list():
    data = settings.DataSettings(name="humaneva", labeled_subjects="S1,S2")
    assert data.labeled_subject_names == ("S1", "S2")
    assert settings.DataSettings(name="humaneva").labeled_subject_names == ()


def test_collections_have_files_folders_and_weights():
    found = crowd("rendered=0.5, a/b.json, c.json@d=2").image_collections
    assert found == (("rendered", ".", 0.5), ("a/b.json", "a", 1.0), ("c.json", "d", 2))


@pytest.mark.parametrize("text", [",", "a.json=x", "a.json=0", "=1", "a.json=-2"])
def test_an_invalid_list_of_collections_is_rejected(text):
    with pytest.raises(errors.BadInput, match="config.data.collections"):
        crowd(text)


@pytest.mark.parametrize("text", ["rendered", "rendered=1.0", " rendered =2,"])
def test_rendered_images_are_recognised_in_any_spelling(text):
    assert crowd(text).is_synthetic
    assert crowd(text).renders


def test_photographs_mixed_with_rendered_images_have_no_true_depth():
    mixed = crowd("rendered=0.5,a.json=0.5")
    assert not mixed.is_synthetic
    assert mixed.renders
    assert not crowd("a.json").renders


@pytest.mark.parametrize(
    ("name", "data_dir", "is_synthetic", "renders"),
    [
        ("synthetic", "", True, True),
        ("synthetic", "prepared", True, False),
        ("itop", "prepared", False, False),
    ],
)
def test_prepared_rendered_clips_are_synthetic_but_not_rendered_again(
    name, data_dir, is_synthetic, renders
):
    data = settings.DataSettings(name=name, data_dir=data_dir)
    assert (data.is_synthetic, data.renders) == (is_synthetic, renders)

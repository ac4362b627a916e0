"""Where examples come from, by the settings of a config."""

import ml_collections
import pytest

from data_pipelines.loading import origin
from unipose_jax import errors


def data(**values):
    values = {"name": "synthetic", "data_dir": ""} | values
    return ml_collections.ConfigDict(values)


def test_collections_are_files_folders_and_weights():
    found = origin.parse("rendered=0.5, a/b.json, c.json@d=2")
    assert found == [("rendered", ".", 0.5), ("a/b.json", "a", 1.0), ("c.json", "d", 2)]


@pytest.mark.parametrize("text", ["", "a.json=x", "a.json=0", "=1", "a.json=-2"])
def test_what_is_no_list_of_collections_is_refused(text):
    with pytest.raises(errors.BadInput, match="config.data.collections"):
        origin.parse(text)


@pytest.mark.parametrize("text", ["rendered", "rendered=1.0", " rendered =2,"])
def test_rendered_pictures_are_rendered_however_they_are_written(text):
    found = origin.of(data(name="crowd", collections=text))
    assert found.synthetic
    assert found.renders


def test_photographs_among_rendered_pictures_have_no_true_depth():
    found = origin.of(data(name="crowd", collections="rendered=0.5,a.json=0.5"))
    assert not found.synthetic
    assert found.renders
    assert not origin.of(data(name="crowd", collections="a.json")).renders


def test_prepared_clips_of_rendered_people_are_synthetic_and_read():
    assert origin.of(data()) == ((), True, True)
    assert origin.of(data(data_dir="prepared")) == ((), True, False)
    assert origin.of(data(name="itop", data_dir="prepared")) == ((), False, False)

import pytest

from data_pipelines.ground import settings
from data_pipelines.loading import sources
from unipose_jax import errors


def test_other_data_sets_of_the_mixture_are_in_the_same_folder():
    data = settings.DataSettings(
        name="itop", variant="side", data_dir="D", mixture="recording=0.5"
    )
    other = sources.other_settings(data, "ntu_rgbd/cross_subject")
    assert (other.name, other.variant) == ("ntu_rgbd", "cross_subject")
    assert (other.data_dir, other.mixture_shares) == ("D", {})
    assert sources.other_settings(data, "recording").variant == ""


def test_rendered_people_can_be_mixed_only_if_prepared():
    data = settings.DataSettings(name="synthetic", mixture="recording=0.5")
    with pytest.raises(errors.BadInput, match="needs prepared data sets"):
        sources.open_train(data, seed=0, batch_size=4, host=0, hosts=1)

import numpy as np
import pytest

from unipose_jax.report import gallery
from unipose_jax.report.draw import clips

XYZ = np.random.default_rng(0).uniform((-0.5, -1, 2.5), (0.5, 1, 3.5), (4, 15, 3))


def test_frame_error_matches_the_known_shift():
    clip = clips.Clip(
        name="a", skeleton="ITOP15", xyz=XYZ, truth=XYZ + (0.03, 0.04, 0.0)
    )
    assert gallery.frame_error_mm(clip, 0) == pytest.approx(50.0)
    clip.truth[0] = np.nan
    assert np.isnan(gallery.frame_error_mm(clip, 0))


@pytest.mark.parametrize(
    ("rows", "small"), [((10, 50), True), ((10, 70), False), ((10, np.nan), False)]
)
def test_people_below_half_the_height_are_small(rows, small):
    uv = np.stack([np.zeros(2), np.array(rows, float)], axis=-1)
    assert gallery.is_small(uv, height=100) == small


@pytest.mark.parametrize(
    ("name", "expected"),
    [("clip <1>", "clip_1"), ("../../etc", "etc"), ("ä/", "clip"), ("a.b-2", "a.b-2")],
)
def test_file_names_are_safe(name, expected):
    assert gallery.file_name(name) == expected

import numpy as np
import pytest

from unipose_jax.report import gallery
from unipose_jax.report.draw import clip_data

XYZ = np.random.default_rng(0).uniform((-0.5, -1, 2.5), (0.5, 1, 3.5), (4, 15, 3))


def test_frame_error_matches_the_known_shift():
    clip = clip_data.Clip(
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


def test_a_frame_is_named_by_its_number_in_the_recording():
    clip = clip_data.Clip(
        name="a", skeleton="ITOP15", xyz=XYZ, numbers=np.array([3, 9, 24, 30])
    )
    assert gallery.frame_title(clip, 2) == "a, frame 24"
    assert gallery.frame_title(clip.thinned(2), 1) == "a, frame 30"
    plain = clip_data.Clip(name="a", skeleton="ITOP15", xyz=XYZ)
    assert gallery.frame_title(plain, 2) == "a, frame 2"


@pytest.mark.parametrize("known_frame", [None, 0])
def test_a_frame_without_truth_is_drawn_as_one(tmp_path, monkeypatch, known_frame):
    drawn = {}
    for module, name in (
        (gallery.scenes, "draw_scene"),
        (gallery.overlays, "draw_overlay"),
    ):
        monkeypatch.setattr(
            module, name, lambda *_, name=name, **options: drawn.update({name: options})
        )
    truth = np.full_like(XYZ, np.nan)
    if known_frame is not None:
        truth[known_frame] = XYZ[known_frame]
    clip = clip_data.Clip(
        name="a",
        skeleton="ITOP15",
        xyz=XYZ,
        truth=truth,
        depth=np.full((4, 48, 64), 3.0, np.float32),
        intrinsics=np.array([60.0, 60.0, 32.0, 24.0]),
    )
    figures = gallery.clip_figures(tmp_path, clip, number=0)
    assert drawn["draw_scene"]["truth"] is None
    assert drawn["draw_overlay"]["truth_uv"] is None
    assert not any("truth" in figure.caption for figure in figures)
    assert (clip.truth is None) == (known_frame is None)

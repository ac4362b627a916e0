import gc
import weakref

import numpy as np
import pytest
from matplotlib import pyplot
from PIL import Image

from tests.report import conftest
from unipose_jax.report.draw import canvas, overlays, palette, panels, views
from unipose_jax.skeleton import definitions

BODY = definitions.ITOP15
INTRINSICS = np.array([300.0, 300.0, 160.0, 120.0])
XYZ = np.array(
    [
        *[(0.0, -0.8, 3.0), (0.0, -0.6, 3.0), (-0.2, -0.6, 3.0), (0.2, -0.6, 3.0)],
        *[(-0.4, -0.4, 3.0), (0.4, -0.4, 3.0), (-0.6, -0.2, 3.0), (0.6, -0.2, 3.0)],
        *[(0.0, -0.2, 3.0), (-0.1, 0.1, 3.0), (0.1, 0.1, 3.0), (-0.2, 0.4, 3.0)],
        *[(0.2, 0.4, 3.0), (-0.2, 0.8, 3.0), (0.2, 0.8, 3.0)],
    ]
)
UV = views.uv_from_xyz(XYZ, INTRINSICS)
DEPTH = np.full((240, 320), 3.0, np.float32)
COLOR = np.full((240, 320, 3), 120, np.uint8)


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")) / 255.0


def at(image, uv, *, scale):
    x, y = scale * np.asarray(uv) + (0.0, panels.HEADER)
    return image[int(y), int(x)]


def draw(tmp_path, image=COLOR, uv=UV, **options):
    path = tmp_path / "picture.png"
    overlays.draw_overlay(path, image, uv, skeleton="ITOP15", **options)
    return pixels(path)


@pytest.mark.parametrize("kind", ["color", "depth"])
def test_joints_land_on_their_pixels_in_their_colours(tmp_path, kind):
    width = 960 if kind == "color" else 960 + overlays.SCALE_BAR
    image = COLOR if kind == "color" else DEPTH
    picture = draw(tmp_path, image, width=width)
    assert picture.shape[1] == width
    for joint, color in enumerate(palette.joint_colors(BODY)):
        np.testing.assert_allclose(
            at(picture, UV[joint], scale=3.0), color, atol=0.01, err_msg=str(joint)
        )


def test_the_image_lies_where_the_joints_say(tmp_path):
    image = COLOR.copy()
    image[10, 20] = (255, 0, 0)  # the centre of this pixel is (20.5, 10.5)
    picture = draw(tmp_path, image, uv=np.full((15, 2), np.nan))
    np.testing.assert_allclose(at(picture, (20.5, 10.5), scale=3.0), (1, 0, 0))
    red = np.argwhere((picture == (1.0, 0.0, 0.0)).all(-1)) - (panels.HEADER, 0)
    np.testing.assert_array_equal([red.min(0), red.max(0)], [(30, 60), (32, 62)])


def test_invisible_joints_are_hollow(tmp_path):
    visible = np.ones(15, bool)
    visible[7] = False
    picture = draw(tmp_path, visible=visible)
    np.testing.assert_allclose(at(picture, UV[7], scale=3.0), 1.0, atol=0.01)
    np.testing.assert_allclose(at(picture, UV[6], scale=3.0), palette.RIGHT, atol=0.01)


def test_uncertain_joints_are_faint_and_small(tmp_path):
    confidence = np.ones(15)
    confidence[7] = 0.0
    sure, unsure = draw(tmp_path), draw(tmp_path, confidence=confidence)
    ground = 120 / 255
    contrast = [abs(at(p, UV[7], scale=3.0) - ground).max() for p in (sure, unsure)]
    assert contrast[1] < 0.6 * contrast[0]


@pytest.mark.parametrize("missing", [slice(0, 15), slice(3, 4)])
def test_nan_joints_are_skipped_with_their_bones(tmp_path, missing):
    uv = UV.copy()
    uv[missing] = np.nan
    picture = draw(tmp_path, uv=uv, truth_uv=uv, keypoints=uv)
    # The left upper arm, joint 3 to 5, is gone; an empty image is all ground there.
    middle = (UV[3] + UV[5]) / 2
    np.testing.assert_allclose(at(picture, middle, scale=3.0), 120 / 255, atol=0.01)


def test_truth_is_drawn_where_it_differs(tmp_path):
    picture = draw(tmp_path, truth_uv=UV + (30.0, 0.0))
    plain = draw(tmp_path)
    changed = np.abs(picture - plain).max(-1)[panels.HEADER :] > 0.05
    assert changed.sum() > 1000
    columns = np.flatnonzero(changed.any(0))
    assert abs(columns.max() / 3.0 - (UV[:, 0].max() + 30.0)) < 3.0


def test_keypoints_of_no_confidence_are_left_out(tmp_path):
    nothing = np.full((15, 2), np.nan)
    hidden = draw(tmp_path, uv=nothing, keypoints=UV, keypoint_confidence=np.zeros(15))
    shown = draw(tmp_path, uv=nothing, keypoints=UV)
    np.testing.assert_allclose(at(shown, UV[7], scale=3), palette.KEYPOINT, atol=0.01)
    np.testing.assert_allclose(at(hidden, UV[7], scale=3), 120 / 255, atol=0.01)


def test_a_window_that_is_too_long_is_the_whole_image():
    far = np.array([[0.0, 0.0], [319.0, 239.0]], np.float32)
    window = overlays.image_window(COLOR, far, zoom=True, aspect=1.0)
    assert window == (0.0, 0.0, 320.0, 240.0)
    assert all(isinstance(edge, float) for edge in window)


def test_zoomed_window_holds_the_person_and_stays_inside():
    left, top, right, bottom = overlays.image_window(COLOR, UV, zoom=True, aspect=0.8)
    assert (left, top) >= (0.0, 0.0)
    assert right <= 320.0
    assert bottom <= 240.0
    assert ((UV > (left, top)) & (UV < (right, bottom))).all()
    assert right - left < 320.0


def test_zoom_without_joints_shows_the_whole_image():
    nothing = np.full((15, 2), np.nan)
    window = overlays.image_window(COLOR, nothing, zoom=True, aspect=1.0)
    assert window == (0.0, 0.0, 320.0, 240.0)


@pytest.mark.parametrize(("frames", "grid"), [(1, (1, 1)), (3, (1, 3)), (5, (2, 3))])
def test_contact_sheet_has_a_tile_per_frame(figures, frames, grid):
    uv = np.stack([UV + frame for frame in range(frames)])
    overlays.draw_contact_sheet(
        "sheet.png",
        np.repeat(COLOR[None], frames, 0),
        uv,
        skeleton="ITOP15",
        columns=3,
        zoom=False,
        labels=["a"],
    )
    tiles = [ax for ax in figures[0].axes if ax.images]
    assert len(tiles) == frames
    assert conftest.grid_of(figures[0]) == grid
    for tile, joints in zip(tiles, uv, strict=True):
        drawn = np.concatenate([points.get_offsets() for points in tile.collections])
        away = np.linalg.norm(drawn[:, None] - joints, axis=-1)
        assert away.min(axis=0).max() < 1e-3


def test_figures_do_not_pile_up(tmp_path, monkeypatch):
    made = []
    new_figure = canvas.new_figure

    def remembered(width, height):
        made.append(new_figure(width, height))
        return made[-1]

    monkeypatch.setattr(canvas, "new_figure", remembered)
    draw(tmp_path)
    alive = weakref.ref(made.pop())
    gc.collect()
    assert alive() is None
    assert pyplot.get_fignums() == []

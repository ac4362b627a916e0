import gc
import weakref

import numpy as np
import pytest
from matplotlib import pyplot

from tests.report import conftest
from unipose_jax.report.draw import canvas, marks, overlays, palette, panels, views
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


@pytest.fixture
def draw(figures):
    """Draws an overlay; returns the axes of the image."""

    def drawn(image=COLOR, uv=UV, **options):
        overlays.draw_overlay("a.png", image, uv, skeleton="ITOP15", **options)
        return figures[-1].axes[0]

    return drawn


def artists(ax, zorder):
    return [artist for artist in ax.collections if artist.get_zorder() == zorder]


def joints_of(ax):
    return artists(ax, marks.POSE + 0.2)[0]


@pytest.mark.parametrize("kind", ["color", "depth"])
def test_joints_lie_on_their_pixels_in_their_colours(draw, kind):
    width = 960 if kind == "color" else 960 + overlays.SCALE_BAR
    ax = draw(COLOR if kind == "color" else DEPTH, width=width)
    fig_width, fig_height = canvas.size(ax.figure)
    assert fig_width == width
    joints = joints_of(ax)
    np.testing.assert_allclose(joints.get_offsets(), UV)
    colors = palette.joint_colors(BODY)
    np.testing.assert_allclose(joints.get_facecolors()[:, :3], colors)
    x, y = ax.transData.transform(UV).T
    np.testing.assert_allclose(x, 3.0 * UV[:, 0])
    np.testing.assert_allclose(fig_height - y, panels.HEADER + 3.0 * UV[:, 1])


def test_the_corner_of_the_image_is_the_origin_of_pixels(draw):
    (shown,) = draw().images
    assert tuple(shown.get_extent()) == (0, 320, 240, 0)
    np.testing.assert_array_equal(shown.get_array(), COLOR)


def test_invisible_joints_are_hollow(draw):
    visible = np.ones(15, bool)
    visible[7] = False
    joints = joints_of(draw(visible=visible))
    faces = joints.get_facecolors()[:, :3]
    np.testing.assert_allclose(faces[7], palette.WHITE)
    np.testing.assert_allclose(faces[6], palette.RIGHT)


def test_uncertain_joints_are_faint_and_small(draw):
    confidence = np.ones(15)
    confidence[7] = 0.0
    joints = joints_of(draw(confidence=confidence))
    assert joints.get_facecolors()[7, 3] < 0.6 * joints.get_facecolors()[6, 3]
    assert joints.get_sizes()[7] < joints.get_sizes()[6]


@pytest.mark.parametrize("missing", [slice(0, 15), slice(3, 4)])
def test_nan_joints_are_skipped_with_their_bones(draw, missing):
    uv = UV.copy()
    uv[missing] = np.nan
    ax = draw(uv=uv, truth_uv=uv, keypoints=uv)
    known = np.isfinite(uv).all(axis=1)
    whole = sum(known[list(ends)].all() for ends in BODY.bones)
    assert len(artists(ax, marks.POSE)[0].get_segments()) == 2 * whole
    assert len(artists(ax, marks.TRUTH)[0].get_segments()) == whole
    for points in (joints_of(ax), artists(ax, marks.KEYPOINTS)[0]):
        np.testing.assert_allclose(points.get_offsets(), uv[known])


def test_truth_is_drawn_at_its_own_pixels(draw):
    truth = UV + (30.0, 0.0)
    layer = artists(draw(truth_uv=truth), marks.TRUTH)[0]
    ends = [truth[list(bone)] for bone in BODY.bones]
    np.testing.assert_allclose(layer.get_segments(), ends)
    assert not artists(draw(), marks.TRUTH)


def test_keypoints_of_no_confidence_are_left_out(draw):
    nothing = np.full((15, 2), np.nan)
    hidden = draw(uv=nothing, keypoints=UV, keypoint_confidence=np.zeros(15))
    shown = draw(uv=nothing, keypoints=UV)
    assert not len(artists(hidden, marks.KEYPOINTS)[0].get_offsets())
    rim, cross = artists(shown, marks.KEYPOINTS)
    np.testing.assert_allclose(rim.get_offsets(), UV)
    np.testing.assert_allclose(cross.get_offsets(), UV)
    np.testing.assert_allclose(cross.get_edgecolors()[0, :3], palette.KEYPOINT)


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
    overlays.draw_overlay(tmp_path / "a.png", COLOR, UV, skeleton="ITOP15", width=320)
    alive = weakref.ref(made.pop())
    gc.collect()
    assert alive() is None
    assert pyplot.get_fignums() == []

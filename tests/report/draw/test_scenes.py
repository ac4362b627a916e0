import numpy as np
import pytest
from matplotlib import collections

from unipose_jax.report.draw import canvas, palette, scenes, views
from unipose_jax.skeleton import definitions

BODY = definitions.ITOP15
XYZ = np.random.default_rng(0).uniform((-0.5, -1, 2.5), (0.5, 1, 3.5), (15, 3))
POINTS = np.random.default_rng(1).uniform((-0.5, -1, 2.5), (0.5, 1, 3.5), (500, 3))
PLACE = scenes.Place(0, 0, 600, 600)


@pytest.mark.parametrize("view", [views.FRONT, views.SIDE, views.OBLIQUE])
def test_joints_are_drawn_at_their_projections(view):
    ax = scenes.scene_panel(canvas.new_figure(600, 600), PLACE, view, XYZ)
    scenes.draw_pose(ax, XYZ, BODY, view)
    joints = ax.collections[-1]
    plane = views.plane_from_xyz(XYZ, view)[:, :2]
    np.testing.assert_allclose(joints.get_offsets(), plane)
    colors = palette.joint_colors(BODY)
    np.testing.assert_allclose(joints.get_facecolors()[:, :3], colors)


def test_both_axes_of_a_panel_have_one_scale_and_up_is_up():
    fig = canvas.new_figure(600, 400)
    place = scenes.Place(0, 0, 600, 400)
    ax = scenes.scene_panel(fig, place, views.View("", 0.0, 0.0), XYZ)
    origin, right, up = ax.transData.transform(
        views.plane_from_xyz(
            np.array([(0.0, 0.0, 3.0), (1.0, 0.0, 3.0), (0.0, -1.0, 3.0)]),
            views.View("", 0.0, 0.0),
        )[:, :2]
    )
    np.testing.assert_allclose(right[0] - origin[0], up[1] - origin[1], rtol=1e-9)
    assert up[1] > origin[1]
    assert right[0] > origin[0]


@pytest.mark.parametrize("truth", [None, XYZ + 0.05])
def test_scene_has_a_panel_per_view_and_pose(figures, truth):
    scenes.draw_scene("scene.png", XYZ, skeleton="ITOP15", truth=truth, points=POINTS)
    # One row of two views each; with truth, views are rows and poses are columns.
    assert len(figures[0].axes) == (2 if truth is None else 4)


def artists(fig, kind):
    return [a for ax in fig.axes for a in ax.collections if type(a) is kind]


@pytest.mark.parametrize("missing", [slice(0, 15), slice(2, 4)])
def test_nan_joints_points_and_rays_are_skipped(figures, missing):
    xyz, points = XYZ.copy(), POINTS.copy()
    xyz[missing], points[:100] = np.nan, np.nan
    dirs = xyz / np.linalg.norm(xyz, axis=-1, keepdims=True)
    scenes.draw_scene("a.png", xyz, skeleton="ITOP15", points=points, truth=xyz)
    scenes.draw_rays("b.png", xyz, np.zeros(3), dirs, skeleton="ITOP15", points=points)
    for fig in figures:
        assert canvas.size(fig)[0] >= 800
        for marks in artists(fig, collections.PathCollection):
            assert not np.ma.is_masked(marks.get_offsets())
            assert np.isfinite(np.asarray(marks.get_offsets())).all()
        for lines in artists(fig, collections.LineCollection):
            assert all(np.isfinite(line).all() for line in lines.get_segments())
            assert all(np.isfinite(limit).all() for limit in lines.axes.axis())


def test_distance_to_a_ray_is_drawn_only_off_the_ray(figures):
    dirs = XYZ / np.linalg.norm(XYZ, axis=-1, keepdims=True)
    for shift in (0.0, 0.15):
        pose = XYZ + (shift, 0.0, 0.0)
        scenes.draw_rays("rays.png", pose, np.zeros(3), dirs, skeleton="ITOP15")
    lengths = []
    for fig in figures:
        errors = [
            np.linalg.norm(line[1] - line[0])
            for lines in artists(fig, collections.LineCollection)
            if np.allclose(lines.get_colors()[0][:3], palette.ERROR)
            for line in lines.get_segments()
        ]
        assert len(errors) == 3 * 15  # three views
        lengths.append(max(errors))
    assert lengths[0] < 1e-9
    assert 0.1 < lengths[1] < 0.16

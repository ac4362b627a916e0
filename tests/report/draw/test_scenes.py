import numpy as np
import pytest
from PIL import Image

from unipose_jax.report.draw import canvas, palette, panels, scenes, views
from unipose_jax.skeleton import definitions

BODY = definitions.ITOP15
XYZ = np.random.default_rng(0).uniform((-0.5, -1, 2.5), (0.5, 1, 3.5), (15, 3))
POINTS = np.random.default_rng(1).uniform((-0.5, -1, 2.5), (0.5, 1, 3.5), (500, 3))
PLACE = scenes.Place(0, 0, 600, 600)


def picture_size(path):
    with Image.open(path) as image:
        return image.size


@pytest.mark.parametrize("look", [views.FRONT, views.SIDE, views.OBLIQUE])
def test_joints_land_where_the_view_says(look):
    fig = canvas.new_figure(600, 600)
    ax = scenes.scene_panel(fig, PLACE, look, XYZ)
    scenes.draw_pose(ax, XYZ, BODY, look)
    picture = canvas.rgb(fig) / 255.0
    plane = views.plane_from_xyz(XYZ, look)[:, :2]
    pixels = ax.transData.transform(plane)
    # A joint that another one covers shows that one's colour.
    gaps = np.linalg.norm(pixels[:, None] - pixels[None], axis=-1)
    alone = (gaps + 99 * np.eye(15)).min(axis=1) > 16
    assert alone.sum() > 5
    for joint in np.flatnonzero(alone):
        x, y = pixels[joint]
        seen = picture[599 - int(y), int(x)]
        np.testing.assert_allclose(seen, palette.joint_colors(BODY)[joint], atol=0.01)


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


@pytest.mark.parametrize("missing", [slice(0, 15), slice(2, 4)])
def test_nan_joints_points_and_rays_are_skipped(tmp_path, missing):
    xyz, points = XYZ.copy(), POINTS.copy()
    xyz[missing], points[:100] = np.nan, np.nan
    dirs = xyz / np.linalg.norm(xyz, axis=-1, keepdims=True)
    scenes.draw_scene(
        tmp_path / "a.png", xyz, skeleton="ITOP15", points=points, truth=xyz
    )
    scenes.draw_rays(
        tmp_path / "b.png", xyz, np.zeros(3), dirs, skeleton="ITOP15", points=points
    )
    assert picture_size(tmp_path / "a.png")[0] >= 800
    assert picture_size(tmp_path / "b.png")[0] >= 800


def test_distance_to_a_ray_is_drawn_only_off_the_ray(tmp_path):
    dirs = XYZ / np.linalg.norm(XYZ, axis=-1, keepdims=True)
    marked = []
    for shift in (0.0, 0.15):
        path = tmp_path / f"{shift}.png"
        pose = XYZ + (shift, 0.0, 0.0)
        scenes.draw_rays(path, pose, np.zeros(3), dirs, skeleton="ITOP15")
        picture = np.asarray(Image.open(path).convert("RGB"))[panels.HEADER :] / 255.0
        marked.append((abs(picture - palette.ERROR).max(-1) < 0.02).sum())
    assert marked[0] == 0
    assert marked[1] > 300

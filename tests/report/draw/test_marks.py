import numpy as np
import pytest

from unipose_jax.report.draw import canvas, marks, palette
from unipose_jax.skeleton import definitions

BODY = definitions.Skeleton(
    "CROSS", ("left_knee", "left_foot", "right_knee", "right_foot"), (-1, 0, -1, 2)
)
CROSS = np.array([(-1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (1.0, -1.0)])


def draw(drawer, xy, **options):
    fig = canvas.new_figure(200, 200)
    ax = canvas.axes_at(fig, 0, 0, 200, 200)
    ax.set_xlim(-2, 2)
    ax.set_ylim(-2, 2)
    drawer(ax, xy, BODY, **options)
    return canvas.rgb(fig) / 255.0


@pytest.mark.parametrize(
    ("nearness", "color"),
    [((1.0, 1.0, 0.0, 0.0), palette.LEFT), ((0.0, 0.0, 1.0, 1.0), palette.RIGHT)],
)
def test_the_nearer_bone_is_seen_at_a_crossing(nearness, color):
    picture = draw(marks.draw_pose, CROSS, nearness=np.array(nearness))
    np.testing.assert_allclose(picture[100, 100], color, atol=0.01)


def test_a_bone_without_one_end_is_not_drawn():
    xy = CROSS.copy()
    xy[3] = np.nan
    picture = draw(marks.draw_pose, xy)
    np.testing.assert_allclose(picture[100, 100], palette.LEFT, atol=0.01)
    np.testing.assert_allclose(picture[125, 125], 1.0)
    np.testing.assert_allclose(picture[50, 50], palette.RIGHT, atol=0.01)  # its knee


@pytest.mark.parametrize("on_image", [True, False])
def test_truth_is_dashed(on_image):
    xy = np.array([(-1.5, 0.0), (1.5, 0.0), (np.nan, 0.0), (0.0, 0.0)])
    picture = draw(marks.draw_truth, xy, on_image=on_image)
    row = picture[100, 40:160]
    ground = (row == 1.0).all(-1)
    assert 0.2 < ground.mean() < 0.6
    assert np.abs(np.diff(ground.astype(int))).sum() > 10


def test_a_pose_without_any_joint_draws_nothing():
    nothing = np.full((4, 2), np.nan)
    assert (draw(marks.draw_pose, nothing) == 1.0).all()
    assert (draw(marks.draw_truth, nothing, on_image=True) == 1.0).all()

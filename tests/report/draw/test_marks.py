import numpy as np
import pytest

from unipose_jax.report.draw import canvas, marks, palette
from unipose_jax.skeleton import definitions

BODY = definitions.Skeleton(
    "CROSS", ("left_knee", "left_foot", "right_knee", "right_foot"), (-1, 0, -1, 2)
)
CROSS = np.array([(-1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (1.0, -1.0)])


def draw(drawer, xy, **options):
    """The artists that are drawn."""
    ax = canvas.axes_at(canvas.new_figure(200, 200), 0, 0, 200, 200)
    drawer(ax, xy, BODY, **options)
    return ax.collections


@pytest.mark.parametrize(
    ("nearness", "color"),
    [((1.0, 1.0, 0.0, 0.0), palette.LEFT), ((0.0, 0.0, 1.0, 1.0), palette.RIGHT)],
)
def test_the_nearer_bone_is_drawn_last(nearness, color):
    bones, _ = draw(marks.draw_pose, CROSS, nearness=np.array(nearness))
    assert len(bones.get_segments()) == 4  # a white rim below each bone
    np.testing.assert_allclose(bones.get_colors()[-1], (*color, 1.0))


def test_a_bone_without_one_end_is_not_drawn():
    xy = CROSS.copy()
    xy[3] = np.nan
    bones, joints = draw(marks.draw_pose, xy)
    assert len(bones.get_segments()) == 2
    np.testing.assert_allclose(bones.get_colors()[-1], (*palette.LEFT, 1.0))
    np.testing.assert_array_equal(joints.get_offsets(), xy[:3])


@pytest.mark.parametrize("on_image", [True, False])
def test_truth_is_dashed(on_image):
    xy = np.array([(-1.5, 0.0), (1.5, 0.0), (np.nan, 0.0), (0.0, 0.0)])
    layers = draw(marks.draw_truth, xy, on_image=on_image)
    assert len(layers) == 1 + on_image
    for layer in layers:
        (segment,) = layer.get_segments()
        np.testing.assert_array_equal(np.sort(segment, axis=0), xy[:2])
        ((_, dashes),) = layer.get_linestyle()
        assert min(dashes) > 0


def test_a_pose_without_any_joint_draws_nothing():
    nothing = np.full((4, 2), np.nan)
    bones, joints = draw(marks.draw_pose, nothing)
    assert not bones.get_segments()
    assert not len(joints.get_offsets())
    for layer in draw(marks.draw_truth, nothing, on_image=True):
        assert not layer.get_segments()

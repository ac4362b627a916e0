import numpy as np

from benchmarks.figures import canvas, marks
from unipose_jax.report.draw import palette
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


def test_a_bone_without_one_end_is_not_drawn():
    xy = CROSS.copy()
    xy[3] = np.nan
    bones, joints = draw(marks.draw_pose, xy)
    assert len(bones.get_segments()) == 2
    np.testing.assert_allclose(bones.get_colors()[-1], (*palette.LEFT, 1.0))
    np.testing.assert_array_equal(joints.get_offsets(), xy[:3])


def test_a_pose_without_any_joint_draws_nothing():
    nothing = np.full((4, 2), np.nan)
    bones, joints = draw(marks.draw_pose, nothing)
    assert not bones.get_segments()
    assert not len(joints.get_offsets())

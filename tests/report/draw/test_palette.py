import numpy as np
import pytest

from unipose_jax.report.draw import palette
from unipose_jax.skeleton import definitions


def lightness(rgb):
    """CIE L* of sRGB in [0, 255] under D65."""
    share = np.asarray(rgb, np.float64) / 255.0
    linear = np.where(share > 0.04045, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return 116.0 * np.cbrt(luminance) - 16.0


def test_depth_colours_fall_evenly_in_lightness():
    steps = np.diff(lightness(palette.DEPTH_COLORS))
    # Eight steps from 96 to 10; colours are rounded to 1/255.
    np.testing.assert_allclose(steps, -86.0 / 8.0, atol=0.6)


def test_sides_have_their_colours_and_bones_follow_their_child():
    body = definitions.ITOP15
    joints = palette.joint_colors(body)
    assert joints[body.index("head")] == palette.MIDDLE
    assert joints[body.index("left_hand")] == palette.LEFT
    bones = dict(zip(body.bone_names, palette.bone_colors(body), strict=True))
    assert bones["neck-right_shoulder"] == palette.RIGHT
    assert bones["torso-neck"] == palette.MIDDLE


def test_depth_range_gets_most_of_the_colours():
    depth = np.array([0.5, 2.0, 3.0, 9.0])
    position = palette.depth_position(depth, depth_range=(2.0, 3.0))
    np.testing.assert_allclose(position, [0.025, 0.1, 0.85, 1.0], atol=1e-9)


@pytest.mark.parametrize("missing", [0.0, np.nan, -1.0, np.inf])
def test_missing_depth_has_its_own_colour(missing):
    depth = np.array([[2.5, missing]], np.float32)
    rgb = palette.depth_rgb(depth, depth_range=(2.0, 3.0))
    np.testing.assert_allclose(rgb[0, 1] / 255.0, palette.NO_DEPTH, atol=0.003)
    assert abs(int(rgb[0, 0, 0]) - int(rgb[0, 1, 0])) > 30


def test_person_range_ignores_joints_on_the_wall_and_outside():
    depth = np.full((20, 30), 5.0, np.float32)
    depth[5:15, 5:15] = np.linspace(2.4, 2.6, 10, dtype=np.float32)
    uv = np.array([(5.5, 7), (9.5, 9), (14.5, 9), (25, 3), (99, 3), (np.nan, 2)])
    near, far = palette.person_range(depth, uv, margin=0.1)
    assert (near, far) == (pytest.approx(2.3), pytest.approx(2.7))


def test_person_range_of_joints_that_two_depths_share_evenly_is_of_the_nearer():
    depth = np.full((4, 4), 5.0, np.float32)
    depth[:2] = 2.0
    uv = np.array([[0.5, 0.5], [1.5, 1.5], [0.5, 2.5], [1.5, 3.5]], np.float32)
    near, far = palette.person_range(depth, uv, margin=0.1)
    np.testing.assert_allclose([near, far], [1.9, 2.1])


def test_person_range_without_any_depth_is_a_room():
    assert palette.person_range(np.zeros((4, 4)), np.zeros((3, 2))) == (0.5, 5.0)


def test_bad_colour_codes_are_refused():
    with pytest.raises(ValueError, match="#d55e00"):
        palette.from_hex("red")


def test_lighter_raises_lightness():
    shades = (palette.LEFT, palette.lighter(palette.LEFT))
    values = [lightness(255 * np.array(shade)) for shade in shades]
    assert values == sorted(values)

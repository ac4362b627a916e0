"""Cameras in the spellings of SDKs, and cameras that belong to other images."""

import numpy as np
import pytest

from data_pipelines.cameras import camera_keys
from unipose_jax import errors
from unipose_jax.geometry import camera as pinhole

PLAIN = {"width": 640, "height": 480, "fx": 600, "fy": 610, "cx": 320.5, "cy": 240.5}
SIZE = {"width": 640, "height": 480}
FOCAL = {"fx": 600, "fy": 610}
AZURE = (5.2447, 3.8138, -0.00012, -7e-5, 0.2031, 5.5669, 5.7512, 1.0535)
NAMES = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")


def read(entry):
    return camera_keys.read_camera(entry, "camera.json: 'depth'")


@pytest.mark.parametrize(
    "entry",
    [
        PLAIN,
        SIZE | FOCAL | {"ppx": 320.0, "ppy": 240.0},  # centres at integers
        {"resolution": [640, 480]} | FOCAL | {"cx": 320.5, "cy": 240.5},
        {"w": 640, "h": 480} | FOCAL | {"cx": 320.5, "cy": 240.5},
        SIZE | {"K": [[600, 0, 320], [0, 610, 240], [0, 0, 1]]},
        SIZE | {"K": [600, 0, 320, 0, 610, 240, 0, 0, 1]},
        SIZE | {"intrinsic_matrix": [600, 0, 0, 0, 610, 0, 320, 240, 1]},
        SIZE
        | {"camera_matrix": {"rows": 3, "data": [600, 0, 320, 0, 610, 240, 0, 0, 1]}},
        PLAIN | {"model": "Intel D435", "_note": "a comment", "serial": "f14"},
        PLAIN | {"model": "distortion.inverse_brown_conrady", "coeffs": [0] * 5},
        PLAIN | {"codx": 0, "cody": 0, "metric_radius": 1.7, **dict.fromkeys(NAMES, 0)},
    ],
)
def test_every_spelling_gives_the_same_camera(entry):
    camera = read(entry)
    assert (camera.width, camera.height) == (640, 480)
    np.testing.assert_allclose(camera.intrinsics, [600, 610, 320.5, 240.5])
    assert not camera.distortion.any()


@pytest.mark.parametrize("key", ["distortion", "coeffs", "D", "dist_coeffs"])
def test_lists_of_coefficients_have_several_names(key):
    lens = [-0.2, 0.05, 0.001, -0.001, 0.01]
    np.testing.assert_allclose(read(PLAIN | {key: lens}).distortion, lens, rtol=1e-6)
    np.testing.assert_allclose(read(PLAIN | {key: lens[:4]}).distortion[:4], lens[:4])
    np.testing.assert_allclose(read(PLAIN | {key: AZURE}).distortion, AZURE, rtol=1e-6)
    fourteen = read(PLAIN | {key: [*AZURE, *[0] * 6]})
    np.testing.assert_allclose(fourteen.distortion, AZURE, rtol=1e-6)


def test_coefficients_may_be_named_one_by_one():
    found = read(PLAIN | dict(zip(NAMES, AZURE, strict=True)))
    np.testing.assert_allclose(found.distortion, AZURE, rtol=1e-6)
    found = read(PLAIN | {"k1": -0.2, "k2": 0.05})
    np.testing.assert_allclose(found.distortion, [-0.2, 0.05, 0, 0, 0], rtol=1e-6)


@pytest.mark.parametrize("kind", ["inverse", "modified"])
def test_other_models_of_realsense_are_approximated(kind):
    lens = np.array([-0.055, 0.066, 0.0004, -0.0002, -0.021])  # of a D435's colour
    camera = read(PLAIN | {"model": f"{kind}_brown_conrady", "coeffs": lens.tolist()})
    uv = np.random.default_rng(0).uniform((0, 0), (640, 480), (50, 2))
    if kind == "inverse":  # the polynomial undistorts
        expected = pinhole.distort_uv(uv, camera.intrinsics, lens)
        np.testing.assert_allclose(camera.undistort(uv), expected, atol=0.15)  # pixels
    else:
        direct = pinhole.distort_uv(uv, camera.intrinsics, lens)
        np.testing.assert_allclose(camera.distort_uv(uv), direct, atol=0.15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"distorsion": [0] * 5},
            "unknown key 'distorsion'; did you mean 'distortion'",
        ),
        ({"coefs": [0] * 5}, "unknown key 'coefs'; did you mean 'coeffs'"),
        ({"K1": 0.1}, "unknown key 'K1'; did you mean 'k1'"),
        ({"zzz": 1}, "unknown key 'zzz'; a comment starts with '_'"),
        ({"ppx": 320}, "has both 'cx' and 'ppx'"),
        ({"K": np.eye(3).tolist()}, "has both 'K' and 'fx'"),
        ({"k1": 0.1, "coeffs": [0.1] * 5}, "has both 'coeffs' and 'k1'"),
        ({"distortion": [0.1, 0.1]}, "'distortion' must be .* eight|got 2 values"),
        ({"distortion": [0.1] * 14}, "got 14 values"),
        ({"codx": 0.1}, "'codx' is not 0"),
        ({"model": "kannala_brandt4"}, "fish-eye model 'kannala_brandt4'"),
        ({"model": "equidistant", "D": [0.1] * 4}, "fish-eye model 'equidistant'"),
        ({"model": "strange", "coeffs": [0.01] * 5}, "unknown lens model 'strange'"),
        (
            {"model": "inverse_brown_conrady", "coeffs": [-2, 3, 0, 0, 0]},
            "differs from",
        ),
        ({"cropped": 1}, "'cropped' must be true or false"),
        ({"metric_radius": -1}, "'metric_radius' must be a positive"),
        ({"fx": 0.004, "fy": 0.004}, "more than 87 degrees"),
        ({"fx": 60, "fy": 60}, "field of view of 159 degrees; .* in millimetres"),
        ({"fx": 9000, "fy": 9000}, "field of view of 4.07 degrees"),
        ({"fx": 1600, "fy": 610}, "fx 1600 and fy 610 differ too much"),
        ({"cx": 960, "cy": 720}, "seem to be those of a 1920x1440 image"),
        ({"cx": 640, "cy": 480}, "seem to be those of a 1280x960 image"),
        ({"cx": 160, "cy": 120}, "seem to be those of a 320x240 image"),
        ({"cx": 640, "cy": 360}, "seem to be those of a 1280x720 image"),
        ({"cx": 240, "cy": 320}, "is that of a 480x640 image"),
        ({"cx": 700, "cy": 200}, "is outside the 640x480 image"),
        ({"cx": -3, "cy": 240}, "is outside the 640x480 image"),
    ],
)
def test_a_doubtful_camera_is_one_line(change, message):
    with pytest.raises(errors.BadInput, match=message) as caught:
        read(PLAIN | change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("center", [(180, 300), (520, 150), (100, 400)])
def test_crops_with_an_eccentric_principal_point_are_read(center):
    cx, cy = center
    assert read(PLAIN | {"cx": cx, "cy": cy}).intrinsics[2] == cx


def test_crops_of_any_place_are_read_with_a_key():
    camera = read(PLAIN | {"cx": 700, "cy": -90, "cropped": True})
    np.testing.assert_allclose(camera.intrinsics[2:], [700, -90])


def test_corners_outside_the_lens_need_no_inverse():
    # A fold at r = 1.054, beyond the metric radius but inside the corners.
    wide = {"width": 600, "height": 600, "fx": 300, "fy": 300, "cx": 300, "cy": 300}
    lens = {"distortion": [-0.3, 0, 0, 0, 0]}
    assert read(wide | lens | {"metric_radius": 0.6}).max_radius == 0.6
    with pytest.raises(errors.BadInput, match="not invertible over the image"):
        read(wide | lens)

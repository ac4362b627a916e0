import json

import cv2
import numpy as np
import pytest

from data_pipelines.cameras import calibration, camera_file, camera_keys
from unipose_jax import errors
from unipose_jax.geometry import camera as pinhole

DISTORTION = (
    0.0956,
    -0.2720,
    0.001,
    -0.0013,
    0.0925,
)  # of a Kinect v2, with p1 and p2 times 10
CAMERA = calibration.make_camera(512, 424, (364.7, 365.1, 256.3, 210.0), DISTORTION)

MILLIMETRES = [[1, 0, 0, 52], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
TRANSPOSED = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0.05, 0, 0, 1]]


def make_json(**changes):
    camera = {"width": 8, "height": 6, "fx": 10, "fy": 10, "cx": 4, "cy": 3}
    return {"depth": camera, "depth_unit": 0.001, "fps": 30} | changes


def read(tmp_path, content):
    (tmp_path / "camera.json").write_text(json.dumps(content))
    return camera_file.read_camera_file(tmp_path / "camera.json")


def test_distortion_matches_opencv():
    xy = np.random.default_rng(0).uniform(-0.7, 0.7, (50, 2))
    xyz = np.concatenate([xy, np.ones((50, 1))], axis=1)
    expected = cv2.projectPoints(
        xyz, np.zeros(3), np.zeros(3), np.eye(3), np.array(DISTORTION)
    )[0]
    distorted = pinhole.distort(xy, np.array(DISTORTION))
    np.testing.assert_allclose(distorted, expected[:, 0], atol=1e-12)


def test_undistort_inverts_distort():
    xyz = np.random.default_rng(0).uniform(-0.6, 0.6, (50, 3)) + [0, 0, 1.6]
    ideal = CAMERA.project(xyz)
    normal = pinhole.distort(xyz[:, :2] / xyz[:, 2:], np.array(DISTORTION))
    recorded = normal * CAMERA.intrinsics[:2] + CAMERA.intrinsics[2:]
    # The resolution of float32 around 500 is 3e-5.
    np.testing.assert_allclose(CAMERA.undistort(recorded), ideal, atol=1e-3)


def test_a_strong_barrel_that_does_not_fold_is_read(tmp_path):
    depth = make_json()["depth"] | {"distortion": [-0.35, 0.15, 0, 0, 0]}
    camera = read(tmp_path, make_json(depth=depth)).depth
    corner = np.array([[0.5, 0.5], [7.5, 5.5]])
    back = camera.distort_uv(camera.undistort(corner))
    np.testing.assert_allclose(back, corner, atol=1e-5)


def test_undistort_changes_neither_nan_nor_pixels_without_distortion():
    ideal = calibration.make_camera(8, 6, (10.0, 11.0, 4.0, 3.0))
    uv = np.array([[0.5, 5.5], [np.nan, np.nan]])
    np.testing.assert_allclose(ideal.undistort(uv), uv, atol=1e-6)
    assert np.isnan(CAMERA.undistort(uv)[1]).all()


def test_distort_uv_inverts_undistort():
    recorded = np.random.default_rng(0).uniform((40, 40), (470, 380), (50, 2))
    ideal = CAMERA.undistort(recorded)
    assert np.abs(ideal - recorded).max() > 1.0  # pixels
    # The resolution of float32 around 500 is 3e-5.
    np.testing.assert_allclose(CAMERA.distort_uv(ideal), recorded, atol=1e-3)


def test_undistorted_images_have_the_values_at_distorted_pixels():
    row, column = 60, 440
    u, v = CAMERA.distort_uv(np.array([column + 0.5, row + 0.5]))
    assert np.hypot(u - column - 0.5, v - row - 0.5) > 1.0
    depth = np.full((424, 512), 4.0, np.float32)
    depth[int(v), int(u)] = 1.0
    ideal = CAMERA.undistort_depth(depth)
    assert set(np.unique(ideal)) <= {0.0, 1.0, 4.0}  # no interpolated depths
    assert ideal[row, column] == 1.0
    image = np.zeros((424, 512), np.uint8)
    image[int(v) - 3 : int(v) + 4, int(u) - 3 : int(u) + 4] = 200
    assert CAMERA.undistort_image(image)[row, column] == 200


def test_rays_pass_through_pixel_centres():
    ideal = calibration.make_camera(8, 6, (10.0, 20.0, 4.0, 3.0))
    assert ideal.rays().shape == (6, 8, 2)
    # Column 7 has its centre at 7.5, row 0 at 0.5.
    np.testing.assert_allclose(ideal.rays()[0, 7], [0.35, -0.125])


def test_project_matches_hand_computed_pixels_and_is_nan_behind_the_camera():
    ideal = calibration.make_camera(8, 6, (10.0, 20.0, 4.0, 3.0))
    uv = ideal.project(np.array([[0.2, 0.1, 2.0], [0.2, 0.1, -2.0], [0, 0, 0]]))
    np.testing.assert_allclose(uv, [[5.0, 4.0], [np.nan] * 2, [np.nan] * 2])


def test_a_written_camera_is_read_back(tmp_path):
    pose = np.eye(4)
    pose[0, 3] = 0.05
    content = make_json(
        color=calibration.to_json(CAMERA),
        color_from_depth=pose.tolist(),
        world_from_depth=[pose.tolist()] * 2,
        time=[0.0, 0.1],
    )
    camera = read(tmp_path, content)
    np.testing.assert_allclose(camera.color.intrinsics, CAMERA.intrinsics)
    np.testing.assert_allclose(camera.color.distortion, CAMERA.distortion)
    np.testing.assert_allclose(camera.color_from_depth, pose)
    assert camera.world_from_depth.shape == (2, 4, 4)
    assert (camera.color.width, camera.color.height) == (512, 424)
    np.testing.assert_array_equal(camera.depth.distortion, 0)


@pytest.mark.parametrize("key", ["width", "height", "fx", "fy", "cx", "cy"])
def test_a_missing_key_is_named(tmp_path, key):
    content = make_json()
    del content["depth"][key]
    with pytest.raises(errors.BadInput, match=f"'depth' has no '{key}'"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": None}, "no 'depth' camera"),
        ({"depth": make_json()["depth"] | {"fx": -1}}, "'fx' must be a positive"),
        ({"depth": make_json()["depth"] | {"fx": "a"}}, "'fx' is missing or not"),
        ({"depth": make_json()["depth"] | {"cx": [1, 2]}}, "'cx' must be one number"),
        ({"depth": make_json()["depth"] | {"width": 8.5}}, "impossible size"),
        ({"depth": make_json()["depth"] | {"width": 1e9}}, "impossible size"),
        ({"depth": make_json()["depth"] | {"distortion": [1]}}, "'distortion' must be"),
        ({"depth": make_json()["depth"] | {"width": 1}}, "impossible size"),
        ({"depth": make_json()["depth"] | {"fx": 10**400}}, "'fx' is missing or not"),
        ({"depth": make_json()["depth"] | {"fx": 1e-30}}, "more than 87 degrees"),
        ({"depth": make_json()["depth"] | {"cx": 1e300}}, "more than 87 degrees"),
        (
            {"depth": make_json()["depth"] | {"distortion": [-0.9, 0, 0, 0, 0]}},
            "not invertible over the image",
        ),
        (
            {"depth": make_json()["depth"] | {"distortion": [1e9, 0, 0, 0, 0]}},
            "bends the image more than any lens",
        ),
        (
            {"depth": make_json()["depth"] | {"distorsion": [0] * 5}},
            "unknown key 'distorsion'; did you mean 'distortion'",
        ),
        (
            {"depth": make_json()["depth"] | {"distortion": [5.3, 3.6, 0, 0, 0.19]}},
            "bends the image more than any lens; .* first five of the eight",
        ),
        (
            {"colour": make_json()["depth"]},
            "unknown key 'colour'; did you mean 'color'",
        ),
        (
            {"color": make_json()["depth"], "color_from_depth": MILLIMETRES},
            "more than 20 m apart",
        ),
        ({"depth_unit": None}, "'depth_unit' is missing"),
        ({"depth_unit": float("nan")}, "'depth_unit' is missing or not"),
        ({"depth_unit": 1}, "'depth_unit' 1 is too large; its unit is metres per"),
        ({"depth_unit": 0}, "'depth_unit' must be a positive"),
        ({"color": make_json()["depth"]}, "'color_from_depth' is missing"),
        (
            {"color": make_json()["depth"], "color_from_depth": [[1, 0], [0, 1]]},
            "'color_from_depth' must be a rigid",
        ),
        (
            {
                "color": make_json()["depth"],
                "color_from_depth": np.stack([np.eye(4)] * 2).tolist(),
            },
            "'color_from_depth' must be a rigid",
        ),
        ({"fps": -3}, "'fps' must be a positive"),
        ({"time": "now"}, "'time' is missing or not"),
        ({"world_from_depth": np.zeros((4, 4)).tolist()}, "must be a rigid"),
        ({"world_from_depth": np.diag([-1, 1, 1, 1.0]).tolist()}, "must be a rigid"),
        ({"world_from_depth": TRANSPOSED}, "must be a rigid 4x4 .*list of rows"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(tmp_path, change, message):
    with pytest.raises(errors.BadInput, match=message) as caught:
        read(tmp_path, make_json(**change))
    assert "\n" not in str(caught.value)


def test_a_principal_point_far_from_the_middle_is_said(capsys):
    errors.warn.cache_clear()
    entry = {"width": 320, "height": 240, "fx": 285.0, "fy": 285.0, "cy": 120.0}
    camera_keys.read_camera(entry | {"cx": 170.0}, "a")
    assert not capsys.readouterr().err
    camera_keys.read_camera(entry | {"cx": 200.0}, "b")
    assert "(200, 120) is far from the middle of 320x240" in capsys.readouterr().err
    camera_keys.read_camera(entry | {"cx": 200.0, "cropped": True}, "c")
    assert not capsys.readouterr().err

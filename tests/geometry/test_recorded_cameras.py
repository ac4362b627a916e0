"""Real cameras: joints and pixels that Kinect and HumanEva recorded together."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import camera, rays, transforms

NTU_FILES = (
    "S001C001P001R001A001",
    "S001C001P001R001A011",
    "S002C001P003R001A003",
    "S003C001P015R001A034",
)


@functools.partial(jax.jit, static_argnames="predict")
def gauss_newton_step(predict, params, xyz, uv):
    def residual(params):
        return (predict(params, xyz) - uv).ravel()

    return params - jnp.linalg.lstsq(jax.jacfwd(residual)(params), residual(params))[0]


def fit(predict, start, xyz, uv, steps=10):
    """Parameters, fitted in float64, that bring `predict(params, xyz)` nearest `uv`."""
    with jax.enable_x64(True):
        params, xyz, uv = (jnp.asarray(x, jnp.float64) for x in (start, xyz, uv))
        for _ in range(steps):
            params = gauss_newton_step(predict, params, xyz, uv)
        return np.asarray(params)


def rms_length(vectors):
    sq = np.sum(np.asarray(vectors, np.float64) ** 2, axis=-1)
    return float(np.sqrt(np.mean(sq)))


def float32(x):
    return jnp.asarray(x, jnp.float32)


@pytest.fixture(scope="module", params=NTU_FILES)
def ntu(request, sample_data):
    """Joints with y turned down, depth pixels and colour pixels of one file."""
    path = sample_data / "ntu" / f"{request.param}.skeleton"
    if not path.is_file():
        pytest.skip(f"no {path}")
    lines = iter(path.read_text().splitlines())
    rows = []
    for _ in range(int(next(lines))):
        for _ in range(int(next(lines))):
            next(lines)  # the body's tracking state
            count = int(next(lines))
            rows += [[float(x) for x in next(lines).split()] for _ in range(count)]
    values = thin(np.array(rows))
    return values[:, :3] * [1.0, -1.0, 1.0], values[:, 3:5], values[:, 5:7]


def thin(rows):
    """1500 rows spread over all: one shape, and so one compilation, for all files."""
    return rows[np.linspace(0, len(rows) - 1, 1500).astype(int)]


def color_from_depth(params):
    """A camera beside the depth camera: params are tx, ty (metres) and roll (rad)."""
    roll = transforms.rotation_about(jnp.array([0, 0, 1], params.dtype), params[2])
    shift = jnp.stack([params[0], params[1], jnp.zeros_like(params[0])])
    return transforms.from_rotation_translation(roll, shift)


def predict_color(params, xyz):
    return camera.uv_from_xyz(
        transforms.apply(color_from_depth(params[4:]), xyz), params[:4]
    )


def predict_pinhole(intrinsics, xyz):
    return camera.uv_from_xyz(xyz, intrinsics)


def predict_distorted(params, xyz):
    ideal = camera.uv_from_xyz(xyz, params[:4])
    return camera.distort_uv(ideal, params[:4], params[4:])


def fit_depth_camera(xyz, uv):
    return fit(predict_pinhole, [366.0, 366.0, 256.0, 208.0], xyz, uv)


def fit_color_camera(xyz, uv):
    # Without the roll of 0.16 degrees the residual is 0.17-0.45 px.
    return fit(predict_color, [1057.0, 1057.0, 960.0, 567.0, 0, 0, 0], xyz, uv)


def test_ntu_depth_pixels_are_reprojected(ntu):
    xyz, uv, _ = ntu
    intrinsics = fit_depth_camera(xyz, uv)
    np.testing.assert_allclose(intrinsics[:2], 366.4, atol=1.0)  # data README
    assert rms_length(predict_pinhole(float32(intrinsics), float32(xyz)) - uv) < 0.15


def test_ntu_color_pixels_are_reprojected_from_a_shifted_camera(ntu):
    xyz, _, uv = ntu
    params = fit_color_camera(xyz, uv)
    np.testing.assert_allclose(params[0] * params[4], 56.2, atol=0.5)  # data README
    assert rms_length(predict_color(float32(params), float32(xyz)) - uv) < 0.15


def test_ntu_joints_lie_on_rays_of_both_cameras(ntu):
    xyz, uv_depth, uv_color = ntu
    depth_camera = fit_depth_camera(xyz, uv_depth)
    color_camera = fit_color_camera(xyz, uv_color)
    depth_from_color = transforms.invert(color_from_depth(float32(color_camera[4:])))
    for uv, intrinsics, depth_from_cam in (
        (uv_depth, depth_camera, jnp.eye(4)),
        (uv_color, color_camera[:4], depth_from_color),
    ):
        origins, dirs = rays.rays_from_uv(
            float32(uv), float32(intrinsics), depth_from_cam
        )
        residual = rays.point_to_ray_residual(float32(xyz), origins, dirs)
        assert rms_length(residual) < 1.5e-3


@pytest.fixture(
    scope="module", params=[(s, c) for s in ("S1", "S2", "S3") for c in range(3)]
)
def humaneva(request, sample_data):
    """Joints in the axes of one camera, their pixels, and the published fit."""
    subject, number = request.param
    folder = sample_data / "humaneva"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    published = json.loads((folder / "cameras.json").read_text())[subject][number]
    xyz, uv = [], []
    with np.load(folder / "humaneva15_dev.npz") as clips:
        for key in clips.files:
            kind, clip = key.split("|", 1)
            if kind == "xyz_world_m" and f"/{subject}|" in key:
                xyz.append(clips[key].reshape(-1, 3))
                uv.append(clips[f"uv_px|{clip}|cam{number}"].reshape(-1, 2))
    w, *xyz_part = published["quaternion_wxyz_cam_to_world"]
    angle = 2.0 * np.arctan2(np.linalg.norm(xyz_part), w)
    world_from_cam = transforms.rotation_about(float32(xyz_part), float32(angle))
    offset = thin(np.concatenate(xyz)) - np.array(published["center_world_m"])
    return offset @ np.asarray(world_from_cam), thin(np.concatenate(uv)), published


def test_humaneva_pinhole_residual_is_the_published_one(humaneva):
    xyz, uv, published = humaneva
    intrinsics = [
        published["fitted_pinhole"][name] for name in ("fx", "fy", "cx", "cy")
    ]
    error = predict_pinhole(float32(intrinsics), float32(xyz)) - uv
    # A sample of the joints that the published median was taken over.
    np.testing.assert_allclose(
        np.median(np.linalg.norm(error, axis=-1)), published["fit_median_px"], rtol=0.05
    )


def test_humaneva_pixels_and_rays_agree_through_the_distorted_lens(humaneva):
    xyz, uv, _ = humaneva
    start = [700.0, 700.0, 300.0, 220.0] + [0.0] * 5
    params = float32(fit(predict_distorted, start, xyz, uv))
    intrinsics, distortion = params[:4], params[4:]
    assert rms_length(predict_distorted(params, float32(xyz)) - uv) < 0.02

    ideal = camera.undistort_uv(float32(uv), intrinsics, distortion)
    dirs = camera.ray_dirs_from_uv(ideal, intrinsics)
    residual = rays.point_to_ray_residual(float32(xyz), jnp.zeros(3), dirs)
    assert rms_length(residual) < 1e-4

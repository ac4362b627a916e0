import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import camera

INTRINSICS = jnp.array([300.0, 310.0, 160.0, 120.0])
# Strong but ordinary: a webcam's barrel, slightly decentred.
DISTORTION = jnp.array([-0.29, 0.11, -0.0014, 0.0011, 0.03])


def make_points(seed, *shape):
    """Points 1 to 4 m in front of the camera, inside its field of view."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(-0.5, 0.5, (*shape, 2))
    z = rng.uniform(1.0, 4.0, (*shape, 1))
    return jnp.asarray(np.concatenate([xy * z, z], -1), jnp.float32)


def test_projection_matches_hand_computed_pixels():
    xyz = jnp.array([[0.0, 0.0, 2.0], [0.2, -0.4, 2.0]])
    uv = camera.uv_from_xyz(xyz, INTRINSICS)
    np.testing.assert_allclose(uv, [[160.0, 120.0], [190.0, 58.0]], rtol=1e-6)


def test_axes_are_right_down_forward():
    uv = camera.uv_from_xyz(jnp.array([[1.0, 1.0, 5.0]]), INTRINSICS)
    assert bool(jnp.all(uv > INTRINSICS[None, 2:]))


def test_pixels_and_depth_give_the_points_back():
    xyz = make_points(0, 2, 5, 15)
    uv = camera.uv_from_xyz(xyz, INTRINSICS)
    back = camera.xyz_from_uv_depth(uv, xyz[..., 2], INTRINSICS)
    np.testing.assert_allclose(back, xyz, atol=5e-6)  # pixels hold 1e-5 in float32


def test_sliding_a_point_along_its_ray_moves_no_pixel():
    xyz = make_points(1, 20)
    uv = camera.uv_from_xyz(1.7 * xyz, INTRINSICS)
    np.testing.assert_allclose(uv, camera.uv_from_xyz(xyz, INTRINSICS), rtol=1e-5)


@pytest.mark.parametrize("batch", [(), (1,), (5,), (2, 1), (2, 5)])
def test_one_camera_serves_all_frames(batch):
    xyz = make_points(2, 2, 5, 7)
    shared = jnp.broadcast_to(INTRINSICS, (*batch, 4))
    full = jnp.broadcast_to(INTRINSICS, (2, 5, 4))
    for function in (
        camera.uv_from_xyz,
        lambda x, i: camera.distort(x[..., :2], i5(i)),
    ):
        np.testing.assert_array_equal(function(xyz, shared), function(xyz, full))


def i5(intrinsics):
    """A distortion with the leading axes of `intrinsics`."""
    return jnp.broadcast_to(DISTORTION, (*intrinsics.shape[:-1], 5))


def test_each_frame_may_have_its_own_camera():
    xyz = make_points(3, 2, 7)
    cameras = jnp.stack([INTRINSICS, 2.0 * INTRINSICS])
    uv = camera.uv_from_xyz(xyz, cameras)
    np.testing.assert_allclose(uv[1], camera.uv_from_xyz(xyz[1], cameras[1]))


@pytest.mark.parametrize("z", [-1.0, 0.0, 1e-20, 1e-3, 1.0, 1e6])
def test_projection_and_its_gradient_are_finite_at_any_depth(z):
    def total(xyz):
        return camera.uv_from_xyz(xyz, INTRINSICS).sum()

    chex.assert_tree_all_finite(jax.value_and_grad(total)(jnp.array([[0.1, 0.2, z]])))


def test_rays_are_unit_vectors_through_their_pixels():
    xyz = make_points(4, 6, 10)
    dirs = camera.ray_dirs_from_uv(camera.uv_from_xyz(xyz, INTRINSICS), INTRINSICS)
    length = jnp.linalg.norm(xyz, axis=-1, keepdims=True)
    np.testing.assert_allclose(dirs, xyz / length, atol=1e-6)


def test_ray_through_the_principal_point_is_the_optical_axis():
    dirs = camera.ray_dirs_from_uv(INTRINSICS[None, 2:], INTRINSICS)
    np.testing.assert_allclose(dirs, [[0.0, 0.0, 1.0]])


def test_distortion_matches_hand_computed_value():
    # r^2 = 0.25 + 0.25 = 0.5; radial = 1 + 0.1 * 0.5 + 0.2 * 0.25 + 0.4 * 0.125 = 1.15.
    # x: 0.575 + 2 * 0.01 * 0.25 + 0.02 * (0.5 + 0.5) = 0.6
    # y: 0.575 + 0.01 * (0.5 + 0.5) + 2 * 0.02 * 0.25 = 0.595
    bent = camera.distort(jnp.full((1, 2), 0.5), jnp.array([0.1, 0.2, 0.01, 0.02, 0.4]))
    np.testing.assert_allclose(bent, [[0.6, 0.595]], rtol=1e-6)


def test_no_distortion_changes_nothing():
    xy = jax.random.normal(jax.random.key(0), (4, 9, 2))
    np.testing.assert_array_equal(camera.distort(xy, jnp.zeros(5)), xy)
    np.testing.assert_array_equal(camera.undistort(xy, jnp.zeros(5)), xy)


def test_undistort_inverts_distort():
    xy = jax.random.uniform(jax.random.key(1), (4, 50, 2), minval=-0.6, maxval=0.6)
    back = camera.undistort(camera.distort(xy, DISTORTION), DISTORTION)
    np.testing.assert_allclose(back, xy, atol=1e-5)


def test_undistort_uv_inverts_distort_uv():
    uv = camera.uv_from_xyz(make_points(5, 4, 50), INTRINSICS)
    bent = camera.distort_uv(uv, INTRINSICS, DISTORTION)
    assert float(jnp.abs(bent - uv).max()) > 5.0  # the lens matters here
    back = camera.undistort_uv(bent, INTRINSICS, DISTORTION)
    np.testing.assert_allclose(back, uv, atol=5e-3)  # fixed point and float32, pixels


def test_distort_uv_bends_normalised_coordinates():
    uv = camera.uv_from_xyz(make_points(6, 8), INTRINSICS)
    bent = camera.distort_uv(uv, INTRINSICS, DISTORTION)
    xy = camera.distort((uv - INTRINSICS[None, 2:]) / INTRINSICS[None, :2], DISTORTION)
    expected = INTRINSICS[None, :2] * xy + INTRINSICS[None, 2:]
    np.testing.assert_allclose(bent, expected, rtol=1e-5)


@pytest.mark.parametrize("x", [0.0, 0.3, 30.0])  # 30 is far outside any lens
def test_undistort_and_its_gradient_are_finite(x):
    def total(xy):
        return camera.undistort(xy, DISTORTION).sum()

    value, gradient = jax.value_and_grad(total)(jnp.full((1, 2), x))
    chex.assert_tree_all_finite((value, gradient))


@pytest.mark.parametrize(
    "function",
    [
        lambda xyz, i: camera.uv_from_xyz(xyz, i),
        lambda xyz, i: camera.xyz_from_uv_depth(100.0 * xyz[..., :2], xyz[..., 2], i),
        lambda xyz, i: camera.ray_dirs_from_uv(100.0 * xyz[..., :2], i),
        lambda xyz, i: camera.distort_uv(100.0 * xyz[..., :2], i, i5(i)),
        lambda xyz, i: camera.undistort_uv(100.0 * xyz[..., :2], i, i5(i)),
    ],
)
def test_vmap_equals_batched_equals_jit(function):
    xyz = make_points(7, 3, 4, 6)
    scale = jax.random.uniform(jax.random.key(2), (3, 4, 1), minval=0.9)
    cameras = scale * jnp.broadcast_to(INTRINSICS, (3, 4, 4))
    chex.assert_trees_all_close(
        jax.jit(jax.vmap(jax.vmap(function)))(xyz, cameras),
        jax.jit(function)(xyz, cameras),
        rtol=1e-5,
        atol=1e-4,  # pixels of some hundreds, in float32
    )


def test_intrinsics_come_from_a_matrix():
    matrix = jnp.array([[300.0, 0.7, 160.0], [0.0, 310.0, 120.0], [0.0, 0.0, 1.0]])
    np.testing.assert_array_equal(camera.intrinsics_from_matrix(matrix), INTRINSICS)
    clips = camera.intrinsics_from_matrix(jnp.stack([matrix, 2.0 * matrix]))
    np.testing.assert_array_equal(clips, jnp.stack([INTRINSICS, 2.0 * INTRINSICS]))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: camera.uv_from_xyz(x, np.asarray(INTRINSICS)),
        lambda x: camera.ray_dirs_from_uv(100.0 * x[..., :2], np.asarray(INTRINSICS)),
        lambda x: camera.undistort_uv(
            100.0 * x[..., :2], np.asarray(INTRINSICS), np.asarray(DISTORTION)
        ),
        lambda x: camera.distort(x[..., :2] / x[..., 2:], np.asarray(DISTORTION)),
    ],
)
def test_numpy_arrays_give_numpy_arrays_of_the_same_values(function):
    xyz = np.asarray(make_points(6, 5, 7))
    found = function(xyz)
    assert type(found) is np.ndarray
    expected = function(jnp.asarray(xyz))
    assert isinstance(expected, jax.Array)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)  # of 100 px
    assert function(xyz.astype(np.float64)).dtype == np.float64


# Of an Azure Kinect's depth camera, OpenCV's order: k1 k2 p1 p2 k3 k4 k5 k6.
RATIONAL = np.array([5.2447, 3.8138, -0.00012, -7e-5, 0.2031, 5.5669, 5.7512, 1.0535])


def test_the_rational_model_matches_hand_computed_values():
    # r^2 = 0.5; numerator 1.15 as above, denominator 1 + 0.2 + 0.1 + 0.05 = 1.35.
    lens = np.array([0.1, 0.2, 0.0, 0.0, 0.4, 0.4, 0.4, 0.4])
    bent = camera.distort(np.full((1, 2), 0.5), lens)
    np.testing.assert_allclose(bent, 0.5 * 1.15 / 1.35 * np.ones((1, 2)), rtol=1e-12)


def test_five_coefficients_are_the_rational_model_without_denominator():
    xy = np.random.default_rng(8).uniform(-0.6, 0.6, (30, 2))
    five = np.asarray(DISTORTION, np.float64)
    eight = np.concatenate([five, np.zeros(3)])
    np.testing.assert_array_equal(camera.distort(xy, five), camera.distort(xy, eight))


@pytest.mark.parametrize(
    ("lens", "reach"),
    [(RATIONAL, 1.7), ([5.3, 3.6, 0.0, 0.0, 0.19], 0.5), (DISTORTION, 0.6)],
)
def test_undistort_converges_to_the_last_bit(lens, reach):
    lens = np.asarray(lens, np.float64)
    xy = np.random.default_rng(9).uniform(-reach, reach, (200, 2))
    bent = camera.distort(xy, lens)
    np.testing.assert_allclose(camera.undistort(bent, lens), xy, atol=1e-12)
    assert camera.undistortion_error(bent, lens).max() < 1e-12


def test_pixels_beyond_the_fold_of_a_lens_have_an_error():
    # r (1 - 0.3 r^2) has its maximum 0.703 at r = 1.054: nothing is seen beyond.
    lens = np.array([-0.3, 0.0, 0.0, 0.0, 0.0])
    inside, beyond = np.array([[0.65, 0.0]]), np.array([[0.75, 0.0]])
    assert camera.undistortion_error(inside, lens)[0] < 1e-9
    assert camera.undistortion_error(beyond, lens)[0] > 0.03


def test_another_number_of_coefficients_is_an_error():
    with pytest.raises(ValueError, match="distortion has 4 coefficients"):
        camera.distort(np.zeros((1, 2)), np.zeros(4))


def test_undistort_stays_before_the_fold():
    # The same pixel also comes from the other side of the axis, beyond the fold.
    lens = np.array([-0.9, 0.0, 0.0, 0.0, 0.0])
    pixel = np.array([[-0.35, -0.25]])
    ideal = camera.undistort(pixel, lens)
    assert (ideal < 0).all()
    assert camera.undistortion_error(pixel, lens)[0] > 0.01

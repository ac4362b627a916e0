import itertools

import numpy as np
import pytest

from data_pipelines.cameras import calibration, orientation

LENS = (-0.2, 0.05, 0.01, -0.02, 0.01, 0.02, 0.01, 0.0)
CAMERA = calibration.make_camera(16, 12, (20.0, 22.0, 7.0, 6.5), LENS)
ALL = [
    orientation.Orientation(up, m) for up in orientation.TURNS for m in (False, True)
]


@pytest.mark.parametrize("mounting", ALL)
def test_images_pixels_and_rays_turn_alike(mounting):
    image = np.arange(12 * 16).reshape(12, 16)
    turned, camera = mounting.turn_image(image), mounting.turn_camera(CAMERA)
    assert turned.shape == (camera.height, camera.width)
    rows, columns = np.indices(image.shape)
    uv = np.stack([columns, rows], -1) + 0.5
    new = mounting.turn_uv(uv, CAMERA)
    column, row = np.moveaxis(np.floor(new).astype(int), -1, 0)
    np.testing.assert_array_equal(turned[row, column], image)
    np.testing.assert_allclose(mounting.turn_uv(new, CAMERA, back=True), uv, atol=1e-5)
    change = mounting.upright_from_recorded[:2, :2]
    # Rays of float32, lens included.
    np.testing.assert_allclose(
        camera.rays()[row, column], CAMERA.rays() @ change.T, atol=1e-5
    )


def test_up_is_the_side_that_comes_to_the_top():
    image = np.zeros((4, 6), int)
    image[:, -1] = 1  # the right side
    assert orientation.Orientation("right").turn_image(image)[0].all()
    assert orientation.Orientation("left").turn_image(image)[-1].all()
    assert orientation.Orientation("bottom").turn_image(image)[:, 0].all()
    assert orientation.Orientation(mirrored=True).turn_image(image)[:, 0].all()


@pytest.mark.parametrize("mounting", ALL)
def test_transforms_between_cameras_and_to_the_world_stay_rigid(mounting):
    pose = np.eye(4)
    pose[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    pose[:3, 3] = [0.05, 0.01, -0.02]
    change = mounting.upright_from_recorded
    xyz = np.random.default_rng(0).normal(size=(5, 3))
    color = mounting.turn_pose(pose)
    expected = (xyz @ pose[:3, :3].T + pose[:3, 3]) @ change.T
    moved = (xyz @ change.T) @ color[:3, :3].T + color[:3, 3]
    np.testing.assert_allclose(moved, expected, atol=1e-6)
    world = mounting.turn_world(np.stack([pose, np.eye(4)]))
    np.testing.assert_allclose(np.linalg.det(world[:, :3, :3]), 1.0, atol=1e-6)
    seen = [(xyz @ change.T) @ w[:3, :3].T + w[:3, 3] for w in world]
    apart = np.linalg.norm(seen[0] - seen[1], axis=1)
    truth = np.linalg.norm(xyz @ pose[:3, :3].T + pose[:3, 3] - xyz, axis=1)
    np.testing.assert_allclose(apart, truth, atol=1e-5)


@pytest.mark.parametrize("mounting", ALL)
@pytest.mark.parametrize("up", orientation.TURNS)
def test_a_wrong_mounting_is_corrected(mounting, up):
    image = np.arange(12).reshape(3, 4)
    wrong = orientation.Orientation(up, mounting.mirrored)
    seen = wrong.turn_image(image)
    side = next(
        side
        for side in orientation.TURNS
        if np.array_equal(
            orientation.Orientation(side).turn_image(seen), mounting.turn_image(image)
        )
    )
    assert wrong.turned_on(side) == mounting


def test_all_eight_mountings_differ():
    for one, other in itertools.combinations(ALL, 2):
        assert np.any(one.upright_from_recorded != other.upright_from_recorded)

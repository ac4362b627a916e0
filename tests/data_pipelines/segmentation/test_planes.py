import numpy as np
import pytest

from data_pipelines.segmentation import planes

PIXEL = 1 / 140


def cloud(room, depth):
    return np.concatenate([room.camera.rays() * depth[..., None], depth[..., None]], -1)


def tilted(normal, offset, degrees):
    """A plane in the frame of a camera that is pitched down by some degrees."""
    a = np.deg2rad(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    return np.append(turn @ normal, offset)


def find(room, depth, seed=0):
    return planes.find_planes(cloud(room, depth), PIXEL, np.random.default_rng(seed))


def test_signed_distance_matches_a_hand_computed_value():
    # 0.2 m above a floor that is 1.2 m below the camera.
    distance = planes.signed_distance(
        np.array([[0.3, 1.0, 2.0]]), np.array([0.0, -1.0, 0.0, 1.2])
    )
    np.testing.assert_allclose(distance, 0.2)


def test_tolerance_grows_with_depth_and_offset():
    near, far = planes.tolerance(
        np.array([1.0, 4.0], np.float32), np.array([0, 0, 0, 2])
    )
    assert 0.02 < near < far
    assert near == pytest.approx(0.02 + 0.006 * 2)


@pytest.mark.parametrize("degrees", [0, 20, 45, 60])
def test_the_floor_of_a_pitched_camera_is_found(room, degrees):
    floor = tilted([0, -1, 0], 1.5, degrees)
    wall = tilted([0, 0, -1], 5.0, degrees)
    found = find(room, room.render(planes=(floor, wall))[0])
    np.testing.assert_allclose(found.floor, floor, atol=0.01)


def test_floor_and_wall_are_found_in_noise_and_holes(room):
    rng = np.random.default_rng(0)
    depth, _ = room.render(room.person(0.0, 2.5))
    depth += rng.normal(size=depth.shape).astype(np.float32) * 1.5e-3 * depth**2
    depth[rng.uniform(size=depth.shape) < 0.1] = 0
    found = find(room, depth)
    np.testing.assert_allclose(found.floor, room.floor, atol=0.03)
    # The best of the walls; 3 cm allow for noise of 24 mm at 4 m.
    errors = [np.abs(wall - room.wall).max() for wall in found.walls]
    assert min(errors) < 0.05


def test_normals_point_to_the_camera(room):
    found = find(room, room.render()[0])
    assert all(plane[3] > 0 for plane in found.all())
    assert len(found.all()) == 1 + len(found.walls)


def test_a_table_is_not_a_floor(room):
    # A table top above the floor: there is nothing below the floor.
    table = (np.array([-0.4, 0.45, 1.2]), np.array([0.4, 0.5, 2.4]))
    depth, shown = room.render(boxes=[table])
    assert (shown == 2).sum() > 1500
    np.testing.assert_allclose(find(room, depth).floor, room.floor, atol=0.01)


def test_a_wall_is_not_a_floor(room):
    found = find(room, room.render(planes=(room.wall,))[0])
    assert found.floor is None
    np.testing.assert_allclose(found.walls[0], room.wall, atol=0.01)


def test_the_front_of_a_person_is_not_a_wall(room):
    depth, shown = room.render(room.person(0.0, 1.2))
    found = find(room, np.where(shown == 1, depth, 0).astype(np.float32))
    assert not found.all()


@pytest.mark.parametrize("depth", [np.zeros((120, 160)), np.eye(120, 160)])
def test_no_planes_are_found_without_depth(room, depth):
    assert not find(room, depth.astype(np.float32)).all()


def test_a_fit_is_repeated_without_the_points_that_it_leaves_out():
    rng = np.random.default_rng(0)
    xyz = np.append(rng.uniform(-1.0, 1.0, (300, 2)), np.full((300, 1), 2.0), axis=1)
    before = xyz[:, 0] > 0.9
    xyz[before, 2] -= 0.2  # an object before the wall, at its edge
    normals = np.tile([0.0, 0.0, -1.0], (300, 1))
    samples = planes._Samples(xyz, normals, np.ones(300))
    plane = planes._refine(samples, np.ones(300, bool))
    np.testing.assert_allclose(plane, [0.0, 0.0, -1.0, 2.0], atol=1e-6)

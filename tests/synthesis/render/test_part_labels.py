import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.synthesis.render.test_body import standing
from unipose_jax import skeleton
from unipose_jax.geometry import transforms
from unipose_jax.skeleton import body_parts
from unipose_jax.synthesis.render import body, part_labels, raycast

BODY = skeleton.BODY
label = jax.jit(part_labels.label_points)
HEIGHT, WIDTH = 96, 64
INTRINSICS = jnp.array([90.0, 90.0, WIDTH / 2, HEIGHT / 2])
DISTANCE = 2.5  # metres
# The person stands at the origin and faces +z; the camera looks at her face.
CAM_FROM_WORLD = jnp.array(
    [
        [-1.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 0.9],
        [0.0, 0.0, -1.0, DISTANCE],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


@jax.jit
def photograph(xyz_world):
    """Primitives, exact depth (wall at 4 m) and the point of each pixel."""
    people = body.primitives(
        xyz_world[None], stature=jnp.full(1, 1.8), girth=jnp.ones(1)
    )
    people = raycast.transform(people, CAM_FROM_WORLD)
    depth, _ = raycast.cast(people, INTRINSICS, height=HEIGHT, width=WIDTH)
    depth = jnp.minimum(depth, 4.0)
    dirs = raycast.pixel_dirs(INTRINSICS, height=HEIGHT, width=WIDTH)
    return people, depth, (depth[..., None] * dirs[None]).reshape(1, -1, 3)


@pytest.fixture(scope="module")
def scene():
    people, depth, points = photograph(standing())
    labels = label(points, people, depth, INTRINSICS)
    return people, depth, points, np.asarray(labels)


def names(labels):
    return np.array(body_parts.NAMES)[labels]


def joints():
    seen = transforms.apply(CAM_FROM_WORLD, standing())
    return {name: np.asarray(seen[BODY.index(name)]) for name in BODY.joints}


def test_every_primitive_of_the_body_has_a_part_of_its_side():
    for name, part in zip(body.PARTS, body.BODY_PART, strict=True):
        side = name.partition("_")[0]
        own = body_parts.NAMES[part]
        assert own != "none"
        assert (
            side not in ("left", "right") or own in ("torso",) or own.startswith(side)
        )


def test_all_parts_of_a_person_who_stands_in_view_are_labelled(scene):
    assert set(names(scene[3]).ravel()) == set(body_parts.NAMES)


@pytest.mark.parametrize(
    ("part", "ends"),
    [
        ("head", ("neck", "head_top")),
        ("torso", ("thorax", "pelvis")),
        ("left_upper_arm", ("left_shoulder", "left_elbow")),
        ("right_upper_arm", ("right_shoulder", "right_elbow")),
        ("left_forearm", ("left_elbow", "left_hand_tip")),
        ("right_forearm", ("right_elbow", "right_hand_tip")),
        ("left_thigh", ("left_hip", "left_knee")),
        ("right_thigh", ("right_hip", "right_knee")),
        ("left_shank", ("left_knee", "left_foot")),
        ("right_shank", ("right_knee", "right_foot")),
    ],
)
def test_points_of_a_part_lie_around_its_bone(scene, part, ends):
    points = np.asarray(scene[2])[names(scene[3]) == part]
    start, end = (joints()[name] for name in ends)
    along = np.clip((points - start) @ (end - start) / ((end - start) ** 2).sum(), 0, 1)
    distance = np.linalg.norm(points - start - along[:, None] * (end - start), axis=1)
    assert len(points) > 5
    # The shoulders are the widest part of the trunk: 25 cm from its middle.
    assert distance.max() < (0.27 if part == "torso" else 0.16)


def test_the_persons_left_is_on_the_right_of_a_picture_from_the_front(scene):
    column = np.asarray(scene[2])[..., 0]
    found = names(scene[3])
    for part in ("upper_arm", "forearm", "thigh", "shank"):
        left, right = (column[found == f"{side}_{part}"] for side in ("left", "right"))
        assert left.min() > 0 > right.max()


def test_a_mirrored_picture_has_mirrored_labels(scene):
    grid = scene[3].reshape(HEIGHT, WIDTH)
    # The reference person is symmetric.
    mirrored = np.array(body_parts.MIRROR)[grid[:, ::-1]]
    assert (mirrored != grid).mean() < 0.003  # pixels in the middle


def test_wall_object_and_flying_pixel_are_on_no_part(scene):
    people, depth, points, labels = scene
    grid = labels.reshape(HEIGHT, WIDTH)
    behind = np.asarray(depth)[0] >= 3.99
    assert (grid[behind] == body_parts.NONE).all()
    assert (grid[~behind] != body_parts.NONE).all()
    # A thin object 2 cm in front of the trunk, measured exactly.
    object_z = jnp.where(grid == 2, depth[0] - 0.02, depth[0])[None]
    scale = (object_z / depth).reshape(1, -1, 1)
    found = label(points * scale, people, object_z, INTRINSICS)
    assert (found[labels == 2] == body_parts.NONE).all()
    np.testing.assert_array_equal(found[labels != 2], labels[labels != 2])
    # Measured half a metre behind the surface that is seen there.
    flown = points * (1.0 + 0.5 / points[..., 2:])
    found = label(flown, people, depth, INTRINSICS)
    assert (found == body_parts.NONE).all()
    # Noise as large as that of a Kinect at this distance changes nothing.
    noisy = points * (1.0 + 0.03 / points[..., 2:])
    found = label(noisy, people, depth, INTRINSICS)
    np.testing.assert_array_equal(found, labels)


def test_padding_is_unknown(scene):
    people, depth, points, labels = scene
    found = label(points.at[:, ::2].set(0.0), people, depth, INTRINSICS)
    assert (found[:, ::2] == body_parts.UNKNOWN).all()
    np.testing.assert_array_equal(found[:, 1::2], labels[:, 1::2])
    assert found.dtype == jnp.int8

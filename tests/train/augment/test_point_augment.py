import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.skeleton import body_parts
from unipose_jax.train.augment import point_augment as augment

MIRROR = skeleton.ITOP15.mirror
DRAW = {"pan": 0.4, "tilt": 0.3, "roll": 0.2, "scale": 0.2, "mirror": True}


def pose(seed: int = 0):
    xyz = jax.random.normal(jax.random.key(seed), (2, 15, 3))
    return xyz + jnp.array([0.0, 0.0, 3.0]).reshape(1, 1, 3)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_seen_through_a_view_comes_back(seed):
    view = augment.sample_transform(jax.random.key(seed), **DRAW)
    seen = augment.transform_points(view, pose())
    # The joint that looks like the left hand in a mirror is the right hand.
    named = jnp.where(view.mirrored, seen[:, jnp.array(MIRROR)], seen)
    back = augment.invert_joints(view, named, mirror=MIRROR)
    np.testing.assert_allclose(back, pose(), atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_view_keeps_shape_up_to_its_size(seed):
    view = augment.sample_transform(jax.random.key(seed), **DRAW)
    gram = view.matrix @ view.matrix.T
    size = np.cbrt(abs(np.linalg.det(view.matrix)))
    np.testing.assert_allclose(gram, size**2 * np.eye(3), atol=1e-5)
    assert 1 / 1.2 - 1e-5 <= size <= 1.2 + 1e-5
    assert (np.linalg.det(view.matrix) < 0) == bool(view.mirrored)


def test_no_augmentation_is_the_identity():
    view = augment.sample_transform(
        jax.random.key(0), pan=0.0, tilt=0.0, roll=0.0, scale=0.0, mirror=False
    )
    np.testing.assert_allclose(view.matrix, np.eye(3), atol=1e-6)


def test_half_of_the_views_are_mirrored():
    keys = jax.random.split(jax.random.key(0), 400)
    views = jax.vmap(lambda key: augment.sample_transform(key, **DRAW))(keys)
    assert 0.4 < views.mirrored.mean() < 0.6


def test_scores_swap_sides_in_a_mirror():
    score = jnp.arange(30.0).reshape(2, 15)
    view = augment.PointTransform(matrix=jnp.eye(3), mirrored=jnp.array(True))
    swapped = augment.invert_scores(view, score, mirror=MIRROR)
    left, right = (skeleton.ITOP15.index(f"{side}_hand") for side in ("left", "right"))
    np.testing.assert_array_equal(swapped[:, left], score[:, right])


def test_scores_of_points_swap_the_sides_of_body_parts_in_a_mirror():
    score = jnp.arange(2.0 * 7 * body_parts.COUNT).reshape(2, 7, body_parts.COUNT)
    view = augment.PointTransform(matrix=jnp.eye(3), mirrored=jnp.array(True))
    swapped = augment.invert_scores(view, score, mirror=body_parts.MIRROR)
    left, right, head = map(
        body_parts.NAMES.index, ("left_thigh", "right_thigh", "head")
    )
    np.testing.assert_array_equal(swapped[..., left], score[..., right])
    np.testing.assert_array_equal(swapped[..., head], score[..., head])


def test_hole_is_a_ball_around_a_point():
    points = jax.random.uniform(jax.random.key(1), (2, 200, 3))
    valid = jnp.ones((2, 200), bool).at[0, 0].set(False)
    options = {"probability": 1.0, "radius": (0.3, 0.3)}
    kept = augment.random_occlusion(jax.random.key(2), points, valid, **options)
    assert not kept[0, 0]
    hidden = np.asarray(points)[np.asarray(valid & ~kept)]
    assert 0 < len(hidden) < 200
    spread = np.linalg.norm(hidden[:, None] - hidden[None], axis=-1).max()
    assert spread <= 0.6 + 1e-6
    never = augment.random_occlusion(
        jax.random.key(2), points, valid, **options | {"probability": 0.0}
    )
    np.testing.assert_array_equal(never, valid)


@pytest.mark.parametrize("seed", range(6))
def test_crops_see_the_view_where_they_saw_the_original(seed):
    """A joint of the view lies on its old pixel, or on the mirror image of that."""
    size, frames = 32, 2
    rng = np.random.default_rng(seed)
    view = augment.sample_transform(jax.random.key(seed), **DRAW)
    matrix = np.array([[40.0, 0, 15], [0, 41.0, 17], [0, 0, 1]], np.float32)
    pose = np.eye(4, dtype=np.float32)
    pose[:3, 3] = rng.normal(size=3) * 0.1
    crops = {
        "depth_crop": rng.uniform(2, 3, (frames, size, size)).astype(np.float32),
        "depth_crop_matrix": np.tile(matrix, (frames, 1, 1)),
        "reference_depth": np.full(frames, 2.5, np.float32),
        "color_crop": rng.integers(0, 255, (frames, size, size, 3), np.uint8),
        "color_crop_matrix": np.tile(matrix + 1.0, (frames, 1, 1)),
        "cam_from_points": pose,
    }
    seen = augment.transform_crops(view, crops)
    pose_in_front = pose_of(rng)
    moved = augment.transform_points(view, pose_in_front)
    for name, before, after in (
        ("depth", np.eye(4), np.eye(4)),
        ("color", pose, seen["cam_from_points"]),
    ):
        old = pixels(crops[f"{name}_crop_matrix"], before, pose_in_front)
        new = pixels(seen[f"{name}_crop_matrix"], after, moved)
        if view.mirrored:
            old = old * [-1.0, 1.0] + [size, 0.0]
        np.testing.assert_allclose(new, old, atol=1e-2)
        image = crops[f"{name}_crop"]
        shown = image[:, :, ::-1] if view.mirrored else image
        factor = 1.0 if name == "color" else np.cbrt(abs(np.linalg.det(view.matrix)))
        np.testing.assert_allclose(seen[f"{name}_crop"], factor * shown, rtol=1e-5)
    # Where the person is, and how far, grow alike.
    scale = np.cbrt(abs(np.linalg.det(view.matrix)))
    np.testing.assert_allclose(seen["reference_depth"], 2.5 * scale, rtol=1e-5)


def pose_of(rng):
    return (rng.normal(size=(2, 5, 3)) * 0.4 + [0, 0, 2.5]).astype(np.float32)


def pixels(matrix, transform, xyz):
    linear = np.asarray(matrix) @ np.asarray(transform)[:3, :3]
    shift = np.asarray(matrix) @ np.asarray(transform)[:3, 3]
    seen = np.einsum("tij,tnj->tni", linear, xyz) + shift[:, None]
    return seen[..., :2] / seen[..., 2:]

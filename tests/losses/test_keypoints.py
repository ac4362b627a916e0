import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.geometry import camera, transforms
from unipose_jax.losses import keypoints

INTRINSICS = jnp.array([286.0, 290.0, 160.0, 120.0])
ON_AXIS = {
    "uv": INTRINSICS[None, 2:],
    "intrinsics": INTRINSICS,
    "confidence": jnp.ones(1),
    "visible": jnp.ones(1, dtype=bool),
}
STATIC = ("delta", "min_depth")
RAY = jax.jit(keypoints.point_to_ray_loss, static_argnames=STATIC)
REPROJECTION = jax.jit(keypoints.reprojection_loss, static_argnames=STATIC)


def at_reference_depth(**example):
    depth = jnp.full(example["xyz"].shape[:-2], 2.5)
    return RAY(**example, reference_depth=depth)


PENALTIES = {
    "ray": RAY,
    "reference": at_reference_depth,
    "reprojection": REPROJECTION,
}
every_penalty = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)


def make_example(seed, shape=(2, 7)):
    """Joints around 2.5 m and their exact keypoints."""
    keys = jax.random.split(jax.random.key(seed), 3)
    xyz = 0.5 * jax.random.normal(keys[0], (*shape, 3))
    xyz = xyz + jnp.array([0.0, 0.0, 2.5]).reshape((1,) * len(shape) + (3,))
    return {
        "xyz": xyz,
        "uv": camera.uv_from_xyz(xyz, INTRINSICS),
        "intrinsics": INTRINSICS,
        "confidence": jax.random.uniform(keys[1], shape, minval=0.1),
        "visible": jnp.ones(shape, dtype=bool),
    }


def loss(penalty=RAY, **example):
    return penalty(**example).mean()


def grad(penalty, example, **changed):
    example = example | changed
    return jax.jit(jax.grad(lambda xyz: loss(penalty, **example | {"xyz": xyz})))(
        example["xyz"]
    )


@every_penalty
@pytest.mark.parametrize("slide", [1.0, 1.7])  # sliding along the ray is free
def test_zero_for_points_on_their_rays(penalty, slide):
    example = make_example(0)
    example["xyz"] *= slide
    np.testing.assert_allclose(loss(penalty, **example), 0.0, atol=1e-6)


def test_ray_matches_hand_computed_offset():
    # Ray = optical axis, joint 3 cm to the right at 2 m: a 3-4-5 triangle.
    value = loss(xyz=jnp.array([[0.03, 0.0, 2.0]]), **ON_AXIS, delta=0.04)
    np.testing.assert_allclose(value, 0.04 * (1.25 - 1.0), rtol=1e-5)


def test_reference_depth_rescales_the_offset():
    # 2 cm at 2 m subtends what 3 cm do at 3 m.
    value = loss(
        xyz=jnp.array([[0.02, 0.0, 2.0]]),
        **ON_AXIS,
        delta=0.04,
        reference_depth=jnp.array(3.0),
    )
    np.testing.assert_allclose(value, 0.04 * (1.25 - 1.0), rtol=1e-5)


def test_reprojection_matches_hand_computed_pixels():
    # 286 * 0.03 / 2.86 = 3 px right, 290 * 0.04 / 2.9 = 4 px down needs one depth: 2.9.
    xyz = jnp.array([[3.0 * 2.9 / 286.0, 0.04, 2.9]])
    value = loss(REPROJECTION, xyz=xyz, **ON_AXIS, delta=12.0)
    np.testing.assert_allclose(value, 13.0 - 12.0, rtol=1e-5)


@every_penalty
def test_confidence_weighs_the_mean(penalty):
    example = make_example(1)
    example["xyz"] += 0.1
    one_by_one = jnp.eye(14, dtype=bool).reshape(14, 2, 7)
    alone = [loss(penalty, **example | {"visible": one}) for one in one_by_one]
    weight = np.ravel(example["confidence"])
    expected = np.sum(weight * np.array(alone)) / np.sum(weight)
    np.testing.assert_allclose(loss(penalty, **example), expected, rtol=1e-5)


@every_penalty
def test_invisible_joints_change_nothing_even_if_nan(penalty):
    clean = make_example(1)
    clean["xyz"] += 0.1
    clean["visible"] = clean["visible"].at[:, ::2].set(False)
    dirty = clean | {
        "xyz": clean["xyz"].at[:, ::2].set(jnp.nan),
        "uv": clean["uv"].at[:, ::2].set(jnp.nan),
        "confidence": clean["confidence"].at[:, ::2].set(jnp.nan),
    }
    chex.assert_trees_all_close(loss(penalty, **dirty), loss(penalty, **clean))
    chex.assert_trees_all_close(grad(penalty, dirty), grad(penalty, clean))
    np.testing.assert_array_equal(grad(penalty, dirty)[:, ::2], 0.0)


@every_penalty
def test_gradient_is_finite_on_the_ray_and_behind_the_camera(penalty):
    x, z = jnp.meshgrid(
        jnp.array([0.0, 1e-20, 1e-6, 1.0, 1e6]),  # 0 is exactly on the ray
        jnp.array([-1e6, -2.0, 0.0, 1e-6, 0.05, 2.0, 1e6]),
    )
    xyz = jnp.stack([x.ravel(), jnp.zeros(x.size), z.ravel()], axis=-1)[:, None]
    grads = jax.vmap(lambda xyz: grad(penalty, ON_AXIS, xyz=xyz))(xyz)
    chex.assert_tree_all_finite(grads)


def test_ray_gradient_pulls_towards_the_camera_and_reference_depth_does_not():
    example = make_example(2)
    example["uv"] += 8.0 * jax.random.normal(jax.random.key(3), (2, 7, 2))
    radial = {
        name: jnp.sum(grad(PENALTIES[name], example) * example["xyz"], axis=-1)
        for name in PENALTIES
    }
    assert jnp.all(radial["ray"] > 1e-4)  # going down the gradient shortens p
    np.testing.assert_allclose(radial["reference"], 0.0, atol=1e-6)
    np.testing.assert_allclose(radial["reprojection"], 0.0, atol=1e-5)


def test_reference_depth_takes_no_gradient():
    example = make_example(2)
    example["xyz"] += 0.1

    @jax.jit
    def value(depth):
        return loss(**example, reference_depth=depth)

    np.testing.assert_array_equal(jax.grad(value)(jnp.array([2.0, 3.0])), 0.0)
    assert value(jnp.array([3.0, 3.0])) > value(jnp.array([2.0, 2.0]))


def test_a_point_behind_the_camera_is_led_to_its_centre():
    xyz = jnp.array([[0.3, 0.0, -0.4]])
    direction = -grad(RAY, ON_AXIS, xyz=xyz)
    np.testing.assert_allclose(
        direction / jnp.linalg.norm(direction), [[-0.6, 0.0, 0.8]], atol=1e-5
    )


def test_reprojection_leads_a_point_behind_the_camera_forward():
    xyz = jnp.array([[0.3, 0.0, -0.4]])
    assert grad(REPROJECTION, ON_AXIS, xyz=xyz)[0, 2] < 0


@pytest.mark.parametrize("z", [0.11, 0.5, 3.0])
def test_reprojection_has_the_exact_depth_gradient_in_front(z):
    # u - cx = 286 x / z; far beyond delta the penalty is that distance itself.
    xyz = jnp.array([[0.5, 0.0, z]])
    result = grad(REPROJECTION, ON_AXIS, xyz=xyz, delta=1e-3)
    np.testing.assert_allclose(result[0, 2], -286.0 * 0.5 / z**2, rtol=1e-4)


def test_reprojection_is_smooth_where_the_guard_begins():
    def slope(z):
        xyz = jnp.array([[0.5, 0.0, z]])
        return grad(REPROJECTION, ON_AXIS, xyz=xyz)

    np.testing.assert_allclose(slope(0.0999), slope(0.1001), rtol=0.01)


@every_penalty
def test_rays_of_another_camera_equal_points_moved_to_it(penalty):
    turn = transforms.rotation_from_euler(jnp.array([0.1, -0.3, 0.2]))
    shift = jnp.array([0.5, -0.1, 0.2])
    cam_from_xyz = transforms.from_rotation_translation(turn, shift)
    example = make_example(4)
    example["uv"] += 5.0
    elsewhere = transforms.apply(transforms.invert(cam_from_xyz), example["xyz"])
    moved = example | {"xyz": elsewhere, "cam_from_xyz": cam_from_xyz}
    np.testing.assert_allclose(
        loss(penalty, **moved), loss(penalty, **example), rtol=1e-4
    )
    # The gradient, in the other frame, is turned back.
    expected = jnp.einsum("ij,...i->...j", turn, grad(penalty, example))
    np.testing.assert_allclose(grad(penalty, moved), expected, atol=1e-4)


def test_distance_to_a_displaced_camera_is_measured_from_its_own_origin():
    # The camera sits 5 cm to the right; its axis passes 5 cm beside the joint.
    cam_from_xyz = jnp.eye(4).at[0, 3].set(-0.05)
    xyz = jnp.array([[0.0, 0.0, 2.0]])
    value = loss(xyz=xyz, **ON_AXIS, delta=0.05, cam_from_xyz=cam_from_xyz)
    np.testing.assert_allclose(value, 0.05 * (np.sqrt(2.0) - 1.0), rtol=1e-5)


@every_penalty
def test_vmap_equals_batched_equals_jit(penalty):
    example = make_example(5, shape=(3, 2, 7))
    example["uv"] += 4.0
    example["intrinsics"] = jnp.broadcast_to(INTRINSICS, (3, 2, 4))
    batched = penalty(**example)
    mapped = jax.jit(jax.vmap(lambda e: penalty(**e)))(example)
    chex.assert_trees_all_close(jax.tree.map(jnp.sum, mapped), batched, rtol=1e-5)
    shared = penalty(**example | {"intrinsics": INTRINSICS})
    chex.assert_trees_all_close(shared, batched, rtol=1e-5)


def test_agreement_is_confidence_on_the_ray_and_falls_off_it():
    example = make_example(6)
    exact = keypoints.ray_agreement(**example)
    np.testing.assert_allclose(exact, example["confidence"], rtol=1e-5)
    xyz = jnp.array([[0.05, 0.0, 2.0]])
    off = keypoints.ray_agreement(xyz, **ON_AXIS, scale=0.05)
    np.testing.assert_allclose(off, [np.exp(-0.5)], rtol=1e-5)


def test_agreement_without_evidence_is_zero_even_if_nan():
    example = make_example(6)
    example["visible"] = jnp.zeros((2, 7), dtype=bool)
    example["xyz"] = jnp.full((2, 7, 3), jnp.nan)
    example["uv"] = jnp.full((2, 7, 2), jnp.nan)
    example["confidence"] = jnp.full((2, 7), jnp.nan)
    np.testing.assert_array_equal(keypoints.ray_agreement(**example), 0.0)


def test_agreement_takes_no_gradient_and_sees_other_cameras():
    cam_from_xyz = jnp.eye(4).at[0, 3].set(-0.05)
    xyz = jnp.array([[0.0, 0.0, 2.0]])

    def value(xyz):
        return jnp.sum(
            keypoints.ray_agreement(xyz, **ON_AXIS, cam_from_xyz=cam_from_xyz)
        )

    np.testing.assert_allclose(value(xyz), np.exp(-0.5), rtol=1e-5)
    np.testing.assert_array_equal(jax.grad(value)(xyz), 0.0)


def test_agreement_vmap_equals_batched_equals_jit():
    example = make_example(7, shape=(3, 2, 7))
    example["uv"] += 4.0
    example["intrinsics"] = jnp.broadcast_to(INTRINSICS, (3, 2, 4))
    batched = jax.jit(keypoints.ray_agreement)(**example)
    mapped = jax.jit(jax.vmap(lambda e: keypoints.ray_agreement(**e)))(example)
    chex.assert_trees_all_close(mapped, batched, rtol=1e-5)


def cross_entropy(logit, target):
    weight, valid = jnp.ones_like(logit), jnp.ones_like(logit, dtype=bool)
    return keypoints.confidence_loss(logit, target, weight=weight, valid=valid).mean()


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_confidence_loss_is_the_cross_entropy(target):
    probability = 0.8
    logit = jnp.array([np.log(probability / (1 - probability))])
    expected = -target * np.log(0.8) - (1 - target) * np.log(0.2)
    np.testing.assert_allclose(
        cross_entropy(logit, jnp.array([target])), expected, rtol=1e-5
    )


def test_confidence_loss_is_smallest_at_the_target():
    logit = jnp.array([jnp.log(0.3 / 0.7)])
    slope = jax.grad(cross_entropy)(logit, jnp.array([0.3]))
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)


def test_confidence_loss_is_finite_far_out_and_ignores_what_is_not_valid():
    logit = jnp.array([200.0, -200.0, 1.0])
    target = jnp.array([0.0, 1.0, jnp.nan])

    def value(logit, target):
        valid = jnp.array([True, True, False])
        return keypoints.confidence_loss(
            logit, target, weight=jnp.ones(3), valid=valid
        ).mean()

    np.testing.assert_allclose(value(logit, target), 200.0)
    logit = logit.at[2].set(jnp.nan)
    np.testing.assert_allclose(value(logit, target), 200.0)
    by_logit, by_target = jax.grad(value, argnums=(0, 1))(logit, target)
    np.testing.assert_allclose(by_logit, [0.5, -0.5, 0.0], atol=1e-6)
    np.testing.assert_array_equal(by_target, 0.0)


def test_confidence_vmap_equals_batched_equals_jit():
    keys = jax.random.split(jax.random.key(8), 3)
    logit = jax.random.normal(keys[0], (3, 7))
    target, weight = (jax.random.uniform(key, (3, 7)) for key in keys[1:])

    def apply(logit, target, weight):
        return keypoints.confidence_loss(
            logit, target, weight=weight, valid=weight > 0.2
        )

    batched = jax.jit(apply)(logit, target, weight)
    mapped = jax.jit(jax.vmap(apply))(logit, target, weight)
    chex.assert_trees_all_close(jax.tree.map(jnp.sum, mapped), batched, rtol=1e-5)

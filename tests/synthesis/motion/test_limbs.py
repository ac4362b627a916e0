import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.synthesis.motion import body_shape, limbs

DOWN = jnp.asarray([0.0, 1.0, 0.0])
FORWARD = jnp.asarray([0.0, 0.0, 1.0])
RIGHT = jnp.asarray([1.0, 0.0, 0.0])


def some_dirs(count=200):
    """Directions within an arm's reach: all but those near up, back and inwards."""
    chart = 1.2 * jax.random.normal(jax.random.key(0), (count, 2))
    return limbs.dirs_from_arm_chart(chart, max_angle=2.2)


def assert_rotations(frames):
    eye = jnp.broadcast_to(jnp.eye(3), frames.shape)
    product = jnp.matmul(frames, jnp.swapaxes(frames, -1, -2))
    np.testing.assert_allclose(product, eye, atol=1e-5)
    np.testing.assert_allclose(jnp.linalg.det(frames), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("angles", "moved", "to"),
    [
        ((jnp.pi / 2, 0, 0), FORWARD, RIGHT),  # turning right
        ((0, jnp.pi / 2, 0), -DOWN, FORWARD),  # bending forward
        ((0, 0, jnp.pi / 2), -DOWN, RIGHT),  # leaning to the right
    ],
)
def test_angles_rotate_in_the_documented_directions(angles, moved, to):
    turn = limbs.rotations_from_angles(jnp.asarray(angles, jnp.float32))
    np.testing.assert_allclose(limbs.rotate(turn, moved), to, atol=1e-6)


def test_rotations_from_angles_are_rotations():
    angles = 3.0 * jax.random.normal(jax.random.key(1), (50, 3))
    assert_rotations(limbs.rotations_from_angles(angles))


def test_mirroring_twice_changes_nothing():
    xyz = jax.random.normal(jax.random.key(2), (5, 2, 3))
    frames = limbs.rotations_from_angles(xyz)
    twice = limbs.mirror_vectors(limbs.mirror_vectors(xyz))
    np.testing.assert_allclose(twice, xyz)
    twice = limbs.mirror_rotations(limbs.mirror_rotations(frames))
    np.testing.assert_allclose(twice, frames)


def test_mirrored_rotation_moves_mirrored_vectors():
    xyz = jax.random.normal(jax.random.key(3), (5, 2, 3))
    frames = limbs.rotations_from_angles(
        jax.random.normal(jax.random.key(4), xyz.shape)
    )
    one = limbs.mirror_vectors(limbs.rotate(frames, xyz))
    two = limbs.rotate(limbs.mirror_rotations(frames), limbs.mirror_vectors(xyz))
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_arm_chart_round_trip():
    dirs = some_dirs()
    chart = limbs.arm_chart_from_dirs(dirs)
    reachable = jnp.linalg.norm(chart, axis=-1) < 1.8
    back = limbs.dirs_from_arm_chart(chart)
    np.testing.assert_allclose(back[reachable], dirs[reachable], atol=1e-4)


def test_arm_chart_avoids_its_singular_point():
    chart = 10.0 * jax.random.normal(jax.random.key(5), (100, 2))
    dirs = limbs.dirs_from_arm_chart(chart)
    np.testing.assert_allclose(jnp.linalg.norm(dirs, axis=-1), 1.0, atol=1e-5)
    size = jnp.linalg.norm(limbs.arm_chart_from_dirs(dirs), axis=-1)
    assert size.max() < 2.6 + 1e-3


@pytest.mark.parametrize(
    ("arm", "elbow"),
    [
        (DOWN, -FORWARD),  # hanging: the elbow points backwards
        (FORWARD, DOWN),
        (RIGHT, DOWN),
        (-DOWN, FORWARD),  # overhead
    ],
)
def test_relaxed_elbows_point_in_the_expected_directions(arm, elbow):
    # Only the direction is checked: the arm's usual direction is oblique.
    front = limbs.arm_front(arm)
    np.testing.assert_allclose(jnp.sum(front * arm), 0.0, atol=1e-5)
    assert jnp.sum(-front * elbow) > 0.6


def test_a_hanging_arms_elbow_turns_outwards():
    front = limbs.rotate_about(limbs.arm_front(DOWN), DOWN, jnp.asarray(-jnp.pi / 2))
    np.testing.assert_allclose(-front, RIGHT, atol=1e-5)


def test_knees_point_forward_and_out():
    front = limbs.leg_front(DOWN, jnp.asarray(0.5))
    np.testing.assert_allclose(front, [jnp.sin(0.5), 0, jnp.cos(0.5)], atol=1e-6)
    raised = limbs.leg_front(FORWARD, jnp.asarray(0.0))
    np.testing.assert_allclose(raised, -DOWN, atol=1e-5)


@pytest.mark.parametrize("bend_to_front", [True, False])
def test_inverse_kinematics_reaches_its_target(bend_to_front):
    dirs = some_dirs()
    front = limbs.arm_front(dirs)
    lengths = jnp.asarray([0.3]), jnp.asarray([0.25])
    reach = jnp.linspace(0.1, 0.55, len(dirs))
    frames = limbs.two_bone_ik(dirs, front, reach, lengths, bend_to_front=bend_to_front)
    assert_rotations(frames)
    elbow = 0.3 * frames[:, 0, :, 1]
    end = elbow + 0.25 * frames[:, 1, :, 1]
    np.testing.assert_allclose(end, dirs * reach[:, None], atol=1e-5)
    side = jnp.sum(elbow * front, axis=-1)
    assert jnp.all(side >= -1e-6 if bend_to_front else side <= 1e-6)


def test_inverse_kinematics_matches_a_right_angled_example():
    # A 3-4-5 triangle: the knee lies 0.24 m ahead of the line from hip to ankle.
    frames = limbs.two_bone_ik(
        DOWN,
        FORWARD,
        jnp.asarray(0.5),
        (jnp.asarray(0.3), jnp.asarray(0.4)),
        bend_to_front=True,
    )
    np.testing.assert_allclose(0.3 * frames[0, :, 1], [0, 0.18, 0.24], atol=1e-6)
    np.testing.assert_allclose(frames[:, :, 0], [RIGHT, RIGHT], atol=1e-6)


def test_gradient_of_a_chain_is_finite_when_bent():
    def knee_height(reach):
        lengths = jnp.asarray(0.3), jnp.asarray(0.4)
        frames = limbs.two_bone_ik(DOWN, FORWARD, reach, lengths, bend_to_front=True)
        return frames[0, 1, 1]

    for reach in (0.2, 0.5, 0.69):
        assert jnp.isfinite(jax.grad(knee_height)(reach))


def test_blending_frames_ends_at_both_and_turns_evenly():
    a = limbs.rotations_from_angles(jnp.asarray([[0.2, 0.0, 0.1]] * 3))
    b = limbs.rotations_from_angles(jnp.asarray([[0.2, 1.0, 0.1]] * 3))
    mixed = limbs.blend_frames(a, b, jnp.asarray([0.0, 0.5, 1.0]))
    assert_rotations(mixed)
    np.testing.assert_allclose(mixed[0], a[0], atol=1e-6)
    np.testing.assert_allclose(mixed[2], b[0], atol=1e-6)


def test_identity_rotations_give_the_rest_pose():
    eye = jnp.broadcast_to(jnp.eye(3), (1, 5, 3, 3))
    sided = jnp.broadcast_to(jnp.eye(3), (1, 2, 7, 3, 3))
    pelvis = jnp.asarray([[1.0, -0.9, 2.0]])
    offsets = jnp.asarray(body_shape.REST_OFFSETS)
    xyz = limbs.forward_kinematics(eye, sided, pelvis, offsets)[0]
    body = body_shape.BODY
    np.testing.assert_allclose(xyz[body_shape.ROOT], pelvis[0])
    for joint, parent in enumerate(body.parents):
        if parent >= 0:
            np.testing.assert_allclose(
                xyz[joint] - xyz[parent], offsets[joint], atol=1e-6
            )
    assert xyz[body.index("right_hip"), 0] > xyz[body.index("left_hip"), 0]

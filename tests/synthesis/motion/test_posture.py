import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.synthesis.motion import actions, body_shape, limbs, posture

BODY = body_shape.BODY
PERSON = body_shape.Shape(
    jnp.asarray(body_shape.REFERENCE_STATURE),
    jnp.asarray(body_shape.REST_OFFSETS),
    jnp.asarray(1.0),
)


def pose_of(**channels):
    """Four frames of somebody at attention, with channels of the tables changed."""
    arms = jnp.zeros((1, 2, 12)).at[..., 1].set(2.0)
    legs = np.zeros((1, 15), np.float32)
    legs[:, 0] = 1.0
    trunk = np.zeros((1, 12), np.float32)
    for name, value in channels.items():
        if name in actions.TRUNK_CHANNELS:
            trunk[:, actions.TRUNK_CHANNELS.index(name)] = value
        elif name in actions.LEG_CHANNELS:
            legs[:, actions.LEG_CHANNELS.index(name)] = value
        else:
            raise ValueError(name)
    zeros = jnp.zeros((1, 2))
    return posture.Pose(
        arms=posture.arm_chart(arms),
        trunk=jnp.asarray(trunk),
        legs=jnp.asarray(legs),
        lift=zeros,
        step=jnp.zeros((1, 2, 2)),
        heel=zeros,
        gait=jnp.zeros(1),
        air=jnp.zeros(1),
        root=jnp.zeros((1, 3)),
        yaw=jnp.zeros(1),
    )


place = jax.jit(lambda pose: posture.joints_from_posture(PERSON, pose)[0])


def at(xyz, name):
    return np.asarray(xyz)[BODY.index(name)]


def test_standing_at_attention_is_the_rest_pose():
    eye = jnp.broadcast_to(jnp.eye(3), (1, 5, 3, 3))
    sided = jnp.broadcast_to(jnp.eye(3), (1, 2, 7, 3, 3))
    pelvis = jnp.asarray([[0.0, -0.985, 0.0]])
    rest = limbs.forward_kinematics(eye, sided, pelvis, PERSON.offsets)[0]
    xyz = place(pose_of())
    # Arms and legs stay short of straight: knees and elbows are 2 to 3 cm aside.
    np.testing.assert_allclose(xyz, rest, atol=0.035)


def test_arm_targets_give_the_directions_of_the_arms():
    target = jnp.asarray([[[0.3, -0.2, 0.5], [0.0, 0.8, 0.1]]])
    arms = jnp.concatenate([target, jnp.zeros((1, 2, 9))], axis=-1)
    chart = posture.arm_chart(arms)
    length = jnp.linalg.norm(target, axis=-1)
    np.testing.assert_allclose(chart[..., 2], length, atol=1e-6)
    expected = limbs.arm_chart_from_dirs(target / length[..., None])
    np.testing.assert_allclose(chart[..., :2], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("channels", "joint", "axis", "sign"),
    [
        ({"spine_pitch": 0.6}, "head", 2, 1.0),
        ({"spine_roll": 0.5}, "head", 0, 1.0),
        ({"pelvis_pitch": 0.6}, "neck", 2, 1.0),
        ({"head_yaw": 1.0}, "nose", 0, 1.0),
        ({"head_pitch": 0.6}, "nose", 1, 1.0),
        ({"sway_right": 0.1}, "pelvis", 0, 1.0),
        ({"height": 0.7}, "pelvis", 1, 1.0),
    ],
)
def test_channels_move_joints_in_the_documented_directions(channels, joint, axis, sign):
    moved = at(place(pose_of(**channels)), joint) - at(place(pose_of()), joint)
    assert sign * moved[axis] > 0.05


def test_bending_knees_keeps_the_feet_where_they_are():
    low, high = place(pose_of(height=0.6)), place(pose_of())
    for foot in ("left_foot", "right_ankle"):
        np.testing.assert_allclose(at(low, foot), at(high, foot), atol=0.004)
    assert at(low, "pelvis")[1] - at(high, "pelvis")[1] > 0.3


def test_jump_raises_the_whole_body():
    pose = pose_of()
    up = place(pose._replace(air=jnp.asarray([0.25])))
    expected = np.asarray(place(pose)) - np.asarray([0.0, 0.25, 0.0])
    np.testing.assert_allclose(up, expected, atol=1e-6)


def test_yaw_turns_and_root_moves_the_whole_body():
    pose = pose_of(spine_pitch=0.3)
    plain = np.asarray(place(pose))
    root = jnp.asarray([[1.0, 0.0, 2.0]])
    moved = place(pose._replace(yaw=jnp.asarray([jnp.pi / 2]), root=root))
    x, y, z = plain.T
    np.testing.assert_allclose(moved, np.stack([z + 1, y, 2 - x], -1), atol=1e-5)


def test_upside_down_people_touch_the_floor_with_head_or_hands():
    xyz = np.asarray(place(pose_of(tumble_roll=3.1)))
    assert at(xyz, "left_foot")[1] < -1.2
    lowest = BODY.joints[int(xyz[:, 1].argmax())]
    assert lowest in ("head_top", "left_hand_tip", "right_hand_tip")
    assert -0.05 < xyz[:, 1].max() < 0.0


def test_mirrored_posture_is_the_mirrored_body():
    pose = pose_of(spine_roll=0.3, head_yaw=0.5)
    pose = pose._replace(
        arms=pose.arms.at[:, 0, 0].add(0.8), legs=pose.legs.at[:, 4].set(0.2)
    )
    flipped = pose._replace(
        arms=pose.arms[:, ::-1],
        trunk=-pose.trunk,
        legs=jnp.concatenate(
            [pose.legs[:, :3], pose.legs[:, 9:], pose.legs[:, 3:9]], axis=1
        ),
    )
    mirrored = np.asarray(place(flipped))[list(BODY.mirror)] * [-1.0, 1.0, 1.0]
    np.testing.assert_allclose(place(pose), mirrored, atol=1e-5)


def test_gradient_with_respect_to_the_body_is_finite():
    def head_height(offsets):
        person = body_shape.Shape(PERSON.stature, offsets, PERSON.girth)
        return posture.joints_from_posture(person, pose_of(height=0.8))[
            0, BODY.index("head"), 1
        ]

    assert jnp.isfinite(jax.jit(jax.grad(head_height))(PERSON.offsets)).all()

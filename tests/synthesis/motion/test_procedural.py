import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.skeleton import definitions, kinematics
from unipose_jax.synthesis.motion import (
    actions,
    body_shape,
    clip_sampling,
    procedural,
    retargeting,
)

BODY = definitions.BODY
FRAMES, RATE = 8, 15.0
TIME = jnp.arange(FRAMES) / RATE
PARAMS = procedural.MotionParams(yaw_range=(0.0, 0.0))
COUNT = 2500


def at(xyz, name):
    return np.asarray(xyz)[..., BODY.index(name), :]


def keys_of(count):
    return jax.vmap(jax.random.split)(jax.random.split(jax.random.key(0), count))


def sample(keys, time, params):
    person = body_shape.sample_shape(keys[0], body_shape.ShapeParams(child_share=0.0))
    return procedural.sample_motion(keys[1], person, time, params)


def clips(count, time, params):
    run = jax.jit(jax.vmap(lambda keys: sample(keys, time, params)))
    return np.asarray(run(keys_of(count)))


@pytest.fixture(scope="module")
def everybody():
    """Clips of all actions, facing +z, and the action of each."""

    def action(keys):
        draws = clip_sampling.draw(keys[1], PARAMS.num_key_poses)
        return clip_sampling.choose_action(draws.action, PARAMS)

    index = np.asarray(jax.jit(jax.vmap(action))(keys_of(COUNT)))
    return clips(COUNT, TIME, PARAMS), np.asarray(list(actions.ACTIONS))[index]


@pytest.fixture(scope="module")
def crowd(everybody):
    """Clips of everything but acrobatics: people are upright in them."""
    xyz, names = everybody
    return xyz[~np.isin(names, ("fall", "cartwheel"))]


@pytest.fixture(scope="module")
def those(everybody):
    """Function of action names that returns their clips."""
    xyz, names = everybody
    return lambda *wanted: xyz[np.isin(names, wanted)]


@pytest.fixture(scope="module")
def steps(those):
    return those("walk", "walk_and_gesture", "run")


def test_all_clips_are_finite(everybody):
    xyz, names = everybody
    assert xyz.shape == (COUNT, FRAMES, BODY.num_joints, 3)
    assert np.isfinite(xyz).all()
    assert set(names) == set(actions.ACTIONS) - set(actions.FLOOR_ACTIONS)


def test_bones_keep_their_lengths(everybody):
    bones = np.asarray(
        kinematics.bone_lengths(jnp.asarray(everybody[0]), skeleton=BODY)
    )
    assert np.ptp(bones, axis=1).max() < 1e-5


def test_a_clip_depends_on_its_key_and_times_only(everybody):
    # Other batches and times are other programs: agreement is to rounding of phases.
    dense = jnp.linspace(0.0, TIME[-1], 2 * FRAMES - 1)
    few = clips(5, dense, PARAMS)
    np.testing.assert_allclose(few[:, ::2], everybody[0][:5], atol=2e-4)


def test_people_face_the_given_way(everybody):
    yaw = 1.2
    turned = clips(5, TIME, dataclasses.replace(PARAMS, yaw_range=(yaw, yaw)))
    # Positive turns to the right: z ahead becomes x.
    x, y, z = np.moveaxis(everybody[0][:5], -1, 0)
    c, s = np.cos(yaw), np.sin(yaw)
    expected = np.stack([c * x + s * z, y, c * z - s * x], axis=-1)
    np.testing.assert_allclose(turned, expected, atol=1e-4)


def bend(xyz, root, middle, end):
    """Offset of the middle joint from the line between the other two."""
    chain = at(xyz, end) - at(xyz, root)
    chain = chain / np.linalg.norm(chain, axis=-1, keepdims=True)
    offset = at(xyz, middle) - at(xyz, root)
    return offset - (offset * chain).sum(-1, keepdims=True) * chain


@pytest.mark.parametrize("side", ["left", "right"])
def test_knees_bend_towards_the_toes(crowd, side):
    offset = bend(crowd, f"{side}_hip", f"{side}_knee", f"{side}_ankle")
    shank = at(crowd, f"{side}_ankle") - at(crowd, f"{side}_knee")
    toes = at(crowd, f"{side}_foot") - at(crowd, f"{side}_ankle")
    shank = shank / np.linalg.norm(shank, axis=-1, keepdims=True)
    toes = toes - (toes * shank).sum(-1, keepdims=True) * shank
    toes = toes / np.linalg.norm(toes, axis=-1, keepdims=True)
    # Metres: a straight leg's toes may turn out farther than its knee.
    assert (offset * toes).sum(-1).min() > -0.03


@pytest.mark.parametrize("side", ["left", "right"])
def test_elbows_of_hanging_arms_point_back_or_out(crowd, side):
    frame = np.asarray(kinematics.body_frame(jnp.asarray(crowd), skeleton=BODY))
    arm = at(crowd, f"{side}_wrist") - at(crowd, f"{side}_shoulder")
    arm = np.einsum("ntij,ntj->nti", frame, arm)
    arm = arm / np.linalg.norm(arm, axis=-1, keepdims=True)
    offset = bend(crowd, f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
    offset = np.einsum("ntij,ntj->nti", frame, offset)
    hanging = arm[..., 1] > 0.95
    assert hanging.sum() > 500
    outwards = offset[..., 0] * (1.0 if side == "right" else -1.0)
    assert np.minimum(offset[..., 2], -outwards)[hanging].max() < 0.03


@pytest.mark.parametrize(
    ("chain", "most"),
    [(("shoulder", "elbow", "wrist"), 150.0), (("hip", "knee", "ankle"), 155.0)],
)
def test_joints_fold_no_farther_than_anatomy_allows(crowd, chain, most):
    a, b, c = (at(crowd, f"left_{joint}") for joint in chain)
    u, w = b - a, c - b
    cosine = (u * w).sum(-1) / np.linalg.norm(u, axis=-1) / np.linalg.norm(w, axis=-1)
    assert np.degrees(np.arccos(cosine.min())) < most


def test_nothing_is_below_the_floor(crowd):
    assert crowd[..., 1].max() < 0.001


def test_a_standing_person_touches_the_floor(those):
    names = ("stand", "reach", "squat", "sit", "bow", "kick", "hands_on_head")
    xyz = those(*names)
    feet = np.maximum(at(xyz, "left_foot")[..., 1], at(xyz, "right_foot")[..., 1])
    ankles = np.maximum(at(xyz, "left_ankle")[..., 1], at(xyz, "right_ankle")[..., 1])
    # The ball is 3 cm above the sole, scaled; raised toes stand on the heel. Hands of
    # people who squat deeply may bear them for a moment.
    assert np.maximum(feet + 0.035, ankles + 0.09).min() > -0.02


def test_steps_land_on_the_floor_and_stay_there(steps):
    rate, place = RATE, np.stack([at(steps, "left_foot"), at(steps, "right_foot")], 2)
    low = -place[..., 1]
    # Runners fly, walkers never: both are close to the floor in most frames.
    assert np.percentile(low.min(-1), 50) < 0.04
    assert low.min(-1).max() < 0.2
    standing = (low[:, 1:] < 0.035) & (low[:, :-1] < 0.035)
    slide = np.linalg.norm(np.diff(place[..., [0, 2]], axis=1), axis=-1) * rate
    assert np.median(slide[standing]) < 0.15  # m/s; bodies move at 1.4 on average


def test_walking_people_move_in_the_direction_that_they_face(steps):
    pelvis = at(steps, "pelvis")
    speed = (pelvis[:, -1] - pelvis[:, 0]) / float(TIME[-1])
    assert 1.2 < speed[:, 2].mean() < 3.0
    assert np.abs(speed[:, 0]).mean() < 0.5
    ahead = at(steps, "nose") - at(steps, "head")
    assert (ahead[..., 2] > 0.0).mean() > 0.99


def test_walking_people_pass_the_middle_of_the_room_in_mid_clip(steps):
    middle = 0.5 * (at(steps, "pelvis")[:, 3] + at(steps, "pelvis")[:, 4])
    assert np.abs(middle[:, [0, 2]]).max() < 0.35


def test_arms_swing_against_the_legs(steps):
    arm = at(steps, "right_wrist")[..., 2] - at(steps, "left_wrist")[..., 2]
    leg = at(steps, "right_ankle")[..., 2] - at(steps, "left_ankle")[..., 2]
    assert np.corrcoef(arm.ravel(), leg.ravel())[0, 1] < -0.4


def test_left_and_right_have_the_same_mean(everybody):
    xyz = everybody[0][:, 0]
    xyz = xyz - xyz[:, :1]
    mirrored = xyz[:, list(BODY.mirror)] * np.asarray([-1.0, 1.0, 1.0])
    difference = (xyz - mirrored).mean(0)
    error = (xyz - mirrored).std(0) / np.sqrt(len(xyz))
    # Four standard errors; left and right offsets share the rounding of the rest.
    assert (np.abs(difference) <= 4.0 * error + 1e-4).all()


def speed(xyz, name):
    return np.linalg.norm(np.diff(at(xyz, name), axis=1), axis=-1) * RATE


def acceleration(xyz, name):
    return np.linalg.norm(np.diff(at(xyz, name), n=2, axis=1), axis=-1) * RATE**2


@pytest.mark.parametrize(
    ("joint", "usual", "most"),
    [("pelvis", 2.0, 4.5), ("left_wrist", 2.5, 8.0), ("left_ankle", 3.0, 11.0)],
)
def test_speeds_are_human(crowd, joint, usual, most):
    # CMU's clips reach 3.6, 7.4 and 9.3 m/s.
    values = speed(crowd, joint)
    assert np.percentile(values, 95) < usual
    assert values.max() < most


def test_accelerations_are_human(crowd):
    # m/s^2; 99 % of the pelvis and wrist samples of CMU's clips are below 15 and 24.
    assert np.percentile(acceleration(crowd, "pelvis"), 99) < 20.0
    assert np.percentile(acceleration(crowd, "left_wrist"), 99) < 32.0


def test_punches_are_faster_than_standing(those):
    assert np.percentile(speed(those("box"), "left_wrist"), 99) > 2.0
    assert np.median(speed(those("stand"), "left_wrist")) < 0.3


@pytest.mark.parametrize(
    ("action", "joint", "lowest", "highest"),
    [
        ("arms_up", "left_wrist", 0.9, 2.5),
        ("squat", "pelvis", 0.2, 0.9),
        ("sit", "pelvis", 0.2, 0.8),
        ("kneel", "pelvis", 0.2, 0.8),
        ("bow", "head", 0.4, 1.6),
        ("jump", "pelvis", 0.5, 1.1),
    ],
)
def test_actions_show_their_defining_poses(those, action, joint, lowest, highest):
    # Of each clip the most typical frame: people pause, and mix other things in.
    height = np.median(-at(those(action), joint)[..., 1], axis=1)
    assert lowest < np.median(height) < highest


def test_jumpers_leave_the_floor(those):
    xyz = those("jump", "leap")
    low = -np.maximum(at(xyz, "left_foot")[..., 1], at(xyz, "right_foot")[..., 1])
    assert 0.1 < np.mean(low > 0.08) < 0.6
    assert low.max() < 0.9


def test_wrists_stay_out_of_the_trunk(crowd):
    spine = 0.5 * (at(crowd, "torso") + at(crowd, "thorax"))
    distance = np.linalg.norm(at(crowd, "left_wrist") - spine, axis=-1)
    assert np.percentile(distance, 0.1) > 0.09


@pytest.fixture(scope="module")
def cmu(sample_data):
    path = sample_data / "cmu_mocap" / "cmu_joints_30fps_dev.npz"
    return {
        k: retargeting.to_body(clip) for k, clip in retargeting.load_clips(path).items()
    }


def test_sampling_a_clip_at_its_own_times_returns_it(cmu):
    xyz = jnp.asarray(cmu["02_01"])
    moved = procedural.from_clip(xyz, jnp.arange(20) / 30.0, start=0.5)
    expected = np.asarray(xyz[15:35])
    shift = np.asarray(moved)[0, 0] - expected[0, 0]
    np.testing.assert_allclose(np.asarray(moved) - shift, expected, atol=1e-4)
    assert abs(shift[1]) < 1e-6


def test_clip_between_frames_keeps_its_bones(cmu):
    xyz = jnp.asarray(cmu["49_06"])
    moved = procedural.from_clip(xyz, jnp.arange(60) / 41.0, yaw=0.7)
    bones = np.asarray(kinematics.bone_lengths(moved, skeleton=BODY))
    own = np.asarray(kinematics.bone_lengths(xyz, skeleton=BODY)).mean(0)
    shank = BODY.bone_names.index("left_knee-left_ankle")
    assert np.abs(bones[:, shank] - own[shank]).max() < 0.004


def test_clip_is_turned_about_the_vertical(cmu):
    xyz, time = jnp.asarray(cmu["02_01"]), jnp.arange(8) / 15.0
    plain = np.asarray(procedural.from_clip(xyz, time))
    turned = np.asarray(procedural.from_clip(xyz, time, yaw=jnp.pi / 2))
    # Positive turns to the right: what was ahead (z) is then at the right (x).
    np.testing.assert_allclose(turned[..., 0], plain[..., 2], atol=1e-5)
    np.testing.assert_allclose(turned[..., 1], plain[..., 1], atol=1e-5)


def test_a_clip_is_constant_before_its_start_and_after_its_end(cmu):
    xyz = jnp.asarray(cmu["02_01"])
    moved = procedural.from_clip(xyz, jnp.asarray([100.0, 101.0]))
    np.testing.assert_allclose(moved[0], moved[1], atol=1e-5)


def arm_vectors(xyz):
    """Elbow and wrist from the shoulder in the trunk's frame, in arm lengths."""
    frame = np.asarray(kinematics.body_frame(jnp.asarray(xyz), skeleton=BODY))
    shoulder, elbow = at(xyz, "right_shoulder"), at(xyz, "right_elbow")
    upper, fore = elbow - shoulder, at(xyz, "right_wrist") - elbow
    upper = 0.55 * upper / np.linalg.norm(upper, axis=-1, keepdims=True)
    fore = 0.45 * fore / np.linalg.norm(fore, axis=-1, keepdims=True)
    both = np.stack([upper, upper + fore], -2)
    both = np.einsum("nij,nkj->nki", frame, both)
    return both.reshape(len(xyz), -1)


def test_arms_of_real_people_are_within_the_rendered_workspace(cmu, crowd):
    real = np.concatenate([clip[::10] for clip in cmu.values()])
    queries, pool = arm_vectors(real), arm_vectors(crowd.reshape(-1, *crowd.shape[2:]))
    nearest = [np.linalg.norm(pool - query, axis=-1).min() for query in queries]
    # Arm lengths; a rendered arm is 0.06 from the nearest of other clips.
    assert np.median(nearest) < 0.08
    assert np.percentile(nearest, 95) < 0.22

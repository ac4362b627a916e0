import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import refine, skeleton
from unipose_jax.geometry import camera, transforms
from unipose_jax.physics import anthropometry

BODY = skeleton.ITOP15
TIME = jnp.arange(60) / 15.0


@pytest.fixture(scope="module")
def refined():
    """The compiled function `refined(xyz, valid, confidence, person)`."""

    @jax.jit
    def compiled(xyz, **given):
        return refine.refine(xyz, skeleton=BODY, time=TIME, **given)

    def call(xyz, valid=None, confidence=None, person=None):
        # What is not given has its default value, for one program in all tests.
        given = {
            "valid": np.ones((60, 15), bool) if valid is None else valid,
            "confidence": np.ones((60, 15)) if confidence is None else confidence,
            "person": np.zeros(60, int) if person is None else person,
        }
        given = {name: jnp.asarray(value) for name, value in given.items()}
        return compiled(jnp.asarray(xyz, jnp.float32), **given)

    return call


@pytest.fixture(scope="module")
def with_keypoints():
    """The compiled function `with_keypoints(xyz, keypoints)`."""
    return jax.jit(
        lambda xyz, seen: refine.refine(xyz, skeleton=BODY, time=TIME, keypoints=seen)
    )


@pytest.fixture(scope="module")
def noisy(person):
    rng = np.random.default_rng(0)
    xyz = person + 0.03 * rng.normal(size=person.shape).astype(np.float32)
    outlier = rng.random(xyz.shape[:2]) < 0.04
    xyz[outlier] += 0.4 * rng.choice([-1.0, 1.0], size=(outlier.sum(), 3)).astype(
        np.float32
    )
    return xyz


@pytest.fixture(scope="module")
def gentle(person):
    """Noise of 1 cm without outliers, so that the solution is unique."""
    rng = np.random.default_rng(1)
    return person + 0.01 * rng.normal(size=person.shape).astype(np.float32)


def error(xyz, truth):
    return np.linalg.norm(np.asarray(xyz) - truth, axis=-1).mean()


def test_consistent_poses_are_not_changed(refined, person):
    found = refined(person)
    # The estimated noise is at least 1 mm.
    assert np.abs(np.asarray(found.xyz) - person).max() < 2e-3
    assert not found.swapped.any()
    assert found.valid.all()


def test_noise_and_outliers_are_removed(refined, noisy, person):
    found = refined(noisy)
    assert error(found.xyz, person) < 0.5 * error(noisy, person)
    lengths = np.linalg.norm(found.xyz[:, 4] - found.xyz[:, 2], axis=-1)
    assert lengths.std() < 0.01


def test_noise_does_not_lengthen_bones(refined, noisy, person):
    found = np.asarray(refined(noisy).length[0])
    child, parent = BODY.bone_ends
    true = np.linalg.norm(person[0, child] - person[0, parent], axis=-1)
    assert abs((found - true).mean()) < 0.007  # medians are 10 mm too long


def test_left_right_swaps_are_corrected(refined, gentle, person):
    swapped = gentle.copy()
    swapped[30:32] = swapped[30:32, list(BODY.mirror)]
    found = refined(swapped)
    sides = np.asarray(BODY.mirror) != np.arange(15)
    np.testing.assert_array_equal(found.swapped[30:32], [sides, sides])
    assert error(found.xyz[30:32], person[30:32]) < 0.02


def test_confidence_is_swapped_with_its_joint(refined, person):
    observed = person.copy()
    burst = slice(30, 36)
    observed[burst] = person[burst][:, list(BODY.mirror)]
    hand, other = BODY.index("left_hand"), BODY.index("right_hand")
    observed[burst, other] += np.float32([0.0, 0.15, 0.0])  # the left joint, wrong
    doubted = np.ones(person.shape[:2], np.float32)
    doubted[burst, other] = 0.01
    observed[45, 0], doubted[45, 0] = 0.0, 0.0  # lost: not observed
    found = refined(observed, confidence=doubted)
    assert found.swapped[burst, hand].all()
    wrong, unweighted = (
        error(xyz[burst, hand], person[burst, hand])
        for xyz in (found.xyz, refined(observed).xyz)
    )
    assert wrong < 0.5 * unweighted
    np.testing.assert_allclose(found.xyz[45, 0], person[45, 0], atol=0.03)


def test_refinement_commutes_with_rigid_transforms(refined, gentle):
    rotation = transforms.rotation_from_euler(jnp.array([0.3, -0.5, 0.2]))
    shift = jnp.array([0.4, -0.2, 1.0])
    turned = jnp.einsum("ij,tkj->tki", rotation, gentle, precision="highest")
    turned = turned + shift.reshape(1, 1, 3)
    expected = jnp.einsum(
        "ij,tkj->tki", rotation, refined(gentle).xyz, precision="highest"
    )
    # Conjugate gradients stop early and amplify rounding differences.
    np.testing.assert_allclose(
        refined(turned).xyz, np.asarray(expected) + np.asarray(shift), atol=1e-3
    )


def test_invalid_joints_have_no_effect(refined, noisy):
    valid = np.ones(noisy.shape[:2], bool)
    valid[10, 3] = valid[20:22] = valid[:, 0] = False
    clean = refined(noisy, valid)
    dirty = refined(np.where(valid[..., None], noisy, np.nan), valid)
    np.testing.assert_array_equal(dirty.xyz, clean.xyz)
    assert np.isfinite(clean.xyz).all()
    assert clean.valid[10, 3]
    assert not clean.valid[:, 0].any()


def test_padding_changes_nothing(refined, gentle):
    after, before = np.full((2, *gentle.shape), np.nan, np.float32)
    after[:48], before[12:] = gentle[:48], gentle[:48]
    ends = [np.isfinite(xyz).all(axis=-1) for xyz in (after, before)]
    found = refined(after, ends[0]).xyz[:48]
    # Rounding differences, see above.
    np.testing.assert_allclose(found, refined(before, ends[1]).xyz[12:], atol=3e-3)


def test_segments_do_not_influence_each_other(refined, gentle):
    apart = gentle.copy()
    apart[30:] += np.float32([1.0, 0.0, 0.5])
    further = gentle.copy()
    further[30:] += np.float32([3.0, 0.0, 2.0])
    near, far = refined(apart), refined(further)
    np.testing.assert_array_equal(near.segment, np.arange(60) >= 30)
    np.testing.assert_allclose(near.xyz[:30], far.xyz[:30], atol=1e-3)
    np.testing.assert_allclose(
        np.asarray(near.xyz[30:]) + np.float32([2.0, 0.0, 1.5]), far.xyz[30:], atol=1e-3
    )


def test_vmap_gives_the_same_results_as_single_calls(refined, gentle, person):
    both = jnp.stack([jnp.asarray(gentle), jnp.asarray(person)])
    together = jax.jit(
        jax.vmap(functools.partial(refine.refine, skeleton=BODY, time=TIME))
    )(both)
    for one, xyz in zip(together.xyz, both, strict=True):
        np.testing.assert_allclose(one, refined(xyz).xyz, atol=1e-3)


def test_keypoints_pull_joints_to_their_rays(refined, with_keypoints, noisy, person):
    fx, fy, cx, cy = intrinsics = jnp.array([285.7, 285.7, 160.0, 120.0])
    x, y, z = jnp.moveaxis(jnp.asarray(person), -1, 0)
    keypoints = refine.Keypoints(
        uv=jnp.stack([fx * x / z + cx, fy * y / z + cy], axis=-1),
        confidence=jnp.ones((60, 15)),
        intrinsics=intrinsics,
        cam_from_xyz=jnp.eye(4),
    )
    with_rays = with_keypoints(jnp.asarray(noisy), keypoints)
    aside, without = (
        error(xyz[..., :2], person[..., :2])
        for xyz in (with_rays.xyz, refined(noisy).xyz)
    )
    assert aside < 0.7 * without


def test_keypoints_may_come_from_another_camera(with_keypoints, noisy, person):
    cam_from_xyz = transforms.from_rotation_translation(
        transforms.rotation_from_euler(jnp.array([0.0, 0.1, 0.0])),
        jnp.array([0.3, -0.1, 0.05]),
    )
    intrinsics = jnp.array([500.0, 500.0, 320.0, 240.0])
    uv = camera.uv_from_xyz(
        transforms.apply(cam_from_xyz, jnp.asarray(person)), intrinsics
    )

    def call(pose):
        seen = refine.Keypoints(uv, jnp.ones((60, 15)), intrinsics, pose)
        return with_keypoints(jnp.asarray(noisy), seen).xyz

    beside, mistaken = (
        error(call(pose)[..., :2], person[..., :2])
        for pose in (cam_from_xyz, jnp.eye(4))
    )
    assert beside < 0.5 * mistaken


def test_the_surface_moves_joints_behind_it(person):
    """Tests poses that are too near or too far, as from a wrong depth."""
    body = jnp.asarray(person)
    skin = jnp.broadcast_to(anthropometry.skin_depths(BODY), body.shape[:2])
    front = body - jnp.stack([0.0 * skin, 0.0 * skin, skin], axis=-1)
    aside = jnp.array([[0.0, 0.0], [0.02, 0.0], [-0.02, 0.0], [0.0, 0.02]])
    shifts = jnp.pad(aside, ((0, 0), (0, 1)))
    points = (front[:, :, None] + shifts[None, None]).reshape(60, -1, 3)
    clouds = refine.Clouds(points, jnp.ones(points.shape[:2], bool))
    noise = 0.02 * np.random.default_rng(2).normal(size=person.shape)
    call = jax.jit(
        lambda xyz, seen: refine.refine(xyz, skeleton=BODY, time=TIME, clouds=seen).xyz[
            ..., 2
        ]
    )
    moved = {}
    for shift in (-0.15, 0.08):
        off = (body + jnp.asarray(noise, jnp.float32)).at[..., 2].add(shift)
        moved[shift] = np.median(np.asarray(call(off, clouds) - call(off, None)))
    assert moved[-0.15] > 0.01  # joints must be behind the observed surface
    assert moved[0.08] < -0.004  # the depth behind it is known to 6 cm only
    # Joints of another convention lie deeper: they move back.
    deep = dataclasses.replace(clouds, skin_depth=skin[0] + 0.1)
    off = body + jnp.asarray(noise, jnp.float32)
    assert np.median(np.asarray(call(off, deep) - call(off, clouds))) > 0.004


def test_each_person_has_separate_bone_lengths(refined, gentle):
    person = np.repeat([0, 1], 30)
    xyz = gentle.copy()
    middle = np.float32([0.0, 0.0, 2.8])
    xyz[30:] = (xyz[30:] - middle) * np.float32(0.8) + middle
    found = refined(xyz, person=person)
    length = np.asarray(found.length)
    np.testing.assert_array_equal(length[:30], np.repeat(length[:1], 30, axis=0))
    # Medians over 30 frames with noise of 1 cm.
    np.testing.assert_allclose(length[-1], 0.8 * length[0], rtol=0.05)


def test_a_prior_pulls_joints_by_its_standard_deviation(gentle):
    """A precise prior wins, an imprecise one and an absent one change little."""
    aside = jnp.asarray(gentle + np.float32([0.02, 0.0, 0.0]))
    call = jax.jit(
        lambda sd: (
            refine.refine(
                jnp.asarray(gentle),
                skeleton=BODY,
                time=TIME,
                prior=refine.Prior(aside, jnp.full((60, 15), sd)),
            ).xyz
        )
    )
    without = call(jnp.inf)
    near, far = (float(jnp.median((call(sd) - without)[..., 0])) for sd in (0.003, 1.0))
    assert near > 0.01
    assert abs(far) < 1e-3


@pytest.mark.parametrize(
    ("shape", "message"),
    [((2, 15, 3), "at least three frames"), ((9, 14, 3), "skeleton ITOP15 has 15")],
)
def test_invalid_shapes_are_rejected(shape, message):
    with pytest.raises(ValueError, match=message):
        refine.refine(jnp.zeros(shape), skeleton=BODY)


def test_other_units_are_refused_and_a_name_is_a_skeleton(person):
    short, time = jnp.asarray(person[:8]), jnp.arange(8) / 15.0
    for xyz, seconds, message in (
        (1000 * short, time, "as in millimetres"),
        (100 * short, time, "as in centimetres"),
        (short, 1000 * time, "as in milliseconds"),
        (short, time + 1.7e12, "are milliseconds"),
    ):
        with pytest.raises(ValueError, match=message):
            refine.refine(xyz, skeleton="itop15", time=seconds)
    with pytest.raises(ValueError, match="unknown skeleton 'ITOP'"):
        refine.refine(short, skeleton="ITOP", time=time)

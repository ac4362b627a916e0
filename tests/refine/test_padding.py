import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import refine, skeleton
from unipose_jax.refine import observations, padding

BODY = skeleton.ITOP15
CONVERGING = refine.SolverSchedule(
    before_swaps=((1.0, 1.0),), after_swaps=((1.0, 1.0),), cg_steps=300
)
INTRINSICS = np.float32([570.0, 570.0, 320.0, 240.0])


def test_lengths_are_few_and_at_most_half_longer():
    counts = range(3, 5000)
    lengths = np.array([padding.padded_length(count) for count in counts])
    longer = lengths / np.arange(3, 5000)
    assert (longer >= 1.0).all()
    assert (longer[62:] < 1.5).all()
    assert sorted(set(lengths[lengths < 600])) == [64, 96, 128, 192, 256, 384, 512]


@pytest.mark.parametrize("keypoints", [False, True])
def test_padding_changes_nothing_but_the_rounding(person, keypoints):
    """`person` (60 frames) is filled up to 64.

    Conjugate gradients that stop before they converge amplify rounding: up to 3 mm in a
    joint with the usual 32 iterations. They converge here.
    """
    rng = np.random.default_rng(7)
    xyz = (person + 0.01 * rng.normal(size=person.shape)).astype(np.float32)
    valid = rng.random(xyz.shape[:2]) > 0.05
    uv = INTRINSICS[:2] * person[..., :2] / person[..., 2:] + INTRINSICS[2:]
    given = {
        "valid": valid,
        "confidence": rng.uniform(0.5, 1.0, valid.shape).astype(np.float32),
        "time": np.float32(np.arange(60) / 15.0),
        "person": np.zeros(60, np.int32),
    }
    if keypoints:
        given["keypoints"] = observations.Keypoints(
            uv=jnp.float32(uv + rng.normal(size=uv.shape)),
            confidence=jnp.float32(valid),
            intrinsics=jnp.asarray(INTRINSICS),
            cam_from_xyz=jnp.eye(4),
        )
    padded = padding.refine(xyz, skeleton=BODY, schedule=CONVERGING, **given)
    exact = refine.refine(
        jnp.asarray(xyz),
        skeleton=BODY,
        schedule=CONVERGING,
        **jax.tree.map(jnp.asarray, given),
    )
    np.testing.assert_allclose(padded.xyz, exact.xyz, atol=2e-4, rtol=0)
    np.testing.assert_allclose(padded.length, exact.length, atol=1e-4, rtol=0)
    np.testing.assert_allclose(padded.noise, exact.noise, rtol=1e-4)
    for name in ("valid", "swapped", "segment"):
        np.testing.assert_array_equal(getattr(padded, name), getattr(exact, name))


@pytest.mark.parametrize("swapped", [slice(0, 20), slice(40, 60)])
def test_an_exchange_at_an_end_is_found_with_padding(person, swapped):
    xyz = np.array(person, np.float32)
    hands = [
        BODY.index(f"{side}_{part}")
        for side in ("left", "right")
        for part in ("elbow", "hand")
    ]
    xyz[swapped] = xyz[swapped][:, BODY.mirror]
    found = padding.refine(
        xyz,
        skeleton=BODY,
        valid=np.ones(xyz.shape[:2], bool),
        confidence=np.ones(xyz.shape[:2], np.float32),
        time=np.float32(np.arange(60) / 15.0),
        person=np.zeros(60, np.int32),
    )
    expected = np.zeros(60, bool)
    expected[swapped] = True
    np.testing.assert_array_equal(found.swapped[:, hands].all(axis=1), expected)

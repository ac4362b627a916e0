import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.geometry import camera
from unipose_jax.refine import offline, online

BODY, WINDOW, LAG = skeleton.ITOP15, 24, 4


@pytest.fixture(scope="module")
def live():
    """`live(poses)` returns (poses refined with lag `LAG`, mask of known joints)."""
    push = jax.jit(functools.partial(online.update, skeleton=BODY, lag=LAG))

    def call(poses):
        history = online.init(skeleton=BODY, window=WINDOW)
        found = []
        for frame, xyz in enumerate(poses):
            time = jnp.float32(frame / 15.0)
            history, *pose = push(history, jnp.asarray(xyz, jnp.float32), time)
            found.append(pose)
        return tuple(np.stack(part) for part in zip(*found, strict=True))

    return call


def test_online_refinement_reduces_the_error(live, person):
    rng = np.random.default_rng(0)
    noisy = person + 0.03 * rng.normal(size=person.shape)
    refined, known = live(noisy)
    assert not known[:LAG].any()
    assert known[LAG:].all()
    wrong = np.linalg.norm(refined[LAG:] - person[:-LAG], axis=-1)
    before = np.linalg.norm(noisy - person, axis=-1)
    assert wrong[WINDOW:].mean() < 0.7 * before.mean()


def test_online_refinement_equals_offline_refinement_of_the_window(live, person):
    rng = np.random.default_rng(1)
    noisy = (person + 0.03 * rng.normal(size=person.shape)).astype(np.float32)
    newest = WINDOW + 9
    refined, _ = live(noisy[: newest + 1])
    seen = np.arange(newest + 1 - WINDOW, newest + 1)
    refine = functools.partial(offline.refine, skeleton=BODY, schedule=online.ONLINE)
    time = jnp.asarray(seen / 15.0, jnp.float32)
    window = jax.jit(refine)(jnp.asarray(noisy[seen]), time=time)
    # Compiled separately, so rounding differs.
    np.testing.assert_allclose(refined[newest], window.xyz[-1 - LAG], atol=1e-4)


def test_live_keypoints_pull_joints_to_their_rays(person):
    intrinsics = jnp.array([285.7, 285.7, 160.0, 120.0])
    uv = camera.uv_from_xyz(jnp.asarray(person), intrinsics)
    rng = np.random.default_rng(2)
    noisy = person + 0.03 * rng.normal(size=person.shape)
    push = jax.jit(functools.partial(online.update, skeleton=BODY, lag=0))
    wrong = {}
    for name, missing in (("with", ()), ("without", range(60))):
        history = online.init(skeleton=BODY, window=WINDOW, intrinsics=intrinsics)
        found = []
        for frame, xyz in enumerate(noisy[:40]):
            history, xyz, known = push(
                history,
                jnp.asarray(xyz, jnp.float32),
                jnp.float32(frame / 15.0),
                uv=uv[frame],
                uv_confidence=jnp.full(15, 0.0 if frame in missing else 1.0),
            )
            assert known.all() or frame < 3
            found.append(xyz)
        offset = (np.stack(found) - person[:40])[WINDOW:, :, :2]
        wrong[name] = np.linalg.norm(offset, axis=-1).mean()
    assert wrong["with"] < 0.7 * wrong["without"]


def test_live_keypoints_need_a_camera(person):
    history = online.init(skeleton=BODY, window=WINDOW)
    with pytest.raises(ValueError, match="intrinsics"):
        online.update(
            history,
            jnp.asarray(person[0]),
            jnp.float32(0.0),
            skeleton=BODY,
            uv=jnp.zeros((15, 2)),
        )

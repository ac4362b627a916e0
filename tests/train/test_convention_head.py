"""Training that starts with the convention head alone."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import unipose
from tests import stages
from unipose_jax import errors, models, skeleton
from unipose_jax.train import optimizer, settings
from unipose_jax.train.checkpoints import restore
from unipose_jax.train.recipes import unipose_terms

PARAMS = {
    "params": {
        "convention": {"offset": jnp.zeros((15, 3)), "skin": jnp.zeros(15)},
        "votes": {"kernel": jnp.ones((4, 5)), "bias": jnp.ones(5)},
    }
}
GRADS = jax.tree.map(lambda value: jnp.full(value.shape, 0.1), PARAMS)


def train(steps, **changes):
    """The parameters before and after each of some steps with the same gradient."""
    config = settings.OptimizerSettings(
        learning_rate=0.1, weight_decay=0.1, head_learning_rate=0.003, **changes
    )
    transform = optimizer.make_optimizer(config, 10, has_head=True)
    found, state = [PARAMS], transform.init(PARAMS)
    for _ in range(steps):
        updates, state = transform.update(GRADS, state, found[-1])
        found.append(jax.tree.map(lambda p, u: p + u, found[-1], updates))
    return [tree["params"] for tree in found]


def test_the_first_steps_change_the_head_alone():
    before, *frozen, first, free = train(5, head_steps=3)
    for after in frozen:
        chex.assert_trees_all_equal(after["votes"], before["votes"])
    # The schedule of the others starts with a step of its own.
    assert len(frozen) == 3
    assert jnp.abs(free["votes"]["kernel"] - before["votes"]["kernel"]).min() > 1e-3
    assert jnp.abs(free["votes"]["bias"] - before["votes"]["bias"]).min() > 1e-3
    # Adam's first step is its rate: 3 mm against the gradient.
    offset = frozen[0]["convention"]["offset"]
    np.testing.assert_allclose(offset, -0.003, rtol=1e-4)
    assert frozen[1]["convention"]["skin"].max() < -0.003
    for after in (first, free):
        chex.assert_trees_all_equal(after["convention"], frozen[-1]["convention"])


def test_without_such_steps_everything_learns_at_once():
    before, after, later = train(2, head_steps=0)
    for name in ("votes", "convention"):
        for one, two in ((before, after), (after, later)):
            moved = jax.tree.map(
                lambda a, b: jnp.abs(a - b).max(), one[name], two[name]
            )
            assert min(jax.tree.leaves(moved)) > 1e-3


def small_config(**loss):
    config = unipose.get_config("smoke")
    config.model.convention_head = "ITOP15"
    config.loss.update(loss)
    return config


def test_weights_without_a_head_start_with_one_of_zeros():
    def state_of(head):
        config = small_config()
        config.model.convention_head = head
        return restore._init_state(stages.stage(stages.values(config, "points", ".")))

    plain, headed = state_of(""), state_of("ITOP15")
    marked = jax.tree.map(lambda value: value + 1.0, plain.params)
    started = restore.with_params(marked, headed, setting="x").params["params"]
    assert not any(leaf.any() for leaf in jax.tree.leaves(started.pop("convention")))
    chex.assert_trees_all_equal(started, marked["params"])


@pytest.fixture(scope="module")
def surface_terms():
    """`surface_terms(z, shift, depths)`: terms of joints at z behind a wall at 2 m."""
    side = jnp.linspace(-0.4, 0.4, 9)
    wall = jnp.stack([*jnp.meshgrid(side, side), jnp.full((9, 9), 2.0)], -1)
    batch = {
        "points": wall.reshape(1, 1, 81, 3),
        "points_valid": jnp.ones((1, 1, 81), bool),
        "cam_from_points": jnp.eye(4)[None],
        "confidence": jnp.ones((1, 1, 15)),
    }

    def terms(z, shift, depths):
        config = small_config(skin_depths=depths, surface_radius=0.2)
        for name in config.loss_weights:
            config.loss_weights[name] = float(name in ("surface", "surface_hinge"))
        objective = stages.recipe(stages.values(config, "points", ".")).objective
        xyz = jnp.zeros((1, 1, 15, 3)).at[..., 2].set(z)
        estimate = models.PoseEstimate(
            xyz=xyz,
            confidence_logit=jnp.zeros((1, 1, 15)),
            skin_shift=jnp.broadcast_to(shift, (1, 1, 15)),
        )
        found = unipose_terms.compute(objective, estimate, batch, skeleton.ITOP15)
        return {name: float(term.mean()) for name, term in found.items()}

    return terms


ITOP = jnp.array([88, 45, 12, 12, 8.5, 8.5, 7, 7, 87, 80, 80, 47, 47, 44, 44]) / 1000
ANATOMY = (
    jnp.array(
        [90, 75.06, 69.28, 69.28, 51.96, 51.96, 32.33, 32.33, 138.56]
        + [115.47, 115.47, 69.28, 69.28, 46.19, 46.19]
    )
    / 1000
)


@pytest.mark.parametrize(
    ("depths", "right", "wrong"),
    [("ITOP", ITOP, ANATOMY), ("anatomy", ANATOMY, ITOP)],
)
def test_terms_of_the_surface_use_the_convention(surface_terms, depths, right, wrong):
    zero = jnp.zeros(15)
    at_home = surface_terms(2.0 + right, zero, depths)
    assert at_home == pytest.approx({"surface": 0.0, "surface_hinge": 0.0}, abs=1e-6)
    assert surface_terms(2.0 + wrong, zero, depths)["surface"] > 5e-3


def test_learnt_depths_add_to_anatomy_and_others_ignore_them(surface_terms):
    shift = ITOP - ANATOMY
    learnt = surface_terms(2.0 + ITOP, shift, "learnt")
    assert learnt["surface"] == pytest.approx(0.0, abs=1e-6)
    assert surface_terms(2.0 + ANATOMY, shift, "anatomy")["surface"] < 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss.skin_depths": "itop"}, "config.loss.skin_depths: unknown convention"),
        (
            {"loss.skin_depths": "learnt", "model.convention_head": ""},
            "needs a network with a convention head",
        ),
        ({"model.convention_head": "COCO17"}, "is 'COCO17'; use ITOP15"),
        (
            {"optimizer.head_steps": 1, "model.convention_head": ""},
            "head_steps is 1, but there is no convention head",
        ),
        ({"optimizer.head_steps": 4}, "head_steps is 4; .* below .*num_train_steps=4"),
        ({"optimizer.head_learning_rate": 0.0}, "head_learning_rate is 0.0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, message):
    config = small_config()
    config.update_from_flattened_dict(change)
    with pytest.raises(errors.BadInput, match=message):
        stages.stage(stages.values(config, "points", "."))

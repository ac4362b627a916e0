"""Terms of the objective that are put together here, not in `losses`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import unipose
from tests import stages
from unipose_jax import models, skeleton
from unipose_jax.train.recipes import terms, unipose_terms

SHAPE = (2, 3, 15)  # clips, frames, joints


@pytest.fixture
def agree():
    """`agree(whole, parts)`: the term `cross_modal` of positions (metres)."""
    config = unipose.get_config("smoke")
    for name in config.loss_weights:
        config.loss_weights[name] = float(name == "cross_modal")
    objective = stages.recipe(config).objective
    batch = {
        "points": jnp.zeros((2, 3, 8, 3)).at[..., 2].set(2.0),
        "points_valid": jnp.ones((2, 3, 8), bool),
        "cam_from_points": jnp.broadcast_to(jnp.eye(4), (2, 4, 4)),
    }

    def term(whole, parts, confidence_logit=0.0):
        sure = jnp.full(SHAPE, confidence_logit)
        estimate = models.PoseEstimate(
            xyz=whole,
            confidence_logit=jnp.zeros(SHAPE),
            parts={
                name: models.PoseEstimate(xyz=xyz, confidence_logit=sure)
                for name, xyz in parts.items()
            },
        )
        found = unipose_terms.compute(objective, estimate, batch, skeleton.ITOP15)
        return found["cross_modal"].mean()

    return term


def positions(*, away):
    return jnp.zeros((*SHAPE, 3)).at[..., 2].set(2.0 + away)


def test_modalities_agree_with_what_all_say(agree):
    whole = positions(away=0.0)
    assert agree(whole, {"points": whole, "depth": whole}) == 0.0
    # 5 cm are the agreement's scale: 0.05 (sqrt(2) - 1), of one modality in two.
    apart = agree(whole, {"points": whole, "depth": positions(away=0.05)})
    np.testing.assert_allclose(apart, 0.5 * 0.05 * (2**0.5 - 1), rtol=1e-4)


def test_what_all_say_is_not_drawn_to_who_sees_less(agree):
    parts = {"points": positions(away=0.01), "depth": positions(away=0.2)}
    whole, each = jax.grad(agree, argnums=(0, 1))(positions(away=0.0), parts)
    assert not whole.any()
    assert each["points"][..., 2].min() > 0.0
    assert each["depth"][..., 2].min() > 0.0


def test_modalities_that_are_not_looked_at_agree_to_nothing(agree):
    far = {"depth": positions(away=1.0)}
    assert agree(positions(away=0.0), far, confidence_logit=-200.0) == 0.0
    assert agree(positions(away=0.0), far) > 0.1


def test_joint_confidence_follows_the_distance_to_the_true_joint():
    """At the scale's distance, exp(-1/2) is the confidence with the least loss."""
    term = unipose_terms.TERMS["joint_confidence"]
    context = terms.Context(0.05, {}, skeleton.ITOP15)
    batch = {"xyz": positions(away=0.05), "xyz_valid": jnp.ones(SHAPE, bool)}
    batch["xyz"] = batch["xyz"].at[:, :, 3].set(jnp.nan)
    batch["xyz_valid"] = batch["xyz_valid"].at[:, :, 3].set(False)

    def loss(logit, place=0.0):
        estimate = models.PoseEstimate(positions(away=place), jnp.full(SHAPE, logit))
        return term.loss(estimate, batch, context).mean()

    closeness = np.exp(-0.5)
    best = np.log(closeness / (1.0 - closeness))
    np.testing.assert_allclose(jax.grad(loss)(best), 0.0, atol=1e-6)
    assert float(jax.grad(loss)(best + 1.0)) > 0.1
    # The confidence does not move the joint.
    assert float(jax.grad(loss, argnums=1)(best + 1.0, 0.02)) == 0.0

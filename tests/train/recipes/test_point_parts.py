"""Labels of points in training: mirrored views, hidden points, and what is no body."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import unipose
from tests import stages
from unipose_jax import errors, models, skeleton
from unipose_jax.skeleton import body_parts
from unipose_jax.train.recipes import unipose_terms

CLIPS, FRAMES, POINTS = 16, 2, 40
LEFT, RIGHT = (body_parts.NAMES.index(f"{side}_thigh") for side in ("left", "right"))
HEAD = body_parts.NAMES.index("head")


def make_config(term):
    """A config whose objective is one term."""
    config = unipose.get_config("smoke")
    for name in config.loss_weights:
        config.loss_weights[name] = float(name == term)
    config.model.point_parts = config.data.part_labels = True
    augment = config.augment
    augment.pan = augment.tilt = augment.roll = augment.scale = 0.0
    augment.occlusion_prob = 1.0
    return config


@pytest.fixture(scope="module")
def batch():
    """Clouds with the left thigh at negative x and the right one at positive x."""
    points = 0.3 * jax.random.normal(jax.random.key(0), (CLIPS, FRAMES, POINTS, 3))
    part = jnp.where(points[..., 0] < 0, LEFT, RIGHT).astype(jnp.int8)
    return {
        "points": points + jnp.array([0.0, 0.0, 2.0]).reshape(1, 1, 1, 3),
        "points_valid": jnp.ones(points.shape[:-1], bool),
        "points_part": part,
        "time": jnp.zeros((CLIPS, FRAMES)),
        "cam_from_points": jnp.broadcast_to(jnp.eye(4), (CLIPS, 4, 4)),
    }


def compute(objective, estimate, batch):
    terms = jax.jit(
        lambda estimate, batch: unipose_terms.compute(
            objective, estimate, batch, skeleton.ITOP15
        )
    )
    return terms(estimate, batch)


def perfect_where_seen(params, *, points, points_valid, time):
    """Certain of the part that a cloud shows in its view; wrong where it sees none."""
    seen = jnp.where(points[..., 0] < 0, LEFT, RIGHT)
    part = jnp.where(points_valid, seen, HEAD)
    return models.PoseEstimate(
        xyz=jnp.zeros((CLIPS, FRAMES, 15, 3)),
        confidence_logit=jnp.zeros((CLIPS, FRAMES, 15)),
        part_logits=50.0 * jax.nn.one_hot(part, body_parts.COUNT),
    )


def test_mirrored_views_and_hidden_points_cost_nothing(batch):
    recipe = stages.recipe(make_config("point_part"))
    keys = jax.random.split(jax.random.key(1), CLIPS)
    terms = jax.jit(
        lambda batch: recipe.train_terms(perfect_where_seen, None, batch, keys)
    )
    found = terms(batch)["point_part"]
    np.testing.assert_allclose(found.mean(), 0.0, atol=1e-6)
    # Every clip has a hole, so that some labels do not count.
    assert CLIPS * FRAMES * POINTS * 0.2 < found.weight < CLIPS * FRAMES * POINTS
    swapped = batch | {"points_part": (LEFT + RIGHT - batch["points_part"])}
    np.testing.assert_allclose(terms(swapped)["point_part"].mean(), 50.0, rtol=1e-5)


def test_the_term_by_hand():
    objective = stages.recipe(make_config("point_part")).objective
    logits = jnp.zeros((1, 1, 4, body_parts.COUNT)).at[0, 0, 0, LEFT].set(jnp.log(9.0))
    estimate = models.PoseEstimate(
        xyz=jnp.zeros((1, 1, 15, 3)),
        confidence_logit=jnp.zeros((1, 1, 15)),
        part_logits=logits,
    )
    batch = {
        "points": jnp.ones((1, 1, 4, 3)),
        "points_valid": jnp.array([[[True, True, True, False]]]),
        "points_part": jnp.array([[[LEFT, RIGHT, body_parts.UNKNOWN, LEFT]]]),
        "cam_from_points": jnp.eye(4)[None],
    }
    found = compute(objective, estimate, batch)
    # The first point has the probability 9 / (9 + 10), the second 1 / 11.
    expected = 0.5 * (np.log(19 / 9) + np.log(11))
    np.testing.assert_allclose(found["point_part"].mean(), expected, rtol=1e-5)


def surface_of(least, *, sure):
    """The surface term of joints 10 cm behind a board, with an object before it."""
    config = make_config("surface")
    config.loss.least_body_probability = least
    objective = stages.recipe(config).objective
    x, y = jnp.meshgrid(jnp.linspace(-0.2, 0.2, 9), jnp.linspace(-0.2, 0.2, 9))
    board = jnp.stack([x.ravel(), y.ravel(), jnp.full(81, 2.0)], axis=-1)
    points = jnp.concatenate([board, board - jnp.array([[0.0, 0.0, 0.5]])])
    is_object = jnp.arange(162) >= 81
    part = jnp.where(is_object, body_parts.NONE, HEAD)
    estimate = models.PoseEstimate(
        xyz=jnp.zeros((1, 1, 15, 3)).at[..., 2].set(2.1),
        confidence_logit=jnp.zeros((1, 1, 15)),
        part_logits=sure * jax.nn.one_hot(part, body_parts.COUNT)[None, None],
    )
    batch = {
        "points": points[None, None],
        "points_valid": jnp.ones((1, 1, 162), bool),
        "confidence": jnp.ones((1, 1, 15)),
        "cam_from_points": jnp.eye(4)[None],
    }
    found = compute(objective, estimate, batch)
    return float(found["surface"].mean())


def test_points_on_no_body_are_left_out_of_the_surface():
    assert surface_of(0.5, sure=20.0) < 0.03
    assert surface_of(0.0, sure=20.0) > 0.09  # the object is the surface
    assert surface_of(0.5, sure=0.0) > 0.09  # 10 of 11 parts are body


def test_settings_that_lack_something_are_refused():
    for section, key in (("model", "point_parts"), ("data", "part_labels")):
        config = make_config("point_part")
        config[section][key] = False
        with pytest.raises(errors.BadInput, match=f"config.{section}.{key}=True"):
            stages.recipe(config)
    config = make_config("surface")
    config.model.point_parts, config.loss.least_body_probability = False, 0.5
    with pytest.raises(errors.BadInput, match="least_body_probability is 0.5"):
        stages.recipe(config)

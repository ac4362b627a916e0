"""Optimiser and the schedules of its rate and of the loss weights."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from unipose_jax.models import convention
from unipose_jax.train import settings
from unipose_jax.train.recipes import terms

BACKBONE = "backbone"


def make_optimizer(
    config: settings.OptimizerSettings, num_steps: int, *, has_head: bool = False
) -> optax.GradientTransformation:
    """Muon with clipped gradients, linear warm-up and cosine decay to zero.

    Muon (Jordan et al., 2024) orthogonalises the momentum of matrices, convolutions
    among them, and leaves the rest to AdamW.

    A convention head (`models.convention`) has an Adam of its own. With `head_steps` it
    learns in these first steps alone and is constant afterwards; without, its rate
    decays over the whole run.

    Args:
        config: the settings; `backbone_lr_multiplier` scales the updates of the
            backbone, its weight decay included.
        num_steps: length of the whole run.
        has_head: whether the network has a convention head.
    """
    if not has_head:
        return _make_body_optimizer(config, num_steps, wait=0)
    length = config.head_steps or num_steps
    rate = optax.cosine_decay_schedule(config.head_learning_rate, length)
    parts = {
        "head": optax.adam(rate),
        "body": _make_body_optimizer(
            config, num_steps, wait=min(config.head_steps, num_steps - 1)
        ),
    }
    return optax.partition(parts, _labels)


def _labels(params):
    """Which parameters belong to a convention head, as a tree of names."""

    def label(path, _):
        names = [getattr(entry, "key", None) for entry in path]
        return "head" if convention.NAME in names else "body"

    return jax.tree_util.tree_map_with_path(label, params)


def _make_body_optimizer(
    config: settings.OptimizerSettings, num_steps: int, *, wait: int
) -> optax.GradientTransformation:
    """The optimiser of all but a convention head; its rate is 0 for `wait` steps."""
    left = num_steps - wait
    rate = optax.warmup_cosine_decay_schedule(
        *(0.0, config.learning_rate, min(config.warmup_steps, left // 4), left),
        end_value=0.0,
    )
    if wait:
        rate = optax.join_schedules([optax.constant_schedule(0.0), rate], [wait])
    parts = [
        optax.clip_by_global_norm(config.clip_norm),
        optax.contrib.muon(
            rate,
            weight_decay=config.weight_decay,
            muon_weight_dimension_numbers=_muon_dimension_numbers,
        ),
    ]
    if (share := config.backbone_lr_multiplier) != 1.0:
        parts.append(optax.masked(optax.scale(share), backbone_mask))
    return optax.chain(*parts)


def backbone_mask(params):
    """Which parameters belong to an image network, as a tree of bool.

    Networks that have one call it `BACKBONE`, wherever they keep it.
    """

    def belongs(path, _):
        return any(getattr(entry, "key", None) == BACKBONE for entry in path)

    return jax.tree_util.tree_map_with_path(belongs, params)


def _muon_dimension_numbers(params):
    """Which parameters are matrices: dense kernels, and convolutions' when flattened.

    The others (biases, scales, kernels per attention head) are None.
    """
    kinds = {
        2: optax.contrib.MuonDimensionNumbers(),
        4: optax.contrib.MuonDimensionNumbers(reduction_axis=(0, 1, 2), output_axis=3),
    }
    return jax.tree.map(lambda value: kinds.get(value.ndim), params)


def make_weight_schedule(objective: terms.Objective, num_steps: int) -> Callable:
    """Builds `weights(step) -> dict`: the weight of each term at a step.

    Ramped terms grow linearly from 0 to their weight between the shares
    `objective.ramp_start` and `objective.ramp_end` of the run; the others are constant.
    Physical terms from the first step on would pull poor poses to a mean pose.
    """
    start = objective.ramp_start * num_steps
    end = objective.ramp_end * num_steps

    def weights(step):
        share = jnp.clip((step - start) / max(end - start, 1.0), 0.0, 1.0)
        return {
            term.name: term.weight * share if term.ramped else term.weight
            for term in objective.terms
        }

    return weights

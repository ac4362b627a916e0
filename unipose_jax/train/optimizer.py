"""Optimiser and the schedules of its rate and of the loss weights."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import ml_collections
import optax
import optax.contrib

from unipose_jax import errors

BACKBONE = "backbone"


def make_optimizer(
    config: ml_collections.ConfigDict, num_steps: int
) -> optax.GradientTransformation:
    """Muon with clipped gradients, linear warm-up and cosine decay to zero.

    Muon (Jordan et al., 2024) orthogonalises the momentum of matrices, convolutions
    among them, and leaves the rest to AdamW.

    Args:
        config: `learning_rate`, `warmup_steps`, `weight_decay`, `clip_norm`; and
            `backbone_lr_multiplier`, 1 if absent, by which updates of the backbone are
            scaled: its learning rate, and with it its decay, as a share of the others'.
        num_steps: length of the whole run.
    """
    warmup = min(config.warmup_steps, num_steps // 4)
    rate = optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, warmup, num_steps, end_value=0.0
    )
    parts = [
        optax.clip_by_global_norm(config.clip_norm),
        optax.contrib.muon(
            rate,
            weight_decay=config.weight_decay,
            muon_weight_dimension_numbers=_muon_dimension_numbers,
        ),
    ]
    if (share := config.get("backbone_lr_multiplier", 1.0)) != 1.0:
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


def make_weight_schedule(
    loss_weights: Mapping[str, float],
    ramp: ml_collections.ConfigDict,
    num_steps: int,
) -> Callable:
    """Builds `weights(step) -> dict`: the objective at a step.

    The terms in `ramp.terms` grow linearly from zero to their weight between the
    fractions `ramp.start` and `ramp.end` of the run; the others are constant. Physical
    terms switched on while poses are poor would drag them to a mean.

    Raises:
        errors.BadInput: `ramp.terms` names a term without a weight.
    """
    unknown = set(ramp.terms) - set(loss_weights)
    if unknown:
        raise errors.BadInput(
            f"ramp.terms {sorted(unknown)} are not in loss_weights; "
            f"choose from {sorted(loss_weights)}"
        )
    used = {name: weight for name, weight in loss_weights.items() if weight}
    start, end = ramp.start * num_steps, ramp.end * num_steps

    def weights(step):
        share = jnp.clip((step - start) / max(end - start, 1.0), 0.0, 1.0)
        return {k: w * share if k in ramp.terms else w for k, w in used.items()}

    return weights

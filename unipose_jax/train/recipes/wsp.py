"""WSP: a backbone learns depth order of people from 2D keypoints and perspective.

docs/wsp.md. `perspective` computes the labels from the keypoints at which the network's
features are sampled. True depth serves evaluation only, unless `ordinal_labels.source`
is "depth". The term `heatmap` trains the network to locate the keypoints.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from data_pipelines.ground import settings as data_settings
from unipose_jax import errors, losses, models, perspective, reduction, skeleton
from unipose_jax.train import parallel, settings
from unipose_jax.train.augment import image_augment
from unipose_jax.train.recipes import config_checks
from unipose_jax.train.recipes import terms as objectives
from unipose_jax.train.recipes.recipe import Recipe

Order = perspective.order.Order
_FIELDS = ("image", "people_uv", "people_confidence")
_TRUTH = ("people_xyz", "people_visible")
SOURCES = ("keypoints", "depth")
"""Where labels may come from: `ordinal_labels.source`."""


def build(values: Mapping[str, Any], data: data_settings.DataSettings) -> Recipe:
    """The recipe of a config with `ordinal_labels` and `pairs_per_image`.

    Raises:
        errors.BadInput: the config asks for what does not exist.
    """
    labels = settings.parse(
        settings.OrdinalLabelSettings, values["ordinal_labels"], "ordinal_labels"
    )
    _check(values["model"], labels, data)
    objective = objectives.make_objective(
        _make_terms(labels, values["pairs_per_image"]),
        values["loss_weights"],
        values.get("loss", {}),
        settings.parse(settings.RampSettings, values["ramp"], "ramp"),
    )
    return make_recipe(
        values["model"],
        config_checks.data_skeleton(data),
        objective,
        augment=settings.parse(
            settings.ImageAugmentation, values["augment"], "augment"
        ),
        labels=labels,
    )


def make_recipe(
    model: Mapping[str, Any],
    skel: skeleton.Skeleton,
    objective: objectives.Objective,
    *,
    augment: settings.ImageAugmentation,
    labels: settings.OrdinalLabelSettings,
) -> Recipe:
    """The recipe of a ranking network.

    Args:
        model: `config.model`.
        skel: of the keypoints.
        objective: the loss.
        augment: of images.
        labels: the rule that labels pairs.
    """

    def train_terms(apply_fn, params, batch, keys):
        fed = {name: batch[name] for name in (*_FIELDS, *objective.fields)}
        if labels.source == "depth":
            fed |= _keypoint_depths(batch)
        transform = jax.vmap(
            lambda key, example: image_augment.augment_image(
                key, example, config=augment, skeleton=skel
            )
        )
        seen = transform(keys, fed)
        inputs = {name: seen[name] for name in models.IMAGE_FIELDS}
        return compute(apply_fn(params, **inputs), seen, keys)

    def compute(estimate, seen, keys):
        return objective.compute(estimate, seen | {"keys": keys}, skel, {})

    def validation_terms(estimate, batch):
        keys = parallel.per_example_keys(jax.random.key(0), len(batch["image"]))
        return compute(estimate, batch | _keypoint_depths(batch), keys)

    def measure(estimate, batch):
        return accuracies(estimate, batch, label_config=labels, skel=skel)

    needed = (*_FIELDS, *_TRUTH, *objective.fields)
    return Recipe(
        network=models.build(model, num_joints=skel.num_joints),
        inputs=models.IMAGE_FIELDS,
        fields=tuple(dict.fromkeys(needed)),
        objective=objective,
        train_terms=train_terms,
        validation_terms=validation_terms,
        metrics_fn=measure,
        settings=labels,
    )


def _make_terms(
    labels: settings.OrdinalLabelSettings, pairs_per_image: int
) -> dict[str, objectives.Definition]:
    """The table of terms; `keys` in their batch has one key per image."""

    def ranking(estimate, batch, context):
        return sampled_ranking_loss(
            estimate,
            batch,
            batch["keys"],
            labels,
            pairs_per_image,
            context.skeleton,
        )

    def heatmap(estimate, batch, context):
        return heatmap_loss(estimate, batch, labels)

    return {
        "ranking": objectives.Definition(ranking, _FIELDS),
        "heatmap": objectives.Definition(heatmap, _FIELDS),
    }


def _check(
    model: Mapping[str, Any],
    labels: settings.OrdinalLabelSettings,
    data: data_settings.DataSettings,
) -> None:
    if model["name"] != "rank_net":
        raise errors.BadInput(
            f"config.model.name is {model['name']!r}; recipe wsp has rank_net"
        )
    config_checks.check_choice("ordinal_labels.source", labels.source, SOURCES)
    config_checks.check_backbone(model, {"height": data.height, "width": data.width})
    if labels.source == "depth" and not data.is_synthetic:
        raise errors.BadInput(
            "config.ordinal_labels.source is 'depth', which photographs lack; "
            f"config.data.collections is {data.collections!r}, not 'rendered'"
        )


def ordinal_labels(
    batch: Mapping, label_config: settings.OrdinalLabelSettings, skel: skeleton.Skeleton
) -> Order:
    """Labels of all ordered pairs of people in each picture, from keypoints."""
    uv, confidence = batch["people_uv"], batch["people_confidence"]
    sizes = perspective.apparent_size.apparent_sizes(
        uv,
        confidence=confidence,
        segments=perspective.apparent_size.limb_segments(skel),
        min_confidence=label_config.min_confidence,
    )
    feet, known = perspective.order.lower_foot_row(
        uv,
        confidence=confidence,
        skeleton=skel,
        min_confidence=label_config.min_confidence,
    )
    return perspective.order.order_people(
        sizes,
        margin=label_config.margin,
        equal=label_config.equal_margin,
        feet=feet if label_config.use_feet else None,
        feet_known=known,
    )


def sampled_ranking_loss(
    estimate: models.RankEstimate,
    batch: Mapping,
    keys: Array,
    label_config: settings.OrdinalLabelSettings,
    pairs_per_image: int,
    skel: skeleton.Skeleton,
) -> reduction.WeightedMean:
    """Ranking loss of pairs of keypoints that are drawn from each picture."""
    if label_config.source == "depth":
        pairs = perspective.order.order_depths(
            _flat(batch["people_depth"]),
            valid=_flat(batch["people_visible"]),
            margin=label_config.depth_margin,
        )
    else:
        people = ordinal_labels(batch, label_config, skel)
        pairs = perspective.order.keypoint_order(people, joints=skel.num_joints)
    found = _flat(batch["people_confidence"]) >= label_config.min_confidence
    labelled = pairs.labelled & found[:, :, None] & found[:, None, :]
    classes = perspective.pairs.num_classes(batch["people_uv"].shape[1])

    def draw(key, labelled, label):
        return perspective.pairs.sample_pairs(
            jax.random.fold_in(key, 1),
            labelled,
            classes=perspective.pairs.pair_classes(label, skeleton=skel),
            num_classes=classes,
            count=pairs_per_image,
        )

    first, second, valid = jax.vmap(draw)(keys, labelled, pairs.label)
    depth = _flat(estimate.depth)
    row = jnp.arange(len(depth))[:, None]
    penalty = losses.pairwise_ranking(
        jnp.take_along_axis(depth, first, axis=1),
        jnp.take_along_axis(depth, second, axis=1),
        pairs.label[row, first, second],
        where=valid,
    )
    return reduction.weighted_mean(penalty, where=valid)


def heatmap_loss(
    estimate: models.RankEstimate,
    batch: Mapping,
    label_config: settings.OrdinalLabelSettings,
) -> reduction.WeightedMean:
    """How little of a joint's map lies in the cells of its keypoints, nats."""
    confidence = batch["people_confidence"]
    found = confidence >= label_config.min_confidence
    return reduction.weighted_mean(-estimate.heatmap_log_prob, confidence, found)


def _keypoint_depths(batch: Mapping) -> dict[str, Array]:
    """Depth of keypoints as a depth map would give it: of those in view."""
    return {
        "people_depth": batch["people_xyz"][..., 2],
        "people_visible": batch["people_visible"],
    }


def accuracies(
    estimate: models.RankEstimate,
    batch: Mapping,
    *,
    label_config: settings.OrdinalLabelSettings,
    skel: skeleton.Skeleton,
) -> dict[str, reduction.WeightedMean]:
    """How often predictions order pairs of detected keypoints rightly.

    `pair_accuracy`: of different people, at least `min_depth_difference` metres apart
    in truth; `label_accuracy`: those that the rule labels, by its labels;
    `rule_precision` and `rule_coverage`: of the labels, by truth; `inside_accuracy`:
    pairs of keypoints of one person that far apart, of which nothing is ever labelled.
    """
    joints = skel.num_joints
    truth = perspective.order.order_depths(
        _flat(batch["people_xyz"][..., 2]),
        valid=_flat(batch["people_visible"]),
        margin=label_config.min_depth_difference,
    )
    people = ordinal_labels(batch, label_config, skel)
    labels = perspective.order.keypoint_order(people, joints=joints)
    found = _flat(batch["people_confidence"]) >= label_config.min_confidence
    found = found[:, :, None] & found[:, None, :]
    person = jnp.arange(found.shape[-1]) // joints
    other = (person[:, None] != person[None, :])[None]
    depth = _flat(estimate.depth)
    guess = jnp.sign(depth[:, None, :] - depth[:, :, None]).astype(jnp.int32)
    known = truth.labelled & found
    given = labels.labelled & (labels.label != 0) & found
    return {
        "pair_accuracy": _accuracy(guess == truth.label, known & other),
        "inside_accuracy": _accuracy(guess == truth.label, known & ~other),
        "label_accuracy": _accuracy(guess == labels.label, given),
        "rule_precision": _accuracy(labels.label == truth.label, known & given),
        "rule_coverage": _accuracy(given, known & other),
    }


def _accuracy(right: Array, counted: Array) -> reduction.WeightedMean:
    return reduction.weighted_mean(right.astype(jnp.float32), where=counted)


def _flat(values: Array) -> Array:
    """(batch, people, joints) as (batch, keypoints)."""
    return values.reshape(len(values), -1)

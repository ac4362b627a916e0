"""Checks of settings that several recipes share; each error names the setting."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import jax

from data_pipelines.ground import settings
from unipose_jax import errors, models, skeleton
from unipose_jax.models import backbones
from unipose_jax.physics import skin_depths
from unipose_jax.train.recipes import unipose_terms

_DTYPES = ("float32", "bfloat16", "float16")


def data_skeleton(data: settings.DataSettings) -> skeleton.Skeleton:
    """The skeleton that `config.data.skeleton` names.

    Raises:
        errors.BadInput: there is none of that name.
    """
    check_choice("data.skeleton", data.skeleton, skeleton.NAMES)
    return skeleton.by_name(data.skeleton)


def check_choice(key: str, value: object, known: Collection[str]) -> None:
    """Refuses a value that is none of the known ones.

    Args:
        key: name of the setting, as "model.backbone".
        value: the value.
        known: the choices.

    Raises:
        errors.BadInput: names the setting and the choices.
    """
    if value not in known:
        raise errors.BadInput(
            f"config.{key} is {value!r}; use one of {', '.join(known)}"
        )


def check_skin_depths(
    scales: Mapping[str, Any], skel: skeleton.Skeleton, *, learnt: bool
) -> None:
    """Refuses a convention of skin depths that does not exist or lacks a joint.

    Args:
        scales: `config.loss`.
        skel: of the joints.
        learnt: whether the network has a convention head, which can learn them.

    Raises:
        errors.BadInput: names the setting.
    """
    name = scales.get("skin_depths", skin_depths.ANATOMY)
    if name == skin_depths.LEARNT and learnt:
        return
    if name == skin_depths.LEARNT:
        raise errors.BadInput(
            f"config.loss.skin_depths is {name!r}, which needs a network with a "
            f"convention head: config.model.convention_head={skel.name}"
        )
    try:
        skin_depths.typical(skel, convention=name)
    except ValueError as error:
        raise errors.BadInput(f"config.loss.skin_depths: {error}") from error


def check_dtype(model: Mapping[str, Any]) -> None:
    """Refuses a number type that does not exist or that this device cannot multiply.

    Raises:
        errors.BadInput: names the setting.
    """
    check_choice("model.dtype", model["dtype"], _DTYPES)
    if model["dtype"] == "float16" and jax.default_backend() == "cpu":
        raise errors.BadInput(
            "config.model.dtype is 'float16', which JAX does not multiply on a CPU; "
            "use float32 or bfloat16"
        )


def check_network(recipe: str, model: Mapping[str, Any], own: Collection[str]) -> None:
    """Refuses a built-in network of another recipe, and a name that nobody registered.

    Args:
        recipe: its name.
        model: `config.model`.
        own: the built-in networks that the recipe trains; any registered one is
            accepted besides.

    Raises:
        errors.BadInput: names the choices.
    """
    name = model["name"]
    custom = set(models.NETWORKS) - set(models.BUILT_IN)
    if name not in {*own, *custom}:
        raise errors.BadInput(
            f"recipe {recipe} trains {' or '.join([*own, *sorted(custom)])}, not {name}"
        )


def check_backbone(model: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
    """Refuses an image network that does not exist, or images it cannot divide.

    Args:
        model: `config.model`.
        sizes: height and width of its images in pixels, by the name of the setting.

    Raises:
        errors.BadInput: names the setting and the choices.
    """
    check_choice("model.backbone", model["backbone"], list(backbones.BACKBONES))
    stride = backbones.stride_of(model["backbone"])
    for name, size in sizes.items():
        if size < stride or size % stride:
            raise errors.BadInput(
                f"{name} is {size}; {model['backbone']} needs a multiple of {stride}"
            )


def check_frames(names: Iterable[str], frames: int, setting: str) -> None:
    """Refuses terms that compare more frames than a clip has.

    Args:
        names: of the terms that have a weight.
        frames: of a clip.
        setting: that sets `frames`, with its value, for the error.

    Raises:
        errors.BadInput: names the first such term.
    """
    for name in names:
        if (least := unipose_terms.LEAST_FRAMES.get(name, 1)) > frames:
            raise errors.BadInput(
                f"config.loss_weights has {name}, which compares {least} frames of a "
                f"clip, but {setting}"
            )

"""Checks of configs that several recipes share; each names the setting."""

from collections.abc import Collection

import jax
import ml_collections

from unipose_jax import errors, skeleton
from unipose_jax.models import backbones


def config_skeleton(config: ml_collections.ConfigDict) -> skeleton.Skeleton:
    """The skeleton that a config asks for.

    Raises:
        errors.BadInput: there is none of that name.
    """
    check_choice(config, "data.skeleton", skeleton.NAMES)
    return skeleton.by_name(config.data.skeleton)


def check_choice(
    config: ml_collections.ConfigDict, key: str, known: Collection[str]
) -> None:
    """Refuses a setting that is none of the known ones.

    Args:
        config: of a stage.
        key: of the setting, as "model.backbone".
        known: its values.

    Raises:
        errors.BadInput: names the setting and the choices.
    """
    *path, last = key.split(".")
    part = config
    for name in path:
        part = part[name]
    if part[last] not in known:
        raise errors.BadInput(
            f"config.{key} is {part[last]!r}; use one of {', '.join(known)}"
        )


def device(config: ml_collections.ConfigDict) -> None:
    """Refuses a number type that this device cannot multiply.

    Raises:
        errors.BadInput: names the setting.
    """
    if config.model.dtype == "float16" and jax.default_backend() == "cpu":
        raise errors.BadInput(
            "config.model.dtype is 'float16', which JAX does not multiply on a CPU; "
            "use float32 or bfloat16"
        )


def check_backbone(config: ml_collections.ConfigDict, *sides: str) -> None:
    """Refuses an image network that does not exist, or images that it cannot divide.

    Args:
        config: of a stage.
        sides: the settings in `config.data` that say how large its images are, pixels.

    Raises:
        errors.BadInput: names the setting and what it may be.
    """
    check_choice(config, "model.backbone", list(backbones.BACKBONES))
    stride = backbones.stride_of(config.model.backbone)
    for name in sides:
        size = config.data[name]
        if size < stride or size % stride:
            raise errors.BadInput(
                f"{name} is {size}; {config.model.backbone} needs a multiple of "
                f"{stride}"
            )

"""Modules that draw, where what they draw with is installed."""

import importlib
from types import ModuleType


def module(name: str) -> ModuleType | None:
    """A module of this package, or None without matplotlib or Pillow.

    Args:
        name: of the module, such as "gallery".
    """
    try:
        return importlib.import_module(f"unipose_jax.report.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("matplotlib", "PIL"):
            return None
        raise

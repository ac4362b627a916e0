"""Imports of the drawing modules, whose dependencies are optional."""

import importlib
from types import ModuleType


def module(name: str) -> ModuleType | None:
    """Imports a module of this package; None if matplotlib or Pillow is missing.

    Args:
        name: name of the module, such as "gallery".
    """
    try:
        return importlib.import_module(f"unipose_jax.report.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("matplotlib", "PIL"):
            return None
        raise

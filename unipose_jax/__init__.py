"""Weakly supervised 3D human pose from RGB-D, in JAX.

Submodules are imported when they are first used: `import unipose_jax` alone loads
neither JAX nor a network. `Tracker` (of `estimator`) gives poses of camera frames.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

__all__ = [
    "Tracker",
    "__version__",
    "estimator",
    "geometry",
    "losses",
    "metrics",
    "models",
    "perspective",
    "physics",
    "reduction",
    "refine",
    "skeleton",
    "synthesis",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "estimator" if name == "Tracker" else name
    try:
        found = importlib.import_module(f"{__name__}.{module}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(__name__):
            raise
        message = (
            f"{__name__}.{name} needs {error.name}: pip install "
            f"'{__name__}[train,data]'"
        )
        raise ModuleNotFoundError(message, name=error.name) from error
    return found.Tracker if name == "Tracker" else found


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))

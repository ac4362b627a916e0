"""The plan of a run: its stages, resolved and checked once."""

from unipose_jax.train.plan.resolve import (
    Plan,
    make_stage,
    of_run,
    resolve,
    resolve_stage,
    stage_of_run,
)

__all__ = [
    "Plan",
    "make_stage",
    "of_run",
    "resolve",
    "resolve_stage",
    "stage_of_run",
]

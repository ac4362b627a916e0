"""The plan of a run: its stages, resolved and checked once."""

from unipose_jax.train.plan.resolve import Plan, make_stage, resolve, resolve_stage

__all__ = ["Plan", "make_stage", "resolve", "resolve_stage"]

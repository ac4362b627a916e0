"""Trains the stages of a config: `run.py --mode=train`."""

import pathlib
import sys
from typing import Any

from unipose_jax.cli import evaluate
from unipose_jax.train import loop, metric_writer, plan
from unipose_jax.train.checkpoints import location


def train(config: Any, workdir: pathlib.Path, *, checkpoint_dir: str = "") -> int:
    """Trains the stages of a config, or continues; then evaluates and reports.

    Args:
        config: as the files in `configs/` build it.
        workdir: of the run.
        checkpoint_dir: another folder, or URL, of the checkpoints; see `location`.

    Returns:
        The exit status of the process.

    Raises:
        errors.BadInput: a setting, the data or the workdir cannot be used.
    """
    with location.kept_at(workdir, checkpoint_dir):
        resolved = plan.resolve(config, workdir, training=True)
    for name in resolved.requested:
        try:
            complete = loop.train(resolved.stage(name))
        except metric_writer.NonFiniteLoss as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        if not complete:
            return 0
    return evaluate.evaluate_plan(resolved)

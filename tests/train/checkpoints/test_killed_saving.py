"""kill -9 while a checkpoint is written."""

import os
import pathlib
import random
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.train.checkpoints import saving_program
from unipose_jax.train.checkpoints import checkpoint

ROOT = pathlib.Path(__file__).resolve().parents[3]


def unfinished(workdir) -> list[pathlib.Path]:
    return list(workdir.glob("checkpoints/*tmp*"))


def save_until_killed(workdir, *, after: int, delay: float) -> bool:
    """Kills the program while it writes a step later than `after`.

    Returns:
        Whether it was killed before that checkpoint was complete.
    """
    with (workdir / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", saving_program.__name__, str(workdir)],
            cwd=ROOT,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 200
        while not any(_step(path) > after for path in unfinished(workdir)):
            assert process.poll() is None, (workdir / "log.txt").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.0005)
        time.sleep(delay)
    finally:
        process.kill()
        process.wait()
    return bool(unfinished(workdir))


def _step(path: pathlib.Path) -> int:
    return int(path.name.partition(".")[0])


@pytest.mark.slow
def test_the_checkpoint_before_is_whole_and_saving_goes_on(tmp_path):
    chance, latest, cut = random.Random(0), 0, 0
    for _ in range(3):
        delay = chance.uniform(0.0, 0.02)
        cut += save_until_killed(tmp_path, after=latest + 3, delay=delay)
        with checkpoint.Checkpoints(tmp_path) as opened:
            step = opened.latest_step()
            assert step >= latest + 3
            restored = opened.restore(step, saving_program.make_state(0))
            assert opened.read_meta(step)["position"] == {"step": step}
            assert opened.best_step() == step
        assert int(restored.step) == step
        for kernel in (restored.params["kernel"], restored.ema_params["kernel"]):
            np.testing.assert_array_equal(kernel, np.full((1000, 1000), step))
        latest = step
    assert cut  # at least one was killed in the middle of writing

"""Two processes with two devices each train as one process with four."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import chex
import jax
import numpy as np
import pytest

from configs import unipose
from tests import config_data, stages
from unipose_jax.report import logs
from unipose_jax.train import loop

pytestmark = pytest.mark.usefixtures("shared_programs")
ROOT = pathlib.Path(__file__).resolve().parents[2]


def smoke(cache) -> dict[str, object]:
    """Changes of the smoke config: fewer terms and blocks, which compile sooner."""
    used = ("point_to_ray", "surface", "confidence", "bone_constancy", "speed")
    weights = unipose.get_config("smoke").loss_weights
    unused = {f"loss_weights.{name}": 0.0 for name in weights if name not in used}
    return unused | {"model.num_blocks": 1, "data.cache_dir": cache}


def start(workdir, changes) -> list[subprocess.Popen]:
    """`run.py` on the smoke config, on two hosts with two devices each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "run.py",
        "--config=configs/unipose.py:smoke",
        f"--workdir={workdir}",
        *(f"--config.{name}={value}" for name, value in changes.items()),
        f"--coordinator=127.0.0.1:{port}",
        "--num_processes=2",
    ]
    devices = "--xla_force_host_platform_device_count=2"
    flags = f"{os.environ.get('XLA_FLAGS', '')} {devices}"
    asked = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONFAULTHANDLER": "1"}
    return [
        subprocess.Popen(
            [*command, f"--process_id={number}"],
            cwd=ROOT,
            env=os.environ | asked,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]


def finish(processes: list[subprocess.Popen]) -> None:
    """Waits for all; those that hang tell where, and none is left behind."""
    deadline, printed = time.time() + 400, []
    for process in processes:
        try:
            _, errors = process.communicate(timeout=max(deadline - time.time(), 1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            _, errors = process.communicate()
        printed.append(errors[-4000:])
    assert all(process.returncode == 0 for process in processes), "\n".join(printed)


def losses(workdir) -> np.ndarray:
    return np.array([r["loss/total"] for r in logs.read_log(workdir / "log.jsonl")])


def settled(params) -> dict[str, np.ndarray]:
    """Parameters by path, but for biases that a softmax cancels.

    The gradient of a key's bias or a vote's logit is zero but for rounding, which Adam
    scales up to full steps: two runs may differ there, with equal predictions.
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    named = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
    cancelled = ("['key']['bias']", "['votes']['bias']")
    return {name: leaf for name, leaf in named.items() if not name.endswith(cancelled)}


@pytest.mark.slow
def test_two_hosts_train_as_one_and_survive_a_kill(tmp_path, pools, final_state):
    config, changes = unipose.get_config("smoke"), smoke(pools)
    config.update_from_flattened_dict(changes)
    # This process has four devices.
    assert loop.train(stages.stage(config, tmp_path / "one"))
    config_data.open_split(config, "test")  # rendered once for all
    # One of two hosts dies as soon as a checkpoint exists; both start again.
    hosts = start(tmp_path / "two", changes)
    deadline = time.time() + 300
    while not (tmp_path / "two" / "checkpoints" / "2").exists():
        assert time.time() < deadline
        assert all(host.poll() is None for host in hosts)
        time.sleep(0.05)
    hosts[1].send_signal(signal.SIGKILL)
    time.sleep(0.5)
    for host in hosts:
        host.kill()
        host.communicate()
    finish(start(tmp_path / "two", changes))
    fresh, one, two = (
        settled(final_state(config, tmp_path / name).params)
        for name in ("none", "one", "two")
    )
    # Sums over devices run in another order, so float32 rounds otherwise.
    chex.assert_trees_all_close(two, one, atol=1e-6)
    with pytest.raises(AssertionError):  # training moved them by far more than that
        chex.assert_trees_all_close(fresh, one, atol=1e-2)
    np.testing.assert_allclose(
        losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-5
    )

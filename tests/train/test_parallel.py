import logging
import os
import pathlib
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.train import host_program
from unipose_jax.train import parallel


def test_a_step_compiles_once_for_fresh_and_for_returned_states(caplog):
    def step(state, batch, key):
        noise = jax.random.uniform(key)
        return jax.tree.map(lambda x: x + batch.sum() * noise, state), batch.mean()

    run = parallel.map_step(step)
    state = parallel.replicate({"weights": jnp.zeros(3), "bias": np.zeros(())})
    batch = parallel.shard(np.ones((4 * jax.local_device_count(), 2), np.float32))
    key = jax.random.key(0)
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        for _ in range(3):
            state, _ = run(state, batch, key)
    compiled = [r for r in caplog.messages if "Finished XLA compilation" in r]
    assert sum("_fun" in message for message in compiled) == 1, compiled


ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def four():
    """What this process computes on its four devices."""
    assert jax.device_count() == 4
    return host_program.results()


def run_program(output, *, processes, devices):
    """Results and printed text of the program on other devices."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = f"--xla_force_host_platform_device_count={devices}"
    flags = f"{os.environ.get('XLA_FLAGS', '')} {flags}"
    where = [(port, processes, process) for process in range(processes)]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.train.host_program", output]
            + [str(value) for value in arguments] * (processes > 1),
            cwd=ROOT,
            env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for arguments in where
    ]
    try:
        printed = [process.communicate(timeout=300)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    assert all(process.returncode == 0 for process in running), "\n".join(printed)
    return dict(np.load(output)), printed


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        # Sums over devices run in another order.
        np.testing.assert_allclose(found[name], value, rtol=1e-6, err_msg=name)


def test_shard_map_gives_the_same_step(four):
    for name in ("w", "loss"):
        np.testing.assert_array_equal(
            four[f"shard_map_step {name}"], four[f"map_step {name}"]
        )
    assert np.abs(four["map_step w"] - 1.0).max() > 0.01  # it learnt


def test_every_clip_is_labelled_in_order(four):
    clips = host_program.Clips()
    expected = np.stack([clips[index]["points"] for index in range(host_program.CLIPS)])
    np.testing.assert_array_equal(four["labels"], expected)


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "devices"), [(1, 1), (2, 2)])
def test_other_devices_and_processes_compute_the_same(
    four, tmp_path, processes, devices
):
    found, printed = run_program(
        str(tmp_path / "results.npz"), processes=processes, devices=devices
    )
    assert_same(found, four)
    for number, text in enumerate(printed * (processes > 1)):
        line = f"process {number} of 2: 2 of 4 devices"
        assert text.count(line) == 1, text

"""The commands of benchmarks/ that the documents name run, at their smallest."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from configs import unipose

pytestmark = pytest.mark.slow
ROOT = pathlib.Path(__file__).resolve().parents[2]


def command(name, *arguments):
    """What `python -m benchmarks.<name>` prints; it ends well."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout


def test_weights_that_ship_are_scored(pools):
    printed = command(
        "weights",
        "--modality=depth",
        "--config.data.test_clips=4",
        f"--config.data.cache_dir={pools}",
    )
    assert "12 frames scored" in printed
    assert "turned below 45°" in printed


def test_a_study_makes_its_table_and_goes_on_with_the_same_settings_only(
    tmp_path, pools
):
    study = ("--configs=unipose:smoke", "--seeds=0")
    where = (
        f"--workdir={tmp_path}",
        f"--set=config.data.cache_dir={pools}",
        # One term, as each takes time to compile.
        *(
            f"--set=config.loss_weights.{name}=0"
            for name in unipose.get_config().loss_weights
        ),
        "--set=config.loss_weights.point_to_ray=1",
    )
    table = command("ablations", *study, *where)
    assert "| unipose:smoke |" in table
    assert (tmp_path / "table.md").read_text().strip() == table.split("\n", 1)[
        1
    ].strip()
    assert (
        command("ablations", *study, *where).strip() == table.split("\n", 1)[1].strip()
    )
    with pytest.raises(AssertionError, match="was made with settings"):
        command("ablations", *study, *where, "--set=config.num_train_steps=2")
    record = json.loads((tmp_path / "unipose.smoke-0" / "settings.json").read_text())
    assert record["variant"] == "smoke"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--configs=unipose,ablations:no_x"], "unknown ablation 'no_x'; use"),
        # `run.py` refuses it, once the folder of the run exists.
        (["--configs=unipose:smoke", "--set=config.global_batch_size=0"], "batch_size"),
    ],
)
def test_a_study_that_fails_leaves_nothing(tmp_path, arguments, message):
    where = f"--workdir={tmp_path / 'runs' / 'study'}"
    with pytest.raises(AssertionError) as raised:
        command("ablations", *arguments, "--seeds=0", where)
    lines = (line.strip() for line in str(raised.value).splitlines())
    (line,) = (line for line in lines if line.startswith("error: "))
    assert message in line
    assert not list(tmp_path.iterdir())


def test_real_recordings_are_scored(sample_data, tmp_path):
    where = (f"--output={tmp_path}", f"--cache={tmp_path / 'cache'}")
    chosen = ("--columns=itop_train", "--rows=lookup,points")
    printed = command("real", f"--data={sample_data}", *where, *chosen)
    assert "| points | " in printed
    assert "(2) |" in printed
    assert "- [1] no 2D keypoints" in printed
    assert (tmp_path / "real.md").read_text() == printed
    record = json.loads((tmp_path / "real.json").read_text())
    assert [cell["row"] for cell in record["cells"]] == ["lookup", "points"]

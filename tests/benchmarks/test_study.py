import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from benchmarks import study, study_runs
from unipose_jax import cluster, errors

# ml_collections loads config files with a function that Python deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
WORKDIR = pathlib.Path("study")
RUN = subprocess.run


@pytest.mark.parametrize(
    ("text", "modality", "name", "folder", "record"),
    [
        ("unipose", "points", "unipose", "unipose-0", "metrics.json"),
        ("unipose+depth", "points", "unipose+depth", "unipose-0", "depth/metrics.json"),
        ("unipose", "rgb", "unipose", "unipose.rgb-0", "rgb/metrics.json"),
        *[("unipose:full", "points", "unipose:full", "unipose.full-0", "metrics.json")],
        *[
            (
                "ablations:plain_ray",
                "points",
                "plain_ray",
                "plain_ray-0",
                "metrics.json",
            )
        ],
    ],
)
def test_names_and_folders_of_an_entry(text, modality, name, folder, record):
    entry = study.parse_entry(text, modality, "quick")
    assert entry.name == name
    assert entry.folder(WORKDIR, "", "0") == WORKDIR / folder
    assert entry.record(WORKDIR / folder) == WORKDIR / folder / record


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ("unipose", "unipose.py:smoke"),
        ("unipose:full", "unipose.py:full"),
        ("recording:adapt+depth", "recording.py:adapt"),
        ("ablations:no_speed", "ablations.py:no_speed,smoke"),
    ],
)
def test_an_entry_keeps_its_own_variant(text, argument):
    entry = study.parse_entry(text, "points", "smoke")
    assert entry.path == f"{study.CONFIGS}/{argument}"


def test_points_and_their_student_share_a_folder_for_each_value_and_seed():
    points = study.parse_entry("unipose", "points", "quick")
    student = study.parse_entry("unipose+depth", "points", "quick")
    varied = study.varied("config.data.scene.detector.noise", "8.0")
    folders = {entry.folder(WORKDIR, varied, "2") for entry in (points, student)}
    assert folders == {WORKDIR / "unipose-noise=8.0-2"}
    assert points.folder(WORKDIR, "", "2") not in folders


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unipose+points", "'unipose[+]points' has an unknown student; use depth or"),
        ("unipos", "no configs/unipos.py; use one of ablations, .*unipose"),
        ("ablations/projection", "no configs/ablations/projection.py; use one of abl"),
    ],
)
def test_an_entry_that_does_not_exist_is_refused(text, message):
    with pytest.raises(errors.BadInput, match=message):
        study.parse_entry(text, "points", "quick")


def test_a_config_is_loaded_as_run_py_does():
    path = study.parse_entry("ablations:no_speed", "points", "smoke").path
    config = study.load(path, ["config.seed=3", "config.loss_weights.symmetry=1"])
    assert config.seed == 3
    assert config.loss_weights.speed == 0.0
    assert config.loss_weights.symmetry == 1.0  # converted to the type of the key
    assert config.num_train_steps == 4


@pytest.mark.parametrize(
    ("text", "override", "message"),
    [
        ("unipose:slow", "config.seed=1", "unknown mode 'slow'; use 'quick', 'full'"),
        ("ablations:no_x", "config.seed=1", "unknown ablation 'no_x'; use"),
        ("unipose", "config.sed=1", "no config key sed; did you mean --config.seed"),
        ("unipose", "config.data.x.y=1", "no config key data.x.y; config.data has"),
        ("unipose", "config.seed=one", "config.seed=one: invalid literal for int"),
        ("unipose", "seed=1", "Unknown command line flag 'seed'"),
    ],
)
def test_a_mistake_in_a_config_is_one_line(text, override, message):
    path = study.parse_entry(text, "points", "quick").path
    with pytest.raises(errors.BadInput, match=message) as raised:
        study.load(path, [override])
    assert "\n" not in str(raised.value)


def test_a_sweep_has_a_key_and_values():
    assert study.parse_sweep(None) == ("", [""])
    assert study.parse_sweep("config.seed=1,2") == ("config.seed", ["1", "2"])
    with pytest.raises(errors.BadInput, match="has no values"):
        study.parse_sweep("config.seed")


def test_a_run_is_not_continued_with_other_settings(tmp_path, monkeypatch):
    made = {"variant": "quick", "settings": ["config.num_train_steps=50"]}
    longer = made | {"settings": ["config.num_train_steps=1200"]}
    for settings in (longer, made, made):  # nothing has been trained yet
        study.check_settings(tmp_path / "run", settings)
        study.write_settings(tmp_path / "run", settings)
    monkeypatch.setattr(study.checkpoint, "latest_step", lambda folder: 50)
    message = r"run was made with settings \['config.num_train_steps=50'\], not"
    with pytest.raises(errors.BadInput, match=message):
        study.check_settings(tmp_path / "run", longer)
    study.check_settings(tmp_path / "run", made)
    assert json.loads((tmp_path / "run" / "settings.json").read_text()) == made
    with pytest.raises(errors.BadInput, match="has checkpoints, but no settings.json"):
        study.check_settings(tmp_path / "older", made)


def test_only_a_run_without_results_is_removed(tmp_path):
    failed, points = tmp_path / "failed-0", tmp_path / "unipose-0"
    for folder in (failed, failed / "depth", points, points / "depth"):
        study.write_settings(folder, {})
    for folder in (failed, points):
        (folder / study.LOG).write_text("error: ...")
        (points / "log.jsonl").write_text("{}")
        study.remove_if_empty(folder)
    assert not failed.exists()
    assert sorted(path.name for path in points.iterdir()) == [
        *("log.jsonl", study.SETTINGS, study.LOG)
    ]


def make_task(folder, *names):
    entries = [study.parse_entry(name, "points", "smoke") for name in names]
    return study_runs.Task(folder / "unipose-0", ["config.seed=0"], entries)


def stand_in(monkeypatch, program):
    """Lets a run of `run.py` be a program in Python, whose argument is the folder."""

    def run_program(command, **options):
        (where,) = (a for a in command if a.startswith("--workdir="))
        code = f"import pathlib, sys; home = pathlib.Path(sys.argv[1]); {program}"
        argument = where.partition("=")[2]
        return RUN([sys.executable, "-c", code, argument], **options)

    monkeypatch.setattr(study_runs.subprocess, "run", run_program)


def test_a_task_trains_what_is_missing_in_turn(tmp_path, monkeypatch):
    task = make_task(tmp_path, "unipose", "unipose+depth")
    stand_in(monkeypatch, "(home / 'metrics.json').touch()")
    assert not task.is_done()
    with pytest.raises(errors.BadInput, match="unipose-0 is incomplete; start again"):
        study_runs.train(task)  # the second entry leaves no result of its student
    (task.folder / "depth" / "metrics.json").touch()
    assert task.is_done()
    monkeypatch.setattr(study_runs.subprocess, "run", None)
    assert study_runs.train(task) == []


def test_a_run_that_fails_is_named_with_its_last_line(tmp_path, monkeypatch):
    task = make_task(tmp_path, "unipose")
    stand_in(monkeypatch, "sys.exit('a mistake')")  # status 1
    (text,) = study_runs.train(task)
    assert text.splitlines() == ["a mistake", f"{task.folder}: a mistake (status 1)"]
    stand_in(monkeypatch, "print('error: no such data'); sys.exit(2)")
    with pytest.raises(errors.BadInput, match="unipose-0: no such data$"):
        study_runs.train(task)
    assert not task.folder.exists()


def test_the_output_of_a_failed_run_is_printed_though_another_is_refused(
    tmp_path, monkeypatch, capsys
):
    tasks = [make_task(tmp_path / name, "unipose") for name in ("a", "b")]
    stand_in(monkeypatch, "sys.exit('lost' if home.parent.name == 'a' else 2)")
    with pytest.raises(errors.BadInput, match="^1 of 2 failed; .*b/unipose-0"):
        study_runs.train_all(tasks, cluster.HERE)
    assert "a/unipose-0: lost (status 1)" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="a/unipose-0: lost"):
        study_runs.train_all(tasks[:1], cluster.HERE)


PARENT = """
import subprocess, sys, time
from benchmarks import children
subprocess.Popen(
    [sys.executable, "-c", "import os, time; print(os.getpid()); time.sleep(60)"],
    preexec_fn=children.end_with_parent,
)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is of Linux")
def test_a_run_ends_with_the_worker_that_started_it():
    parent = subprocess.Popen(
        [sys.executable, "-u", "-c", PARENT],
        cwd=study.ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while _lives(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _lives(process: int) -> bool:
    try:  # an orphan that nobody waits for stays as a zombie
        state = pathlib.Path(f"/proc/{process}/stat").read_text().split()[2]
    except FileNotFoundError:
        return False
    return state != "Z"

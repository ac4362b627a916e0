"""What README.md and docs/ tell to type: it runs here, or a table says why it cannot.

Commands run in this process, in a folder with the sample under the names that the pages
use. Those that train are parsed, with their config, and no more.
"""

import re
import shlex
import shutil

import jax.numpy as jnp
import pytest

from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import tracks
from tests.test_run import ROOT
from unipose_jax.cli import command_line, main

pytestmark = pytest.mark.filterwarnings(
    "ignore:the load_module:DeprecationWarning"  # in ml_collections
)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# What a command or a block has in it -> why it cannot run here.
CANNOT = {
    r"\bpip install|-m venv|import jax; print": "installs; .ci/run does",
    r"\.bag": "needs open3d",
    r"--camera=realsense": "needs a camera; tests/cli/test_live",
    r"-m benchmarks": "a study, or real data; tests/benchmarks",
    r"\"DATA\"|--8<--|\): \.\.\.|models\.register": "is in tests/test_examples",
    r"HOST:": "needs a cluster; tests/test_cluster",
    r"--source=": "needs a data set; tests/data_pipelines",
    r"--mode=prepare": "renders thousands of people",
    r"FILE\.onnx": "needs a 2D network; tests/data_pipelines/sequences/test_onnx_pose",
    r"--format=onnx": "needs jax2onnx; tests/cli/test_export",
    r"--prior=W": "needs weights that do not ship; tests/refine/test_prior",
    r"--workdir=(RUN|runs/)": "needs a run of minutes; tests/test_run",
    r"--mode=sample": "is what the other commands run on: `sample_recording`",
    r"--input=kinect\.csv|--input=poses\.npy": "tests/cli/test_convert_poses",
    r"--mode=convert --input=FOLDER": "needs other recordings; tests/cli/test_data_co",
    r"MODE|DIR\b|val2017": "a placeholder, or a data set",
    r"noise=N\b": "a study, with values to fill in",
    r"examples/": "tests/test_examples",
}
NAMES = {"FOLDER/RECORDING": "sample", "RECORDING": "sample", "my_recording": "sample"}
NAMES |= {"FOLDER": "sample", "--truth=joints.npz": "--truth=sample/joints.npz"}


def lines_of_code(text):
    """Lines of the blocks of a page that are no Python."""
    text = re.sub(
        r"```(python|json|yaml)\n.*?```", "", text.replace("\\\n", " "), flags=re.S
    )
    fenced = re.findall(r"```\w*\n(.*?)```", text, re.S)
    yield from re.findall(r"^(?: {4}| {8})(\S.*)$", text, re.M)
    for block in fenced:
        yield from block.splitlines()


def reason(text):
    """Why a command or a block cannot run here, or None."""
    return next((why for what, why in CANNOT.items() if re.search(what, text)), None)


def named(command):
    """A command with the names of the files that are here."""
    words = shlex.split(command)[1:]
    for old, new in NAMES.items():
        words = [re.sub(rf"(^|=){old}$", rf"\g<1>{new}", word) for word in words]
    return shlex.join(words)


def all_commands():
    """Each command of the pages that starts a program, once, in order."""
    found = {}
    for page in PAGES:
        for line in lines_of_code(page.read_text()):
            if re.match(r"(\S*/)?(python3?|pip|unipose-jax)\s", line):
                found.setdefault(" ".join(line.partition("  #")[0].split()), page)
    return found


def all_blocks():
    """Each block of Python of the pages."""
    for page in PAGES:
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.S):
            yield pytest.param(block, id=f"{page.stem}-{block.split()[1]}")


COMMANDS = all_commands()
TRAINING = [c for c in COMMANDS if re.search(r"run\.py .*--config=", c)]
HERE = list(dict.fromkeys(named(c) for c in COMMANDS if not reason(c)))


@pytest.fixture(scope="module")
def folder(sample_recording, tmp_path_factory):
    """A user's folder: the sample, and its true poses as if they were predicted."""
    path = tmp_path_factory.mktemp("user")
    shutil.copytree(sample_recording, path / "sample")
    shutil.copy(path / "sample" / "joints.npz", path / "poses.npz")
    return path


@pytest.mark.parametrize("command", [c for c in HERE if "--config=" not in c])
def test_a_command_runs(command, folder, monkeypatch):
    monkeypatch.chdir(folder)
    program, *words = shlex.split(command)
    assert program == "run.py"
    assert main.main([program, *words, "--compile_cache="]) == 0
    for word in words:
        if word.startswith("--output="):
            assert (folder / word.partition("=")[2]).exists()


@pytest.mark.parametrize(
    "command", [c for c in TRAINING if not re.search("noise=N|MODE", c)]
)
def test_a_training_command_is_understood(
    command, monkeypatch, forget_what_is_registered
):
    monkeypatch.chdir(ROOT)
    arguments = shlex.split(command.partition("run.py ")[2])
    parsed = command_line.parse(["run.py", *arguments])
    assert parsed.config.recipe


@pytest.mark.parametrize(
    "block", [each for each in all_blocks() if not reason(each.values[0])]
)
def test_a_block_of_python_runs(block, folder, monkeypatch, forget_what_is_registered):
    monkeypatch.chdir(folder)
    opened = recording.open_recording("sample")
    cloud = next(tracks.person_clouds(opened)).xyz
    people = opened.keypoint_detections().by_frame[0]
    truth = pose_file.read("sample/joints.npz")
    given = {
        "uv": people[0, :, :2],
        "confidence": people[0, :, 2],
        "depth": opened.depth(0),
        "time": 0.0,
        "rays": opened.rays,
        "intrinsics": opened.depth_camera.intrinsics,
        "color_intrinsics": opened.keypoint_camera.intrinsics,
        "color_from_depth": opened.color_from_depth,
        "points": cloud,
    }
    if "order_people" in block:
        two = jnp.asarray(people[[0, 0]])
        given |= {"uv": two[..., :2], "confidence": two[..., 2]}
    if "refine.refine" in block:
        given |= {"xyz": jnp.asarray(truth.xyz), "time": jnp.float32(truth.time)}
    exec(block.replace('"realsense"', '"recording:sample"'), given)


def test_every_reason_is_of_use():
    everything = [*COMMANDS, *(block.values[0] for block in all_blocks())]
    for what in CANNOT:
        assert any(re.search(what, text) for text in everything), what


def test_the_pages_have_commands_that_run_here():
    modes = {
        re.search(r"--mode=(\w+)", command)[1]
        for command in HERE
        if "--mode" in command
    }
    assert {"predict", "score", "lookup", "refine", "keypoints", "export"} <= modes

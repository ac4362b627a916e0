"""Help, and what the command line refuses: `unipose_jax/cli/modes.py` is the table."""

import contextlib
import functools
import io
import os
import pathlib
import re
import shlex
import types

import pytest

from tests.test_run import ROOT
from unipose_jax import errors
from unipose_jax.cli import command_line, commands, help_text, main, modes
from unipose_jax.train import parallel

pytestmark = pytest.mark.filterwarnings(
    "ignore:the load_module:DeprecationWarning"  # in ml_collections
)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SMOKE = "--config=configs/unipose.py:smoke"


def parse(*arguments):
    return command_line.parse(["run.py", *arguments])


def refused(*arguments) -> str:
    with pytest.raises(errors.BadInput) as caught:
        parse(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_each_mode_has_a_row_and_a_function():
    assert set(modes.TABLE) == set(commands.MODES)
    used = {flag for mode in modes.TABLE.values() for flag in mode.flags}
    assert used == set(modes.FLAGS)


@pytest.mark.parametrize("mode", ["", *modes.TABLE])
def test_help_fits_a_screen(mode):
    argv = ["run.py", *([f"--mode={mode}"] if mode else []), "--help"]
    lines = help_text.answer(argv).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 79


def test_help_is_printed_with_status_0(capsys):
    assert main.main(["/usr/bin/unipose-jax", "--mode", "score", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "unipose-jax --mode=score --input" in printed
    assert "--truth" in printed
    assert "--people" not in printed


def test_help_may_be_cut_short(monkeypatch):
    def close():
        raise BrokenPipeError  # `--help | head` has read enough

    with contextlib.redirect_stdout(io.StringIO()) as out:
        monkeypatch.setattr(out, "flush", close)
        monkeypatch.setattr(out, "fileno", lambda: os.open(os.devnull, os.O_WRONLY))
        assert main.main(["run.py", "--help"]) == 0


@pytest.mark.parametrize("mode", modes.TABLE)
def test_examples_are_command_lines_of_their_mode(mode):
    parsed = parse(*shlex.split(modes.TABLE[mode].example))
    assert parsed.mode == mode


@pytest.mark.parametrize("mode", modes.TABLE)
def test_a_mode_reads_the_flags_in_its_row_and_no_others(mode, monkeypatch):
    read = set()

    class Options:
        def __getattr__(self, name):
            read.add(name)
            runs = ["given"] * (2 if mode == "report" else 1)
            return runs if name == "workdir" else "given"

    monkeypatch.setattr(parallel, "initialize", lambda *_: None)
    for answer in (0, 1):  # convert asks what its files are
        module = functools.partial(_everything, answer=answer)
        monkeypatch.setattr(commands, "_mode", module)
        commands.MODES[mode](None, Options())
    declared = set(modes.TABLE[mode].flags) - {"config", *modes.COMMON}
    assert read - {"data_dir"} == declared - {"data_dir"}


def _everything(name, *, answer):
    """The functions of a module of `cli`, which take anything and return `answer`."""
    source = (pathlib.Path(commands.__file__).parent / f"{name}.py").read_text()
    found = re.findall(r"^def (\w+)", source, re.M)
    return types.SimpleNamespace(**{each: lambda *_, **__: answer for each in found})


def test_the_docs_have_the_table():
    assert help_text.markdown() in (ROOT / "docs" / "usage.md").read_text()
    for mode in modes.TABLE.values():
        page = ROOT / "docs" / mode.page.partition("#")[0]
        assert page.is_file()


def commands_of_the_docs():
    """Each command line of run.py in a block of code of the pages."""
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        for line in re.findall(r"^ {4,}\S*python run\.py (.*)$", text, re.M):
            yield pytest.param(line, id=f"{page.stem}-{line[:40]}")


@pytest.mark.parametrize("line", list(commands_of_the_docs()))
def test_the_flags_in_the_docs_are_those_of_their_mode(line):
    words = [word for word in shlex.split(line, comments=True) if word[:2] == "--"]
    mode = next((w.partition("=")[2] for w in words if w[:6] == "--mode"), "train")
    if not mode.islower():
        return  # a placeholder
    names = {re.sub(r"^--(no)?(.+?)(=.*|\..*)?$", r"\2", word) for word in words}
    assert names - {"mode"} <= set(modes.TABLE[mode].flags)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            "model.widht=3",
            "key model.widht; did you mean --config.model.width? config.",
        ),
        (
            "learning_rate=1",
            "did you mean --config.optimizer.learning_rate? config has",
        ),
        ("modl.width=1", "did you mean --config.model? config has augment, "),
        ("seed.x=3", "no config key seed.x; config.seed is 0, which has no keys"),
    ],
)
def test_a_key_that_does_not_exist_has_a_suggestion_and_its_parent(key, message):
    assert message in refused(SMOKE, f"--config.{key}")


def test_a_config_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("configs/unipose.py:smoke", "unipose.py:smoke", "unipose:smoke"):
        assert parse("--config", name, "--config.seed=4").config.seed == 4


def test_a_missing_config_says_where_it_was_looked_for_and_what_there_is(tmp_path):
    said = refused("--config=configs/unipos.py:smoke")
    assert str(pathlib.Path("configs/unipos.py").absolute()) in said
    assert "did you mean configs/unipose.py?" in said
    assert "itop, " in said
    assert "no config file" in refused(f"--config={tmp_path}")
    # A file of one's own is not replaced by one that ships.
    assert "mine/unipose.py" in refused("--config=mine/unipose.py")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--mode=refine", "--people=all"), "does not use --people, which is for pred"),
        (("--mode=score", SMOKE), "--mode=score does not use --config"),
        (("--mode=lookup", "--nokeypoints"), "does not use --keypoints"),
        (("--config.seed=1",), "--config.seed needs --config=FILE before it"),
        (("predict",), "unexpected argument 'predict'; did you mean --mode=predict?"),
        (("--mode=evaluate", "--wrokdir=w"), "wrokdir"),
    ],
)
def test_what_a_mode_does_not_use_is_refused(arguments, message):
    assert message in refused(*arguments)


def test_what_a_mode_needs_is_named_with_its_meaning(capsys):
    assert main.main(["run.py", "--mode=predict", "--input=r"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: --output is missing: pose file to write, .npz; ")

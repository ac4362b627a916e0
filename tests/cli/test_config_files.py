"""Mistakes in a config file, as the flags library reports them."""

import sys

import pytest
from absl import flags
from ml_collections import config_flags

from unipose_jax.cli import config_files

pytestmark = pytest.mark.filterwarnings(
    "ignore:the load_module:DeprecationWarning"  # in ml_collections
)

BROKEN = """import ml_collections


def get_config(mode: str = "full"):
    config = ml_collections.ConfigDict({"seed": 0})
    %s
    return config
"""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mode.colour", "AttributeError: 'str' object has no attribute 'colour'"),
        ("config.sede += 1", "AttributeError: sede Did you mean seed instead"),
        ("{}['seed']", "KeyError: seed"),
        ("unheard_of", "NameError: name 'unheard_of' is not defined"),
        ("import unheard_of", "ModuleNotFoundError: No module named 'unheard_of'"),
        ("config.seed / 0", "ZeroDivisionError: division by zero"),
        ("open('unheard_of')", "FileNotFoundError: [Errno 2]"),
        ("len(0)", "TypeError: object of type 'int' has no len()"),
        ("raise ValueError('use another mode')", "use another mode"),
    ],
)
def test_an_error_in_a_config_file_is_said_by_file_and_line(line, message, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(BROKEN % line)
    values = flags.FlagValues()
    flag = config_flags.DEFINE_config_file("config", flag_values=values)
    argv = ["run.py", f"--config={path}:full"]
    try:
        values(argv)
        flag.value.items()
    except Exception as error:
        said = config_files.describe(error, argv)
    assert said.startswith(f"{path}:6: {message}")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("key", "said"), [("sede", "sede"), ("stages.points.steps", "stages.points.steps;")]
)
def test_a_misspelt_key_is_no_error_of_the_config_file(key, said, monkeypatch):
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values)
    argv = ["run.py", "--config=configs/unipose.py:smoke", f"--config.{key}=1"]
    monkeypatch.setattr(sys, "argv", argv)  # overrides are looked for there
    with pytest.raises((AttributeError, KeyError, TypeError)) as caught:
        values(argv)
    assert config_files.describe(caught.value, argv).startswith(f"no config key {said}")


def test_errors_of_the_program_are_raised():
    with pytest.raises(ZeroDivisionError):
        config_files.describe(ZeroDivisionError(), ["run.py", "--config=mine.py"])


def test_an_error_in_a_config_of_an_installed_package_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(config_files, "SHIPPED", tmp_path / "site" / "configs")
    monkeypatch.setattr(config_files, "_LIBRARIES", (tmp_path / "site",))
    config_files.SHIPPED.mkdir(parents=True)
    path = config_files.SHIPPED / "mine.py"
    path.write_text(BROKEN % "raise ValueError('use another mode')")
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", None, "", flag_values=values)
    with pytest.raises(flags.Error) as caught:
        values(["run.py", f"--config={path}"])
    said = config_files.describe(caught.value, ["run.py", f"--config={path}"])
    assert said == f"{path}:6: use another mode"

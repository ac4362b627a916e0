"""What `import unipose_jax` gives, and what it costs."""

import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

import unipose_jax

ROOT = pathlib.Path(__file__).resolve().parents[1]


def test_there_is_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    attribute = project["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    assert attribute == "unipose_jax.__version__"
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.M)
    assert cited is not None
    assert cited[1] == unipose_jax.__version__


PROGRAM = """
import sys, unipose_jax
assert "jax" not in sys.modules and "numpy" not in sys.modules
assert set(unipose_jax.__all__) <= set(dir(unipose_jax))
import jax, jax.numpy as jnp
grad = jax.grad(
    lambda xyz: unipose_jax.losses.point_to_ray(
        xyz, jnp.array([[160.0, 120.0]]), jnp.array([286.0, 286.0, 160.0, 120.0])
    ).mean()
)(jnp.array([[0.03, 0.0, 2.0]]))
assert grad[0, 0] > 0 and abs(grad[0, 1]) < 1e-6, grad
"""


def test_submodules_are_imported_when_they_are_used():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    def fail(name):
        raise ModuleNotFoundError("No module named 'flax'", name="flax")

    monkeypatch.setattr(unipose_jax.importlib, "import_module", fail)
    with pytest.raises(ModuleNotFoundError, match="Tracker needs flax: pip install"):
        _ = unipose_jax.Tracker


def test_an_unknown_submodule_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lossez'"):
        getattr(unipose_jax, "lossez".lower())

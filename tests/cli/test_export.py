"""`run.py --mode=export`, and the programs that use what it writes."""

import ast
import json
import runpy
import sys

import numpy as np
import pytest

from tests.estimator import test_exchange
from tests.test_run import ROOT, run
from unipose_jax import errors, estimator

symbolic = test_exchange.symbolic  # a fixture


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "mine"
    model = test_exchange.MODEL | {"keypoints": False, "point_parts": False}
    estimator.export(path, test_exchange.make(model), {})
    return path


def call_example(name, *arguments, monkeypatch):
    """Runs an example as a script."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")


def test_a_program_without_the_package_reads_the_file(
    weights, tmp_path, capsys, monkeypatch, symbolic
):
    output = tmp_path / "net.stablehlo"
    assert run("export", weights=str(weights), output=output) == 0
    about = json.loads((tmp_path / "net.json").read_text())
    assert about["format"] == "stablehlo"
    np.save(tmp_path / "cloud.npy", np.random.default_rng(0).normal(size=(30, 3)) + 3)
    capsys.readouterr()
    call_example(
        "13_consume_stablehlo", output, tmp_path / "cloud.npy", monkeypatch=monkeypatch
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == about["joints"]


@pytest.mark.parametrize("name", ["13_consume_stablehlo", "14_consume_onnx"])
def test_the_consumers_import_neither_the_package_nor_flax(name):
    source = (ROOT / "examples" / f"{name}.py").read_text()
    nodes = ast.walk(ast.parse(source))
    imported = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    assert imported <= {"json", "pathlib", "sys", "numpy", "onnxruntime"}
    assert "from unipose_jax" not in source
    assert "from data_pipelines" not in source


def test_onnx_is_read_by_onnxruntime(weights, tmp_path, capsys, monkeypatch):
    pytest.importorskip("jax2onnx")
    output = tmp_path / "net.onnx"
    assert run("export", weights=str(weights), output=output, format="onnx") == 0
    np.save(tmp_path / "cloud.npy", np.random.default_rng(0).normal(size=(30, 3)) + 3)
    capsys.readouterr()
    call_example(
        "14_consume_onnx", output, tmp_path / "cloud.npy", monkeypatch=monkeypatch
    )
    assert len(capsys.readouterr().out.splitlines()) == 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "net.onnx"}, "must end in .stablehlo, got net.onnx"),
        ({"output": "n.stablehlo", "weights": "nothing"}, "no weights nothing; use on"),
        (
            {"output": "n.stablehlo", "weights": "points", "workdir": "w"},
            "both name a network",
        ),
        ({"output": "n.stablehlo", "workdir": "w"}, "no checkpoint in w"),
    ],
)
def test_what_cannot_be_exported_is_said_and_leaves_nothing(
    options, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.BadInput, match=message):
        run("export", **options)
    assert not list(tmp_path.iterdir())

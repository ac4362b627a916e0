"""The notebook runs from top to bottom in a kernel of its own."""

import os

import jax
import nbformat
import pytest
from nbclient import client

from tests.test_run import ROOT

PATH = ROOT / "examples" / "main_job.ipynb"


@pytest.mark.slow
def test_the_notebook_trains_scores_and_shows(
    sample_recording, pools, tmp_path, monkeypatch
):
    notebook = nbformat.read(PATH, as_version=4)
    for cell in notebook.cells:
        assert not cell.get("outputs")  # none are committed
    # What is rendered and compiled is that of this test run.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    monkeypatch.setenv(
        "JAX_COMPILATION_CACHE_DIR", jax.config.jax_compilation_cache_dir
    )
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "4")
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cells[0].source = cells[0].source.replace(
        "workdir =", f"config.data.cache_dir = {pools!r}\nworkdir ="
    )
    cells[-1].source = cells[-1].source.replace(
        "sample.cached()", repr(str(sample_recording))
    )
    client.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    outputs = [output for cell in cells for output in cell.outputs]
    shown = [kind for each in outputs for kind in each.get("data", {})]
    assert shown.count("image/png") == 2
    assert any("MPJPE" in each.get("data", {}).get("text/html", "") for each in outputs)

"""Compares training runs on one page: `run.py --mode=report`."""

import os
import pathlib
from collections.abc import Sequence

from data_pipelines.ground import file_io
from unipose_jax import errors
from unipose_jax.report import logs, page
from unipose_jax.report.pages import comparison
from unipose_jax.train.checkpoints import checkpoint


def page_of(workdirs: Sequence[pathlib.Path]) -> pathlib.Path:
    """The page by default: `comparison.html` in the folder that holds all runs."""
    parents = [str(path.resolve().parent) for path in workdirs]
    return pathlib.Path(os.path.commonpath(parents)) / "comparison.html"


def compare(workdirs: Sequence[pathlib.Path], output: pathlib.Path) -> int:
    """Writes a page with the results, curves and settings of several runs.

    Args:
        workdirs: folders of runs.
        output: the page.

    Raises:
        errors.BadInput: a folder has no run, or the page cannot be written.
    """
    if output.suffix != ".html":
        raise errors.BadInput(f"a page must end in .html, got {output}")
    page.check_free(output)
    names = _names(workdirs)
    runs = [_open(path, name) for path, name in zip(workdirs, names, strict=True)]
    comparison.write(output, runs)
    print(f"page: {output}")
    return 0


def _open(workdir: pathlib.Path, name: str) -> comparison.Run:
    if not workdir.is_dir():
        raise errors.BadInput(f"no run at {workdir}")
    meta = checkpoint.latest_meta(workdir)
    log = logs.read_log(workdir / "log.jsonl")
    if meta is None:
        raise errors.BadInput(f"{workdir} has no checkpoint of a run")
    path, record = workdir / "metrics.json", {}
    if path.is_file():
        record = file_io.read_json(path)
    else:
        errors.warn(f"{name} is not evaluated (no metrics.json): no results")
    config = meta["config"]
    if record and "results" not in record:  # of a WSP run
        errors.warn(
            f"{name} is scored otherwise than by 3D poses: its scores are left out"
        )
        record = {}
    return comparison.Run(
        name, record, config, log, config["data"].get("skeleton", "ITOP15")
    )


def _names(workdirs: Sequence[pathlib.Path]) -> list[str]:
    """The last parts of the paths that tell them apart."""
    parts = [path.resolve().parts for path in workdirs]
    if len(set(parts)) < len(parts):
        raise errors.BadInput("--workdir names the same run twice")
    count = 1
    while len({own[-count:] for own in parts}) < len(parts):
        count += 1
    return ["/".join(own[-count:]) for own in parts]

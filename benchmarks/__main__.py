"""Speed of all parts in one table.

    python -m benchmarks --output=now.jsonl
    python -m benchmarks --rows=predict,step/points --compare=before.jsonl

Rows: rendering, loading, the training step of each recipe, prediction and its parts,
2D keypoints, refinement, and the start of commands. Each has the median and the
interquartile range of at least five repeats after compilation, and the CPU time. Ratios
mean most when both tables are made at one sitting, on a machine with nothing else.
"""

import contextlib
import io
import os
import pathlib
import resource
import sys
import tempfile
from collections.abc import Iterator

import jax
from absl import app, flags

from benchmarks.speed import (
    options,
    peers,
    prediction,
    refining,
    starting,
    table,
    timing,
    training,
)
from data_pipelines.ground import file_io
from unipose_jax import cluster, errors
from unipose_jax.cli import commands
from unipose_jax.report.pages import run_page

# Tests import several commands, whose flags have the same names, in one process.
_FLAGS = flags.FLAGS if __name__ == "__main__" else flags.FlagValues()
_ROWS = flags.DEFINE_list(
    "rows", None, "Rows or groups (step, predict); default: all.", flag_values=_FLAGS
)
_OUTPUT = flags.DEFINE_string("output", "", "JSON lines.", flag_values=_FLAGS)
_COMPARE = flags.DEFINE_string(
    "compare", "", "An earlier --output: prints ratios.", flag_values=_FLAGS
)
_QUICK = flags.DEFINE_bool(
    "quick",
    False,
    "About two minutes: small networks, fewer rows and repeats.",
    flag_values=_FLAGS,
)
_PROFILE = flags.DEFINE_string(
    "profile",
    "",
    "Folder for traces of rows, for TensorBoard and Perfetto.",
    flag_values=_FLAGS,
)
_RECORDING = flags.DEFINE_string(
    "recording", "", "For predict; default: rendered.", flag_values=_FLAGS
)
_MODEL = flags.DEFINE_string("model", "", "Folder of MoveNet.", flag_values=_FLAGS)
_CACHE = flags.DEFINE_string(
    "compile_cache",
    "~/.cache/unipose_jax/compiled",
    "Folder; empty for none.",
    flag_values=_FLAGS,
)

ROWS = training.ROWS | prediction.ROWS | refining.ROWS | starting.ROWS | peers.ROWS
SLOW = (
    *("render/rgb", "loader/0", "loader/2", "step/depth", "step/rgb"),
    *("start/score_cold", "start/predict_cold", "start/refine_cold", "peers/a2j"),
)
"""Rows that compile or render for long; `--quick` leaves them out."""


def main(argv: list[str]) -> None:
    """Prints the table, then the ratios."""
    del argv
    commands.silence_library_logs()
    names = choose(_ROWS.value, quick=_QUICK.value)
    where, stored = device(), {}
    if _COMPARE.value:
        stored = table.read(pathlib.Path(_COMPARE.value))
        table.check_device(stored, where, _COMPARE.value)
    output = _path(_OUTPUT.value)
    if output:
        file_io.check_writable(output)
    commands.enable_compilation_cache(_CACHE.value)
    with tempfile.TemporaryDirectory() as folder:
        chosen = options.Options(
            pathlib.Path(folder),
            quick=_QUICK.value,
            recording=_path(_RECORDING.value),
            model=_path(_MODEL.value),
        )
        records = measure(names, chosen, where, output, _path(_PROFILE.value))
    print(f"{where}\n\n{table.to_markdown(records)}")
    if stored:
        print(f"\n{table.compare(stored, records, _COMPARE.value)}")


def choose(asked: list[str] | None, *, quick: bool = False) -> list[str]:
    """Names of the rows that are asked for: all, single ones, or groups.

    Raises:
        errors.BadInput: there is no such row.
    """
    if asked is None:
        return [name for name in ROWS if not (quick and name in SLOW)]
    groups = {name.partition("/")[0] for name in ROWS}
    if unknown := set(asked) - groups - set(ROWS):
        raise errors.BadInput(
            f"no row {min(unknown)!r}; use {', '.join(sorted(groups))}, or one of "
            f"{', '.join(ROWS)}"
        )
    return [n for n in ROWS if n in asked or n.partition("/")[0] in asked]


def measure(
    names: list[str],
    chosen: options.Options,
    where: str,
    output: pathlib.Path | None = None,
    traces: pathlib.Path | None = None,
) -> list[table.Record]:
    """Measures rows; writes those that there are after each.

    Args:
        names: of the rows.
        chosen: settings of all rows.
        where: the device, in words.
        output: file of JSON lines.
        traces: folder of the traces, each in `traces`/group/row.
    """
    origin, records = run_page.provenance(), []
    for name in names:
        load = os.getloadavg()[0]
        try:
            with _silence(), timing.traced(traces and traces / name):
                measured = ROWS[name](chosen)
        except timing.Skipped as reason:
            print(f"{name}: skipped, {reason}")
            continue
        records.append(
            table.Record(
                name=name,
                device=where,
                measured=measured,
                commit=origin["commit"],
                jax=jax.__version__,
                load=load,
                cores=cluster.num_cores(),
                peak_memory_mb=_peak_memory() // 2**20,
            )
        )
        print(f"{name}: {measured.median:.4g} {measured.unit}", file=sys.stderr)
        if output:
            table.write(output, records)
    if not records:
        raise errors.BadInput("none of the rows can be measured here")
    return records


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Hides progress bars and lines about what is read."""
    nothing = io.StringIO()
    with contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
        yield


def device() -> str:
    """The device of JAX, the processor and the cores that may be used."""
    info = pathlib.Path("/proc/cpuinfo")  # Linux
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    processor = models[0].strip() if models else "CPU"
    return (
        f"{run_page.provenance()['device']}, {cluster.num_cores()} cores of {processor}"
    )


def _peak_memory() -> int:
    """Peak memory of an accelerator where it is known, else of this process; bytes."""
    known = jax.devices()[0].memory_stats() or {}
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return known.get("peak_bytes_in_use", own)


def _path(text: str) -> pathlib.Path | None:
    return pathlib.Path(text) if text else None


if __name__ == "__main__":
    with errors.exit_on_bad_input():
        app.run(main)

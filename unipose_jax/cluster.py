"""Independent tasks on several processes or machines, by Dask (dask.distributed).

Without Dask, or for a single worker, they run in this process. The scheduler of Dask
repeats the tasks of a worker that is lost, so a task must be safe to repeat: it writes
its files atomically, and skips what is complete.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import importlib.util
import io
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import tqdm

import unipose_jax
from unipose_jax import errors

INSTALL = "pip install 'unipose_jax[cluster]'"

_RETRIES = 2  # of a task that fails, but not by a mistake in its input
_CONNECT_SECONDS = 20
_ONE_AT_A_TIME = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Engine:
    """Where independent tasks run.

    Attributes:
        scheduler: address of a Dask scheduler, such as "tcp://10.0.0.1:8786"; "" for
            this machine.
        workers: processes on this machine; below 2, the tasks run in this process.
    """

    scheduler: str = ""
    workers: int = 1


HERE = Engine()


class _Outcome(NamedTuple):
    """What a task returned or raised, and what it printed in a worker."""

    value: Any = None
    error: Exception | None = None
    printed: str = ""
    warnings: tuple[str, ...] = ()


def map_tasks(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    *,
    engine: Engine = HERE,
    title: str,
    unit: str,
    describe: Callable[[Any], str] = str,
    size: Callable[[Any], int] = lambda item: 1,
    done: int = 0,
) -> Iterator[tuple[Any, Any]]:
    """Calls `function(item)` for each item; yields (item, result) as tasks end.

    A progress bar counts the tasks. What a task prints in a worker is printed here when
    it ends. A task that fails does not stop the others. One that fails in a worker by
    anything but `BadInput` is repeated twice, on any worker.

    Args:
        function: of a module that the workers can import; safe to repeat.
        items: picklable; paths in them must be valid on all machines.
        engine: where the tasks run.
        title: of the progress bar.
        unit: name of what the bar counts.
        describe: name of an item, for errors.
        size: how much an item adds to the bar.
        done: what the bar starts from.

    Raises:
        errors.BadInput: after all tasks have ended, if some failed by it, with the
            first message; or there is no scheduler, or no Dask to reach it.
        OSError: likewise, for tasks that could not read or write.
        RuntimeError: likewise, for other exceptions, which come before the former.
    """
    items = list(items)
    failed: list[tuple[str, Exception]] = []
    total = done + sum(map(size, items))
    with (
        tqdm.tqdm(
            total=total, initial=done, desc=title, unit=unit, disable=not items
        ) as bar,
        contextlib.closing(_outcomes(function, items, engine)) as outcomes,
    ):
        for item, outcome in outcomes:
            for line in outcome.warnings:
                bar.write(line, file=sys.stderr)
            if outcome.printed:
                bar.write(outcome.printed, file=sys.stdout, end="")
            if outcome.error is None:
                yield item, outcome.value
            else:
                failed.append((describe(item), outcome.error))
                if len(items) > 1:
                    bar.write(f"failed: {_message(*failed[-1])}", file=sys.stderr)
            bar.update(size(item))
    if failed:
        raise _summary(failed, len(items))


def _outcomes(
    function: Callable[[Any], Any], items: Sequence[Any], engine: Engine
) -> Generator[tuple[Any, _Outcome], None, None]:
    """(item, outcome) of each task, as tasks end."""
    workers = min(engine.workers, len(items))
    if not items or (not engine.scheduler and (workers < 2 or not _has_dask())):
        for item in items:
            yield item, _run_here(function, item)
        return
    with _connect(dataclasses.replace(engine, workers=workers)) as client:
        import distributed

        run = functools.partial(
            _run_in_worker, function, unipose_jax.__version__, os.getcwd()
        )
        futures = client.map(run, items, pure=False, retries=_RETRIES)
        waiting = dict(zip(futures, items, strict=True))
        del futures
        try:
            for future in distributed.as_completed(list(waiting)):
                yield waiting.pop(future), _outcome_of(future)
        except concurrent.futures.CancelledError as error:
            raise errors.BadInput(
                "the connection to the Dask scheduler was lost; the same command "
                "continues the work"
            ) from error


def _outcome_of(future: Any) -> _Outcome:
    import distributed

    error = future.exception()
    if isinstance(error, distributed.KilledWorker):
        error = RuntimeError(
            f"its worker ended {error.allowed_failures + 1} times, perhaps for lack of "
            "memory"
        )
    return _Outcome(error=error) if error else future.result()


def _run_here(function: Callable[[Any], Any], item: Any) -> _Outcome:
    try:
        return _Outcome(function(item))
    except Exception as error:
        return _Outcome(error=error)


def _run_in_worker(
    function: Callable[[Any], Any], version: str, folder: str, item: Any
) -> _Outcome:
    """Calls `function(item)`; a `BadInput` is returned, since repeating cannot help.

    Args:
        function: what the task does.
        version: of this package, where the tasks come from.
        folder: current folder there, to which paths are relative.
        item: of the task.
    """
    if version != unipose_jax.__version__:
        return _Outcome(
            error=errors.BadInput(
                f"a worker has unipose_jax {unipose_jax.__version__}, this machine "
                f"{version}; install the same version on all"
            )
        )
    printed, said = io.StringIO(), io.StringIO()
    value, bad = None, None
    # A worker with several threads would mix what its tasks print.
    with (
        _ONE_AT_A_TIME,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(said),
    ):
        try:
            _enter(folder)
            value = function(item)
        except errors.BadInput as error:
            bad = error.with_traceback(None)
    # Progress bars of the task stay behind.
    warnings = tuple(re.findall(r"warning: [^\r\n]*", said.getvalue()))
    return _Outcome(value, bad, printed.getvalue(), warnings)


def _enter(folder: str) -> None:
    """Changes to a folder.

    Raises:
        errors.BadInput: this machine lacks it.
    """
    if os.getcwd() == folder:
        return
    try:
        os.chdir(folder)
    except OSError as error:
        raise errors.BadInput(
            f"a worker has no folder {folder}; all machines must share it, and the "
            "files that are read and written"
        ) from error


def _has_dask() -> bool:
    """Whether Dask is installed; warns if it is not."""
    if importlib.util.find_spec("distributed") is not None:
        return True
    errors.warn(f"one process works, since Dask is not installed; {INSTALL}")
    return False


@contextlib.contextmanager
def _connect(engine: Engine) -> Iterator[Any]:
    """A client of the scheduler, or of workers that are started on this machine.

    Raises:
        errors.BadInput: Dask is not installed, or no scheduler answers.
    """
    try:
        import dask
        import distributed
    except ModuleNotFoundError as error:
        raise errors.BadInput(f"--scheduler needs Dask; {INSTALL}") from error
    logging.getLogger("distributed").setLevel(logging.WARNING)
    if engine.scheduler:
        try:
            client = distributed.Client(engine.scheduler, timeout=_CONNECT_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            raise errors.BadInput(
                f"--scheduler={engine.scheduler}: no Dask scheduler answers there"
            ) from error
        with client:
            yield client
        return
    environment = dask.config.get("distributed.nanny.pre-spawn-environ")
    with (
        dask.config.set(
            {
                "distributed.worker.multiprocessing-method": "spawn",  # JAX has threads
                "distributed.nanny.pre-spawn-environ": {
                    **environment,
                    **_share_of_machine(engine.workers),
                },
            }
        ),
        distributed.LocalCluster(
            n_workers=engine.workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,  # a paused worker would wait for ever for JAX's own memory
            host="127.0.0.1",
            dashboard_address=":0",  # None would take a fixed port, which may be used
            scheduler_kwargs={"dashboard": False},
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def num_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux, where there may be more
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _share_of_machine(workers: int) -> dict[str, str]:
    """Variables that limit XLA in each worker to its share of cores and GPU memory."""
    return {
        "PJRT_NPROC": str(max(1, num_cores() // workers)),
        "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / workers:.3f}",
    }


def _message(name: str, error: Exception) -> str:
    """The message of an error, with the name of its task once."""
    text = str(error) or type(error).__name__
    if not isinstance(error, errors.BadInput | OSError):
        text = f"{type(error).__name__}: {text}"
    return text if name in text else f"{name}: {text}"


def _summary(failed: Sequence[tuple[str, Exception]], total: int) -> Exception:
    """One exception for all that failed; errors of the program come first."""

    def by_user(entry: tuple[str, Exception]) -> bool:
        return isinstance(entry[1], errors.BadInput | OSError)

    name, error = min(failed, key=by_user)
    text = _message(name, error)
    if total > 1:
        text = f"{len(failed)} of {total} failed; {text}"
    for kind in (errors.BadInput, OSError):
        if isinstance(error, kind):
            return kind(text)
    made = RuntimeError(text)
    made.__cause__ = error
    return made

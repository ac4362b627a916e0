import importlib.util
import os

import distributed
import pytest
from distributed import client

import unipose_jax
from tests import cluster_tasks
from unipose_jax import cluster, errors

TWO = cluster.Engine(workers=2)


@pytest.fixture(scope="module")
def scheduler():
    """A scheduler with two worker processes, as `dask scheduler` would start it."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=":0",
    ) as started:
        yield cluster.Engine(started.scheduler_address)


def collect(tasks, found):
    for item, result in tasks:
        found[item] = result


def run(function, items, **options):
    options = {"title": "test", "unit": "task"} | options
    return list(cluster.map_tasks(function, items, **options))


def test_a_task_of_a_killed_worker_is_repeated_by_another(scheduler, tmp_path):
    items = [(tmp_path, number) for number in range(4)]
    found = dict(run(cluster_tasks.write_and_be_killed, items, engine=scheduler))
    assert found.keys() == set(items)
    assert os.getpid() not in found.values()
    written = {path.name: path.read_text() for path in tmp_path.glob("*.txt")}
    assert written == {f"{number}.txt": f"{number} whole" for number in range(4)}
    assert (tmp_path / cluster_tasks.KILLED).exists()


def test_a_task_that_fails_is_repeated_twice(scheduler, tmp_path):
    assert run(cluster_tasks.fail_twice, [tmp_path], engine=scheduler) == [
        (tmp_path, 2)
    ]


def test_workers_of_a_machine_share_its_cores_and_its_gpu(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    found = cluster._share_of_machine(3)
    assert found == {"PJRT_NPROC": "2", "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.300"}
    assert cluster._share_of_machine(20)["PJRT_NPROC"] == "1"


@pytest.mark.parametrize("where", ["here", "workers"])
def test_a_bad_item_is_named_and_the_others_finish(where, scheduler, capsys):
    tasks = cluster.map_tasks(
        cluster_tasks.square,
        [2, -1, 3],
        engine=scheduler if where == "workers" else cluster.HERE,
        title="square",
        unit="number",
        describe=lambda number: f"item {number}",
    )
    found = {}
    message = "^1 of 3 failed; item -1: no square of -1$"
    with pytest.raises(errors.BadInput, match=message):
        collect(tasks, found)
    assert found == {2: 4, 3: 9}
    printed = capsys.readouterr()
    assert set(printed.out.split("\n")) == {"squared 2", "squared 3", ""}
    assert "failed: item -1: no square of -1" in printed.err


def in_worker(item, *, version=unipose_jax.__version__, folder="."):
    return cluster._run_in_worker(cluster_tasks.square, version, folder, item)


def test_what_a_worker_prints_and_warns_is_passed_on_without_its_bars():
    outcome = in_worker(5)
    assert outcome == (25, None, "squared 5\n", ("warning: 5 is doubtful",))


def test_a_worker_of_another_version_does_nothing():
    outcome = in_worker(5, version="0.0.1")
    assert "install the same version on all" in str(outcome.error)
    assert outcome.value is None


def test_a_worker_without_the_shared_folder_says_so():
    outcome = in_worker(5, folder="/nowhere")
    assert "no folder /nowhere; all machines must share it" in str(outcome.error)


def test_errors_of_the_program_come_before_those_of_the_user():
    def fail(number):
        if number:
            raise errors.BadInput("bad")
        raise KeyError("x")

    with pytest.raises(RuntimeError, match="^2 of 2 failed; 0: KeyError: 'x'$"):
        run(fail, [1, 0])
    with pytest.raises(errors.BadInput, match="^1: bad$"):
        run(fail, [1])


def test_without_dask_one_process_works_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    errors.warn.cache_clear()
    found = run(lambda number: (number, os.getpid()), [1, 2], engine=TWO)
    assert [result for _, result in found] == [(1, os.getpid()), (2, os.getpid())]
    assert "unipose_jax[cluster]" in capsys.readouterr().err


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 0.2)
    engine = cluster.Engine("tcp://127.0.0.1:9")
    with pytest.raises(errors.BadInput, match="127.0.0.1:9: no Dask scheduler answers"):
        run(cluster_tasks.square, [1], engine=engine)


def test_a_lost_scheduler_is_one_line(scheduler, monkeypatch):
    def lose(futures):
        raise client.FutureCancelledError("square-1", "scheduler-connection-lost")

    monkeypatch.setattr(distributed, "as_completed", lose)
    with pytest.raises(errors.BadInput, match="scheduler was lost; the same command"):
        run(cluster_tasks.square, [1, 2], engine=scheduler)

"""The table of `python -m benchmarks`: its rows, its ratios and what it refuses."""

import dataclasses
import gzip
import itertools
import json

import jax
import pytest

from benchmarks import __main__ as command
from benchmarks.speed import options, table, timing
from unipose_jax import errors


def record(name="predict/live", median=20.0, **changes):
    measured = {"unit": "frames/s", "shapes": "depth 2x2", "spread": 1.0, "repeats": 5}
    measured |= {"cpu": 0.1} | {
        key: changes.pop(key) for key in list(changes) if key in ("unit", "shapes")
    }
    values = {
        "name": name,
        "device": "1 x cpu (cpu), 2 cores",
        "measured": timing.Measured(median=median, **measured),
        "commit": "abc",
        "jax": "0.10",
        "load": 1.5,
        "cores": 2,
        "peak_memory_mb": 100,
    }
    return table.Record(**values | changes)


def clock(*steps):
    """A clock that goes on by the steps, each time that it was read twice."""
    ticks = iter([0.0, *itertools.accumulate(s for step in steps for s in (step, 0.0))])
    return lambda: next(ticks)


def test_the_first_calls_are_not_timed_and_the_median_is_of_the_others():
    calls = []
    times = timing.repeat(
        lambda: calls.append(1),
        warm_up=2,
        wall=clock(1.0, 2.0, 4.0, 2.0, 2.0),
        cpu=clock(3.0, 3.0, 3.0, 3.0, 9.0),
    )
    assert len(calls) == 7
    assert times.wall == [1.0, 2.0, 4.0, 2.0, 2.0]
    found = timing.rate(times, 8, "clips/s", "8 clips")
    assert (found.median, found.repeats, found.cpu) == (4.0, 5, 3.0 / 8)
    assert found.spread == 0.0  # quartiles are the second and fourth of five
    assert timing.duration(times, "all").median == 2.0


def test_a_function_is_repeated_five_times_at_least():
    assert len(timing.repeat(lambda: None, repeats=1).wall) == 5


def test_json_lines_give_back_the_rows(tmp_path):
    rows = [record(), record("start/help", 2.0, unit="s")]
    table.write(tmp_path / "t.jsonl", rows)
    assert list(table.read(tmp_path / "t.jsonl").values()) == rows
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 2
    assert "| start/help" in table.to_markdown(rows)


def test_ratios_say_how_many_times_as_fast_it_is_now():
    rows = [record(median=30.0), record("start/help", 1.0, unit="s"), record("new")]
    stored = {
        "predict/live": record(),
        "start/help": record("start/help", 4.0, unit="s"),
    }
    lines = table.compare(stored, rows, "old.jsonl").splitlines()
    assert [line.split("|")[2].strip() for line in lines[2:]] == ["1.50x", "4.00x"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "1 x H200"}, "old.jsonl was measured on 1 x H200, this table on 1"),
        ({"shapes": "depth 4x4"}, "has shapes 'depth 4x4', this table 'depth 2x2'"),
        ({"name": "keypoints"}, "old.jsonl has none of the rows"),
    ],
)
def test_other_devices_shapes_and_rows_are_not_compared(changes, message):
    other = record(**changes)
    with pytest.raises(errors.BadInput, match=message) as raised:
        table.compare({other.name: other}, [record()], "old.jsonl")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", ["", "[]", '{"name": "render"}', "no JSON"])
def test_a_file_that_is_no_table_is_refused(tmp_path, content):
    (tmp_path / "t.jsonl").write_text(content)
    with pytest.raises(errors.BadInput, match=r"t\.jsonl (is no table|has no rows)"):
        table.read(tmp_path / "t.jsonl")
    with pytest.raises(errors.BadInput, match="cannot read .*none"):
        table.read(tmp_path / "none")


def test_rows_are_chosen_by_name_and_by_group():
    assert command.choose(None) == list(command.ROWS)
    assert set(command.choose(None, quick=True)) == set(command.ROWS) - set(
        command.SLOW
    )
    assert command.choose(["step/rgb"], quick=True) == ["step/rgb"]
    assert command.choose(["keypoints", "loader"]) == [
        *("loader/0", "loader/2", "keypoints")
    ]
    with pytest.raises(errors.BadInput, match="no row 'steps'; use keypoints, loader"):
        command.choose(["steps", "render"])
    assert not any("," in name for name in command.ROWS)  # separates them in --rows


def test_rows_that_cannot_be_measured_are_skipped_with_a_reason(
    tmp_path, monkeypatch, capsys
):
    measured = dataclasses.replace(record().measured, median=7.0)
    monkeypatch.setitem(command.ROWS, "render/points", lambda chosen: measured)
    chosen = options.Options(tmp_path, model=tmp_path / "nowhere")
    rows = ["render/points", "keypoints"]
    (only,) = command.measure(rows, chosen, "here", tmp_path / "t.jsonl")
    assert table.read(tmp_path / "t.jsonl") == {"render/points": only}
    assert (only.name, only.device, only.measured) == (
        "render/points",
        "here",
        measured,
    )
    assert "keypoints: skipped, no MoveNet in" in capsys.readouterr().out
    with pytest.raises(errors.BadInput, match="none of the rows"):
        command.measure(["keypoints"], chosen, "here")


def test_a_trace_has_calls_after_the_timed_ones(tmp_path):
    count = iter(range(100))
    double = jax.jit(lambda x: 2.0 * x)
    with timing.traced(tmp_path):
        timing.repeat(lambda: double(float(next(count))), warm_up=1)
    assert next(count) == 1 + timing.REPEATS + timing.TRACED
    (board,) = tmp_path.glob("plugins/profile/*/*.xplane.pb")
    (perfetto,) = tmp_path.glob("plugins/profile/*/perfetto_trace.json.gz")
    assert board.stat().st_size
    events = json.loads(gzip.decompress(perfetto.read_bytes()))["traceEvents"]
    assert any("lambda" in event.get("name", "") for event in events)
    timing.repeat(lambda: None)
    assert len(list(tmp_path.glob("plugins/profile/*"))) == 1

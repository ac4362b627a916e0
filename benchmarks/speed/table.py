"""The table as Markdown and as JSON lines, and the comparison with a stored one."""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tabulate

from benchmarks.speed import timing
from unipose_jax import atomic, errors


@dataclasses.dataclass(frozen=True)
class Record:
    """A row of the table, and where it was measured.

    Attributes:
        name: of the row.
        device: and its machine.
        measured: the figures.
        commit: of the code.
        jax: version.
        load: mean number of processes that wanted to run in the last minute.
        cores: that the process may use.
        peak_memory_mb: of an accelerator, else of the process, until then.
    """

    name: str
    device: str
    measured: timing.Measured
    commit: str
    jax: str
    load: float
    cores: int
    peak_memory_mb: int

    @property
    def speed(self) -> float:
        """Larger is faster, whatever the unit."""
        value = self.measured.median
        return 1.0 / value if self.measured.unit == "s" else value


def to_markdown(records: Iterable[Record]) -> str:
    """The table."""
    rows = [
        (
            record.name,
            _number(record.measured.median),
            _number(record.measured.spread),
            record.measured.unit,
            _number(1e3 * record.measured.cpu),
            record.measured.repeats,
            f"{record.load:.1f}",
            record.measured.shapes,
        )
        for record in records
    ]
    heading = (
        *("row", "median", "spread", "unit", "CPU [ms]", "repeats", "load"),
        "shapes",
    )
    return tabulate.tabulate(rows, heading, "pipe", disable_numparse=True)


def write(path: pathlib.Path, records: Iterable[Record]) -> None:
    """Writes one JSON object per row."""
    atomic.write_text(path, "".join(json.dumps(_flat(r)) + "\n" for r in records))


def read(path: pathlib.Path) -> dict[str, Record]:
    """Reads the rows of a file, by name.

    Raises:
        errors.BadInput: the file is missing or not such a table.
    """
    try:
        lines = path.read_text().splitlines()
        found = [_record(json.loads(line)) for line in lines if line.strip()]
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise errors.BadInput(
            f"{path} is no table of python -m benchmarks --output=FILE"
        ) from error
    if not found:
        raise errors.BadInput(f"{path} has no rows")
    return {record.name: record for record in found}


def check_device(stored: Mapping[str, Record], device: str, path: Any) -> None:
    """Refuses a table of another device.

    Raises:
        errors.BadInput: names both.
    """
    for record in stored.values():
        if record.device != device:
            raise errors.BadInput(
                f"{path} was measured on {record.device}, this table on {device}: "
                "ratios need one machine"
            )


def compare(stored: Mapping[str, Record], records: Sequence[Record], path: Any) -> str:
    """How many times as fast the rows are as the stored ones, as Markdown.

    Args:
        stored: rows of the other table, by name.
        records: rows of this table.
        path: of the stored table.

    Raises:
        errors.BadInput: a row was measured on another device or with other shapes, or
            no row is in both.
    """
    rows = []
    for record in records:
        other = stored.get(record.name)
        if other is None:
            continue
        check_device({record.name: other}, record.device, path)
        for what in ("shapes", "unit"):
            old, new = (getattr(one.measured, what) for one in (other, record))
            if old != new:
                raise errors.BadInput(
                    f"{path}: {record.name} has {what} {old!r}, this table {new!r}"
                )
        cpu = other.measured.cpu / max(record.measured.cpu, 1e-9)
        ratio = record.speed / other.speed
        loads = f"{other.load:.1f}, {record.load:.1f}"
        rows.append((record.name, f"{ratio:.2f}x", f"{cpu:.2f}x", loads))
    if not rows:
        raise errors.BadInput(f"{path} has none of the rows of this table")
    commits = f"{next(iter(stored.values())).commit} to {records[0].commit}"
    heading = (commits, "speed", "by CPU time", "loads")
    return tabulate.tabulate(rows, heading, "pipe", disable_numparse=True)


def _flat(record: Record) -> dict[str, Any]:
    values = dataclasses.asdict(record)
    measured = values.pop("measured")
    return {"name": values.pop("name"), **measured, **values}


def _record(values: dict[str, Any]) -> Record:
    measured = {
        field.name: values.pop(field.name)
        for field in dataclasses.fields(timing.Measured)
    }
    return Record(measured=timing.Measured(**measured), **values)


def _number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"

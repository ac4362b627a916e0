"""The table: cells with their counts, as Markdown and JSON."""

import dataclasses
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from data_pipelines.ground import file_io
from unipose_jax import atomic, errors

NAME = "real"  # of the files


@dataclasses.dataclass(frozen=True)
class Cell:
    """A figure or several of one method on one set of recordings.

    Attributes:
        text: as the table shows it; the reason in a cell without figures.
        values: the figures by name; {} where there are none.
        count: of frames, or other things that were scored.
    """

    text: str
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    count: int = 0

    @property
    def shown(self) -> str:
        """The text with its count."""
        return f"{self.text} ({self.count})" if self.values else f"– {self.text}"


def skipped(reason: str) -> Cell:
    """A cell without figures."""
    return Cell(reason)


def to_markdown(
    cells: Mapping[tuple[str, str], Cell],
    rows: Mapping[str, str],
    columns: Mapping[str, str],
    notes: Sequence[str],
) -> str:
    """The table, with a line per note below.

    Reasons for which cells have no figure become numbered notes.

    Args:
        cells: by keys of row and column.
        rows: heading by key.
        columns: heading by key.
        notes: what the figures are.
    """
    reasons: list[str] = []
    lines = [
        "| " + " | ".join(["", *columns.values()]) + " |",
        "| " + " | ".join(["---"] * (len(columns) + 1)) + " |",
    ]
    for row, heading in rows.items():
        shown = [heading]
        for column in columns:
            cell = cells[row, column]
            if cell.values:
                shown.append(cell.shown)
                continue
            if cell.text not in reasons:
                reasons.append(cell.text)
            shown.append(f"– [{reasons.index(cell.text) + 1}]")
        lines.append("| " + " | ".join(shown) + " |")
    lines.append("")
    lines += [f"- {note}" for note in notes]
    lines += [f"- [{number}] {reason}" for number, reason in enumerate(reasons, 1)]
    return "\n".join(lines) + "\n"


def write(
    folder: pathlib.Path,
    text: str,
    cells: Mapping[tuple[str, str], Cell],
    settings: Mapping[str, Any],
) -> None:
    """Writes `real.md` and `real.json`, each completely or not at all.

    Args:
        folder: of both files.
        text: the Markdown.
        cells: by keys of row and column.
        settings: what the figures depend on.
    """
    entries = [
        {"row": row, "column": column, **dataclasses.asdict(cell)}
        for (row, column), cell in cells.items()
    ]
    record = json.dumps(
        _without_nan({"settings": dict(settings), "cells": entries}),
        indent=1,
        allow_nan=False,
    )
    atomic.write_text(folder / f"{NAME}.md", text)
    atomic.write_text(folder / f"{NAME}.json", record + "\n")


def read(
    folder: pathlib.Path, settings: Mapping[str, Any]
) -> dict[tuple[str, str], Cell]:
    """The cells that an earlier run wrote; {} without one.

    Args:
        folder: of `real.json`.
        settings: of this run.

    Raises:
        errors.BadInput: the file is of other settings, or of something else.
    """
    path = folder / f"{NAME}.json"
    if not path.is_file():
        return {}
    record = file_io.read_json(path)
    try:
        theirs, entries = record["settings"], record["cells"]
        cells = {
            (entry["row"], entry["column"]): Cell(
                entry["text"], entry["values"], entry["count"]
            )
            for entry in entries
        }
    except (KeyError, TypeError) as error:
        raise errors.BadInput(f"{path} is no table of this command") from error
    apart = sorted(k for k in settings if theirs.get(k) != settings[k])
    if apart:
        raise errors.BadInput(
            f"{path} was made with {apart[0]}={theirs.get(apart[0])!r}, not "
            f"{settings[apart[0]]!r}; use another --output"
        )
    return cells


def _without_nan(value: Any) -> Any:
    """Nested dicts and lists with None in place of NaN, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value

"""Tables of metrics: several rows side by side, as text and Markdown.

A cell is one number, or the numbers of several seeds, shown as mean ± standard
deviation. `COLUMNS` holds the label, unit and digits of each metric.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tabulate
from jaxtyping import Float

from unipose_jax.skeleton import definitions

MISSING = "-"
MAIN = ("mpjpe_mm", "pa_mpjpe_mm", "map_10cm", "auc", "accel_error")

Number = float | int | np.number

# Metric -> value, or the values of several seeds.
Metrics = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Column:
    """Format of a metric.

    Attributes:
        key: name of the metric in logs and JSON.
        label: heading.
        unit: shown in the heading, in brackets; may be empty.
        scale: multiplies the value before it is shown (100 for a share in per cent).
        digits: decimals.
        better: "lower", "higher", or empty if neither is better.
    """

    key: str
    label: str
    unit: str = ""
    scale: float = 1.0
    digits: int = 1
    better: str = ""

    @property
    def heading(self) -> str:
        return f"{self.label} [{self.unit}]" if self.unit else self.label


# Metrics named `_mm` are millimetres already; the others are shares in [0, 1], m/s^2.
COLUMNS = {
    column.key: column
    for column in (
        Column("mpjpe_mm", "MPJPE", "mm", better="lower"),
        Column("pa_mpjpe_mm", "PA-MPJPE", "mm", better="lower"),
        Column("root_mpjpe_mm", "root MPJPE", "mm", better="lower"),
        Column("map_10cm", "mAP@10cm", "%", 100.0, better="higher"),
        Column("map_10cm_upper", "upper mAP@10cm", "%", 100.0, better="higher"),
        Column("map_10cm_lower", "lower mAP@10cm", "%", 100.0, better="higher"),
        Column("pck_10cm", "PCK@10cm", "%", 100.0, better="higher"),
        Column("auc", "AUC", "%", 100.0, better="higher"),
        Column("accel_error", "accel. error", "m/s²", digits=2, better="lower"),
        Column("bone_length_error_mm", "bone length", "mm", better="lower"),
        Column("num_frames", "frames", digits=0),
        Column("steps_per_s", "steps/s", better="higher"),
        Column("ms_per_frame", "time a frame", "ms", digits=3, better="lower"),
        Column("frames_per_s", "frames/s", better="higher"),
    )
}
JOINT_ERROR = Column("error_mm", "mean error", "mm", better="lower")


@dataclasses.dataclass(frozen=True)
class Spread:
    """Several measurements of one figure.

    Attributes:
        mean: their mean; NaN without any.
        deviation: sample standard deviation (n - 1); NaN with fewer than two.
        count: how many there are.
    """

    mean: float
    deviation: float
    count: int


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of figures under shared headings.

    Attributes:
        title: one line above the table.
        columns: what is shown, from left to right.
        rows: (name, one `Spread` per column) from top to bottom.
        note: what a reader must know: protocol, split, number of seeds.
        bars: whether a page draws the values as bars, too.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Spread, ...]], ...]
    note: str = ""
    bars: bool = False

    def headings(self) -> list[str]:
        """Headings of the columns."""
        return [shown.heading for shown in self.columns]

    def shares(self) -> list[list[int]]:
        """Length of the bar behind each cell, per cent; [] without bars."""
        means = [[cell.mean for cell in cells] for _, cells in self.rows]
        most = max((m for row in means for m in row if m > 0), default=math.inf)
        return [
            [round(100 * m / most) if m > 0 else 0 for m in row] for row in means
        ] * self.bars

    def texts(self) -> list[list[str]]:
        """Rows of text: the name, then one text per column."""
        return [
            [name, *map(cell_text, cells, self.columns)] for name, cells in self.rows
        ]


@dataclasses.dataclass(frozen=True)
class Words:
    """Rows of text under shared headings, for a page.

    Attributes:
        title: one line above the table.
        columns: headings, from left to right.
        rows: (name, one text per column) from top to bottom.
        note: below the table.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def headings(self) -> list[str]:
        """Headings of the columns."""
        return list(self.columns)

    def texts(self) -> list[list[str]]:
        """Rows of text: the name, then one text per column."""
        return [list(row) for row in self.rows]

    def shares(self) -> list[list[int]]:
        """No bars."""
        return []


def column(key: str) -> Column:
    """The `Column` of a metric; an unknown metric has its own name as label."""
    return COLUMNS.get(key, Column(key, key, digits=3))


def spread(values: Number | Iterable[Number]) -> Spread:
    """Mean and sample standard deviation of one value or several.

    Args:
        values: a number, or one number per seed; non-finite values are ignored.
    """
    array = np.atleast_1d(np.asarray(_listed(values), dtype=np.float64)).ravel()
    array = array[np.isfinite(array)]
    mean = float(array.mean()) if array.size else math.nan
    deviation = float(array.std(ddof=1)) if array.size > 1 else math.nan
    return Spread(mean, deviation, int(array.size))


def metrics_table(
    rows: Mapping[str, Metrics],
    *,
    keys: Sequence[str] = (),
    title: str = "",
    note: str = "",
) -> Table:
    """Metrics side by side.

    Args:
        rows: row name -> metric -> value, or values of several seeds. A metric that a
            row lacks is shown as missing.
        keys: the metrics to show, in order, for example `MAIN`; if empty, every metric
            that occurs. Use `joint_table` for metrics per joint.
        title: one line above the table.
        note: protocol and the like, below the table.
    """
    known = (k for row in rows.values() for k, v in row.items() if not _is_nested(v))
    keys = tuple(keys) or tuple(dict.fromkeys(known))
    cells = tuple(
        (name, tuple(spread(row.get(key, ())) for key in keys))
        for name, row in rows.items()
    )
    return Table(title, tuple(column(key) for key in keys), cells, note)


def joint_table(
    rows: Mapping[str, Float[np.ndarray, "*seeds joints"]],
    *,
    skeleton: str,
    value: Column = JOINT_ERROR,
    title: str = "",
    note: str = "",
) -> Table:
    """One figure per joint: joints down, runs across.

    Args:
        rows: run name -> figure per joint, over leading axes (seeds) if there are any;
            NaN where a joint has none.
        skeleton: name of the skeleton that orders the joints.
        value: how the figure is shown.
        title: one line above the table.
        note: below the table.
    """
    joints = definitions.by_name(skeleton).joints
    flat = {name: _by_joint(array, len(joints)) for name, array in rows.items()}
    columns = tuple(dataclasses.replace(value, key=name, label=name) for name in rows)
    cells = tuple(
        (joint_label(joint), tuple(spread(array[:, index]) for array in flat.values()))
        for index, joint in enumerate(joints)
    )
    return Table(title, columns, cells, note, bars=True)


def joint_values(
    by_joint: Mapping[str, float], *, skeleton: str
) -> Float[np.ndarray, " joints"]:
    """Figures by joint name as an array in the skeleton's order; NaN where missing."""
    joints = definitions.by_name(skeleton).joints
    return np.array([by_joint.get(joint, math.nan) for joint in joints], np.float64)


def joint_label(joint: str) -> str:
    """Display name of a joint: "left_hip" becomes "left hip"."""
    return joint.replace("_", " ")


def cell_text(cell: Spread, shown: Column) -> str:
    """Text of a cell: "62.1 ± 0.8", "62.1", or "-" if the value is missing.

    Args:
        cell: the figure.
        shown: its column; gives scale and digits.
    """
    if not math.isfinite(cell.mean):
        return MISSING
    text = f"{cell.mean * shown.scale:.{shown.digits}f}"
    if math.isfinite(cell.deviation):
        text += f" ± {cell.deviation * shown.scale:.{shown.digits}f}"
    return text


def to_text(table: Table) -> str:
    """The table in plain text, columns aligned, for a terminal."""
    lines = [table.title, _tabulated(table, "simple"), table.note]
    return "\n".join(filter(None, lines)) + "\n"


def to_markdown(table: Table) -> str:
    """The table in GitHub's Markdown, numbers to the right."""
    title = f"**{_markdown(table.title)}**" if table.title else ""
    parts = [title, _tabulated(table, "pipe", _markdown), _markdown(table.note)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _is_nested(value: object) -> bool:
    return isinstance(value, Mapping)


def _listed(values: Number | Iterable[Number]) -> Number | list[Number]:
    return list(values) if isinstance(values, Iterable) else values


def _by_joint(array: Float[np.ndarray, "*seeds joints"], joints: int) -> np.ndarray:
    if array.shape[-1] != joints:
        raise ValueError(f"{array.shape[-1]} joints given; the skeleton has {joints}")
    return array.reshape(-1, joints)


def _tabulated(table: Table, style: str, escape: Callable[[str], str] = str) -> str:
    lines = [["", *(shown.heading for shown in table.columns)], *table.texts()]
    headings, *rows = [[escape(text) for text in line] for line in lines]
    return tabulate.tabulate(
        rows,
        headings,
        tablefmt=style,
        disable_numparse=True,
        colalign=("left", *("right" for _ in table.columns)),
    )


def _markdown(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def plain(value: Any) -> Any:
    """Converts nested mappings of numbers to JSON types; NaN and infinity to None."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value

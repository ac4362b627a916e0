"""Draws the named skeletons and writes the tables of docs/skeletons.md.

    python -m benchmarks.draw_skeletons docs

To be run after a skeleton or the joint order of a 2D detector has changed.
"""

import pathlib
import sys
from collections.abc import Callable, Sequence

import numpy as np
import tabulate

from benchmarks.figures import skeletons as drawing
from data_pipelines.keypoints import joint_orders
from unipose_jax import atomic
from unipose_jax import skeleton as skeletons

NAMED = tuple(skeletons.by_name(name) for name in skeletons.NAMES)
TRACKED = tuple(skeletons.by_name(name) for name in skeletons.TRACKERS)
DETECTORS = (
    joint_orders.OPENPOSE18,
    joint_orders.OPENPOSE25,
    joint_orders.HALPE26,
    joint_orders.WHOLEBODY133,
)
PICTURES = pathlib.Path("images", "skeletons")


def main(docs: pathlib.Path) -> None:
    """Writes the tables into `docs`/skeletons.md, and the pictures."""
    page = docs / "skeletons.md"
    atomic.write_text(page, with_tables(page.read_text()))
    for body in NAMED:
        drawing.draw_skeleton(docs / PICTURES / f"{body.name}.png", body)


def with_tables(page: str) -> str:
    """Replaces the tables of a page, each between two HTML comments.

    Raises:
        ValueError: a comment is missing.
    """
    for name, make in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
        before, begun, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not (begun and ended):
            raise ValueError(f"the page has no {begin.strip()} and {end.strip()}")
        page = before + begin + make() + end + after
    return page


def joint_table() -> str:
    """Index of each joint in each joint order; one row per joint of `BODY`."""
    orders = (*NAMED, *DETECTORS)
    rows = [
        [joint, *(_place(body, joint) for body in orders)]
        for joint in skeletons.BODY.joints
    ]
    return _table(["joint", *(body.name for body in orders)], rows)


def coverage_table() -> str:
    """Number of joints of each target that a source has, and that can be derived."""
    detectors = [body for body in DETECTORS if body.name not in skeletons.TRACKERS]
    rows = [
        [source.name, *(_coverage(source, target) for target in NAMED)]
        for source in (*NAMED, *TRACKED, *detectors)
    ]
    heads = [f"{target.name} ({target.num_joints})" for target in NAMED]
    return _table(["from \\ to", *heads], rows)


def tracker_table() -> str:
    """Joints of the skeletons of trackers, in their order."""
    lines = ["| skeleton | joints |", "| --- | --- |"]
    return "\n".join(
        [*lines, *(f"| {body.name} | {', '.join(body.joints)} |" for body in TRACKED)]
    )


TABLES: dict[str, Callable[[], str]] = {
    "joints": joint_table,
    "trackers": tracker_table,
    "coverage": coverage_table,
}


def _place(body: skeletons.Skeleton, joint: str) -> str:
    return str(body.index(joint)) if joint in body.joints else ""


def _coverage(source: skeletons.Skeleton, target: skeletons.Skeleton) -> str:
    nothing = np.zeros((source.num_joints, 1), np.float32)
    given = skeletons.convert(nothing, source, target)[1].sum()
    known = skeletons.convert(nothing, source, target, derive=True)[1].sum()
    return f"{given} + {known - given}" if known > given else f"{given}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return tabulate.tabulate(
        rows,
        heads,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=("left", *("right" for _ in heads[1:])),
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: draw_skeletons.py DOCS_DIR")
    main(pathlib.Path(sys.argv[1]))

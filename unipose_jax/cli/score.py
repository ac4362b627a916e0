"""Scores one pose file against another: `run.py --mode=score`."""

import json
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

import tabulate

from data_pipelines.readers.poses import any_file
from unipose_jax import errors, metrics, skeleton
from unipose_jax.report import tables

_BY_JOINT = ("joint_mpjpe_mm", "pck_10cm")


def score(
    predicted: pathlib.Path,
    truth: pathlib.Path,
    *,
    skeleton_name: str | None = None,
    fps: float | None = None,
    json_alone: bool = False,
) -> int:
    """Prints the metrics of one pose file against another.

    One JSON object goes to stdout and a table to stderr. In a terminal, where both
    would mix, the table alone is printed.

    Joints count where both files have them; `missing` is the share of true joints that
    the prediction lacks.

    Args:
        predicted: poses in any format that `any_file` reads.
        truth: the true poses, likewise.
        skeleton_name: of the joints, where a file does not name it.
        fps: frames per second, where a file has no times.
        json_alone: prints the JSON object and no table.

    Raises:
        errors.BadInput: a file cannot be used, or they do not belong together.
    """
    poses, target = (
        any_file.read(path, skeleton=skeleton_name, fps=fps)
        for path in (predicted, truth)
    )
    if poses.skeleton != target.skeleton:
        raise errors.BadInput(
            f"{predicted} has skeleton {poses.skeleton}, {truth} has {target.skeleton}"
        )
    if len(poses) != len(target):
        raise errors.BadInput(
            f"{predicted} has {len(poses)} frames, {truth} has {len(target)}"
        )
    if poses.frame is not None and target.frame is not None:
        if (apart := poses.frame != target.frame).any():
            first = int(apart.argmax())
            raise errors.BadInput(
                f"pose {first} is of frame {poses.frame[first]} in {predicted}, of "
                f"frame {target.frame[first]} in {truth}"
            )
    known = target.is_valid()
    valid = known & poses.is_valid()
    if not valid.any():
        raise errors.BadInput(f"{predicted} and {truth} have no joint in common")
    results = metrics.summary(
        poses.xyz,
        target.xyz,
        valid=valid,
        skeleton=skeleton.by_name(target.skeleton),
        time=target.time,
    )
    results |= {"missing": 1.0 - float(valid.sum() / known.sum())}
    if not json_alone:
        print(table_text(results), file=sys.stderr)
    if json_alone or not sys.stdout.isatty():
        print(json.dumps(tables.plain(results), indent=1))
    return 0


def table_text(results: Mapping[str, Any]) -> str:
    """The metrics as two tables with units: over all joints, and for each joint.

    Args:
        results: of `metrics.summary`, with the share of `missing` joints.
    """
    share = tables.Column("missing", "missing joints", "%", 100.0)
    overall = []
    for key, value in results.items():
        if not isinstance(value, Mapping):
            shown = share if key == "missing" else tables.column(key)
            text = tables.cell_text(tables.spread(value), shown)
            overall.append((shown.label, text, shown.unit))
    columns = (tables.JOINT_ERROR, tables.column("pck_10cm"))
    by_joint = [
        (
            tables.joint_label(joint),
            *(
                tables.cell_text(tables.spread(results[key][joint]), shown)
                for key, shown in zip(_BY_JOINT, columns, strict=True)
            ),
        )
        for joint in results[_BY_JOINT[0]]
    ]
    headings = ["joint", *(shown.heading for shown in columns)]
    right = {"colalign": ("left", "right", "left"), "disable_numparse": True}
    numbers = {"colalign": ("left", "right", "right"), "disable_numparse": True}
    return "\n\n".join(
        [
            tabulate.tabulate(overall, ["metric", "value", "unit"], **right),
            tabulate.tabulate(by_joint, headings, **numbers),
        ]
    )

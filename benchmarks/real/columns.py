"""The sets of recordings, one per column of the table, and how each is scored."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.real import cases, itop, scores, table
from unipose_jax import skeleton

BODY = skeleton.by_name(itop.SKELETON)


@dataclasses.dataclass(frozen=True)
class Options:
    """What the cases of all columns depend on.

    Attributes:
        data: folder of the sample data.
        cache: folder of recordings with detected keypoints, made once.
        noise: of ITOP's keypoints, pixels of maps of 320 x 240.
        seed: of that noise.
        masks: whether masks that come with the data are used.
    """

    data: pathlib.Path
    cache: pathlib.Path
    noise: float = 3.0
    seed: int = 0
    masks: bool = False


@dataclasses.dataclass(frozen=True)
class Column:
    """A set of recordings.

    Attributes:
        key: its name in flags and JSON.
        heading: its name in the table, with the figures and their units.
        load: opens the recordings; raises `errors.BadInput` where they are absent.
        score: the cell of a method, from the cases and its poses of each.
    """

    key: str
    heading: str
    load: Callable[[Options], list[cases.Case]]
    score: Callable[[Sequence[cases.Case], Sequence[np.ndarray], Options], table.Cell]


def joint(name: str) -> int:
    """Index of a joint of ITOP15."""
    return BODY.joints.index(name)


def by_joint(values: np.ndarray) -> dict[str, Any]:
    """Figures by joint, for JSON; None where there is none."""
    return {
        name: round(float(value), 1) if np.isfinite(value) else None
        for name, value in zip(BODY.joints, values, strict=True)
    }


def number(value: float) -> str:
    """A rounded figure, or "–" where there is none."""
    return f"{value:.0f}" if np.isfinite(value) else "–"


def mean(values: np.ndarray) -> float:
    """Mean of the figures there are; NaN without any."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def frames_found(poses: Sequence[np.ndarray]) -> int:
    """Frames with a joint."""
    found = [np.isfinite(xyz).all(axis=-1).any(axis=-1) for xyz in poses]
    return int(np.concatenate(found).sum())


def load_side(options: Options) -> list[cases.Case]:
    """ITOP's side view, each frame by itself."""
    frames = itop.side_frames(options.data)
    keypoints = frames.keypoints(noise=options.noise, seed=options.seed)
    return [cases.Case(one) for one in frames.sequences(keypoints)]


def score_side(
    some: Sequence[cases.Case], poses: Sequence[np.ndarray], options: Options
) -> table.Cell:
    """mAP@10cm and MPJPE."""
    xyz, truth = np.concatenate(poses), itop.side_frames(options.data).xyz
    found = scores.position(xyz, truth)
    text = f"{found['map_10cm']:.1f}, {number(found['mpjpe_mm'])}"
    if found["missing"]:
        text += f", {found['missing']} joints missing"
    per_joint = by_joint(scores.within_by_joint(xyz, truth))
    return table.Cell(text, {**found, "within_10cm": per_joint}, len(some))


def load_top(options: Options) -> list[cases.Case]:
    """ITOP's top view, each frame by itself; its 2D keypoints are not known."""
    return [cases.Case(one) for one in itop.top_frames(options.data).sequences()]


def score_top(
    some: Sequence[cases.Case], poses: Sequence[np.ndarray], options: Options
) -> table.Cell:
    """mAP@10cm and MPJPE relative to the middle of neck and torso."""
    root = (joint("neck"), joint("torso"))
    xyz = scores.relative_to(np.concatenate(poses), root)
    truth = scores.relative_to(itop.top_frames(options.data).xyz, root)
    found = scores.position(xyz, truth)
    per_joint = by_joint(scores.within_by_joint(xyz, truth))
    text = f"{found['map_10cm']:.1f}, {number(found['mpjpe_mm'])}"
    return table.Cell(text, {**found, "within_10cm": per_joint}, len(some))


TOP = Column(
    "itop_top",
    "ITOP top, relative to the root: mAP@10cm [%], MPJPE [mm]",
    load_top,
    score_top,
)
SIDE = Column("itop_side", "ITOP side: mAP@10cm [%], MPJPE [mm]", load_side, score_side)

"""Columns of recordings without 3D truth: marks in pictures, bones and jitter."""

import dataclasses
import pathlib
import shutil
from collections.abc import Sequence

import numpy as np

from benchmarks.real import cases, columns, recordings, scores, table
from data_pipelines.readers.recordings import recording
from unipose_jax import errors

ARMS = {
    "upper arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "hand"),
}
LEGS = {"thigh": ("hip", "knee")}
_PCL = ("pcl_p1", "pcl_p2", "pcl_p3")
_ITOP_TRAIN = ("itop_train_53", "itop_train_9814")
_UR_FALL_FIRST = 45  # the frame from which on the person is surely in view


def load_pcl(options: columns.Options) -> list[cases.Case]:
    """Three people who walk away, one frame each, with joints marked by eye.

    Five people are in the picture: masks always say who is meant.
    """
    return [
        dataclasses.replace(_colour_recording(name, options), masks=True)
        for name in _PCL
    ]


def score_pcl(
    some: Sequence[cases.Case], poses: Sequence[np.ndarray], options: columns.Options
) -> table.Cell:
    """Joints within 10 cm of the marks across the line of sight."""
    path = options.data / "real" / "pcl_joints2d_by_eye.npz"
    if not path.is_file():
        raise errors.BadInput(f"no {path}")
    with np.load(path, allow_pickle=False) as file:
        marks = file["uv"]
    away = np.stack(
        [
            scores.lateral_mm(
                xyz[0],
                uv,
                case.recorded.keypoint_camera.intrinsics,
                np.isfinite(uv).all(axis=-1),
            )
            for case, xyz, uv in zip(some, poses, marks, strict=True)
        ]
    )
    marked = np.isfinite(marks).all(axis=-1)
    within = np.nan_to_num(away[marked], nan=np.inf) < 1e3 * scores.THRESHOLD
    hips = np.array(["hip" in name for name in columns.BODY.joints])
    rest = within[np.broadcast_to(~hips, marked.shape)[marked]]
    values = {
        "within_10cm": 100.0 * float(within.mean()),
        "within_10cm_without_hips": 100.0 * float(rest.mean()),
        "median_mm": float(np.nanmedian(away)),
    }
    text = f"{values['within_10cm']:.0f}, {values['median_mm']:.0f}"
    return table.Cell(text, values, columns.frames_found(poses))


def load_ddrnet(options: columns.Options) -> list[cases.Case]:
    """A man who hardly moves, from the thighs up."""
    return [_colour_recording("ddrnet_group1", options)]


def score_ddrnet(
    some: Sequence[cases.Case], poses: Sequence[np.ndarray], options: columns.Options
) -> table.Cell:
    """Jitter and lengths of the bones of the arms."""
    del some, options
    jitter = scores.jitter_mm(poses[0])
    text, values = bones(poses[0], ARMS)
    return table.Cell(
        f"{jitter:.0f}; {text}",
        {"jitter_mm": jitter, **values},
        columns.frames_found(poses),
    )


def load_ur_fall(options: columns.Options) -> list[cases.Case]:
    """A man who walks in and begins to fall, between office chairs."""
    source = options.data / "real" / "urfall"
    if not source.is_dir():
        raise errors.BadInput(f"no {source}")

    def make(target: pathlib.Path) -> None:
        recordings.copy(source, target)
        masks = source.with_name("urfall_mask")
        shutil.copytree(masks, target / "mask", copy_function=shutil.copyfile)

    opened = recordings.cached(options.cache / "urfall", make)
    return [cases.Case(opened, options.masks)]


def score_ur_fall(
    some: Sequence[cases.Case], poses: Sequence[np.ndarray], options: columns.Options
) -> table.Cell:
    """Lengths of bones, in the frames in which the person is surely in view."""
    del some, options
    xyz = poses[0][_UR_FALL_FIRST:]
    text, values = bones(xyz, {"upper arm": ARMS["upper arm"], **LEGS})
    return table.Cell(text, values, columns.frames_found([xyz]))


def load_itop_train(options: columns.Options) -> list[cases.Case]:
    """Two frames of ITOP's training set; a foreground object is near a hand in one."""
    found = []
    for name in _ITOP_TRAIN:
        path = options.data / "real" / name
        if not path.is_dir():
            raise errors.BadInput(f"no {path}")
        found.append(cases.Case(recording.open_recording(path), options.masks))
    return found


def score_itop_train(
    some: Sequence[cases.Case], poses: Sequence[np.ndarray], options: columns.Options
) -> table.Cell:
    """Lengths of the forearms in each frame."""
    del options
    texts, values = [], {}
    for case, xyz in zip(some, poses, strict=True):
        lengths = [
            scores.bone_cm(
                xyz, columns.joint(f"{side}_elbow"), columns.joint(f"{side}_hand")
            )[0]
            for side in ("right", "left")
        ]
        texts.append("/".join(map(columns.number, lengths)))
        values[case.recorded.name] = lengths
    return table.Cell("; ".join(texts), values, columns.frames_found(poses))


def bones(
    xyz: np.ndarray, some: dict[str, tuple[str, str]]
) -> tuple[str, dict[str, list[float]]]:
    """Lengths of bones of the right and the left side over the frames, cm.

    Args:
        xyz: (frames, 15, 3), metres.
        some: joints without their side, by the name of the bone.

    Returns:
        Text "right/left ± right/left" of mean and standard deviation for each bone,
        and both by name.
    """
    texts, values = [], {}
    for name, (first, second) in some.items():
        sides = [
            scores.bone_cm(
                xyz, columns.joint(f"{side}_{first}"), columns.joint(f"{side}_{second}")
            )
            for side in ("right", "left")
        ]
        found = [side for side in sides if np.isfinite(side).all()]
        lengths = "/".join(f"{mean:.0f}" for mean, _ in found)
        spreads = "/".join(f"{spread:.1f}" for _, spread in found)
        texts.append(f"{lengths} ± {spreads}" if len(found) == 2 else "–")
        if found:
            named = f"{name} right, left: mean, sd [cm]"
            values[named] = [list(side) for side in sides]
    return ", ".join(texts), values


def _colour_recording(name: str, options: columns.Options) -> cases.Case:
    """A recording of the sample data with colour, and MoveNet's keypoints of it."""
    source = options.data / "real" / name
    if not source.is_dir():
        raise errors.BadInput(f"no {source}")

    def make(target: pathlib.Path) -> None:
        recordings.copy(source, target)
        recordings.detect(target, options.data)

    return cases.Case(recordings.cached(options.cache / name, make), options.masks)


PCL = columns.Column(
    "pcl",
    "pcl, with masks: within 10 cm of marks [%], median [mm]",
    load_pcl,
    score_pcl,
)
DDRNET = columns.Column(
    "ddrnet",
    "ddrnet: jitter [mm a frame]; upper arms, forearms right/left ± sd [cm]",
    load_ddrnet,
    score_ddrnet,
)
UR_FALL = columns.Column(
    "ur_fall",
    "UR Fall: upper arms, thighs right/left ± sd [cm]",
    load_ur_fall,
    score_ur_fall,
)
ITOP_TRAIN = columns.Column(
    "itop_train",
    "ITOP train, two frames: forearms right/left [cm]",
    load_itop_train,
    score_itop_train,
)

"""The modes of the command line: one table, for the flags, their checks and the help.

A row of `TABLE` is a mode; a row of `FLAGS` is a flag, which any mode may use. The
functions that do the work are in `commands`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag of the command line.

    Attributes:
        value: placeholder of its value in the help.
        default: None if it has none.
        kind: "string", "float", "integer", "bool", "enum", or "list" of strings, each
            with the flag.
        choices: of an "enum".
    """

    value: str = ""
    default: Any = None
    kind: str = "string"
    choices: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Mode:
    """A mode of the command line.

    Attributes:
        group: heading of the help that it is under.
        summary: what it does, in one line of 66 characters at most.
        example: flags of a typical command.
        needs: flag -> its meaning in this mode.
        takes: the same for flags that may be left out.
        page: of docs/, with an anchor if it has one.
    """

    group: str
    summary: str
    example: str
    needs: Mapping[str, str]
    takes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    page: str = "usage.md"

    @property
    def flags(self) -> dict[str, str]:
        """All flags of the mode, with their meaning."""
        return {**self.needs, **self.takes, **COMMON}


def choice(*choices: str, default: str | None = None) -> Flag:
    """A flag with a fixed set of values."""
    return Flag("|".join(choices), default, "enum", choices)


FLAGS: dict[str, Flag] = {
    "config": Flag("FILE[:VARIANT]"),
    "workdir": Flag("DIR", kind="list"),
    "checkpoint_dir": Flag("PATH", ""),
    "input": Flag("PATH"),
    "output": Flag("PATH"),
    "truth": Flag("FILE"),
    "recording": Flag("DIR"),
    "model": Flag("PATH"),
    "skeleton": Flag("NAME"),
    "to_skeleton": Flag("NAME"),
    "fill": choice("bones"),
    "convention": Flag("NAME", "anatomy"),
    "prior": Flag("PATH", ""),
    "fps": Flag("NUMBER", kind="float"),
    "depth_unit": Flag("METRES", kind="float"),
    "mirrored": Flag(default=False, kind="bool"),
    "source": Flag("DIR"),
    "data_dir": Flag("DIR"),
    "modality": choice("points", "depth", "rgb", default="points"),
    "people": choice("one", "all", default="one"),
    "keypoints": Flag(kind="bool"),
    "pictures": Flag(default=True, kind="bool"),
    "video": Flag(default=False, kind="bool"),
    "viewer": choice("rerun", "viser"),
    "camera": Flag("NAME"),
    "up": choice("top", "bottom", "left", "right", default="top"),
    "record": Flag("DIR"),
    "stream": Flag(default=False, kind="bool"),
    "view": Flag(default=False, kind="bool"),
    "poses": Flag(default=True, kind="bool"),
    "realtime": Flag(default=True, kind="bool"),
    "format": choice("stablehlo", "onnx", default="stablehlo"),
    "weights": Flag("NAME"),
    "json": Flag(default=False, kind="bool"),
    "coordinator": Flag("HOST:PORT", ""),
    "num_processes": Flag("NUMBER", 1, "integer"),
    "process_id": Flag("NUMBER", 0, "integer"),
    "workers": Flag("NUMBER", 1, "integer"),
    "scheduler": Flag("ADDRESS", ""),
    "seed": Flag("NUMBER", 6, "integer"),
    "compile_cache": Flag("DIR", "~/.cache/unipose_jax/compiled"),
}
"""Every flag but `--mode` and `--help`."""

COMMON = {"compile_cache": "compiled programs; an empty value stores none"}
"""Flags of all modes."""

_CONFIG = "configs/NAME.py:VARIANT; --config.KEY=VALUE sets a value of it"
_RUN_CONFIG = "of the run; by default the one that it was trained with"
_DATA_DIR = "prepared data sets; sets config.data.data_dir"
_HOSTS = {
    "coordinator": "several hosts: process 0, or auto on a TPU pod or Slurm",
    "num_processes": "several hosts: how many",
    "process_id": "several hosts: number of this one, from 0",
}
_WORKERS = {
    "workers": "processes at a time on this machine; needs Dask",
    "scheduler": "address of a Dask scheduler, whose workers do the work",
}
_POSES = "poses: .npz, .npy, .csv, .json or .bvh"
_OUTPUT = "poses to write: .npz, .csv, .json or .bvh"
_JOINTS = "of poses that do not name theirs, such as ITOP15"
_FPS = "frames per second, where the poses have no times"
_DEPTH = "where data sets put joints below the skin: anatomy or ITOP"
_LOOK = {
    "pictures": "write an interactive page beside the output; --nopictures: none",
    "video": "write an MP4 of all frames beside the output",
    "viewer": "rerun: write a .rrd beside the output; viser: serve the scene",
}

TABLE: dict[str, Mode] = {
    "train": Mode(
        "Training",
        "trains all stages of a config, evaluates and reports (default)",
        "--config=configs/unipose.py --workdir=runs/unipose",
        {"config": _CONFIG, "workdir": "folder of the run; continues one there"},
        {
            "data_dir": _DATA_DIR,
            "checkpoint_dir": "of checkpoints; gs://BUCKET/... too; default: workdir",
            **_HOSTS,
        },
        "usage.md#training",
    ),
    "evaluate": Mode(
        "Training",
        "scores a trained run on the test split and writes its report",
        "--mode=evaluate --workdir=runs/unipose",
        {"workdir": "folder of the run"},
        {"config": _RUN_CONFIG, "data_dir": _DATA_DIR, **_HOSTS},
        "usage.md#training",
    ),
    "report": Mode(
        "Training",
        "compares trained runs on one page: results, curves, settings",
        "--mode=report --workdir=runs/a --workdir=runs/b",
        {"workdir": "folders of runs; with one, as --mode=evaluate"},
        {"output": "page to write, .html; default: beside the runs"},
        "usage.md#training",
    ),
    "prepare": Mode(
        "Training",
        "converts the original files of a data set for training",
        "--mode=prepare --config=configs/itop.py --source=ITOP --data_dir=D",
        {"config": _CONFIG},
        {
            "source": "folder of the original files",
            "data_dir": "where prepared data sets go; sets config.data.data_dir",
            **_WORKERS,
        },
        "datasets/README.md",
    ),
    "export": Mode(
        "Training",
        "a network as one file for other programs: StableHLO or ONNX",
        "--mode=export --weights=points --format=onnx --output=points.onnx",
        {"output": "file to write; a description goes to .json beside it"},
        {
            "format": "of the file",
            "weights": "released ones, or a path that estimator.export wrote",
            "workdir": "run whose network is exported, in place of weights",
            "config": _RUN_CONFIG,
            "modality": "of the run: what the network looks at",
        },
        "export.md",
    ),
    "sample": Mode(
        "Recordings",
        "renders a small recording of a person in motion, to try all this",
        "--mode=sample --output=sample",
        {"output": "recording folder to make"},
        {"seed": "of person, motion, room and camera"},
        "start.md",
    ),
    "predict": Mode(
        "Recordings",
        "predicts the poses in a recording",
        "--mode=predict --input=RECORDING --output=poses.npz",
        {
            "input": "recording, or a folder of recordings",
            "output": "pose file to write, .npz; of several recordings: a folder",
        },
        {
            "workdir": "run whose network predicts; default: released weights",
            "config": _RUN_CONFIG,
            "modality": "what the network looks at",
            "people": "the person to follow, or everyone",
            "keypoints": "use 2D keypoints of the recording; --nokeypoints does not",
            "convention": _DEPTH,
            **_LOOK,
            **_WORKERS,
        },
        "usage.md#prediction",
    ),
    "live": Mode(
        "Recordings",
        "predicts poses while a depth camera runs; records its frames",
        "--mode=live --camera=realsense --output=poses.npz",
        {"camera": "realsense, azure, orbbec, openni or recording:DIR"},
        {
            "output": "pose file to write at the end, .npz",
            "stream": "print one JSON object per frame",
            "record": "recording folder to write, with all frames",
            "poses": "predict; --noposes only records or shows",
            "view": "show frames and poses in a window",
            "keypoints": "find 2D keypoints in colour and use them",
            "model": "files of MoveNet; default: the cache folder",
            "up": "side of the camera's images that is up in the scene",
            "realtime": "play a recording at its rate; --norealtime: every frame",
            "workdir": "run whose network predicts; default: released weights",
            "config": _RUN_CONFIG,
        },
        "live.md",
    ),
    "keypoints": Mode(
        "Recordings",
        "finds the 2D keypoints of a recording and draws them",
        "--mode=keypoints --input=RECORDING",
        {"input": "recording, or a folder of recordings"},
        {
            "model": "2D network, .onnx, or files of MoveNet; default: MoveNet",
            "skeleton": "of the network's joints; default COCO17",
            **_WORKERS,
        },
        "keypoints.md",
    ),
    "lookup": Mode(
        "Recordings",
        "poses from depth at 2D keypoints, without a network",
        "--mode=lookup --input=RECORDING --output=poses.npz",
        {
            "input": "recording folder with 2D keypoints",
            "output": "pose file to write, .npz",
        },
        {
            "skeleton": "of the poses; default ITOP15",
            "fill": "also joints without depth, from bone lengths",
            "convention": _DEPTH,
            **_LOOK,
        },
        "keypoints.md#look-up-depth-at-them",
    ),
    "refine": Mode(
        "Poses",
        "reduces jitter of poses, keeps bone lengths constant",
        "--mode=refine --input=poses.npz --output=refined.npz",
        {"input": _POSES, "output": _OUTPUT},
        {
            "recording": "recording of the same frames, for depth and 2D keypoints",
            "prior": "weights of a learnt prior of motion; default: none",
            "skeleton": _JOINTS,
            "fps": _FPS,
            "convention": _DEPTH,
            **_LOOK,
        },
        "refinement.md",
    ),
    "score": Mode(
        "Poses",
        "errors of poses against true poses of the same frames",
        "--mode=score --input=poses.npz --truth=joints.npz",
        {"input": _POSES, "truth": "the true poses, likewise"},
        {
            "skeleton": _JOINTS,
            "fps": _FPS,
            "json": "JSON alone; else also a table, in a terminal instead",
        },
        "usage.md#pose-files",
    ),
    "convert": Mode(
        "Poses",
        "recordings of other tools; poses in other formats and skeletons",
        "--mode=convert --input=poses.npz --output=poses.bvh",
        {
            "input": "recording (Open3D, RealSense, TUM, OpenNI, Azure), or poses",
            "output": "folder to make, or poses: .npz, .csv, .json, .bvh or .rrd",
        },
        {
            "fps": "frames per second, if not as recorded",
            "depth_unit": "of a recording: metres per count, if not as recorded",
            "mirrored": "the images of the recording are mirrored",
            "skeleton": _JOINTS,
            "to_skeleton": "of poses: skeleton to convert them to",
        },
        "pose_files.md",
    ),
}
"""Every mode, in the order of the help."""


def defaults() -> dict[str, Any]:
    """The value of each flag that is not given; without `config`."""
    return {name: flag.default for name, flag in FLAGS.items() if name != "config"}

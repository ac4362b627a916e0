"""Writes data sets to disk for training: `run.py --mode=prepare`."""

import pathlib
from typing import Any

from data_pipelines.ground import settings
from data_pipelines.prepared import prepare
from data_pipelines.readers import registry
from data_pipelines.readers.mocap import joint_clips
from data_pipelines.sequences import sequence
from unipose_jax import cluster, errors
from unipose_jax.cli import keypoint_sheet
from unipose_jax.train.plan import stage_values


def prepare_run(
    config: Any, source: pathlib.Path | None, *, engine: cluster.Engine
) -> int:
    """Prepares the data of a config.

    Args:
        config: as the files in `configs/` build it.
        source: folder of the original files, which rendered people do not have.
        engine: where the work runs.

    Raises:
        errors.BadInput: nowhere to write, or the files cannot be used.
    """
    values = config.to_dict()
    crop_size = stage_values.shared_crop_size(values)
    data = settings.DataSettings.from_config(values["data"] | {"crop_size": crop_size})
    if data.is_synthetic:
        source = pathlib.Path()
    elif source is None:
        raise errors.BadInput(f"--source is missing: the files of {data.name}")
    return prepare_data(data, source, engine=engine)


def prepare_data(
    data: settings.DataSettings, source: pathlib.Path, *, engine: cluster.Engine
) -> int:
    """Writes a data set's original files to disk as TFDS, and draws its keypoints.

    Args:
        data: which data set, and where it goes.
        source: folder of the original files.
        engine: where the work runs.

    Raises:
        errors.BadInput: nowhere to write, or the files cannot be used.
    """
    if not data.data_dir:
        raise errors.BadInput("--data_dir is missing: where the prepared data goes")
    if not source.is_dir():
        raise errors.BadInput(f"no folder of original files at {source}")
    if data.name == "mocap":
        return _prepare_motion(data, source)
    folder = prepare.prepare(data, source, engine=engine)
    print(prepare.summary(folder))
    _preview(registry.open_data_set(data, source), data.skeleton, folder)
    return 0


def _prepare_motion(data: settings.DataSettings, source: pathlib.Path) -> int:
    """Writes motion capture as clips that move rendered people."""
    output = pathlib.Path(data.data_dir).expanduser() / "mocap.npz"
    output.parent.mkdir(parents=True, exist_ok=True)
    for line in joint_clips.write_clips(source, output, skip_corrupt=data.skip_corrupt):
        print(line)
    print(f"prepared: {output} (for --config.data.motion={output})")
    return 0


def _preview(data_set: sequence.DataSet, skeleton: str, folder: pathlib.Path) -> None:
    """Draws the keypoints of the first sequence that has some, beside the data set."""
    for one in data_set.sequences["train"]:
        if isinstance(one, sequence.Sequence) and one.keypoint_detections() is not None:
            path = folder.with_name(f"{folder.name}_keypoints.png")
            keypoint_sheet.preview(one, skeleton, path)
            print(f"keypoints: {path}")
            return

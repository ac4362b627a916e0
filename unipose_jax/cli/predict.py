"""Poses in a depth recording: `run.py --mode=predict`."""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from data_pipelines.ground import file_io, pose_file
from data_pipelines.readers.recordings import mounting_check, recording
from data_pipelines.sequences import diagnosis, person_crops, tracks
from unipose_jax import errors, estimator, skeleton
from unipose_jax.cli import prediction_quality
from unipose_jax.report import build
from unipose_jax.train import plan
from unipose_jax.train.checkpoints import restore

MAX_PICTURES = 24  # frames drawn of a prediction
_METHODS = ("stage1", "stage2")  # recipes whose networks take recorded images


def predict(
    config: Any,
    workdir: pathlib.Path | None,
    source: pathlib.Path,
    output: pathlib.Path,
    *,
    modality: str,
    pictures: bool,
) -> int:
    """Predicts the poses in a recording; writes a pose file and a report.

    Args:
        config: of the run in `workdir`; None for the weights that ship.
        workdir: of a run; None for the weights that ship.
        source: recording folder.
        output: pose file to write.
        modality: input of the network, one of `folders.MODALITIES`.
        pictures: whether to draw.

    Raises:
        errors.BadInput: the recording cannot be used, or shows nobody.
    """
    if workdir is not None and config is None:
        raise errors.BadInput("--workdir needs the --config that it was trained with")
    if config is not None and workdir is None:
        raise errors.BadInput(
            "--config needs the --workdir of its run; without both, the weights that "
            "ship with the package are used"
        )
    if output.suffix != ".npz":
        raise errors.BadInput(f"a pose file must end in .npz, got {output}")
    opened = recording.open_recording(source)
    mounting_check.warn_if_turned(opened)
    file_io.check_writable(output)
    if pictures:
        build.check_folder(output.with_suffix(""))
    if config is None or workdir is None:
        network = estimator.load_shipped(modality)
    else:
        network = _load_trained(config, workdir, modality)
    pose, shown = predict_recording(network, opened, pictures=MAX_PICTURES)
    pose_file.write(output, opened.to_recorded(pose))
    print(f"{prediction_quality.summary(pose)}; poses: {output}")
    if pictures:
        from unipose_jax.cli import prediction_page

        print(f"pictures: {prediction_page.report_poses(opened, shown, pose, output)}")
    return 0


def _load_trained(
    config: Any, workdir: pathlib.Path, modality: str
) -> estimator.Estimator:
    """The network of a modality that a run has trained, with its clip length."""
    stage = plan.resolve_stage(config, workdir, modality)
    if stage.method not in _METHODS:
        raise errors.BadInput(
            "predict needs a network that uses depth recordings; "
            f"{stage.model['name']} does not"
        )
    state = restore.restore_best(stage)
    used = restore.read_config(stage.folder)
    return estimator.from_config(used, jax.device_get(state.ema_params))


def predict_recording(
    network: estimator.Estimator, opened: recording.Recording, *, pictures: int
) -> tuple[pose_file.PoseFile, dict[int, tracks.PersonCloud]]:
    """Poses in a recording, and the segmented person in some of its frames.

    Args:
        network: predicts the joints.
        opened: the recording; read frame by frame, so it may be long.
        pictures: most frames to keep, equally spaced among those with a person.

    Raises:
        errors.BadInput: no frame shows a person.
    """
    joints = skeleton.by_name(network.skeleton).num_joints
    xyz = np.full((len(opened), joints, 3), np.nan, np.float32)
    confidence = np.zeros((len(opened), joints), np.float32)
    look = _from_points if "points" in network.inputs else _from_crops
    valid = np.zeros((len(opened), joints), bool)
    shown: dict[int, tracks.PersonCloud] = {}
    found, every = 0, 1
    for index, cloud, result in look(network, opened):
        if result is None:
            continue
        xyz[index], confidence[index] = result
        valid[index] = prediction_quality.reliable_joints(
            *result, cloud.xyz, opened.depth_camera
        )
        if found % every == 0:
            shown[index] = cloud
        found += 1
        if len(shown) > pictures:  # keep every second frame, now and later
            shown, every = dict(list(shown.items())[::2]), 2 * every
    if not valid.any():
        cause = diagnosis.explain(opened)
        raise errors.BadInput(f"{opened.path}: no frame shows a person; {cause}")
    pose = pose_file.PoseFile(
        xyz=xyz,
        confidence=confidence,
        skeleton=network.skeleton,
        time=opened.time,
        intrinsics=opened.depth_camera.intrinsics,
        valid=valid,
        frame=np.asarray(opened.frames, np.int64),
    )
    if network.calibration:
        pose = dataclasses.replace(pose, quality=prediction_quality.quality(pose))
    return pose, shown


def _from_points(
    network: estimator.Estimator, opened: recording.Recording
) -> Iterator[tuple[int, tracks.PersonCloud, tuple[np.ndarray, np.ndarray] | None]]:
    """(position, person, pose or None) of each frame, from clips of clouds."""
    live = estimator.OnlineEstimator(
        network, opened.rays, opened.depth_camera.intrinsics
    )
    for index, cloud in enumerate(tracks.person_clouds(opened)):
        seen = _crops(network, opened, index, cloud) if len(cloud.xyz) else {}
        time = float(opened.time[index])
        pose = live.from_points(cloud.xyz, time, seen, opened.color_from_depth)
        yield index, cloud, pose


def _from_crops(
    network: estimator.Estimator, opened: recording.Recording
) -> Iterator[tuple[int, tracks.PersonCloud, tuple[np.ndarray, np.ndarray] | None]]:
    """(position, person, pose or None) of each frame, from crops around the person."""
    for index, cloud in enumerate(tracks.person_clouds(opened)):
        if not len(cloud.xyz):
            yield index, cloud, None
            continue
        fields = _crops(network, opened, index, cloud)
        if "color_crop" in network.inputs and "color_crop" not in fields:
            what = f"frame {opened.frames[index]} has no colour"
            if opened.color_camera is None:
                what = "camera.json has no intrinsics for 'color'"
            raise errors.BadInput(f"{opened.path}: {what}, which --modality=rgb needs")
        clip = {name: np.asarray(value)[None, None] for name, value in fields.items()}
        clip["cam_from_points"] = np.asarray(opened.color_from_depth, np.float32)[None]
        xyz, confidence = network.from_fields(clip)
        pose = xyz[0, 0], network.calibrated(xyz[0, 0], confidence[0, 0], cloud.xyz)
        yield index, cloud, pose


def _crops(
    network: estimator.Estimator,
    opened: recording.Recording,
    index: int,
    cloud: tracks.PersonCloud,
) -> dict[str, np.ndarray]:
    """The crops that the network needs of a frame; no other image is read."""
    size, fields = network.crop_size, {}
    if "depth_crop" in network.inputs:
        fields = person_crops.depth_fields(
            opened, cloud.xyz, cloud.person_depth, size=size
        )
    if "color_crop" in network.inputs:
        color = opened.color(index)
        fields |= person_crops.color_fields(opened, cloud.xyz, color, size=size)
    return fields

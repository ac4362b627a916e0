"""Poses in a depth recording: `run.py --mode=predict`."""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from data_pipelines.ground import file_io, pose_file
from data_pipelines.readers.recordings import mounting_check, recording
from data_pipelines.sequences import diagnosis, everyone, person_crops, tracks
from data_pipelines.sequences import people as people_lib
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
    people: str = "one",
) -> int:
    """Predicts the poses in a recording; writes a pose file and a report.

    Args:
        config: of the run in `workdir`; None for the weights that ship.
        workdir: of a run; None for the weights that ship.
        source: recording folder.
        output: pose file to write.
        modality: input of the network, one of `folders.MODALITIES`.
        pictures: whether to draw.
        people: "one" for the person who is meant (see `tracks.person_clouds`), "all"
            for one pose file per person: OUTPUT-1.npz is the most evident.

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
    found = (
        _everyone(network, opened)
        if people == "all"
        else [predict_recording(network, opened, pictures=MAX_PICTURES)]
    )
    for path, (pose, _) in zip(_paths(output, found, people), found, strict=True):
        pose_file.write(path, opened.to_recorded(pose))
        print(f"{prediction_quality.summary(pose)}; poses: {path}")
    if pictures:
        from unipose_jax.cli import prediction_page

        print(f"pictures: {prediction_page.report_people(opened, found, output)}")
    return 0


Found = tuple[pose_file.PoseFile, dict[int, tracks.PersonCloud]]


def _paths(output: pathlib.Path, found: list[Found], people: str) -> list[pathlib.Path]:
    """The pose file of each person."""
    if people == "one":
        return [output]
    numbers = range(1, len(found) + 1)
    return [output.with_name(f"{output.stem}-{n}{output.suffix}") for n in numbers]


def _everyone(network: estimator.Estimator, opened: recording.Recording) -> list[Found]:
    """Poses of all people, the most evident first."""
    found = []
    for clouds in everyone.clouds_of_everyone(opened, progress=True):
        person = predict_recording(
            network, opened, pictures=MAX_PICTURES, clouds=clouds, required=False
        )
        if person[0].is_valid().any():
            found.append(person)
    if not found:
        raise _nobody(opened)
    print(f"{len(found)} {'person' if len(found) == 1 else 'people'}")
    return found


def _nobody(opened: recording.Recording) -> errors.BadInput:
    cause = diagnosis.explain(opened)
    return errors.BadInput(f"{opened.path}: no frame shows a person; {cause}")


def _person(
    network: estimator.Estimator, opened: recording.Recording
) -> Iterator[tracks.PersonCloud]:
    """The person who is meant; says where keypoints decide that."""
    keypoints = _keypoints(network, opened)
    notes: list[str] = []
    yield from tracks.person_clouds(opened, keypoints, progress=True, notes=notes)
    for note in notes:
        errors.warn(note)


def _keypoints(
    network: estimator.Estimator, opened: recording.Recording
) -> people_lib.Keypoints | None:
    """2D keypoints of the recording, as evidence for who is meant, if there are any."""
    if opened.mask(0) is not None:
        return None
    try:
        keypoints = tracks.read_keypoints(opened, network.skeleton)
    except errors.BadInput as error:
        errors.warn(f"keypoints are not used: {error}")
        return None
    if keypoints is None or not keypoints.confidence.any():
        return None
    named = int(keypoints.confidence.any(axis=1).sum())
    print(f"2D keypoints say who is meant in {named} of {len(opened)} frames")
    return keypoints


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
    network: estimator.Estimator,
    opened: recording.Recording,
    *,
    pictures: int,
    clouds: Iterator[tracks.PersonCloud] | None = None,
    required: bool = True,
) -> Found:
    """Poses in a recording, and the segmented person in some of its frames.

    Args:
        network: predicts the joints.
        opened: the recording; read frame by frame, so it may be long.
        pictures: most frames to keep, equally spaced among those with a person.
        clouds: the person in each frame; by default the one who is meant.
        required: whether a person must be found.

    Raises:
        errors.BadInput: no frame shows a person, and one is required.
    """
    joints = skeleton.by_name(network.skeleton).num_joints
    xyz = np.full((len(opened), joints, 3), np.nan, np.float32)
    confidence = np.zeros((len(opened), joints), np.float32)
    look = _from_points if "points" in network.inputs else _from_crops
    valid = np.zeros((len(opened), joints), bool)
    shown: dict[int, tracks.PersonCloud] = {}
    found, every = 0, 1
    clouds = _person(network, opened) if clouds is None else clouds
    for index, cloud, result in look(network, opened, clouds):
        if result is None:
            continue
        xyz[index], confidence[index] = result
        valid[index] = prediction_quality.reliable_joints(
            *result, cloud.xyz, opened.depth_camera
        )
        if found % every == 0:
            shown[index] = _body_of(network, cloud)
        found += 1
        if len(shown) > pictures:  # keep every second frame, now and later
            shown, every = dict(list(shown.items())[::2]), 2 * every
    if required and not valid.any():
        raise _nobody(opened)
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


def _body_of(
    network: estimator.Estimator, cloud: tracks.PersonCloud
) -> tracks.PersonCloud:
    """The cloud without the points that are on no body part, for pictures."""
    on_body = network.body_probability(cloud.xyz) >= 0.5
    return cloud._replace(xyz=cloud.xyz[on_body]) if on_body.any() else cloud


def _from_points(
    network: estimator.Estimator,
    opened: recording.Recording,
    clouds: Iterator[tracks.PersonCloud],
) -> Iterator[tuple[int, tracks.PersonCloud, tuple[np.ndarray, np.ndarray] | None]]:
    """(position, person, pose or None) of each frame, from clips of clouds."""
    live = estimator.OnlineEstimator(
        network, opened.rays, opened.depth_camera.intrinsics
    )
    for index, cloud in enumerate(clouds):
        seen = _crops(network, opened, index, cloud) if len(cloud.xyz) else {}
        time = float(opened.time[index])
        pose = live.from_points(cloud.xyz, time, seen, opened.color_from_depth)
        yield index, cloud, pose


def _from_crops(
    network: estimator.Estimator,
    opened: recording.Recording,
    clouds: Iterator[tracks.PersonCloud],
) -> Iterator[tuple[int, tracks.PersonCloud, tuple[np.ndarray, np.ndarray] | None]]:
    """(position, person, pose or None) of each frame, from crops around the person."""
    for index, cloud in enumerate(clouds):
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

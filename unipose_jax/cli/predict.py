"""Poses in a depth recording: `run.py --mode=predict`."""

import contextlib
import dataclasses
import itertools
import pathlib
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np

from data_pipelines.ground import file_io, pose_file, read_ahead
from data_pipelines.readers.recordings import mounting_check, recording
from data_pipelines.sequences import diagnosis, keypoint_check, person_crops, tracks
from data_pipelines.sequences import people as people_lib
from unipose_jax import errors, estimator, progress, skeleton
from unipose_jax.cli import (
    conventions,
    networks,
    predicted_people,
    prediction_page,
    prediction_quality,
    recorded_scene,
    views,
)
from unipose_jax.estimator import reliability
from unipose_jax.physics import skin_depths
from unipose_jax.weights import store

_PAGE = views.Views()


def predict(
    config: Any,
    workdir: pathlib.Path | None,
    source: pathlib.Path,
    output: pathlib.Path,
    *,
    modality: str,
    wanted: views.Views = _PAGE,
    people: str = "one",
    keypoints: bool = True,
    convention: str = skin_depths.ANATOMY,
    load: networks.Loader = networks.load,
) -> int:
    """Predicts the poses in a recording; writes a pose file and a report.

    Args:
        config: of the run in `workdir`; None for that of its checkpoint.
        workdir: of a run; None for the weights that ship.
        source: recording folder.
        output: pose file to write.
        modality: input of the network, one of `folders.MODALITIES`.
        wanted: what is made to be looked at.
        people: "one" for the person to follow (see `tracks.person_clouds`), "all"
            for one pose file per person: OUTPUT-1.npz is the most evident.
        keypoints: whether 2D keypoints of the recording are used: as evidence for the
            person to follow, and as input of a network that takes them.
        convention: of the depth of joints below the skin, to which joints are moved,
            one of `skin_depths.CONVENTIONS`.
        load: gives the network, as `networks.load` does.

    Raises:
        errors.BadInput: the recording cannot be used, or shows nobody.
    """
    networks.check(config, workdir)
    if output.suffix != ".npz":
        raise errors.BadInput(f"a pose file must end in .npz, got {output}")
    opened = recording.open_recording(source)
    mounting_check.warn_if_turned(opened)
    file_io.check_writable(output)
    wanted.check(output)
    informed = workdir is None and keypoints and modality == store.SHIPPED
    network, values = load(
        config,
        workdir,
        store.WITH_KEYPOINTS if informed and _has_keypoints(opened) else modality,
    )
    _check_convention(values, network, convention)
    found = (
        _everyone(network, opened, pictures=wanted.points, use_keypoints=keypoints)
        if people == "all"
        else [
            predict_recording(
                network, opened, pictures=wanted.points, use_keypoints=keypoints
            )
        ]
    )
    found = [(_in_convention(pose, convention), seen) for pose, seen in found]
    for path, (pose, seen) in zip(_paths(output, found, people), found, strict=True):
        pose_file.write(path, opened.to_recorded(pose))
        if line := _keypoint_line(opened, pose, seen):
            print(line)
        print(f"{prediction_quality.summary(pose)}; poses: {path}")
    prediction_page.report_people(opened, found, output, wanted)
    return 0


def _has_keypoints(opened: recording.Recording) -> bool:
    """Whether a recording comes with 2D keypoints that can be read; else warns."""
    try:
        return opened.keypoint_detections() is not None
    except errors.BadInput as error:
        predicted_people.warn_unused(error)
        return False


def _check_convention(
    config: Mapping[str, Any], network: estimator.Estimator, convention: str
) -> None:
    """Refuses a convention that does not fit the joints of a network.

    Raises:
        errors.BadInput: names the reason.
    """
    if convention == skin_depths.ANATOMY:
        return
    conventions.skin_depths_of(skeleton.by_name(network.skeleton), convention)
    learnt = config.get("loss", {}).get("skin_depths", skin_depths.ANATOMY)
    if learnt not in (None, skin_depths.ANATOMY):
        raise errors.BadInput(
            f"--convention={convention} moves joints from those of anatomy, but this "
            f"network was trained with config.loss.skin_depths={learnt}"
        )


def _in_convention(pose: pose_file.PoseFile, convention: str) -> pose_file.PoseFile:
    """A pose whose joints lie as deep below the skin as those of a convention."""
    if convention == skin_depths.ANATOMY:
        return pose
    body = skeleton.by_name(pose.skeleton)
    xyz = skin_depths.convert(pose.xyz, skeleton=body, target=convention)
    return dataclasses.replace(pose, xyz=np.asarray(xyz, np.float32))


Found = prediction_page.Found


def _paths(output: pathlib.Path, found: list[Found], people: str) -> list[pathlib.Path]:
    """The pose file of each person."""
    if people == "one":
        return [output]
    numbers = range(1, len(found) + 1)
    return [output.with_name(f"{output.stem}-{n}{output.suffix}") for n in numbers]


def _everyone(
    network: estimator.Estimator,
    opened: recording.Recording,
    *,
    pictures: bool,
    use_keypoints: bool,
) -> list[Found]:
    """Poses of all people, the most evident first."""
    found = []
    everyone = predicted_people.everyone(network, opened, use_keypoints=use_keypoints)
    for clouds, keypoints in everyone:
        person = predict_recording(
            network,
            opened,
            pictures=pictures,
            clouds=clouds,
            keypoints=keypoints,
            use_keypoints=keypoints is not None,
            required=False,
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


def _keypoint_line(
    opened: recording.Recording, pose: pose_file.PoseFile, seen: prediction_page.Seen
) -> str:
    """How many frames had keypoints as input; empty without any."""
    if seen.keypoints is None or seen.used is None:
        return ""
    found = np.isfinite(pose.xyz).all(axis=(1, 2))
    return predicted_people.describe_keypoints(
        opened, seen.keypoints, seen.used, found, pose.skeleton
    )


def predict_recording(
    network: estimator.Estimator,
    opened: recording.Recording,
    *,
    pictures: bool,
    clouds: Iterator[tracks.PersonCloud] | None = None,
    keypoints: people_lib.Keypoints | None = None,
    required: bool = True,
    use_keypoints: bool = True,
) -> Found:
    """Poses in a recording, and the segmented person in some of its frames.

    Args:
        network: predicts the joints.
        opened: the recording; read frame by frame, so it may be long.
        pictures: whether points of the person are kept, to be drawn.
        clouds: the person in each frame; by default the person to follow.
        keypoints: 2D keypoints of the person in `clouds`, for a network that takes
            them; by default those of the recording.
        required: whether a person must be found.
        use_keypoints: False ignores the recording's 2D keypoints.

    Raises:
        errors.BadInput: no frame shows a person, and one is required.
    """
    joints = skeleton.by_name(network.skeleton).num_joints
    xyz = np.full((len(opened), joints, 3), np.nan, np.float32)
    confidence = np.zeros((len(opened), joints), np.float32)
    look = _from_points if "points" in network.inputs else _from_crops
    valid = np.zeros((len(opened), joints), bool)
    drawn = recorded_scene.shown_frames(len(opened))
    shown: dict[int, np.ndarray] = {}
    if clouds is None:
        person = predicted_people.one(network, opened, use_keypoints=use_keypoints)
    else:
        if keypoints is None and use_keypoints:
            keypoints = predicted_people.read_keypoints(network, opened)
        person = predicted_people.Person(clouds, keypoints)
    used = np.zeros(len(opened), bool)
    with (
        progress.Bar(len(opened), "predict", "frame") as bar,
        contextlib.closing(look(network, opened, person)) as poses,
    ):
        for index, cloud, result, used[index] in poses:
            if result is not None:
                xyz[index], confidence[index] = result
                valid[index] = reliability.reliable_joints(
                    *result, cloud.xyz, opened.depth_camera
                )
                if pictures and index in drawn:
                    few = cloud._replace(xyz=recorded_scene.sampled(cloud.xyz))
                    shown[index] = body_of(network, few).xyz
            bar.update()
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
    return pose, prediction_page.Seen(shown, person.keypoints, used)


Look = Generator[
    tuple[int, tracks.PersonCloud, tuple[np.ndarray, np.ndarray] | None, bool],
    None,
    None,
]


def body_of(
    network: estimator.Estimator, cloud: tracks.PersonCloud
) -> tracks.PersonCloud:
    """The cloud without the points that are on no body part, for pictures.

    Args:
        network: tells which points are on the body.
        cloud: all points of the mask; kept if none seems to be on the body.
    """
    on_body = network.body_probability(cloud.xyz) >= 0.5
    return cloud._replace(xyz=cloud.xyz[on_body]) if on_body.any() else cloud


def _from_points(
    network: estimator.Estimator,
    opened: recording.Recording,
    person: predicted_people.Person,
) -> Look:
    """(position, person, pose or None, whether keypoints were used) of each frame."""
    if "color_crop" in network.inputs:  # colour is read in this thread
        yield from _in_clips(network, opened, person)
        return
    with contextlib.closing(read_ahead.read_ahead(person.clouds)) as clouds:
        yield from _in_clips(network, opened, person._replace(clouds=clouds))


def _in_clips(
    network: estimator.Estimator,
    opened: recording.Recording,
    person: predicted_people.Person,
) -> Look:
    """As `_from_points`, without reading ahead."""
    camera = None
    if person.keypoints is not None:
        camera = estimator.KeypointCamera(
            opened.keypoint_camera.intrinsics, opened.color_from_depth
        )
    clouds, shown = itertools.tee(person.clouds)
    frames = (
        estimator.PersonFrame(
            cloud.xyz,
            float(opened.time[index]),
            _crops(network, opened, index, cloud) if len(cloud.xyz) else None,
            _keypoints(person, index),
        )
        for index, cloud in enumerate(clouds)
    )
    poses = estimator.predict_frames(
        network,
        frames,
        keypoint_camera=camera,
        cam_from_points=opened.color_from_depth,
    )
    for index, (cloud, pose) in enumerate(zip(shown, poses, strict=True)):
        result = None if pose is None else (pose.xyz, pose.confidence)
        yield index, cloud, result, pose is not None and pose.used_keypoints


def _keypoints(
    person: predicted_people.Person, index: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Keypoints of a frame, if there are some."""
    if person.keypoints is None:
        return None
    return person.keypoints.uv[index], person.keypoints.confidence[index]


def _from_crops(
    network: estimator.Estimator,
    opened: recording.Recording,
    person: predicted_people.Person,
) -> Look:
    """As `_from_points`, from crops around the person."""
    for index, cloud in enumerate(person.clouds):
        if not len(cloud.xyz):
            yield index, cloud, None, False
            continue
        fields = _crops(network, opened, index, cloud)
        if "color_crop" in network.inputs and "color_crop" not in fields:
            what = f"frame {opened.frames[index]} has no colour"
            if opened.color_camera is None:
                what = "camera.json has no intrinsics for 'color'"
            raise errors.BadInput(f"{opened.path}: {what}, which --modality=rgb needs")
        clip = {name: np.asarray(value)[None, None] for name, value in fields.items()}
        clip["cam_from_points"] = np.asarray(opened.color_from_depth, np.float32)[None]
        seen = _keypoint_fields(opened, _keypoints(person, index), cloud)
        xyz, confidence = network.from_fields(clip | seen)
        sure = network.calibrated(
            xyz[0, 0], confidence[0, 0], cloud.xyz, with_keypoints=bool(seen)
        )
        yield index, cloud, (xyz[0, 0], sure), bool(seen)


def _keypoint_fields(
    opened: recording.Recording,
    keypoints: tuple[np.ndarray, np.ndarray] | None,
    cloud: tracks.PersonCloud,
) -> dict[str, np.ndarray]:
    """Batch fields of the keypoints of a frame; empty if they are not the person's."""
    camera, pose = opened.keypoint_camera.intrinsics, opened.color_from_depth
    if keypoints is None or not keypoints[1].any():
        return {}
    if not keypoint_check.on_person(*keypoints, cloud.xyz, camera, pose):
        return {}
    uv, confidence = keypoints
    return {
        "uv": np.nan_to_num(uv)[None, None],
        "confidence": confidence[None, None],
        "intrinsics": camera[None],
    }


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

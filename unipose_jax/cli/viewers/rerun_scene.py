"""Scenes as files of rerun, https://rerun.io."""

import pathlib
import re

import numpy as np
import rerun as rr
import rerun.blueprint as layout

from unipose_jax import atomic
from unipose_jax.report.draw import palette
from unipose_jax.report.viewer import data
from unipose_jax.report.viewer import scene as scene_lib
from unipose_jax.skeleton import definitions

_BONE, _JOINT, _POINT, _OTHER = 0.012, 0.02, 0.004, 0.006  # radii, metres


def write(scene: scene_lib.Scene, path: pathlib.Path) -> None:
    """Writes a scene to a `.rrd` file, which the viewer of rerun opens.

    Args:
        scene: people in one recording.
        path: of the file, which is written in one step.
    """
    with atomic.replacing(path) as temporary:
        # An identifier of its own: the viewer would join files that share one.
        stream = rr.RecordingStream("unipose_jax")
        stream.save(temporary, default_blueprint=_layout(scene))
        stream.send_recording_name(scene.name)
        stream.log("world", rr.ViewCoordinates.RDF, static=True)
        _log_static(stream, scene)
        pictures = () if scene.pictures is None else data.pictures_rgb(scene)
        steps = {frame: step for step, frame in enumerate(scene.shown_frames)}
        for frame in range(scene.num_frames):
            _set_time(stream, scene, frame)
            for person in scene.people:
                _log_person(stream, person, frame, steps.get(frame))
            if frame in steps and len(pictures):
                picture = rr.Image(pictures[steps[frame]]).compress(jpeg_quality=85)
                stream.log("world/camera/picture", picture)
        stream.flush()
        stream.disconnect()


def _layout(scene: scene_lib.Scene) -> layout.Blueprint:
    beside = [layout.TimeSeriesView(origin="confidence", name="confidence")]
    if scene.pictures is not None:
        beside.insert(0, layout.Spatial2DView(origin="world/camera", name="picture"))
    return layout.Blueprint(
        layout.Horizontal(
            layout.Spatial3DView(origin="world", name=scene.name),
            layout.Vertical(*beside),
            column_shares=(2, 1),
        )
    )


def _set_time(stream: rr.RecordingStream, scene: scene_lib.Scene, frame: int) -> None:
    numbers = scene.numbers
    number = frame if numbers is None else int(numbers[frame])
    stream.set_time("frame", sequence=number)
    if scene.time is not None:
        stream.set_time("time", duration=float(scene.time[frame] - scene.time[0]))


def _log_static(stream: rr.RecordingStream, scene: scene_lib.Scene) -> None:
    if scene.room is not None:
        colors = data.cloud_rgb(scene.room)
        points = rr.Points3D(scene.room.xyz, colors=colors, radii=_POINT)
        stream.log("world/room", points, static=True)
    camera = scene.depth_camera
    if scene.pictures is not None:
        camera = scene.pictures.camera
    if camera is not None:
        scene_from_cam = np.linalg.inv(camera.cam_from_scene)
        fx, fy, cx, cy = camera.intrinsics
        pose = rr.Transform3D(
            translation=scene_from_cam[:3, 3], mat3x3=scene_from_cam[:3, :3]
        )
        pinhole = rr.Pinhole(
            image_from_camera=[[fx, 0, cx], [0, fy, cy], [0, 0, 1]],
            width=camera.width,
            height=camera.height,
            image_plane_distance=0.3,
        )
        stream.log("world/camera", pose, pinhole, static=True)
    for person in scene.people:
        names = definitions.by_name(person.skeleton).joints
        lines = rr.SeriesLines(names=[name.replace("_", " ") for name in names])
        stream.log(f"confidence/{_path(person)}", lines, static=True)


def _path(person: scene_lib.Person) -> str:
    """Name of a person in the paths of a recording, which have no spaces."""
    return re.sub(r"\W", "_", person.name)


def _log_person(
    stream: rr.RecordingStream,
    person: scene_lib.Person,
    frame: int,
    step: int | None,
) -> None:
    body = definitions.by_name(person.skeleton)
    root = f"world/{_path(person)}"
    if person.clouds and step is not None:
        cloud = person.clouds[step]
        points = rr.Points3D(cloud.xyz, colors=data.cloud_rgb(cloud), radii=_POINT)
        stream.log(f"{root}/points", points)
    for index, poses in enumerate(person.poses):
        xyz = poses.xyz[frame]
        known = np.isfinite(xyz).all(axis=-1)
        bones = [i for i, ends in enumerate(body.bones) if known[list(ends)].all()]
        colors = np.array(palette.bone_colors(body))[bones]
        strips = rr.LineStrips3D(
            [xyz[list(body.bones[bone])] for bone in bones],
            colors=(0.6, 0.6, 0.65) if index else colors,
            radii=_OTHER if index else _BONE,
        )
        stream.log(f"{root}/{poses.name}/bones", strips)
        if not index:
            marks = rr.Points3D(
                xyz[known],
                colors=np.array(palette.joint_colors(body))[known],
                radii=_JOINT,
                labels=[body.joints[joint] for joint in np.flatnonzero(known)],
                show_labels=False,
            )
            stream.log(f"{root}/{poses.name}/joints", marks)
    confidence = person.poses[0].confidence
    if confidence is not None:
        stream.log(f"confidence/{_path(person)}", rr.Scalars(confidence[frame]))

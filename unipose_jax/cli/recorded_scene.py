"""Pictures, coloured points and surroundings of a recording, for pages of its poses."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from concurrent import futures
from typing import NamedTuple

import numpy as np

from data_pipelines.sequences import sequence
from unipose_jax import errors, skeleton
from unipose_jax.cli import recorded_pictures, recorded_room
from unipose_jax.report.viewer import data, scene

MAX_SHOWN = 300  # frames with points and a picture
MAX_POINTS = 4000  # of a person in a frame
_COLUMNS = 320  # of a depth map, for points near the joints
_NEAR = 0.22  # metres from a joint or the middle of a bone, which is the person
_NOTHING = np.zeros((0, 3), np.float32)


def shown_frames(count: int) -> range:
    """Frames that are shown with points and a picture, of that many."""
    return range(0, count, max(1, -(-count // MAX_SHOWN)))


def sampled(xyz: np.ndarray, most: int = MAX_POINTS) -> np.ndarray:
    """At most so many points (n, 3) of a cloud, drawn at random, the same each time."""
    if len(xyz) <= most:
        return xyz
    return xyz[np.random.default_rng(0).choice(len(xyz), most, replace=False)]


def add_recording(
    poses: scene.Scene,
    opened: sequence.Sequence,
    places: Sequence[int],
    clouds: Sequence[Mapping[int, np.ndarray]] = (),
) -> scene.Scene:
    """A scene of poses with what a recording shows; some frames of a long one.

    Pictures are depth maps if a colour image is missing. Without depth, colour images
    are shown alone.

    Args:
        poses: of people, in the frame of the depth camera.
        opened: the recording.
        places: position in the recording of each frame.
        clouds: of each person, points (n, 3) in metres, by frame; by default the points
            near the joints and bones.

    Raises:
        errors.BadInput: a frame cannot be read.
    """
    colored = opened.color_camera is not None
    if colored and (problem := _depth_problem(opened, places[0])):
        errors.warn(f"{opened.name}: the page shows no points: {problem}")
        return _assembled(
            recorded_pictures.Source(opened, True, False), poses, places, []
        )
    if colored:
        try:
            return _assembled(
                recorded_pictures.Source(opened, True, True), poses, places, clouds
            )
        except recorded_pictures.NoColor as error:
            errors.warn(f"{opened.name}: pictures have no colour: {error}")
    return _assembled(
        recorded_pictures.Source(opened, False, True), poses, places, clouds
    )


def _assembled(
    source: recorded_pictures.Source,
    poses: scene.Scene,
    places: Sequence[int],
    clouds: Sequence[Mapping[int, np.ndarray]],
) -> scene.Scene:
    shown = shown_frames(poses.num_frames)
    pixels = data.pixels_per_frame(len(shown))
    lens = recorded_pictures.lens_for(source, poses, pixels)

    def look(frame: int) -> _Look:
        return _look(source, lens, poses, frame, places[frame], clouds)

    # Decoding and remapping release Python's lock.
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        looks = list(pool.map(look, shown))
    people, room, floor = list(poses.people), None, None
    if source.measured:
        people = [
            dataclasses.replace(person, clouds=[look.clouds[index] for look in looks])
            for index, person in enumerate(people)
        ]
        on_people = [points for look in looks for points in look.points]
        at = [places[frame] for frame in shown]
        room, floor = recorded_room.find(source, poses, at, on_people)
    return dataclasses.replace(
        poses,
        people=people,
        shown=list(shown),
        depth_camera=recorded_pictures.camera_of(source.opened.depth_camera),
        pictures=scene.Pictures(
            images=[look.picture for look in looks], camera=lens.camera
        ),
        room=room,
        floor=floor,
    )


class _Look(NamedTuple):
    """What is shown of a frame."""

    picture: np.ndarray
    points: list[np.ndarray]  # (n, 3) of each person
    clouds: list[scene.Cloud]  # some of them, in colour


def _look(
    source: recorded_pictures.Source,
    lens: recorded_pictures.Lens,
    poses: scene.Scene,
    frame: int,
    place: int,
    clouds: Sequence[Mapping[int, np.ndarray]],
) -> _Look:
    image = source.picture(place)
    if not source.measured:
        return _Look(lens.apply(image), [], [])
    if clouds:
        points = [found.get(frame, _NOTHING) for found in clouds]
    else:
        depth = image
        if source.colored:
            depth = recorded_pictures.depth_of(source.opened, place)
        points = [_near(p, frame, depth, source.opened) for p in poses.people]
    shown = len(shown_frames(poses.num_frames))
    most = min(MAX_POINTS, data.points_per_frame(shown, len(poses.people)))
    some = [sampled(xyz, most) for xyz in points]
    colors = [source.colors(xyz, image) if source.colored else None for xyz in some]
    made = [scene.Cloud(xyz=x, rgb=c) for x, c in zip(some, colors, strict=True)]
    return _Look(lens.apply(image), points, made)


def _depth_problem(opened: sequence.Sequence, place: int) -> str:
    """Why a frame has no depth; "" if it has."""
    try:
        recorded_pictures.depth_of(opened, place)
    except errors.BadInput as error:
        return str(error)
    return ""


def _near(
    person: scene.Person, frame: int, depth: np.ndarray, opened: sequence.Sequence
) -> np.ndarray:
    """Points (n, 3) of a depth map near the joints and bones of a person."""
    child, parent = skeleton.by_name(person.skeleton).bone_ends
    joints = person.poses[0].xyz[frame]
    marks = np.concatenate([joints, 0.5 * (joints[child] + joints[parent])])
    marks = marks[np.isfinite(marks).all(axis=1)].astype(np.float32)
    if not len(marks):
        return _NOTHING
    step = max(1, opened.depth_camera.width // _COLUMNS)
    depth = depth[::step, ::step]
    low, high = marks.min(axis=0) - _NEAR, marks.max(axis=0) + _NEAR
    near = (depth > max(low[2], 0.0)) & (depth < high[2])
    z = depth[near]
    xyz = np.concatenate(
        [opened.rays[::step, ::step][near] * z[:, None], z[:, None]], 1
    )
    xyz = xyz[((xyz > low) & (xyz < high)).all(axis=-1)].astype(np.float32)
    middle = marks.mean(axis=0)  # for the precision of float32
    apart = _squared(xyz - middle, marks - middle).min(axis=1, initial=np.inf)
    return xyz[apart < _NEAR**2]


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances (n, m) of points (n, 3) and (m, 3)."""
    return (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)

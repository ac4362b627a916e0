"""Pictures, coloured points and surroundings of a recording, for pages of its poses."""

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.segmentation import planes
from data_pipelines.sequences import sequence
from unipose_jax import errors, skeleton
from unipose_jax.report.viewer import data, scene

MAX_SHOWN = 300  # frames with points and a picture
MAX_POINTS = 4000  # of a person in a frame
_SURVEYED = 9  # frames from which the room is found
_ROOM_COLUMNS = 320  # of the depth map of the room
_REACH = 3.0  # metres around the people in which the room is drawn
_NEAR = 0.22  # metres from a joint or the middle of a bone, which is the person
_EDGE = 0.04  # share by which depth changes at an edge, between neighbours
_UNSEEN = np.array((140, 150, 160), np.uint8)  # of points outside the colour image


def shown_frames(count: int) -> range:
    """Frames that are shown with points and a picture, of that many."""
    return range(0, count, max(1, -(-count // MAX_SHOWN)))


def sampled(xyz: np.ndarray, most: int = MAX_POINTS) -> np.ndarray:
    """At most so many points (n, 3) of a cloud, drawn at random, the same each time."""
    if len(xyz) <= most:
        return xyz
    return xyz[np.random.default_rng(0).choice(len(xyz), most, replace=False)]


def camera_of(
    camera: calibration.Camera, cam_from_scene: np.ndarray | None = None
) -> scene.Camera:
    """A camera without its lens distortion."""
    return scene.Camera(
        width=camera.width,
        height=camera.height,
        intrinsics=camera.intrinsics,
        cam_from_scene=np.eye(4) if cam_from_scene is None else cam_from_scene,
    )


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
        errors.warn(f"the page shows no points: {problem}")
        return _assembled(_Source(opened, True, False), poses, places, [{}])
    if not clouds:
        clouds = [_near(person, opened, places) for person in poses.people]
    if colored:
        try:
            return _assembled(_Source(opened, True, True), poses, places, clouds)
        except errors.BadInput as error:
            print(f"pictures have no colour: {error}", file=sys.stderr)
    return _assembled(_Source(opened, False, True), poses, places, clouds)


class _Source(NamedTuple):
    """A recording, and whether its colour images and its depth are used."""

    opened: sequence.Sequence
    colored: bool
    measured: bool

    @property
    def camera(self) -> calibration.Camera:
        """Camera of the pictures."""
        camera = self.opened.color_camera if self.colored else None
        return self.opened.depth_camera if camera is None else camera

    @property
    def cam_from_scene(self) -> np.ndarray:
        return self.opened.color_from_depth if self.colored else np.eye(4)

    def picture(self, place: int) -> np.ndarray:
        """Colour image or depth map of a frame, as recorded."""
        if not self.colored:
            return _depth(self.opened, place)
        image = self.opened.color(place)
        if image is None:
            number = self.opened.frames[place]
            raise errors.BadInput(f"frame {number} has no colour image")
        return image

    def project(self, xyz: np.ndarray) -> np.ndarray:
        """Pixels of the pictures without distortion."""
        turn, shift = self.cam_from_scene[:3, :3], self.cam_from_scene[:3, 3]
        return self.camera.project(xyz @ turn.T + shift)

    def colors(self, xyz: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Colours of points in a colour image: (n, 3)."""
        uv = self.camera.distort_uv(self.project(xyz))
        inside = np.all((uv >= 0) & (uv < image.shape[1::-1]), axis=-1)
        column, row = np.where(inside[:, None], uv, 0).astype(np.int64).T
        return np.where(inside[:, None], image[row, column], _UNSEEN)


def _assembled(
    source: _Source,
    poses: scene.Scene,
    places: Sequence[int],
    clouds: Sequence[Mapping[int, np.ndarray]],
) -> scene.Scene:
    shown = shown_frames(poses.num_frames)
    lens = _lens(source, poses, data.pixels_per_frame(len(shown)))
    most = data.points_per_frame(len(shown), len(poses.people))
    nothing = np.zeros((0, 3), np.float32)
    pictures: list[np.ndarray] = []
    points: list[list[scene.Cloud]] = [[] for _ in clouds]
    for frame in shown:
        image = source.picture(places[frame])
        pictures.append(lens.apply(image))
        for own, found in zip(points, clouds, strict=True):
            xyz = sampled(found.get(frame, nothing), most)
            rgb = source.colors(xyz, image) if source.colored else None
            own.append(scene.Cloud(xyz=xyz, rgb=rgb))
    people = list(poses.people)
    for index, own in enumerate(points):
        people[index] = dataclasses.replace(people[index], clouds=own)
    room = floor = None
    if source.measured:
        room, floor = _room(source, poses, [places[frame] for frame in shown], clouds)
    return dataclasses.replace(
        poses,
        people=people,
        shown=list(shown),
        depth_camera=camera_of(source.opened.depth_camera),
        pictures=scene.Pictures(images=pictures, camera=lens.camera),
        room=room,
        floor=floor,
    )


def _depth(opened: sequence.Sequence, place: int) -> np.ndarray:
    depth = opened.depth(place)
    if depth is None:
        raise errors.BadInput(f"frame {opened.frames[place]} has no depth map")
    return depth


def _depth_problem(opened: sequence.Sequence, place: int) -> str:
    """Why a frame has no depth; "" if it has."""
    try:
        _depth(opened, place)
    except errors.BadInput as error:
        return str(error)
    return ""


def _near(
    person: scene.Person, opened: sequence.Sequence, places: Sequence[int]
) -> Mapping[int, np.ndarray]:
    """Points near the joints and bones of a person, by frame."""
    child, parent = skeleton.by_name(person.skeleton).bone_ends
    step = max(1, opened.depth_camera.width // _ROOM_COLUMNS)
    rays = opened.rays[::step, ::step]
    found = {}
    for frame in shown_frames(len(person.poses[0].xyz)):
        joints = person.poses[0].xyz[frame]
        marks = np.concatenate([joints, 0.5 * (joints[child] + joints[parent])])
        marks = marks[np.isfinite(marks).all(axis=1)]
        if not len(marks):
            continue
        depth = _depth(opened, places[frame])[::step, ::step]
        xyz = np.concatenate([rays * depth[..., None], depth[..., None]], axis=-1)
        low, high = marks.min(axis=0) - _NEAR, marks.max(axis=0) + _NEAR
        xyz = xyz[((xyz > low) & (xyz < high)).all(axis=-1)].astype(np.float32)
        apart = np.linalg.norm(xyz[:, None] - marks.astype(np.float32), axis=-1)
        found[frame] = xyz[apart.min(axis=1, initial=np.inf) < _NEAR]
    return found


class _Lens(NamedTuple):
    """Cuts a part out of pictures, makes it smaller and removes lens distortion."""

    shrink: int  # factor before the distortion is removed
    places: tuple[np.ndarray, np.ndarray]  # of the result's pixels in the shrunk image
    camera: scene.Camera  # of the result

    def apply(self, image: np.ndarray) -> np.ndarray:
        if image.ndim == 2:  # depth is not interpolated
            return cv2.remap(image, *self.places, cv2.INTER_NEAREST)
        if self.shrink > 1:
            size = image.shape[1] // self.shrink, image.shape[0] // self.shrink
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return cv2.remap(image, *self.places, cv2.INTER_LINEAR)


def _lens(source: _Source, poses: scene.Scene, pixels: int) -> _Lens:
    """A lens for the part of the picture around all people, with so many pixels."""
    left, top, right, bottom = _window(source, poses)
    scale = min(1.0, math.sqrt(pixels / ((right - left) * (bottom - top))))
    width, height = round(scale * (right - left)), round(scale * (bottom - top))
    shrink = max(1, int(1.0 / scale)) if source.colored else 1
    rows, columns = np.indices((height, width)) + 0.5
    uv = np.stack([left + columns / scale, top + rows / scale], axis=-1)
    if source.camera.distortion.any():
        uv = source.camera.distort_uv(uv)
    # OpenCV puts pixel centres at integers.
    u, v = np.moveaxis(uv / shrink - 0.5, -1, 0).astype(np.float32)
    fx, fy, cx, cy = (float(value) for value in source.camera.intrinsics)
    camera = scene.Camera(
        width=width,
        height=height,
        intrinsics=scale * np.array((fx, fy, cx - left, cy - top)),
        cam_from_scene=source.cam_from_scene,
    )
    return _Lens(shrink, (u, v), camera)


def _window(source: _Source, poses: scene.Scene) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of the picture around all people."""
    size = np.array((source.camera.width, source.camera.height))
    uv = np.concatenate(
        [source.project(p.poses[0].xyz).reshape(-1, 2) for p in poses.people]
    )
    uv = uv[np.isfinite(uv).all(axis=-1)]
    uv = uv[((uv >= 0) & (uv < size)).all(axis=-1)]
    if not len(uv):
        return 0, 0, int(size[0]), int(size[1])
    low, high = np.quantile(uv, [0.005, 0.995], axis=0)
    middle, half = (low + high) / 2, 0.72 * (high - low)
    half = np.maximum(half, (0.75 * half[1], 0.6 * half[0]))  # no narrow strips
    low = np.clip(np.floor(middle - half), 0, size - 2).astype(int)
    high = np.clip(np.ceil(middle + half), low + 2, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _room(
    source: _Source,
    poses: scene.Scene,
    places: Sequence[int],
    clouds: Sequence[Mapping[int, np.ndarray]],
) -> tuple[scene.Cloud | None, np.ndarray | None]:
    """Surroundings without the people, and the floor; None where not found.

    The depth of a pixel is its median over some frames.
    """
    opened = source.opened
    if _camera_moves(opened):
        return None, None
    chosen = [places[i] for i in np.linspace(0, len(places) - 1, _SURVEYED).astype(int)]
    chosen = sorted(set(chosen))
    step = max(1, opened.depth_camera.width // _ROOM_COLUMNS)
    maps = np.stack([_without_edges(_depth(opened, p))[::step, ::step] for p in chosen])
    known = maps > 0
    values = np.sort(np.where(known, maps, np.inf), axis=0)
    middle = np.maximum(known.sum(axis=0) - 1, 0) // 2
    depth = np.take_along_axis(values, middle[None], axis=0)[0]
    depth = np.where(np.isfinite(depth), depth, 0.0)
    rays = opened.rays[::step, ::step]
    grid = np.concatenate([rays, np.ones_like(rays[..., :1])], -1) * depth[..., None]
    grid = grid.astype(np.float32)
    angle = step / float(opened.depth_camera.intrinsics[0])
    floor = planes.find_planes(grid, angle, np.random.default_rng(0)).floor
    xyz = grid[depth > 0]
    keep = _is_around(xyz, poses) & ~_is_on_people(xyz, clouds)
    if keep.sum() < 500:
        return None, floor
    xyz = xyz[keep]
    if not source.colored:
        return scene.Cloud(xyz=xyz), floor
    # Each point has the colour of the frame whose depth there is closest to its own.
    nearest = np.abs(maps - depth).argmin(axis=0)[depth > 0][keep]
    rgb = np.zeros((len(xyz), 3), np.uint8)
    for index, place in enumerate(chosen):
        of_frame = nearest == index
        rgb[of_frame] = source.colors(xyz[of_frame], source.picture(place))
    return scene.Cloud(xyz=xyz, rgb=rgb), floor


def _camera_moves(opened: sequence.Sequence) -> bool:
    """Whether the camera is known to move, so that no room stays where it is."""
    world = opened.world_from_depth
    return world is not None and float(np.ptp(world, axis=0).max()) > 0.02


def _without_edges(depth: np.ndarray) -> np.ndarray:
    """Depth without pixels at edges, where a camera mixes near and far."""
    jump = np.zeros(depth.shape, bool)
    for axis in (0, 1):
        for shift in (1, -1):
            jump |= np.abs(np.roll(depth, shift, axis) - depth) > _EDGE * depth
    return np.where(jump, 0.0, depth)


def _is_around(xyz: np.ndarray, poses: scene.Scene) -> np.ndarray:
    """Which points lie near where people are at some time."""
    joints = np.concatenate([p.poses[0].xyz.reshape(-1, 3) for p in poses.people])
    joints = joints[np.isfinite(joints).all(axis=-1)]
    if not len(joints):
        return np.ones(len(xyz), bool)
    low, high = np.quantile(joints, [0.01, 0.99], axis=0)
    return np.all((xyz > low - _REACH) & (xyz < high + _REACH), axis=-1)


def _is_on_people(
    xyz: np.ndarray, clouds: Sequence[Mapping[int, np.ndarray]], *, size: float = 0.06
) -> np.ndarray:
    """Which points lie in cells of a grid that hold points of people."""
    found = [cloud for person in clouds for cloud in person.values() if len(cloud)]
    if not found:
        return np.zeros(len(xyz), bool)
    taken = np.unique(_cells(np.concatenate(found), size))
    return np.isin(_cells(xyz, size), taken)


def _cells(xyz: np.ndarray, size: float) -> np.ndarray:
    """Number of the cell of a grid that each point lies in."""
    x, y, z = np.floor(xyz / size).astype(np.int64).T + (1 << 19)
    return (x << 40) + (y << 20) + z

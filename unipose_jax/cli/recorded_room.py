"""Static surroundings of the people in a recording, and its floor."""

from collections.abc import Iterable, Sequence

import numpy as np

from data_pipelines.segmentation import planes
from data_pipelines.sequences import sequence
from unipose_jax.cli import recorded_pictures
from unipose_jax.report.viewer import scene

_SURVEYED = 9  # frames from which the room is found
_COLUMNS = 320  # of the depth map of the room
_REACH = 3.0  # metres around the people in which the room is drawn
_EDGE = 0.04  # share by which depth changes at an edge, between neighbours


def find(
    source: recorded_pictures.Source,
    poses: scene.Scene,
    places: Sequence[int],
    points: Iterable[np.ndarray],
) -> tuple[scene.Cloud | None, np.ndarray | None]:
    """Surroundings without the people, and the floor; None where not found.

    The depth of a pixel is its median over some frames.
    """
    opened = source.opened
    if _camera_moves(opened):
        return None, None
    chosen = [places[i] for i in np.linspace(0, len(places) - 1, _SURVEYED).astype(int)]
    chosen = sorted(set(chosen))
    step = max(1, opened.depth_camera.width // _COLUMNS)
    maps = np.stack(
        [
            _without_edges(recorded_pictures.depth_of(opened, p))[::step, ::step]
            for p in chosen
        ]
    )
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
    keep = _is_around(xyz, poses) & ~_is_on_people(xyz, points)
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
    xyz: np.ndarray, points: Iterable[np.ndarray], *, size: float = 0.06
) -> np.ndarray:
    """Which points lie in cells of a grid that hold points of people."""
    found = [cloud for cloud in points if len(cloud)]
    if not found:
        return np.zeros(len(xyz), bool)
    taken = np.unique(_cells(np.concatenate(found), size))
    return np.isin(_cells(xyz, size), taken)


def _cells(xyz: np.ndarray, size: float) -> np.ndarray:
    """Number of the cell of a grid that each point lies in."""
    x, y, z = np.floor(xyz / size).astype(np.int64).T + (1 << 19)
    return (x << 40) + (y << 20) + z

"""A synthetic room of planes and spheres with known depth."""

import functools

import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording

CAMERA = calibration.make_camera(160, 120, (140.0, 140.0, 80.0, 60.0))
# Camera 1.2 m above the floor, looking straight ahead; back wall at 4 m.
FLOOR = np.array([0.0, -1.0, 0.0, 1.2])
WALL = np.array([0.0, 0.0, -1.0, 4.0])


def person_spheres(x: float, z: float) -> np.ndarray:
    """A standing person made of spheres: (spheres, 4), center and radius, metres."""

    def limb(start, end, radius):
        steps = np.linspace(0, 1, 9)[:, None]
        points = np.array(start) * (1 - steps) + np.array(end) * steps
        return np.column_stack([points, np.full(9, radius)])

    parts = [
        limb((0, -0.35, 0), (0, -0.35, 0), 0.12),  # head, top 1.67 m above the floor
        limb((-0.12, -0.1, 0), (0.12, -0.1, 0), 0.1),
        limb((0, -0.1, 0), (0, 0.35, 0), 0.15),
    ]
    for side in (-1, 1):
        parts.append(limb((side * 0.2, -0.1, 0), (side * 0.35, 0.4, 0), 0.05))
        parts.append(limb((side * 0.09, 0.35, 0), (side * 0.12, 1.14, 0), 0.06))
    return np.concatenate(parts) + np.array([x, 0, z, 0])


def render(spheres=(), boxes=(), planes=(FLOOR, WALL), camera=CAMERA):
    """Depth (metres) and object of each pixel: 0 plane, 1 sphere, 2 box."""
    dirs = np.concatenate([camera.rays(), np.ones((*camera.rays().shape[:2], 1))], -1)
    depth, shown = np.full(dirs.shape[:2], np.inf), np.zeros(dirs.shape[:2], int)

    def add(z, kind):
        hit = np.isfinite(z) & (z > 0) & (z < depth)
        depth[hit], shown[hit] = z[hit], kind

    with np.errstate(divide="ignore", invalid="ignore"):
        for plane in planes:
            add(-plane[3] / (dirs @ plane[:3]), 0)
        for *center, radius in spheres:
            along = dirs @ np.array(center)
            square = (dirs * dirs).sum(-1)
            root = np.sqrt(along**2 - square * (np.dot(center, center) - radius**2))
            add((along - root) / square, 1)
        for low, high in boxes:
            near = np.minimum(low / dirs, high / dirs).max(-1)
            far = np.maximum(low / dirs, high / dirs).min(-1)
            add(np.where(near < far, near, np.inf), 2)
    return np.where(np.isfinite(depth), depth, 0.0).astype(np.float32), shown


@functools.cache
def render_walker(frame: int):
    """`render` of a person who walks to the right; many tests record the same one."""
    depth, shown = render(person_spheres(0.1 * frame, 2.5))
    depth.setflags(write=False)
    shown.setflags(write=False)
    return depth, shown


@pytest.fixture(scope="session")
def room():
    """Camera, planes, person and renderer of the room."""

    class Room:
        camera, floor, wall = CAMERA, FLOOR, WALL

    Room.render = staticmethod(render)
    Room.person = staticmethod(person_spheres)
    return Room


@pytest.fixture
def make_recording(tmp_path):
    """Writes a recording of a person who walks to the right, and returns its path."""

    def make(name="recording", frames=3, **changes):
        depth, shown = zip(*map(render_walker, range(frames)), strict=True)
        color = [np.repeat((s == 1)[..., None], 3, -1) * np.uint8(200) for s in shown]
        joints = pose_file.PoseFile(
            xyz=np.full((frames, 15, 3), 2.0, np.float32),
            confidence=np.ones((frames, 15), np.float32),
            skeleton="ITOP15",
            time=np.arange(frames) / 10,
        )
        fields = {
            "depth": depth,
            "depth_camera": CAMERA,
            "fps": 10.0,
            "color": color,
            "color_camera": CAMERA,
            "mask": [s == 1 for s in shown],
            "joints": joints,
        }
        recording.write_recording(tmp_path / name, **fields | changes)
        return tmp_path / name

    return make

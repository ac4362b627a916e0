"""Writes CMU Panoptic as downloaded, with people made of spheres and two Kinects.

Everything that a reader could confuse is different: the Kinects start at different
times and before the poses, one image of each has no time, people have the numbers 3 and
7, both cameras have lens distortion, and the colour camera is rotated against depth.
"""

import dataclasses
import json
import pathlib

import cv2
import numpy as np

from data_pipelines.cameras import calibration
from unipose_jax import skeleton as skeletons

RECORDINGS = {  # by the split that follows from the name
    "train": "171204_pose1",
    "validation": "171204_pose4",
    "test": "160906_pizza1",
}
BODIES = (3, 7)
NODES = (1, 2)
LEAD = {"depth": (2, 3), "color": (1, 4)}  # images before the poses begin
LATE = {"depth": 3.0, "color": 5.0}  # milliseconds after the poses
UNSTAMPED = 1  # an image without a time follows this pose
MISSING = "right_ear"
DEPTH = calibration.make_camera(
    128, 106, (91.2, 91.2, 64.5, 52.9), (0.096, -0.272, 1e-4, -1e-4, 0.092)
)
COLOR = calibration.make_camera(
    160, 90, (88.1, 88.1, 79.5, 45.4), (0.024, -0.011, 5e-4, -3e-4, -0.006)
)
_FIRST_TIME, _PERIOD = 47_896.6, 33.356  # milliseconds
_HALF_TURN = np.diag([-1.0, -1.0, 1.0, 1.0])  # M_depth of all real Kinects
_PANOPTIC = skeletons.by_name("PANOPTIC19")


@dataclasses.dataclass(frozen=True)
class Take:
    """Ground truth of a recording; the first axis of arrays is the Kinect."""

    xyz_world: dict[int, np.ndarray]  # by body: (frames, 19, 3), metres, y down
    depth_from_world: np.ndarray  # (2, 4, 4), metres
    color_from_depth: np.ndarray  # (2, 4, 4), metres
    depth: np.ndarray  # (2, frames, height, width), metres
    color: np.ndarray  # uint8 RGB (2, frames, height, width, 3)
    places: np.ndarray  # (2, frames), index of the depth images in depthdata.dat


def write(
    folder: pathlib.Path, recording: str, *, frames: int = 4, people: int = 1
) -> Take:
    """Writes `folder/recording` and returns its ground truth."""
    folder = folder / recording
    take = _make(frames, people)
    kinds = {"depth": take.depth, "color": take.color}
    tables: dict[str, dict] = {kind: {} for kind in kinds}
    for kind, pictures in kinds.items():
        for view, node in enumerate(NODES):
            stamped = _with_others(pictures[view], LEAD[kind][view])
            times = _times(frames, LEAD[kind][view], LATE[kind])
            tables[kind][f"KINECTNODE{node}"] = {
                "index": list(range(len(times))),
                "univ_time": times,
            }
            _WRITERS[kind](folder, node, stamped)
    _write_json(folder, "ksynctables", {"kinect": tables})
    _write_json(folder, "kcalibration", {"sensors": _sensors(take)})
    _write_json(folder, "calibration", {"cameras": _cameras(take)})
    _write_poses(folder / "hdPose3d_stage1_coco19", take)
    return take


def extract_pictures(folder: pathlib.Path, node: int) -> None:
    """Extracts the images of a video, as kinectImgsExtractor.sh does."""
    target = folder / "kinectImgs" / f"50_{node:02d}"
    target.mkdir(parents=True)
    video = cv2.VideoCapture(str(folder / "kinectVideos" / f"kinect_50_{node:02d}.mp4"))
    number = 0
    while (image := video.read()[1]) is not None:
        number += 1
        cv2.imwrite(str(target / f"50_{node:02d}_{number:08d}.jpg"), image)
    video.release()


def _make(frames: int, people: int) -> Take:
    xyz = {
        body: np.stack(
            [_pose(t, 0.9 * (place - (people - 1) / 2)) for t in range(frames)]
        )
        for place, body in enumerate(BODIES[:people])
    }
    depth_from_world = np.stack([_look_from(np.pi / 5 * view) for view in range(2)])
    color_from_depth = np.stack([_aside(0.02), _aside(-0.015)])
    bodies = [[_spheres(x[t]) for x in xyz.values()] for t in range(frames)]
    depth, color = [], []
    for view in range(2):
        pose = depth_from_world[view]
        depth.append([_cast(DEPTH, pose, spheres)[0] for spheres in bodies])
        pose = color_from_depth[view] @ pose
        color.append([_paint(_cast(COLOR, pose, spheres)[1]) for spheres in bodies])
    places = np.array(
        [[lead + t + (t > UNSTAMPED) for t in range(frames)] for lead in LEAD["depth"]]
    )
    return Take(
        xyz,
        depth_from_world,
        color_from_depth,
        np.array(depth),
        np.array(color),
        places,
    )


def _pose(t: int, x: float) -> np.ndarray:
    """A person who faces -z and swings the arms, feet at y = 0."""
    swing = 0.1 * np.sin(t / 2 + x)
    middle = {
        "neck": (0, -1.42, 0),
        "nose": (0, -1.58, -0.1),
        "pelvis": (0, -0.95, 0),
    }
    side = {
        "shoulder": (0.18, -1.4, 0),
        "elbow": (0.27, -1.15, swing),
        "wrist": (0.3, -0.92, 2 * swing),
        "hip": (0.1, -0.93, 0),
        "knee": (0.12, -0.5, -swing),
        "ankle": (0.13, -0.09, 0),
        "eye": (0.03, -1.62, -0.09),
        "ear": (0.07, -1.6, 0),
    }
    both = {f"left_{name}": xyz for name, xyz in side.items()}
    both |= {f"right_{name}": (-a, b, -c) for name, (a, b, c) in side.items()}
    joints = middle | both
    return np.array([joints[name] for name in _PANOPTIC.joints]) + [x + 0.02 * t, 0, 0]


def _spheres(xyz: np.ndarray) -> np.ndarray:
    """Spheres along the bones: (spheres, 4), center and radius, metres."""
    parts = []
    for joint, parent in enumerate(_PANOPTIC.parents):
        if parent >= 0:
            steps = np.linspace(0, 1, 6)[:, None]
            line = xyz[joint] * steps + xyz[parent] * (1 - steps)
            name = _PANOPTIC.joints[joint]
            radius = 0.13 if name == "neck" else 0.09 if "e" in name[-3:] else 0.055
            parts.append(np.column_stack([line, np.full(6, radius)]))
    return np.concatenate(parts)


def _cast(
    camera: calibration.Camera, camera_from_world: np.ndarray, people: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Depth of people, a floor and a wall, metres, and mask of the people."""
    rays = camera.rays().astype(np.float64)
    dirs = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1)
    turn, shift = camera_from_world[:3, :3], camera_from_world[:3, 3]
    world_dirs, place = dirs @ turn, -shift @ turn
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.stack(
            [-place[1] / world_dirs[..., 1], (2 - place[2]) / world_dirs[..., 2]]
        )
        room = np.where(room > 0, room, np.inf).min(axis=0)
        spheres = np.concatenate(people)
        center = spheres[:, :3] @ turn.T + shift
        along, square = dirs @ center.T, (dirs**2).sum(-1)[..., None]
        apart = (center**2).sum(-1) - spheres[:, 3] ** 2
        hit = (along - np.sqrt(along**2 - square * apart)) / square
    flesh = np.nan_to_num(hit, nan=np.inf).min(axis=-1)
    depth = np.minimum(room, flesh)
    return np.where(depth < 8, depth, 0.0), flesh < room


def _paint(person: np.ndarray) -> np.ndarray:
    return np.where(person[..., None], [200, 150, 100], [30, 50, 70]).astype(np.uint8)


def _look_from(angle: float) -> np.ndarray:
    """camera_from_world of a camera 2.6 m from the people, 1.3 m above the floor."""
    place = np.array([2.6 * np.sin(angle), -1.3, -2.6 * np.cos(angle)])
    forward = np.array([0, -0.9, 0]) - place
    forward = forward / np.linalg.norm(forward)
    right = np.cross([0, 1, 0], forward)
    right = right / np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = right, np.cross(forward, right), forward
    pose[:3, 3] = -pose[:3, :3] @ place
    return pose


def _aside(roll: float) -> np.ndarray:
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]
    pose[:3, 3] = 0.052, 0.001, 0.002
    return pose


def _with_others(pictures: np.ndarray, lead: int) -> np.ndarray:
    """Inserts empty images before the poses and for the image without a time."""
    empty = np.zeros_like(pictures[:1])
    first, rest = np.split(pictures, [UNSTAMPED + 1])
    return np.concatenate([np.repeat(empty, lead, axis=0), first, empty, rest])


def _times(frames: int, lead: int, late: float) -> list[float]:
    time = [_FIRST_TIME + late + _PERIOD * t for t in range(-lead, frames)]
    return [*time[: lead + UNSTAMPED + 1], -1.0, *time[lead + UNSTAMPED + 1 :]]


def _write_depth(folder: pathlib.Path, node: int, pictures: np.ndarray) -> None:
    path = folder / "kinect_shared_depth" / f"KINECTNODE{node}" / "depthdata.dat"
    path.parent.mkdir(parents=True)
    mirrored = pictures[..., ::-1]
    path.write_bytes((1000 * mirrored).round().astype("<u2").tobytes())


def _write_color(folder: pathlib.Path, node: int, pictures: np.ndarray) -> None:
    path = folder / "kinectVideos" / f"kinect_50_{node:02d}.mp4"
    path.parent.mkdir(exist_ok=True)
    size = (pictures.shape[2], pictures.shape[1])
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30.0, size)
    for picture in pictures:
        video.write(np.ascontiguousarray(picture[..., ::-1]))
    video.release()


_WRITERS = {"depth": _write_depth, "color": _write_color}


def _sensors(take: Take) -> list[dict]:
    sensor_from_world = _HALF_TURN @ take.depth_from_world
    return [
        {
            **_lens("depth", DEPTH, [1000, 0]),
            **_lens("color", COLOR, []),
            "M_depth": _HALF_TURN.tolist(),
            "M_color": (take.color_from_depth[view] @ _HALF_TURN).tolist(),
            "M_world2sensor": (
                sensor_from_world[view] @ np.linalg.inv(sensor_from_world[0])
            ).tolist(),
        }
        for view in range(len(NODES))
    ]


def _lens(kind: str, camera: calibration.Camera, more: list[float]) -> dict:
    """A camera with pixel centres at integers."""
    fx, fy, cx, cy = camera.intrinsics.astype(float)
    return {
        f"K_{kind}": [[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]],
        f"distCoeffs_{kind}": [*camera.distortion.astype(float), *more],
        f"{kind}_width": camera.width,
        f"{kind}_height": camera.height,
    }


def _cameras(take: Take) -> list[dict]:
    """Cameras in centimetres; an HD camera comes first, as in the real files."""
    poses = [np.eye(4), *(take.color_from_depth @ take.depth_from_world)]
    names = ["00_00", *(f"50_{node:02d}" for node in NODES)]
    return [
        {"name": name, "R": pose[:3, :3].tolist(), "t": (100 * pose[:3, 3:]).tolist()}
        for name, pose in zip(names, poses, strict=True)
    ]


def _write_poses(folder: pathlib.Path, take: Take) -> None:
    folder.mkdir()
    for t in range(take.depth.shape[1]):
        bodies = []
        for body, xyz in take.xyz_world.items():
            joints = np.column_stack([100 * xyz[t], np.full(19, 0.7)])
            joints[_PANOPTIC.index(MISSING), 3] = -1
            bodies.append({"id": body, "joints19": joints.ravel().tolist()})
        scene = {"version": 0.7, "univTime": _FIRST_TIME + _PERIOD * t}
        path = folder / f"body3DScene_{100 + t:08d}.json"
        path.write_text(json.dumps(scene | {"fpsType": "hd_29_97", "bodies": bodies}))


def _write_json(folder: pathlib.Path, kind: str, content: dict) -> None:
    (folder / f"{kind}_{folder.name}.json").write_text(json.dumps(content))

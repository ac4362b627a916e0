"""Writes NTU RGB+D as unpacked, with people in the view of a Kinect v2."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.readers.ntu import data_set
from data_pipelines.sequences import sequence
from tests import config_data
from unipose_jax import skeleton as skeletons
from unipose_jax.geometry import camera as pinhole

# One clip of each split, by person and also by view, because camera 1 is for test.
CLIPS = ("S001C002P001R001A001", "S002C002P008R001A001", "S003C001P003R001A001")
# The Kinect of the sample files.
DEPTH_CAMERA = calibration.make_camera(
    512, 424, (365.5, 365.5, 256.8, 209.0), (0.0935, -0.2676, 0.0, 0.0, 0.0888)
)
COLOR_CAMERA = calibration.make_camera(
    1920, 1080, (1057.0, 1056.0, 960.9, 567.6), (0.0194, 0.0, 0.0, -0.0018, 0.0)
)
COLOR_FROM_DEPTH = np.eye(4)
COLOR_FROM_DEPTH[:2, :2] = cv2.Rodrigues(np.array([0.0, 0.0, 0.0027]))[0][:2, :2]
COLOR_FROM_DEPTH[0, 3] = 0.0532

_FIRST_ID = 72057594037931101  # equal to the next id in float64
_MIRROR = np.array(skeletons.NTU25.mirror)


def write(folder: pathlib.Path, people: Mapping[str, np.ndarray]) -> None:
    """Writes a clip of each split.

    Args:
        folder: parent of the data set's folders.
        people: three clips of `pools.render_pool`, with `depth`, `mask` and `color`,
            of NTU25.
    """
    for clip, name in enumerate(CLIPS):
        one = {field: value[clip] for field, value in people.items()}
        depth = np.where(one["mask"], one["depth"], 0.0)
        write_clip(
            folder,
            name,
            [one["xyz"]],
            depth=_as_seen_by(DEPTH_CAMERA, depth, one["depth_intrinsics"]),
            color=_as_seen_by(COLOR_CAMERA, one["color"], one["intrinsics"]),
            color_from_depth=one["cam_from_points"],
        )


def write_clip(
    folder: pathlib.Path,
    name: str,
    bodies: Sequence[np.ndarray],
    *,
    depth: np.ndarray,
    color: np.ndarray | None = None,
    state: np.ndarray | None = None,
    color_from_depth: np.ndarray = COLOR_FROM_DEPTH,
) -> None:
    """Writes a skeleton file, masked depth and, if given, colour.

    Args:
        folder: parent of the data set's folders.
        name: name of the clip.
        bodies: (frames, 25, 3) each, metres, camera frame, with left and right as in
            the image; NaN in frames without the body.
        depth: (frames, 424, 512), metres, 0 outside people.
        color: uint8 RGB (frames, 1080, 1920, 3).
        state: (25,), tracking state of the joints in all frames; default: tracked.
        color_from_depth: 4x4, metres.
    """
    text = _skeleton_text(bodies, state, color_from_depth)
    path = folder / "nturgb+d_skeletons" / f"{name}.skeleton"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    pictures = folder / "nturgb+d_depth_masked" / name
    pictures.mkdir(parents=True)
    for number, values in enumerate(np.rint(depth * 1000).astype(np.uint16), 1):
        cv2.imwrite(str(pictures / f"MDepth-{number:08d}.png"), values)
    if color is not None:
        path = folder / "nturgb+d_rgb" / f"{name}_rgb.avi"
        path.parent.mkdir(exist_ok=True)
        codec = cv2.VideoWriter.fourcc(*"MJPG")
        video = cv2.VideoWriter(str(path), codec, 30.0, (1920, 1080))
        for image in color:
            video.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        video.release()


def open_source(path: pathlib.Path, **changes: Any) -> sequence.DataSet:
    """The reader's view of a folder, with changes to `config.data`."""
    data = {
        "name": "ntu_rgbd",
        "variant": "cross_subject",
        "keypoints": "",
        "check_counts": False,
        "skip_corrupt": False,
    }
    return data_set.open_data_set(path, config_data.typed(data | changes))


def project(xyz: np.ndarray, camera: calibration.Camera) -> np.ndarray:
    """Projects (..., 3), camera frame, to distorted pixels with centres at +0.5."""
    xy = (xyz[..., :2] / xyz[..., 2:]).reshape(-1, 2)
    uv = pinhole.uv_from_xy(pinhole.distort(xy, camera.distortion), camera.intrinsics)
    return uv.reshape(*xyz.shape[:-1], 2)


def _skeleton_text(
    bodies: Sequence[np.ndarray], state: np.ndarray | None, color_from_depth: np.ndarray
) -> str:
    lines = [len(bodies[0])]
    state = np.full(25, 2) if state is None else state
    for frame in range(len(bodies[0])):
        present = [n for n, body in enumerate(bodies) if np.isfinite(body[frame]).all()]
        lines.append(len(present))
        for number in present:
            lines += [f"{_FIRST_ID + number} 0 1 1 1 1 0 0.02764709 0.05745083 2", 25]
            joints = _values(bodies[number][frame].astype(np.float64), color_from_depth)
            for values, its_state in zip(joints[_MIRROR], state[_MIRROR], strict=True):
                lines.append(" ".join(f"{v:.7g}" for v in values) + f" {its_state}")
    return "".join(f"{line}\r\n" for line in lines)


def _values(xyz: np.ndarray, color_from_depth: np.ndarray) -> np.ndarray:
    """All columns of the joints except the last: (25, 11)."""
    seen = xyz @ color_from_depth[:3, :3].T + color_from_depth[:3, 3]
    # Pixel centres are at integers in these files.
    pixels = [project(xyz, DEPTH_CAMERA) - 0.5, project(seen, COLOR_CAMERA) - 0.5]
    turned = np.tile([1.0, 0.0, 0.0, 0.0], (len(xyz), 1))
    return np.concatenate([xyz * [1.0, -1.0, 1.0], *pixels, turned], axis=1)


def _as_seen_by(
    camera: calibration.Camera, images: np.ndarray, intrinsics: np.ndarray
) -> np.ndarray:
    """Resamples pinhole images to those of another camera at the same position."""
    # OpenCV has pixel centres at integers.
    u, v = np.moveaxis(camera.rays() * intrinsics[:2] + intrinsics[2:] - 0.5, -1, 0)
    return np.stack([cv2.remap(i, u, v, cv2.INTER_NEAREST) for i in images])

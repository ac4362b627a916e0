"""Converts real sample data to recording folders.

    python -m benchmarks.real.sample_recordings SAMPLES recordings

Writes `turning_person` (50 frames, colour, masks, the camera's pose in the world),
`itop` (one frame) and `panoptic_0` to `panoptic_9` (ten views of one moment in one
world; views 0, 2 and 4 with keypoints). SAMPLES holds `turning_person/`, `itop/` and
`panoptic/`. For research only, not for redistribution:

- turning_person: Kinect v1; see the README of the sample data.
- ITOP: A. Haque et al., Viewpoint Invariant 3D Human Pose Estimation, ECCV 2016.
- Panoptic: H. Joo et al., Panoptic Studio, ICCV 2015; 171026_cello3. Its keypoints
  were marked by hand for this project.
"""

import pathlib
import sys

import cv2
import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.ground import file_io
from data_pipelines.readers.recordings import recording
from unipose_jax import errors

_PANOPTIC_NAMES = {"r": "right_", "l": "left_"}


def main(samples: pathlib.Path, output: pathlib.Path) -> None:
    """Writes all recordings.

    Raises:
        errors.BadInput: a sample is missing.
    """
    if not samples.is_dir():
        raise errors.BadInput(f"no sample data at {samples}")
    turning_person(samples / "turning_person", output / "turning_person")
    itop(samples / "itop" / "00_02254.npy", output / "itop")
    panoptic(samples / "panoptic" / "171026_cello3", output)


def turning_person(source: pathlib.Path, target: pathlib.Path) -> None:
    """A person who stands still while the camera moves around; registered colour."""
    stems = sorted(path.name[:10] for path in source.glob("*_camera.xml"))
    if not stems:
        raise errors.BadInput(f"no sample data in {source}")
    poses = [_pose_from_xml(source / f"{stem}_camera.xml") for stem in stems]
    camera = calibration.make_camera(640, 480, (525.0, 525.0, 320.0, 240.0))
    recording.write_recording(
        target,
        depth=(_image(source / f"{s}_depth.png") * 1e-3 for s in stems),
        depth_camera=camera,
        fps=30.0,
        color=(_image(source / f"{s}.jpg")[..., ::-1] for s in stems),
        color_camera=camera,
        mask=(
            _image(source / f"{s}_mask.jpg", cv2.IMREAD_GRAYSCALE) > 127 for s in stems
        ),
        world_from_depth=np.stack(poses),
    )


def itop(source: pathlib.Path, target: pathlib.Path) -> None:
    """One frame of the side view.

    In ITOP, u = 160 + x / (0.0035 z) with pixel centres at integers, hence +0.5.
    """
    focal = 1 / 0.0035
    recording.write_recording(
        target,
        depth=[np.load(source, allow_pickle=False).astype(np.float32)],
        depth_camera=calibration.make_camera(320, 240, (focal, focal, 160.5, 120.5)),
        fps=15.0,
        depth_unit=0.00025,
    )


def panoptic(source: pathlib.Path, output: pathlib.Path) -> None:
    """Ten Kinects around one cellist."""
    sensors = file_io.read_json(source / "kcalibration_171026_cello3.json")["sensors"]
    marked = file_io.read_json(source / "keypoints_2d_views_0_2_4.json")
    for view, sensor in enumerate(sensors):
        depth_from_sensor = np.array(sensor["M_depth"])
        depth_from_world = depth_from_sensor @ np.array(sensor["M_world2sensor"])
        # M_color and M_depth map the sensor frame to the colour and the depth camera.
        color_from_depth = np.array(sensor["M_color"]) @ np.linalg.inv(
            depth_from_sensor
        )
        recording.write_recording(
            output / f"panoptic_{view}",
            depth=[_image(source / f"depth_{view:05d}.png") * 1e-3],
            depth_camera=_panoptic_camera(sensor, "depth"),
            fps=30.0,
            color=[_image(source / f"color_{view:05d}.png")[..., ::-1]],
            color_camera=_panoptic_camera(sensor, "color"),
            color_from_depth=color_from_depth,
            world_from_depth=np.linalg.inv(depth_from_world),
            keypoints=_panoptic_keypoints(marked, str(view)),
        )


def _panoptic_camera(sensor: dict, kind: str) -> calibration.Camera:
    matrix = np.array(sensor[f"K_{kind}"])
    return calibration.make_camera(
        sensor[f"{kind}_width"],
        sensor[f"{kind}_height"],
        (matrix[0, 0], matrix[1, 1], matrix[0, 2] + 0.5, matrix[1, 2] + 0.5),
        np.ravel(sensor[f"distCoeffs_{kind}"])[:5],
    )


def _panoptic_keypoints(marked: dict, view: str) -> dict | None:
    """The marked keypoints of a view as a COCO annotation file; None without any."""
    if view not in marked["views"]:
        return None
    names = [_PANOPTIC_NAMES.get(n[0], "") + n[1:] for n in marked["names"][2:]]
    points = [[*uv, 1.0] if uv else [0.0] * 3 for uv in marked["views"][view]]
    return {
        "categories": [
            {"id": 1, "name": "person", "keypoints": marked["names"][:2] + names}
        ],
        "annotations": [
            {"image_id": 0, "category_id": 1, "keypoints": np.ravel(points).tolist()}
        ],
    }


def _pose_from_xml(path: pathlib.Path) -> np.ndarray:
    """R and t of an OpenCV file as one 4x4."""
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = (
        storage.getNode("R").mat(),
        storage.getNode("t").mat()[:, 0],
    )
    return pose


def _image(path: pathlib.Path, flags: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise errors.BadInput(f"cannot read {path}")
    return image


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: sample_recordings.py SAMPLE_DIR OUTPUT_DIR")
    with errors.exit_on_bad_input():
        main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))

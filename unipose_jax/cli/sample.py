"""A rendered recording to try the other modes with: `run.py --mode=sample`."""

import pathlib
import sys

import numpy as np

import unipose_jax
from data_pipelines.cameras import calibration
from data_pipelines.ground import file_io, pose_file
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from unipose_jax import progress, skeleton
from unipose_jax.cli import modes
from unipose_jax.synthesis import long_clip, scene

KEYPOINTS = "COCO17"  # as most 2D detectors give them
JOINTS = "ITOP15"  # of the weights that ship
SEED = modes.FLAGS["seed"].default  # somebody who walks towards the camera
SCENE = scene.SceneParams(
    frames=30, fps=15.0, height=240, width=320, skeleton=skeleton.BODY.name
)


def cached() -> pathlib.Path:
    """A sample in the cache folder, which is rendered when it is first asked for.

    Raises:
        errors.BadInput: the folder cannot be written.
    """
    name = f"sample-{unipose_jax.__version__}"
    folder = pathlib.Path("~/.cache/unipose_jax").expanduser() / name
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_sample(folder)
    return folder


def make_sample(
    output: pathlib.Path, *, seed: int = SEED, params: scene.SceneParams = SCENE
) -> int:
    """Renders a person in motion and writes a recording folder.

    It has depth, colour, 2D keypoints of a simulated detector in `keypoints.json`, and
    the true poses in `joints.npz`.

    Args:
        output: the new folder.
        seed: of person, motion, room, cameras and errors.
        params: of the clip, with the joints of BODY.

    Raises:
        errors.BadInput: the folder exists or cannot be written.
    """
    file_io.check_absent(output)
    with progress.Bar(params.frames, "render", "frame") as bar:
        clip = long_clip.render(
            scene.clip_key(seed, "test", 0),
            params,
            progress=lambda done: bar.update(done - bar.n),
        )
    write(output, clip, params)
    program = pathlib.PurePath(sys.argv[0]).name
    program = f"python {program}" if program.endswith(".py") else "unipose-jax"
    print(
        f"{params.frames} rendered frames with simulated keypoints and true poses: "
        f"{output}\nnext: {program} --mode=predict --input={output} --output=poses.npz"
        f"\nthen: {program} --mode=score --input=poses.npz --truth={output}/joints.npz"
    )
    return 0


def write(
    output: pathlib.Path, clip: dict[str, np.ndarray], params: scene.SceneParams
) -> None:
    """Writes a clip of `long_clip.render` as a recording folder.

    Raises:
        errors.BadInput: the folder exists or cannot be written.
    """
    uv, confidence = detections.convert_keypoints(
        clip["uv"], clip["confidence"], skeleton.BODY, KEYPOINTS
    )
    xyz, known = skeleton.convert(clip["xyz"], skeleton.BODY, JOINTS)
    camera, color_camera = (
        calibration.make_camera(params.width, params.height, clip[name])
        for name in ("depth_intrinsics", "intrinsics")
    )
    truth = pose_file.PoseFile(
        xyz=np.asarray(xyz, np.float32),
        confidence=np.ones(xyz.shape[:2], np.float32),
        skeleton=JOINTS,
        time=np.arange(len(xyz)) / params.fps,
        intrinsics=np.asarray(clip["depth_intrinsics"], np.float32),
        valid=np.broadcast_to(np.asarray(known), xyz.shape[:2]),
    )
    recording.write_recording(
        output,
        depth=clip["depth"],
        depth_camera=camera,
        fps=params.fps,
        color=clip["color"],
        color_camera=color_camera,
        color_from_depth=clip["cam_from_points"],
        keypoints=detections.to_coco(uv, confidence, KEYPOINTS),
        joints=truth,
    )

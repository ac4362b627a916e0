"""What `run.py` does with data: converts, looks at keypoints, prepares."""

import pathlib

import ml_collections

from data_pipelines.ground import file_io, settings
from data_pipelines.prepared import prepare
from data_pipelines.readers import registry
from data_pipelines.readers.mocap import joint_clips
from data_pipelines.readers.recordings import aligned_rgbd, recording
from data_pipelines.sequences import onnx_pose, sequence
from unipose_jax import errors
from unipose_jax.cli import keypoint_sheet


def convert_recording(
    source: pathlib.Path,
    output: pathlib.Path,
    *,
    fps: float | None,
    depth_unit: float | None,
) -> int:
    """Makes a recording folder of aligned colour and depth pictures."""
    frames = aligned_rgbd.convert(source, output, fps=fps, depth_unit=depth_unit)
    print(f"{frames} frames: {output}")
    return 0


def show_keypoints(
    path: pathlib.Path, model: pathlib.Path | None, skeleton: str
) -> int:
    """Draws the 2D keypoints of a recording, after finding them with an ONNX model.

    Args:
        path: the recording; gets keypoints.json, if there is a model, and
            keypoints.png.
        model: of the 2D detector; None draws what is there.
        skeleton: name of the skeleton of the model's joints, and of the picture.

    Raises:
        errors.BadInput: keypoints would be overwritten, or something cannot be read.
    """
    opened = recording.open_recording(path)
    if model is not None:
        if opened.keypoint_detections() is not None:
            raise errors.BadInput(f"{path} has keypoints already; remove them first")
        file_io.check_writable(path / "keypoints.json")
        found = onnx_pose.detect_recording(
            opened, onnx_pose.KeypointDetector(model, skeleton)
        )
        file_io.write_json(path / "keypoints.json", found)
        opened = recording.open_recording(path)
    keypoint_sheet.preview(opened, skeleton, path / "keypoints.png")
    print(f"keypoints: {path / 'keypoints.png'}")
    return 0


def prepare_data(
    config: ml_collections.ConfigDict, source: pathlib.Path, *, host: int, hosts: int
) -> int:
    """Writes a data set's original files to disk as TFDS, and draws its keypoints.

    Args:
        config: with `data`.
        source: folder of the original files.
        host: number of this machine among those that share the work.
        hosts: how many there are.

    Raises:
        errors.BadInput: nowhere to write, or the files cannot be used.
    """
    data = settings.DataSettings.from_config(config.data)
    if not data.data_dir:
        raise errors.BadInput("--data_dir is missing: where the prepared data goes")
    if not source.is_dir():
        raise errors.BadInput(f"no folder of original files at {source}")
    if data.name == "mocap":
        return _prepare_motion(data, source)
    folder = prepare.prepare(data, source, host=host, hosts=hosts)
    if folder is not None:
        print(prepare.summary(folder))
        _preview(registry.open_data_set(data, source), data.skeleton, folder)
    return 0


def _prepare_motion(data: settings.DataSettings, source: pathlib.Path) -> int:
    """Writes motion capture as clips that move rendered people."""
    output = pathlib.Path(data.data_dir).expanduser() / "mocap.npz"
    output.parent.mkdir(parents=True, exist_ok=True)
    for line in joint_clips.write_clips(source, output, skip_corrupt=data.skip_corrupt):
        print(line)
    print(f"prepared: {output} (for --config.data.motion={output})")
    return 0


def _preview(data_set: sequence.DataSet, skeleton: str, folder: pathlib.Path) -> None:
    """Draws the keypoints of the first sequence that has some, beside the data set."""
    for one in data_set.sequences["train"]:
        if isinstance(one, sequence.Sequence) and one.keypoint_detections() is not None:
            path = folder.with_name(f"{folder.name}_keypoints.png")
            keypoint_sheet.preview(one, skeleton, path)
            print(f"keypoints: {path}")
            return

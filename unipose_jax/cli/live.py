"""Poses from a depth camera as its frames arrive: `run.py --mode=live`."""

import contextlib
import pathlib
from collections.abc import Callable, Generator, Iterator
from typing import Any

from data_pipelines import devices
from data_pipelines.ground import file_io
from data_pipelines.readers.recordings import recorder
from data_pipelines.sequences import keypoint_following as following
from unipose_jax import errors, estimator
from unipose_jax.cli import (
    live_mounting,
    live_output,
    live_status,
    live_view,
    networks,
)
from unipose_jax.detector import files, movenet
from unipose_jax.estimator import keypoints as keypoint_input
from unipose_jax.weights import store

Follow = Callable[[devices.Frame], estimator.Pose | None]
Take = Callable[[devices.Frame, estimator.Pose | None], None]


def live(
    config: Any,
    workdir: pathlib.Path | None,
    name: str,
    *,
    up: str,
    poses: bool,
    keypoints: bool,
    model: pathlib.Path | None,
    view: bool,
    record: pathlib.Path | None,
    output: pathlib.Path | None,
    stream: bool,
    realtime: bool,
) -> int:
    """Predicts the pose in the newest frame until the camera ends or Ctrl-C.

    Args:
        config: of the run in `workdir`; None for that of its checkpoint.
        workdir: of a run; None for the weights that ship.
        name: of the camera, see `devices.open_camera`.
        up: side of the camera's images that is up in the scene.
        poses: False predicts nothing, only records or shows.
        keypoints: whether 2D keypoints are found in colour and given to the network.
        model: the files of MoveNet; None for the cache folder.
        view: whether a window shows the frames.
        record: recording folder to write, with all frames of the camera.
        output: pose file to write at the end.
        stream: whether poses are printed, one JSON object per frame.
        realtime: False takes every frame of a recording, as fast as possible.

    Raises:
        errors.BadInput: the camera, a package or a display is missing, a file exists or
            cannot be written, or no frame showed a person for `output`.
    """
    networks.check(config, workdir)
    wanted = {"keypoints": keypoints, "stream": stream, "output": bool(output)}
    if not poses and (unused := [flag for flag, given in wanted.items() if given]):
        raise errors.BadInput(f"--noposes predicts nothing for --{unused[0]}")
    _check_places(output, record)
    if view:
        live_view.check_display()
    recorded = name.startswith("recording:")
    realtime = realtime or not recorded
    with contextlib.ExitStack() as stack:
        write = stack.enter_context(live_output.lines()) if stream else None
        camera = devices.open_camera(name, realtime=realtime, up=up)
        stack.enter_context(camera)
        follow: Follow = _nobody
        found: live_output.Poses | None = None
        takers: list[Take] = []
        if poses:
            network = _network(config, workdir, keypoints)
            follow = _follow(camera, network, keypoints=keypoints, model=model)
            found = live_output.Poses(camera, network, write, keep=output is not None)
            takers.append(found.add)
            if not recorded:
                takers.append(live_mounting.Mounting(camera, up).add)
        if view:
            window = live_view.Window(camera, found.skeleton if found else None)
            takers.append(stack.enter_context(window).show)
        with _recording(record, camera) as each, _saving(found, output):
            _run(_frames(camera, each, realtime), follow, takers)
    return 0


def _check_places(output: pathlib.Path | None, record: pathlib.Path | None) -> None:
    """Checks what will be written before anything is opened."""
    if output is not None:
        if output.suffix != ".npz":
            raise errors.BadInput(f"a pose file must end in .npz, got {output}")
        file_io.check_writable(output)
    if record is not None:
        file_io.check_absent(record)


def _network(
    config: Any, workdir: pathlib.Path | None, keypoints: bool
) -> estimator.Estimator:
    if workdir is None:
        shipped = store.WITH_KEYPOINTS if keypoints else store.SHIPPED
        network = estimator.load_shipped(shipped)
    else:
        network, _ = networks.load_trained(config, workdir, store.SHIPPED)
    if keypoints:
        keypoint_input.require(network.inputs, network.model["name"])
    return network


def _nobody(frame: devices.Frame) -> estimator.Pose | None:
    """The pose where none is predicted."""
    return None


def _follow(
    camera: devices.Device,
    network: estimator.Estimator,
    *,
    keypoints: bool,
    model: pathlib.Path | None,
) -> Follow:
    """Makes the function from a frame to the pose; compiles its programs."""
    track = estimator.Tracker(camera, network=network)
    detect = None
    if keypoints:
        if camera.color_camera is None:
            raise errors.BadInput(f"--keypoints: {camera.name} has no colour images")
        detect = following.Follower(camera, movenet.load(files.find(model), batch=1))
        detect.warm_up()
    track.warm_up(keypoints=keypoints)

    def follow(frame: devices.Frame) -> estimator.Pose | None:
        found = None
        if detect is not None and frame.color is not None:
            seen = detect(frame.color, track.person)
            found = seen[:, :2], seen[:, 2]
        return track(frame.depth, frame.time, keypoints=found)

    return follow


@contextlib.contextmanager
def _recording(
    path: pathlib.Path | None, camera: devices.Device
) -> Iterator[Callable[[devices.Frame], None]]:
    """Context manager: what writes each frame to the recording folder, if any."""
    if path is None:
        yield lambda frame: None
        return
    if camera.to_recorded is not None:
        raise errors.BadInput(
            f"--record: {camera.name} is turned or mirrored; copy its folder"
        )
    made = recorder.Recorder(
        path,
        depth_camera=camera.depth_camera,
        depth_unit=camera.depth_unit,
        rate=camera.rate,
        color_camera=camera.color_camera,
        color_from_depth=camera.color_from_depth,
    )
    try:
        yield lambda frame: made.add(frame.number, frame.time, frame.depth, frame.color)
    finally:
        made.close()
        print(f"recording: {path}, {len(made)} frames")


@contextlib.contextmanager
def _saving(
    found: live_output.Poses | None, output: pathlib.Path | None
) -> Iterator[None]:
    """Context manager: writes the pose file at the end, whatever the end is.

    Raises:
        errors.BadInput: no frame showed a person.
    """
    if found is None or output is None:
        yield
        return
    try:
        yield
    finally:
        if found.somebody:
            found.save(output)
    if not found.somebody:
        raise errors.BadInput(f"no frame showed a person; {output} is not written")


def _frames(
    camera: devices.Device,
    record: Callable[[devices.Frame], None],
    realtime: bool,
) -> Generator[devices.Frame, None, None]:
    """The frames that are predicted; all frames of the camera are recorded."""
    if realtime:
        yield from devices.newest(camera, each=record)
        return
    for frame in camera:
        record(frame)
        yield frame


def _run(
    frames: Generator[devices.Frame, None, None], follow: Follow, takers: list[Take]
) -> None:
    """Takes frames until the last one, Ctrl-C, or the end of the window."""
    status = live_status.Status()
    try:
        with (
            contextlib.suppress(KeyboardInterrupt, live_view.Closed),
            contextlib.closing(frames),
        ):
            for frame in frames:
                pose = follow(frame)
                for take in (status.add, *takers):
                    take(frame, pose)
    finally:
        status.end()

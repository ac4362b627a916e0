"""Prediction of poses and detection of keypoints in a recording."""

import functools
import itertools
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.speed import options, timing
from data_pipelines.segmentation import segmenter
from data_pipelines.sequences import tracks
from unipose_jax import errors, estimator
from unipose_jax.cli import predict, predicted_people
from unipose_jax.detector import files, movenet
from unipose_jax.weights import store

_FRAMES = 60  # repeats of what is done frame by frame
_RATE = 30.0  # Hz, at which frames are taken
_PAUSE = 10.0  # seconds between two passes, after which the person is looked for anew
_load = functools.cache(estimator.load_shipped)


def _network(keypoints: bool) -> estimator.Estimator:
    return _load(store.WITH_KEYPOINTS if keypoints else store.SHIPPED)


def offline(keypoints: bool, chosen: options.Options) -> timing.Measured:
    """A whole recording, as `--mode=predict` without files; it is a repeat."""
    opened, network = chosen.open_recording(), _network(keypoints)
    if keypoints:
        _check_keypoints(chosen)

    def run():
        return predict.predict_recording(
            network, opened, pictures=False, use_keypoints=keypoints
        )[0].xyz

    return timing.rate(timing.repeat(run), len(opened), "frames/s", _shapes(chosen))


def live(keypoints: bool, chosen: options.Options) -> timing.Measured:
    """From the depth of a frame to its pose, frame by frame."""
    follow, given = _follower(keypoints, chosen)
    frames, numbers = _depth(chosen), itertools.count()

    def run():
        turn, index = divmod(next(numbers), len(frames))
        time = turn * (_PAUSE + len(frames) / _RATE) + index / _RATE
        return follow(frames[index], time, keypoints=given(index))

    times = timing.repeat(run, repeats=_FRAMES, warm_up=5)
    return timing.rate(times, 1, "frames/s", _shapes(chosen))


def decode(chosen: options.Options) -> timing.Measured:
    """A depth map from its file."""
    opened, numbers = chosen.open_recording(), itertools.count()
    times = timing.repeat(
        lambda: opened.depth(next(numbers) % len(opened)), repeats=_FRAMES
    )
    return timing.rate(times, 1, "frames/s", _shapes(chosen))


def segmentation(chosen: options.Options) -> timing.Measured:
    """The mask of the person in a depth map."""
    opened, frames = chosen.open_recording(), itertools.cycle(_depth(chosen))
    find = segmenter.Segmenter(opened.rays, opened.depth_camera.intrinsics)
    times = timing.repeat(lambda: find(next(frames)).mask, repeats=_FRAMES, warm_up=5)
    return timing.rate(times, 1, "frames/s", _shapes(chosen))


def points(chosen: options.Options) -> timing.Measured:
    """The points of a mask, without flying pixels."""
    opened, frames = chosen.open_recording(), itertools.cycle(_masked(chosen))
    times = timing.repeat(
        lambda: tracks.masked_points(*next(frames), opened.rays), repeats=_FRAMES
    )
    return timing.rate(times, 1, "frames/s", _shapes(chosen))


def network(keypoints: bool, chosen: options.Options) -> timing.Measured:
    """From the points of a person to the pose: sampling and the network."""
    follow, given = _follower(keypoints, chosen)
    rays = chosen.open_recording().rays
    people = [tracks.masked_points(*both, rays) for both in _masked(chosen)]
    numbers = itertools.count()

    def run():
        number = next(numbers)
        index = number % len(people)
        return follow.from_points(people[index], number / _RATE, keypoints=given(index))

    times = timing.repeat(run, repeats=_FRAMES, warm_up=5)
    return timing.rate(times, 1, "frames/s", _shapes(chosen))


def keypoints(chosen: options.Options) -> timing.Measured:
    """MoveNet on square pictures, as `--mode=keypoints` gives it."""
    folder = chosen.model or pathlib.Path(files.CACHE).expanduser()
    if not folder.exists():
        raise timing.Skipped(f"no MoveNet in {folder}; use --model=FOLDER")
    detect = movenet.load(files.find(folder))
    rng = np.random.default_rng(0)
    shape = (movenet.BATCH, detect.size, detect.size, 3)
    pictures = rng.integers(256, size=shape, dtype=np.uint8)
    times = timing.repeat(lambda: detect(pictures))
    shapes = f"{movenet.BATCH} pictures of {detect.size}x{detect.size}"
    return timing.rate(times, movenet.BATCH, "pictures/s", shapes)


def _follower(
    keypoints: bool, chosen: options.Options
) -> tuple[estimator.OnlineEstimator, Callable[[int], Any]]:
    """Prediction frame by frame, and the keypoints of a frame or None."""
    opened, net = chosen.open_recording(), _network(keypoints)
    camera, seen = None, None
    if keypoints:
        _check_keypoints(chosen)
        camera = estimator.KeypointCamera(
            opened.keypoint_camera.intrinsics, opened.color_from_depth
        )
        seen = predicted_people.read_keypoints(net, opened)
    follow = estimator.OnlineEstimator(
        net, opened.rays, opened.depth_camera.intrinsics, keypoint_camera=camera
    )

    def given(index: int):
        return None if seen is None else (seen.uv[index], seen.confidence[index])

    return follow, given


def _check_keypoints(chosen: options.Options) -> None:
    opened = chosen.open_recording()
    if opened.keypoint_detections() is None:
        raise timing.Skipped(f"{opened.path} has no 2D keypoints")


@functools.cache
def _depth(chosen: options.Options) -> list[np.ndarray]:
    """The first depth maps of the recording."""
    opened = chosen.open_recording()
    return [opened.depth(index) for index in range(min(len(opened), _FRAMES))]


@functools.cache
def _masked(chosen: options.Options) -> list[tuple[np.ndarray, np.ndarray]]:
    """Masks of the person, and the depth maps."""
    opened = chosen.open_recording()
    find = segmenter.Segmenter(opened.rays, opened.depth_camera.intrinsics)
    found = [(find(depth).mask, depth) for depth in _depth(chosen)]
    if not any(mask.any() for mask, _ in found):
        raise errors.BadInput(f"{opened.path}: no frame shows a person")
    return found


def _shapes(chosen: options.Options) -> str:
    opened = chosen.open_recording()
    person = int(np.median([mask.sum() for mask, _ in _masked(chosen)]))
    return f"{options.size(opened)}, {len(opened)} frames, person {person:,} pixels"


ROWS = {
    "predict/offline": functools.partial(offline, False),
    "predict/offline+keypoints": functools.partial(offline, True),
    "predict/live": functools.partial(live, False),
    "predict/live+keypoints": functools.partial(live, True),
    "predict/decode": decode,
    "predict/segmentation": segmentation,
    "predict/points": points,
    "predict/network": functools.partial(network, False),
    "predict/network+keypoints": functools.partial(network, True),
    "keypoints": keypoints,
}

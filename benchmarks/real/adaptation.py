"""Weights adapted to real frames from 2D keypoints, with `configs/recording.py:adapt`.

The frames are trained on one by one, through the training loop of the package: network,
terms and settings are those of the config, and no 3D label is read.
"""

import contextlib
import dataclasses
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import ml_collections
import numpy as np

from benchmarks.real import itop
from configs import recording
from data_pipelines.ground import settings
from data_pipelines.readers import registry
from data_pipelines.sequences import sequence
from unipose_jax import errors, estimator
from unipose_jax.train import loop, plan
from unipose_jax.train.checkpoints import restore

_READER = "frames_in_memory"
_MOTION_TERMS = ("bone_constancy", "speed", "acceleration")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adaptation:
    """How a network is adapted.

    Attributes:
        overrides: values of `configs/recording.py:adapt` by their key, such as
            `{"loss_weights.surface": 0.0}`; they replace those of this class.
        steps: length of the run; None for that of the config.
        seed: of the order of the frames, the augmentation and what is held out.
        weights: to start from: those of `estimator.export` (a path that ends in .npz)
            or the folder of a stage-1 run; "" for the weights that ship.
        held_out: share of the frames that is not trained on; the step with the lowest
            loss on their keypoints is chosen. 0 chooses the last step.
        frames: most frames to use, equally spaced among those given; None for all.
    """

    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    steps: int | None = None
    seed: int = 0
    weights: str = ""
    held_out: float = 0.15
    frames: int | None = None


def adapt_on(
    frames: Sequence[sequence.Sequence],
    how: Adaptation,
    workdir: pathlib.Path | None = None,
) -> estimator.Estimator:
    """Adapts a network to frames with 2D keypoints.

    Args:
        frames: sequences of one frame or more, with keypoints and without truth.
        how: settings.
        workdir: new folder of the run; None for a temporary one.

    Returns:
        The network of the chosen step.

    Raises:
        errors.BadInput: there are fewer than two frames, or a setting is wrong.
    """
    used = frames
    if how.frames is not None and how.frames < len(frames):
        used = [frames[i] for i in spread(len(frames), how.frames)]
    trained, held = split(len(used), how.held_out)
    parts = {
        "train": [used[i] for i in trained],
        "validation": [used[i] for i in held],
    }
    with contextlib.ExitStack() as stack:
        if workdir is None:
            made = stack.enter_context(tempfile.TemporaryDirectory())
            workdir = pathlib.Path(made) / "run"
        stack.enter_context(_reader(parts))
        # What the loop prints is progress; the table alone is the output.
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        stage = plan.resolve(config_of(how), workdir, training=True).stage("points")
        if not loop.train(stage):
            raise KeyboardInterrupt
        return _chosen(workdir, best=how.held_out > 0.0)


def config_of(how: Adaptation) -> ml_collections.ConfigDict:
    """The config of an adaptation.

    Raises:
        errors.BadInput: an override names no setting, or has a wrong type.
    """
    config = recording.get_config("adapt")
    config.stages = ("points",)
    config.seed = how.seed
    config.data.name, config.data.path = _READER, "in memory"
    config.data.frames = 1
    for name in _MOTION_TERMS:  # a single frame has no motion
        config.loss_weights[name] = 0.0
    _start_from(config, how.weights)
    if how.steps is not None:
        config.num_train_steps = how.steps
    with config.unlocked():
        for key in how.overrides:
            _check_key(config, key)
    try:
        config.update_from_flattened_dict(how.overrides)
    except (TypeError, ValueError) as error:
        raise errors.BadInput(f"an override of the adaptation: {error}") from error
    return config


def _start_from(config: ml_collections.ConfigDict, weights: str) -> None:
    """Sets the network to that of the weights to start from; see `Adaptation`.

    Raises:
        errors.BadInput: there are no such weights.
    """
    if not weights:
        return
    if weights.endswith(".npz"):
        path = pathlib.Path(weights).with_suffix("")
        network = load_exported(path)
        config.init_weights = str(path)
        config.teacher.init_from_teacher = False
        model, num_points = network.model, network.num_points
    else:
        used = restore.read_config(pathlib.Path(weights))
        config.teacher.workdir = weights
        model, num_points = used["model"], used["data"]["num_points"]
    config.model.update(model)
    config.data.num_points = num_points


def load_exported(path: pathlib.Path) -> estimator.Estimator:
    """The network of exported weights.

    Raises:
        errors.BadInput: there are none.
    """
    try:
        return estimator.load(path)
    except FileNotFoundError as error:
        raise errors.BadInput(f"no weights at {path}") from error


def cross_validated(
    frames: Sequence[sequence.Sequence],
    how: Adaptation,
    number: int,
    predict: Callable[[estimator.Estimator, sequence.Sequence], np.ndarray],
    tested: Sequence[sequence.Sequence] | None = None,
    *,
    adapt: Callable[
        [Sequence[sequence.Sequence], Adaptation], estimator.Estimator
    ] = adapt_on,
) -> np.ndarray:
    """Poses of each frame by a network that was adapted to the other folds.

    Args:
        frames: sequences of one frame with keypoints, to adapt on.
        how: settings of each adaptation.
        number: of the folds: contiguous blocks of frames.
        predict: joints (joints, 3), metres, of a sequence of one frame.
        tested: the same frames as they are predicted; by default `frames`.
        adapt: adapts a network to frames.

    Returns:
        (frames, joints, 3), metres.
    """
    tested = frames if tested is None else tested
    found: dict[int, np.ndarray] = {}
    for fold, held in enumerate(itop.folds(len(frames), number)):
        print(f"fold {fold + 1} of {number}", file=sys.stderr, flush=True)
        left = [frames[i] for i in range(len(frames)) if i not in set(held.tolist())]
        network = adapt(left, how)
        found |= {int(i): predict(network, tested[i]) for i in held}
    return np.stack([found[i] for i in range(len(frames))])


def spread(count: int, wanted: int) -> list[int]:
    """`wanted` of `count` positions, equally spaced."""
    return [int(i) for i in np.linspace(0, count - 1, wanted).round()]


def split(count: int, share: float) -> tuple[list[int], list[int]]:
    """Positions that are trained on, and those of the validation.

    Args:
        count: of the frames.
        share: of the validation, equally spaced, one frame at least; 0 trains on all
            frames and validates on them, too, which chooses nothing.

    Raises:
        errors.BadInput: one of the two would be empty.
    """
    if not share:
        return list(range(count)), list(range(count))
    number = max(round(share * count), 1)
    if count < 2 or number >= count:
        raise errors.BadInput(
            f"an adaptation that chooses its step needs two frames or more, got {count}"
        )
    width = count / number
    held = [int((k + 0.5) * width) for k in range(number)]
    return [i for i in range(count) if i not in set(held)], held


def _chosen(workdir: pathlib.Path, *, best: bool) -> estimator.Estimator:
    """The network of the best step of a run, or of its last one."""
    with restore.open_checkpoints(workdir) as checkpoints:
        chosen = checkpoints.best_step() if best else checkpoints.latest_step()
    print(f"chosen: step {chosen}", file=sys.stderr, flush=True)
    used = restore.read_config(workdir)
    params = restore.restore_params(workdir) if best else _last(workdir)
    return estimator.from_config(used, jax.device_get(params))


def _last(workdir: pathlib.Path) -> dict[str, Any]:
    """The averaged parameters of the last step."""
    with restore.open_checkpoints(workdir) as checkpoints:
        step = checkpoints.latest_step() or 0
        shapes = checkpoints.read_shapes(step)["ema_params"]
        empty = jax.tree.map(
            lambda shape: np.zeros(shape, np.float32),
            shapes,
            is_leaf=lambda node: isinstance(node, tuple),
        )
        return checkpoints.restore_partial(step, {"ema_params": empty})["ema_params"]


def _check_key(config: ml_collections.ConfigDict, key: str) -> None:
    """Refuses a key that the config does not have."""
    section: Any = config
    for name in key.split("."):
        if name not in section:
            raise errors.BadInput(f"configs/recording.py:adapt has no key {key}")
        section = section[name]


@contextlib.contextmanager
def _reader(parts: Mapping[str, Sequence[sequence.Sequence]]) -> Iterator[None]:
    """Registers a data set of sequences in memory while the `with` body runs."""

    def opened(source: pathlib.Path, data: settings.DataSettings) -> sequence.DataSet:
        del source, data
        return sequence.DataSet(
            name=_READER,
            sequences={**parts, "test": ()},
            protocol="Frames in memory.",
        )

    registry.READERS[_READER] = opened
    try:
        yield
    finally:
        del registry.READERS[_READER]

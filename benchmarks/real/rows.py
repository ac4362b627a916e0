"""The methods that are compared, one per row of the table."""

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from benchmarks.real import adaptation, cases, itop
from data_pipelines.sequences import sequence
from unipose_jax import errors, estimator, skeleton
from unipose_jax.cli import lookup, predict
from unipose_jax.geometry import depth_lookup
from unipose_jax.physics import skin_depths

SKELETON = itop.SKELETON
BODY = skeleton.by_name(SKELETON)


Choice = TypeVar("Choice")
Networks = dict[tuple[str, tuple[str, ...]], estimator.Estimator]
"""Adapted networks, by their settings and the names of their frames."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A method.

    Attributes:
        key: its name in flags and JSON.
        heading: its name in the table.
        poses: joints (frames, 15, 3), metres, depth-camera frame, NaN where nothing is
            found, of each case.
        needs_keypoints: whether it reads 2D keypoints.
        adapts: whether it learns from the keypoints of the cases before it predicts.
    """

    key: str
    heading: str
    poses: Callable[[Sequence[cases.Case]], list[np.ndarray]]
    needs_keypoints: bool = False
    adapts: bool = False


def network_row(
    key: str,
    heading: str,
    network: estimator.Estimator,
    *,
    keypoints: bool = False,
    convention: str = skin_depths.ANATOMY,
) -> Row:
    """Predictions of a network, as `run.py --mode=predict` makes them.

    Args:
        key: of the row.
        heading: of the row.
        network: predicts.
        keypoints: whether they are an input.
        convention: of the depth of joints below the skin, to which they are moved.
    """

    def poses(some: Sequence[cases.Case]) -> list[np.ndarray]:
        found = [predicted(network, case, keypoints=keypoints) for case in some]
        return [
            np.asarray(skin_depths.convert(xyz, skeleton=BODY, target=convention))
            for xyz in found
        ]

    return Row(key, heading, poses, needs_keypoints=keypoints)


def predicted(
    network: estimator.Estimator, case: cases.Case, *, keypoints: bool
) -> np.ndarray:
    """Joints (frames, 15, 3), metres, NaN in frames without a person.

    Raises:
        errors.BadInput: keypoints are asked for and are no input of the network.
    """
    if network.skeleton != SKELETON:
        raise errors.BadInput(
            f"the table needs a network of {SKELETON}, not {network.skeleton}"
        )
    if keypoints and not network.takes_keypoints:
        raise errors.BadInput("keypoints are no input of this network")
    source = case.with_keypoints if keypoints else case.depth_only
    pose, _ = predict.predict_recording(
        network,
        source,
        pictures=False,
        clouds=iter(case.clouds),
        required=False,
        use_keypoints=keypoints,
    )
    return pose.xyz


def adapted_row(
    key: str,
    heading: str,
    how: adaptation.Adaptation,
    *,
    folds: int,
    networks: Networks,
    keypoints: bool = False,
) -> Row:
    """A network adapted to the keypoints of the cases.

    Cases of one frame each are cross-validated. Otherwise the network is adapted to
    all frames and predicts them: it has read no truth.

    Args:
        key: of the row.
        heading: of the row.
        how: settings.
        folds: their number.
        networks: those that were adapted before, to which new ones are added.
        keypoints: whether they are an input of predictions.
    """

    def adapt(
        frames: Sequence[sequence.Sequence], how: adaptation.Adaptation
    ) -> estimator.Estimator:
        named = repr(how), tuple(frame.name for frame in frames)
        if named not in networks:
            networks[named] = adaptation.adapt_on(frames, how)
        return networks[named]

    def poses(some: Sequence[cases.Case]) -> list[np.ndarray]:
        sources = [case.with_keypoints for case in some]
        if len(some) >= 2 * folds and all(len(case) == 1 for case in some):
            by_source = dict(zip(map(id, sources), some, strict=True))

            def one(
                network: estimator.Estimator, source: sequence.Sequence
            ) -> np.ndarray:
                case = by_source[id(source)]
                return predicted(network, case, keypoints=keypoints)[0]

            found = adaptation.cross_validated(sources, how, folds, one, adapt=adapt)
            return [xyz[None] for xyz in found]
        network = adapt(_single_frames(sources), how)
        return [predicted(network, case, keypoints=keypoints) for case in some]

    return Row(key, heading, poses, needs_keypoints=True, adapts=True)


def _single_frames(sources: Sequence[sequence.Sequence]) -> list[sequence.Sequence]:
    """Each frame of some sequences as a sequence of its own."""
    return [
        sequence.SubSequence.of(source, index, index + 1)
        for source in sources
        for index in range(len(source))
    ]


def lookup_row(
    key: str, heading: str, skin_depth: np.ndarray, *, person_only: bool, window: float
) -> Row:
    """The depth at each keypoint.

    Args:
        key: see `Row`.
        heading: see `Row`.
        skin_depth: (15,), depth of the joints below the skin, metres.
        person_only: whether depth outside the segmented person is left out.
        window: side of the square around the keypoint, depth pixels.
    """

    def poses(some: Sequence[cases.Case]) -> list[np.ndarray]:
        return [looked_up(c, skin_depth, person_only, window) for c in some]

    return Row(key, heading, poses, needs_keypoints=True)


def looked_up(
    case: cases.Case, skin_depth: np.ndarray, person_only: bool, window: float
) -> np.ndarray:
    """Joints (frames, 15, 3), metres, depth-camera frame, NaN without a keypoint.

    A keypoint without depth in its window gets the median depth of the person.
    """
    source = case.with_keypoints
    keypoints = source.keypoints(SKELETON)
    joints = skeleton.by_name(SKELETON).num_joints
    xyz = np.full((len(case), joints, 3), np.nan, np.float32)
    if keypoints is None:
        return xyz
    own = source.keypoint_camera.intrinsics
    side = window * float(own[0] / source.depth_camera.intrinsics[0])
    back = np.linalg.inv(source.color_from_depth.astype(np.float64))
    for index, cloud in enumerate(case.clouds):
        if not len(cloud.xyz):
            continue
        points = cloud.xyz if person_only else _all_points(source, cloud.depth)
        uv, known = keypoints[0][index], keypoints[1][index] >= lookup.MIN_CONFIDENCE
        points = _moved(points, source.color_from_depth)
        found, valid = depth_lookup.look_up_joints(
            uv,
            own,
            _near(points, uv[known], own, side),
            skin_depth=np.asarray(skin_depth, np.float32),
            where=known,
            window=side,
        )
        middle = np.median(_moved(cloud.xyz, source.color_from_depth)[:, 2])
        ray = np.concatenate([(uv - own[2:]) / own[:2], np.ones((joints, 1))], axis=1)
        found = np.where(valid[:, None], found, middle * ray)
        xyz[index] = np.where(known[:, None], _moved(found, back), np.nan)
    return xyz


def _all_points(source: sequence.Sequence, depth: np.ndarray) -> np.ndarray:
    """All points of a depth map: (points, 3), metres."""
    seen = depth > 0
    z = depth[seen][:, None]
    return np.concatenate([source.rays[seen] * z, z], axis=1)


def _near(
    points: np.ndarray, uv: np.ndarray, intrinsics: np.ndarray, window: float
) -> np.ndarray:
    """The points that project near a keypoint, at least one of all."""
    ahead = points[points[:, 2] > 0]
    pixels = ahead[:, :2] / ahead[:, 2:] * intrinsics[:2] + intrinsics[2:]
    near = np.zeros(len(ahead), bool)
    for place in uv:
        near |= (np.abs(pixels - place) <= window).all(axis=1)
    near[:1] = True
    return ahead[near].astype(np.float32)


def _moved(xyz: np.ndarray, transform: np.ndarray) -> np.ndarray:
    return (xyz @ transform[:3, :3].T + transform[:3, 3]).astype(np.float32)


def log(message: str) -> None:
    """Prints progress."""
    print(message, file=sys.stderr, flush=True)


def choose(
    what: str, known: Mapping[str, Choice], wanted: Sequence[str]
) -> list[Choice]:
    """The rows or columns of some keys.

    Args:
        what: "row" or "column", for the error.
        known: all of them by key.
        wanted: keys.

    Raises:
        errors.BadInput: there is none of a key.
    """
    unknown = [key for key in wanted if key not in known]
    if unknown:
        raise errors.BadInput(f"no {what} {unknown[0]!r}; use {', '.join(known)}")
    return [known[key] for key in wanted]

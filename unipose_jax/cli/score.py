"""Scores one pose file against another: `run.py --mode=score`."""

import json
import pathlib

import jax.numpy as jnp

from data_pipelines.readers.poses import any_file
from unipose_jax import errors, metrics, skeleton
from unipose_jax.report import tables


def score(
    predicted: pathlib.Path,
    truth: pathlib.Path,
    *,
    skeleton_name: str | None = None,
    fps: float | None = None,
) -> int:
    """Prints the metrics of one pose file against another, as one JSON object.

    Joints count where both files have them; `missing` is the share of true joints that
    the prediction lacks.

    Args:
        predicted: poses in any format that `any_file` reads.
        truth: the true poses, likewise.
        skeleton_name: of the joints, where a file does not name it.
        fps: frames per second, where a file has no times.

    Raises:
        errors.BadInput: a file cannot be used, or they do not belong together.
    """
    poses, target = (
        any_file.read(path, skeleton=skeleton_name, fps=fps)
        for path in (predicted, truth)
    )
    if poses.skeleton != target.skeleton:
        raise errors.BadInput(
            f"{predicted} has skeleton {poses.skeleton}, {truth} has {target.skeleton}"
        )
    if len(poses) != len(target):
        raise errors.BadInput(
            f"{predicted} has {len(poses)} frames, {truth} has {len(target)}"
        )
    if poses.frame is not None and target.frame is not None:
        if (apart := poses.frame != target.frame).any():
            first = int(apart.argmax())
            raise errors.BadInput(
                f"pose {first} is of frame {poses.frame[first]} in {predicted}, of "
                f"frame {target.frame[first]} in {truth}"
            )
    known = target.is_valid()
    valid = known & poses.is_valid()
    if not valid.any():
        raise errors.BadInput(f"{predicted} and {truth} have no joint in common")
    results = metrics.summary(
        jnp.asarray(poses.xyz),
        jnp.asarray(target.xyz),
        valid=jnp.asarray(valid),
        skeleton=skeleton.by_name(target.skeleton),
        # float32 cannot hold seconds since 1970 exactly.
        time=jnp.asarray(target.time - target.time[0], jnp.float32),
    )
    results |= {"missing": 1.0 - float(valid.sum() / known.sum())}
    print(json.dumps(tables.plain(results), indent=1))
    return 0

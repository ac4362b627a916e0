"""Fits the confidence of the weights that ship (`unipose_jax.pose_quality`).

    python -m benchmarks.calibrate --people=600 [--weights=points_keypoints]

About six minutes on 2 cores. The clouds are rendered people: as they are, turned about
the optical axis by 90 and 180 degrees, lying, as small as small children, cropped, with
a box beside them, and boxes alone, which have no right joint. Prints the mean
probability, the share of right joints and the Brier score for people that were not used
in the fit, and writes the weights of the features into the metadata of the weights.
"""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from jax.scipy import optimize
from scipy.spatial import transform

from configs import unipose
from data_pipelines.ground import sampling, settings
from data_pipelines.rendered import clip_pool
from unipose_jax import errors, estimator, pose_quality, skeleton
from unipose_jax.cli import commands
from unipose_jax.synthesis import pools
from unipose_jax.weights import store

_PEOPLE = flags.DEFINE_integer("people", 600, "Rendered people; a third is held out.")
_WEIGHTS = flags.DEFINE_string(
    "weights", store.SHIPPED, "Name of the weights; predicts without keypoints."
)
_WRITE = flags.DEFINE_bool("write", True, "Store the result with the weights.")
_SEED = 7  # of people that no other figure uses
_BATCH = 60  # clouds
_NO_JOINT = 100.0  # metres; a joint of something that has none


class Clouds(NamedTuple):
    """Clouds of one kind, one per person."""

    points: list[np.ndarray]  # (points, 3) each, metres
    xyz: np.ndarray  # (people, joints, 3), metres
    weight: float  # in the fit


def main(argv: list[str]) -> None:
    """Fits, prints and stores the calibration."""
    del argv
    commands.silence_library_logs()
    with errors.exit_on_bad_input():
        calibrate(_PEOPLE.value, write=_WRITE.value, name=_WEIGHTS.value)


def calibrate(
    people: int, *, write: bool, name: str = store.SHIPPED
) -> dict[str, dict[str, float]]:
    """Fits the weights on two thirds of the people; returns the figures of the rest.

    Args:
        people: how many are rendered.
        write: whether the result is stored with the weights that ship.
        name: of the weights that ship.
    """
    network = estimator.load_shipped(name)
    fitted, held_out = {}, {}
    for kind, clouds in kinds_of_clouds(people, np.random.default_rng(0)):
        values, right = _examples(network, clouds)
        cut = 2 * people // 3
        weight = np.full(right[:cut].shape, clouds.weight, np.float32)
        fitted[kind] = values[:cut], right[:cut], weight
        held_out[kind] = values[cut:], right[cut:]
    parts = zip(*fitted.values(), strict=True)
    weights = fit(*(np.concatenate(part) for part in parts))
    rows = {kind: _figures(*part, weights) for kind, part in held_out.items()}
    print(dict(zip(pose_quality.FEATURES, weights.round(3).tolist(), strict=True)))
    for kind, row in rows.items():
        print(kind, *(f"{key} {value:.3f}" for key, value in row.items()))
    if write:
        # That of the points holds for depth, too: docs/results.
        shared = ("points", "depth") if name == store.SHIPPED else (name,)
        for path in (store.FOLDER / each for each in shared):
            notes = {"calibration": weights.round(4).tolist()}
            store.write_meta(path, store.read_meta(path) | notes)
    return rows


def fit(values: np.ndarray, right: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weights of the features with the smallest cross-entropy: (features,).

    Args:
        values: (..., features).
        right: (...), bool.
        weight: (...), of each joint.
    """
    x = jnp.asarray(values.reshape(-1, values.shape[-1]))
    y, w = jnp.asarray(right.ravel(), jnp.float32), jnp.asarray(weight.ravel())

    def loss(parameters):
        logit = x @ parameters
        entropy = jax.nn.softplus(logit) - y * logit
        return jnp.sum(w * entropy) / jnp.sum(w) + 1e-5 * jnp.sum(parameters**2)

    return np.asarray(optimize.minimize(loss, jnp.zeros(x.shape[1]), method="BFGS").x)


def kinds_of_clouds(
    people: int, rng: np.random.Generator
) -> Iterator[tuple[str, Clouds]]:
    """Yields (name, clouds): rendered people, people changed, and no people."""
    data = settings.DataSettings.from_config(unipose.get_config().data)
    params = clip_pool.scene_params(data, "test")
    params = dataclasses.replace(params, frames=1)
    pool = pools.render_pool(_SEED, "test", 0, people, params)
    xyz = np.asarray(pool["xyz"][:, 0], np.float64)
    points = [
        np.asarray(cloud[valid], np.float64)
        for cloud, valid in zip(pool["points"], pool["points_valid"], strict=True)
    ]
    seen = np.array([len(cloud) >= 24 for cloud in points])
    xyz, points = xyz[seen], [c for c, s in zip(points, seen, strict=True) if s]
    count = len(points)
    still = transform.Rotation.identity(count)
    yield "people", Clouds(points, xyz, 4.0)
    for degrees in (90, 180):
        angles = np.full((count, 1), degrees)
        roll = transform.Rotation.from_euler("z", angles, degrees=True)
        yield f"rolled {degrees}", _moved(points, xyz, roll, about_origin=True)
    yaw = rng.uniform(0, 360, count)
    pitch = rng.choice([-90.0, 90.0], count)
    lying = transform.Rotation.from_euler("yx", np.stack([yaw, pitch], 1), degrees=True)
    yield "lying", _moved(points, xyz, lying, weight=1.0)
    yield "small", _moved(points, xyz, still, rng.uniform(0.4, 0.7, count), weight=1.0)
    yield "cropped", Clouds([_cropped(cloud, rng) for cloud in points], xyz, 1.5)
    boxed = [_with_box(c, p, rng) for c, p in zip(points, xyz, strict=True)]
    yield "with a box", Clouds(boxed, xyz, 1.5)
    furniture = [_furniture(rng) for _ in points]
    yield "furniture", Clouds(furniture, np.full_like(xyz, _NO_JOINT), 1.5)


def _moved(
    points: list[np.ndarray],
    xyz: np.ndarray,
    rotations: transform.Rotation,
    scale: np.ndarray | None = None,
    *,
    about_origin: bool = False,
    weight: float = 0.5,
) -> Clouds:
    """People turned and scaled about their middle, or about the camera."""
    scales = np.ones(len(xyz)) if scale is None else scale
    clouds, poses = [], []
    for cloud, pose, turn, size in zip(points, xyz, rotations, scales, strict=True):
        middle = np.zeros(3) if about_origin else pose.mean(axis=0)
        clouds.append(size * turn.apply(cloud - middle) + middle)
        poses.append(size * turn.apply(pose - middle) + middle)
    return Clouds(clouds, np.stack(poses), weight)


def _cropped(cloud: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The upper (in three of four cases) or the lower part of a cloud; y is down."""
    y = cloud[:, 1]
    if rng.random() < 0.75:
        kept = y <= y.min() + np.ptp(y) * rng.uniform(0.3, 0.8)
    else:
        kept = y >= y.min() + np.ptp(y) * rng.uniform(0.2, 0.6)
    return cloud[kept]


def _box(half: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points on the three sides of a box that face a camera at its upper left."""
    surface = rng.uniform(-1.0, 1.0, (count, 3))
    surface[np.arange(count), rng.integers(0, 3, count)] = -1.0
    return surface * half


def _with_box(
    cloud: np.ndarray, pose: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A cloud with a box near the person that has 15 to 50 % of the points."""
    share = rng.uniform(0.15, 0.5)
    added = _box(rng.uniform(0.1, 0.5, 3), int(1024 * share), rng)
    added += pose.mean(axis=0) + rng.normal(0.0, 0.3, 3)
    kept = cloud[rng.integers(0, len(cloud), 1024 - len(added))]
    return np.concatenate([kept, added])


def _furniture(rng: np.random.Generator) -> np.ndarray:
    """One to five boxes that stand close together."""
    place = np.array([0.0, rng.uniform(0.3, 1.2), rng.uniform(1.2, 4.0)])
    parts = []
    for _ in range(rng.integers(1, 6)):
        half = rng.uniform([0.03, 0.03, 0.03], [0.45, 0.6, 0.45])
        low, high = [-0.3, -0.5, -0.2], [0.3, 0.0, 0.2]
        offset = rng.uniform(low, high) - [0.0, half[1], 0.0]
        parts.append(_box(half, 400, rng) + place + offset)
    turn = transform.Rotation.from_euler("y", rng.uniform(-0.5, 0.5))
    return turn.apply(np.concatenate(parts))


def _examples(
    network: estimator.Estimator, clouds: Clouds
) -> tuple[np.ndarray, np.ndarray]:
    """Features, and whether a joint is right: (people, joints, ...)."""
    rng = np.random.default_rng(1)
    points = np.stack(
        [
            sampling.sample_points(cloud, network.num_points, rng, repeat=True)[0]
            for cloud in clouds.points
        ]
    )
    clips = np.repeat(points[:, None], network.frames, axis=1)
    skel = skeleton.by_name(network.skeleton)
    values, right = [], []
    for first in range(0, len(clips), _BATCH):
        part = slice(first, first + _BATCH)
        valid = np.ones(clips[part].shape[:-1], bool)
        time = np.zeros(valid.shape[:-1], np.float32)
        found, confidence = network(clips[part], valid, time)
        xyz = found[:, -1]
        values.append(
            pose_quality.features(
                xyz,
                confidence[:, -1],
                points[part, : estimator.QUALITY_POINTS],
                skeleton=skel,
            )
        )
        error = np.linalg.norm(xyz - clouds.xyz[part], axis=-1)
        right.append(error <= pose_quality.RADIUS)
    return np.concatenate(values), np.concatenate(right)


def _figures(
    values: np.ndarray, right: np.ndarray, weights: np.ndarray
) -> dict[str, float]:
    """How well the probabilities of joints fit."""
    probability = 1.0 / (1.0 + np.exp(-values @ weights))
    return {
        "probability": float(probability.mean()),
        "right": float(right.mean()),
        "brier": float(((probability - right) ** 2).mean()),
    }


if __name__ == "__main__":
    app.run(main)

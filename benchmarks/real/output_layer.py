"""Adaptation of the point network's output layer alone, for studies on a CPU.

The network's tokens are computed once for some augmented views of every frame. Training
then changes the layer that votes for the joints, and the convention head, with the loss
terms of the package. One compiled program serves all choices of terms.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.real import itop
from configs import recording
from data_pipelines.ground import sampling
from data_pipelines.segmentation import segmenter
from data_pipelines.sequences import tracks
from unipose_jax import estimator, models, skeleton
from unipose_jax.geometry import camera
from unipose_jax.models import convention
from unipose_jax.physics import skin_depths
from unipose_jax.train import objective as objectives
from unipose_jax.train import settings
from unipose_jax.train.augment import point_augment
from unipose_jax.train.recipes import terms, unipose_terms

BODY = skeleton.ITOP15
POINTS = 1024
VIEWS = 4  # of each frame; the first is not augmented
BATCH = 16  # views per step
STEPS = 140
HEAD_STEPS = 50  # the first steps, which train the convention head alone
RATE, HEAD_RATE = 1e-3, 4e-3
TERMS = (
    *("point_to_ray", "reprojection", "surface", "surface_hinge"),
    *("symmetry", "bone_ratio", "joint_limit"),
)
RAMPED = TERMS[4:]
_RAMP = (0.2, 0.4)  # shares of the run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """What one adaptation uses.

    Attributes:
        weights: of the terms `TERMS`; 0 for those it does not name.
        skin: "anatomy", "learnt" or a convention of `skin_depths`.
        head: whether there is a convention head.
    """

    weights: Mapping[str, float]
    skin: str = skin_depths.ANATOMY
    head: bool = False


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Tokens:
    """Views of frames as the network's last layer sees them; float32."""

    features: Any  # (frames, views, tokens, width)
    places: Any  # (frames, views, tokens, 3), metres, about the centroid
    centroid: Any  # (frames, views, 3), metres
    view: Any  # point_augment.PointTransform with axes (frames, views)
    points: Any  # (frames, points, 3), metres
    points_valid: Any  # (frames, points)


def tokens_of(frames: itop.Frames, network: estimator.Estimator) -> Tokens:
    """The tokens of augmented views of single frames.

    Args:
        frames: with depth.
        network: of points.
    """
    points, valid = _clouds(frames)
    augment = recording.get_config("adapt").augment
    one = jnp.eye(3)

    def draw(key, number):
        view = point_augment.sample_transform(
            key,
            **{name: augment[name] for name in ("pan", "tilt", "roll", "scale")},
            mirror=augment.mirror,
        )
        first = number == 0
        return point_augment.PointTransform(
            matrix=jnp.where(first, one, view.matrix), mirrored=view.mirrored & ~first
        )

    keys = jax.random.split(jax.random.key(0), (len(points), VIEWS))
    view = jax.vmap(lambda row: jax.vmap(draw)(row, jnp.arange(VIEWS)))(keys)
    module = models.build(network.model, num_joints=BODY.num_joints)

    @jax.jit
    def of_frame(view, points, valid):
        seen = jax.vmap(lambda v: point_augment.transform_points(v, points[None]))(view)
        seen_valid = jnp.broadcast_to(valid, (VIEWS, 1, POINTS))
        found = {}

        def record(call, args, kwargs, context):
            if context.method_name == "__call__" and context.module.name == "votes":
                found["features"] = args[0][:, 0]
            out = call(*args, **kwargs)
            if context.method_name == "__call__" and context.module.name == "patches":
                found["places"] = out[1]
            return out

        with nn.intercept_methods(record):
            module.apply(
                network.params,
                points=seen,
                points_valid=seen_valid,
                time=jnp.zeros((VIEWS, 1)),
            )
        weight = valid.astype(jnp.float32)[None, :, None]
        centroid = (seen[:, 0] * weight).sum(1) / jnp.maximum(weight.sum(1), 1.0)
        return found["features"], found["places"], centroid

    rows = [
        of_frame(jax.tree.map(lambda x, i=i: x[i], view), points[i], valid[i])
        for i in range(len(points))
    ]
    features, places, centroid = (jnp.stack(x) for x in zip(*rows, strict=True))
    return Tokens(features, places, centroid, view, points, valid)


class Adapter:
    """Adapts the output layer of a network to some frames, for many cells."""

    def __init__(self, tokens: Tokens, network: estimator.Estimator, intrinsics):
        """Takes the tokens of all frames, the network and the camera."""
        self._tokens = tokens
        self._intrinsics = jnp.asarray(intrinsics, jnp.float32)
        config = recording.get_config("adapt")
        scales = config.loss.to_dict() | {"skin_depths": skin_depths.LEARNT}
        # Pixels: 5 cm at 2.5 m, as the ray term has.
        scales["reprojection_delta"] = 0.05 / 2.5 * float(intrinsics[0])
        self._objective = terms.make_objective(
            unipose_terms.TERMS,
            dict.fromkeys(TERMS, 1.0),
            scales,
            settings.RampSettings(),
        )
        votes = network.params["params"]["votes"]
        self._start = {
            "votes": jax.tree.map(jnp.asarray, votes),
            "offset": jnp.zeros((BODY.num_joints, 3)),
            "skin": jnp.zeros(BODY.num_joints),
        }
        self._head = convention.ConventionHead(BODY.name)
        self._fit = jax.jit(self._adapt)
        self._predict = jax.jit(self._all_frames)

    def __call__(self, cell: Cell, rows, uv, seed: int) -> tuple[np.ndarray, dict]:
        """Joints (frames, joints, 3) of all frames, metres, after training on some.

        Args:
            cell: terms and convention.
            rows: numbers of the training frames.
            uv: keypoints (frames, joints, 2), pixels.
            seed: of the order of the views.

        Returns:
            The joints, and the learnt parameters.
        """
        weights = {name: jnp.asarray(cell.weights.get(name, 0.0)) for name in TERMS}
        learnt = cell.skin == skin_depths.LEARNT
        table = skin_depths.ANATOMY if learnt else cell.skin
        shift = skin_depths.typical(BODY, convention=table) - skin_depths.typical(BODY)
        choice = {
            "weights": weights,
            "shift": shift,
            "head": jnp.asarray(float(cell.head)),
            "learnt": jnp.asarray(float(learnt)),
        }
        params = self._fit(
            self._start,
            self._tokens,
            jnp.asarray(np.resize(rows, self._tokens.points.shape[0])),
            jnp.asarray(len(rows)),
            jnp.asarray(uv, jnp.float32),
            choice,
            jax.random.key(seed),
        )
        xyz = self._predict(params, self._tokens, choice)
        return np.asarray(xyz), jax.tree.map(np.asarray, params)

    def zero_shot(self) -> np.ndarray:
        """Joints of all frames before training, metres."""
        nothing = {"shift": jnp.zeros(BODY.num_joints)}
        return np.asarray(self._predict(self._start, self._tokens, nothing))

    def _adapt(self, start, tokens, rows, count, uv, choice, key):
        head_steps = jnp.where(choice["head"] > 0, HEAD_STEPS, 0)
        adam = optax.scale_by_adam()

        def rates(step):
            share = jnp.maximum(step - head_steps, 0) / (STEPS - head_steps)
            body = RATE * 0.5 * (1.0 + jnp.cos(jnp.pi * share))
            body = jnp.where(step < head_steps, 0.0, body)
            early = jnp.minimum(step / HEAD_STEPS, 1.0)
            head = HEAD_RATE * 0.5 * (1.0 + jnp.cos(jnp.pi * early))
            return {
                "votes": {"kernel": body, "bias": body},
                "offset": head * choice["head"],
                "skin": head * choice["learnt"],
            }

        def loss(params, step, key):
            row_key, view_key = jax.random.split(key)
            row = rows[jax.random.randint(row_key, (BATCH,), 0, count)]
            view = jax.random.randint(view_key, (BATCH,), 0, VIEWS)
            estimate = self._estimate(params, tokens, row, view, choice)
            batch = {
                "points": tokens.points[row][:, None],
                "points_valid": tokens.points_valid[row][:, None],
                "cam_from_points": jnp.broadcast_to(jnp.eye(4), (BATCH, 4, 4)),
                "uv": uv[row][:, None],
                "confidence": jnp.ones((BATCH, 1, BODY.num_joints)),
                "intrinsics": jnp.broadcast_to(self._intrinsics, (BATCH, 4)),
                "time": jnp.zeros((BATCH, 1)),
            }
            found = unipose_terms.compute(self._objective, estimate, batch, BODY)
            low, high = _RAMP
            ramp = jnp.clip((step / STEPS - low) / (high - low), 0.0, 1.0)
            weights = {
                name: weight * (ramp if name in RAMPED else 1.0)
                for name, weight in choice["weights"].items()
            }
            return objectives.weighted_sum(found, weights)

        def advance(carry, step):
            params, state = carry
            grads = jax.grad(loss)(params, step, jax.random.fold_in(key, step))
            updates, state = adam.update(grads, state)
            params = jax.tree.map(
                lambda p, u, rate: p - rate * u, params, updates, rates(step)
            )
            return (params, state), None

        begin = (start, adam.init(start))
        (params, _), _ = jax.lax.scan(advance, begin, jnp.arange(STEPS))
        return params

    def _estimate(self, params, tokens, row, view, choice) -> models.PoseEstimate:
        """The estimate of some views, in the frames of the camera."""
        features, places = tokens.features[row, view], tokens.places[row, view]
        votes = params["votes"]
        out = jnp.matmul(features, votes["kernel"], precision="highest")
        out = out + votes["bias"][None, None]
        out = out.reshape(*out.shape[:2], BODY.num_joints, 5)
        share = jax.nn.softmax(out[..., 0], axis=1)[..., None]
        xyz = (share * (places[:, :, None] + out[..., 1:4])).sum(1)
        xyz = xyz + tokens.centroid[row, view][:, None]
        estimate = models.PoseEstimate(
            xyz=xyz[:, None],
            confidence_logit=(share[..., 0] * out[..., 4]).sum(1)[:, None],
        )
        head = {"params": {name: params[name] for name in ("offset", "skin")}}
        estimate = self._head.apply(head, estimate)
        views = jax.tree.map(lambda x: x[row, view], tokens.view)
        back = jax.vmap(
            lambda v, x: point_augment.invert_joints(v, x, mirror=BODY.mirror)
        )
        skin = estimate.skin_shift + choice["shift"][None, None]
        return dataclasses.replace(
            estimate,
            xyz=back(views, estimate.xyz),
            fixed_offset_xyz=back(views, estimate.fixed_offset_xyz),
            skin_shift=skin,
        )

    def _all_frames(self, params, tokens, choice):
        row = jnp.arange(tokens.points.shape[0])
        estimate = self._estimate(params, tokens, row, jnp.zeros_like(row), choice)
        return estimate.xyz[:, 0]


def _clouds(frames: itop.Frames) -> tuple[jax.Array, jax.Array]:
    """Points of the person in each frame, and which exist."""
    height, width = frames.depth.shape[1:]
    v, u = np.mgrid[:height, :width] + 0.5
    uv = np.stack([u, v], axis=-1).astype(np.float32)
    rays = camera.xy_from_uv(uv, frames.intrinsics.astype(np.float32))
    found = []
    for depth in frames.depth:
        mask = segmenter.Segmenter(rays, frames.intrinsics)(depth, time=0.0).mask
        points = tracks.masked_points(mask, depth, rays)
        rng = np.random.default_rng(0)
        found.append(sampling.sample_points(points, POINTS, rng, repeat=True))
    points, valid = (np.stack(x) for x in zip(*found, strict=True))
    return jnp.asarray(points), jnp.asarray(valid)

"""A network with its parameters, as a function of clips."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from data_pipelines.ground import sampling
from unipose_jax import errors, models, pose_quality, skeleton
from unipose_jax.estimator import keypoints as keypoint_input
from unipose_jax.models import patch_embedding
from unipose_jax.skeleton import body_parts, units
from unipose_jax.weights import store

_MAX_STEP = 10.0  # seconds between frames of a clip, for the check of the unit


@dataclasses.dataclass(frozen=True, eq=False)
class Estimator:
    """A network with its parameters; its inputs are points, keypoints and crops.

    Attributes:
        params: parameters of the network.
        model: model settings, as in a config.
        skeleton: name of the predicted skeleton.
        frames: frames per clip.
        num_points: points per frame.
        crop_size: side of the crops, pixels; 0 if crops are not an input.
        max_interval: longest time between neighbouring frames of a clip, seconds.
        calibration: weights of `pose_quality.joint_probability`; () leaves the
            confidence as the network gives it.
        calibration_with_keypoints: the same for predictions with 2D keypoints; () takes
            `calibration` for these, too.
    """

    params: dict
    model: dict
    skeleton: str
    frames: int
    num_points: int
    crop_size: int = 0
    max_interval: float = sampling.MAX_INTERVAL
    calibration: tuple[float, ...] = ()
    calibration_with_keypoints: tuple[float, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input fields (see `schema`)."""
        return models.input_fields(self.model)

    @property
    def takes_keypoints(self) -> bool:
        """Whether 2D keypoints may be given beside points or crops."""
        return keypoint_input.are_input(self.inputs)

    @functools.cached_property
    def _device_params(self) -> dict:
        """Parameters on the device, transferred once instead of at every call."""
        return jax.device_put(self.params)

    @functools.cached_property
    def _network(self):
        joints = skeleton.by_name(self.skeleton).num_joints
        return models.build(self.model, num_joints=joints)

    @functools.cached_property
    def _apply(self):
        @functools.partial(jax.jit, static_argnames="newest")
        def apply(params, fields, newest=False):
            last = {"newest": True} if newest else {}  # of `PointNet` only
            estimate = self._network.apply(params, **fields, **last)
            return estimate.xyz, jax.nn.sigmoid(estimate.confidence_logit)

        return apply

    @functools.cached_property
    def _embed(self):
        return jax.jit(functools.partial(patch_embedding.embed, self._network))

    def __call__(
        self,
        points: np.ndarray,
        points_valid: np.ndarray,
        time: np.ndarray,
        *,
        keypoints: keypoint_input.Keypoints | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predicts the joints of clips. Compiles once per batch size.

        Args:
            points: (clips, frames, points, 3), metres, camera frame.
            points_valid: (clips, frames, points).
            time: (clips, frames), seconds.
            keypoints: 2D keypoints of the person, if known; frames and joints that have
                none have confidence 0.

        Returns:
            xyz (clips, frames, joints, 3), metres, camera frame, and confidence
            (clips, frames, joints) in [0, 1].

        Raises:
            ValueError: points or keypoints are not an input of the network (see
                `from_fields`), have another shape, or are not in metres, pixels and
                seconds.
        """
        self.check_points()
        points, points_valid, time = map(np.asarray, (points, points_valid, time))
        shape = (*points.shape[:2], self.num_points, 3)
        if points.ndim != 4 or points.shape != shape or points.shape[1] != self.frames:
            raise ValueError(
                f"points have shape {points.shape}, expected (clips, {self.frames}, "
                f"{self.num_points}, 3)"
            )
        if points_valid.shape != points.shape[:3] or time.shape != points.shape[:2]:
            raise ValueError(
                f"points_valid and time have shapes {points_valid.shape} and "
                f"{time.shape}, expected {points.shape[:3]} and {points.shape[:2]}"
            )
        distance = np.where(points_valid, points[..., 2], np.nan)
        units.check_depth_metres(distance, name="points")
        for clip_time in time:
            units.check_seconds(clip_time)
        if (step := np.abs(np.diff(time, axis=1)).max(initial=0.0)) > _MAX_STEP:
            raise ValueError(
                f"frames of a clip are {step:.4g} apart, as in milliseconds; expected "
                "seconds"
            )
        fields = {"points": points, "points_valid": points_valid, "time": time}
        if keypoints is not None:
            keypoint_input.require(self.inputs, self.model["name"])
            fields |= keypoint_input.fields_of(
                keypoint_input.Keypoints(*keypoints),
                skeleton=self.skeleton,
                lead=points.shape[:2],
            )
        return self.from_fields(fields)

    def check_points(self) -> None:
        """Checks that the network takes points as input.

        Raises:
            ValueError: its only inputs are crops.
        """
        if "points" not in self.inputs:
            raise ValueError(
                f"{self.model['name']} takes {', '.join(self.inputs)}, not points; use "
                "from_fields"
            )

    def from_fields(
        self, fields: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predicts the joints of clips from the batch fields in `inputs`.

        A network that takes keypoints or crops beside points also works without them.

        Args:
            fields: arrays by name as in `schema`, with a leading axis of clips.

        Returns:
            xyz (clips, frames, joints, 3), metres, camera frame, and confidence
            (clips, frames, joints) in [0, 1].

        Raises:
            ValueError: there are keypoints (`uv`) without their confidence or camera.
        """
        return jax.tree.map(
            np.asarray, self._apply(self._device_params, self._fed(fields))
        )

    def newest(
        self,
        fields: Mapping[str, np.ndarray],
        patches: Sequence[patch_embedding.Patches] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predicts the joints of the last frame of one clip, with less work.

        Args:
            fields: as for `from_fields`, of one clip.
            patches: results of `embed` for each of its frames; None where it gave none.

        Returns:
            xyz (joints, 3), metres, camera frame, and confidence (joints,) in [0, 1].
        """
        if not isinstance(self._network, models.PointNet):
            xyz, confidence = self.from_fields(fields)
            return xyz[0, -1], confidence[0, -1]
        fed = self._fed(fields)
        if patches is not None:
            fed["patches"] = jax.tree.map(
                lambda *parts: np.concatenate(parts, axis=1), *patches
            )
        found = self._apply(self._device_params, fed, newest=True)
        xyz, confidence = map(np.asarray, found)
        return xyz[0, -1], confidence[0, -1]

    def embed(
        self, points: np.ndarray, valid: np.ndarray
    ) -> patch_embedding.Patches | None:
        """Tokens of the cloud of one frame, which `newest` need not compute again.

        Args:
            points: (points, 3), metres, camera frame.
            valid: (points,).

        Returns:
            A clip of one frame; None for a network that has no such tokens.
        """
        if not isinstance(self._network, models.PointNet):
            return None
        found = self._embed(self._device_params, points[None, None], valid[None, None])
        return jax.tree.map(np.asarray, found)

    def _fed(self, fields: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The fields that the network takes."""
        fed = {name: fields[name] for name in self.inputs if name in fields}
        return keypoint_input.all_or_none(fed) if self.takes_keypoints else fed

    def body_probability(self, points: np.ndarray) -> np.ndarray:
        """Probability of each point of a frame to lie on the body.

        The other points are on an object, furniture or floor that the mask contains.

        Args:
            points: (points, 3), any number, metres, depth-camera frame.

        Returns:
            (points,) in [0, 1]; 1 if the network has no head `point_parts`.
        """
        found = np.ones(len(points), np.float32)
        if not self.model.get("point_parts", False) or not len(points):
            return found
        order = np.random.default_rng(0).permutation(len(points))
        for start in range(0, len(points), self.num_points):
            chosen = order.take(range(start, start + self.num_points), mode="wrap")
            shape = (1, 1, self.num_points)  # a clip of this frame alone
            fields = {
                "points": np.broadcast_to(points[chosen], (*shape, 3)),
                "points_valid": np.ones(shape, bool),
                "time": np.zeros(shape[:2], np.float32),
            }
            found[chosen] = self._body_probability(self._device_params, fields)
        return found

    @functools.cached_property
    def _body_probability(self):
        @jax.jit
        def apply(params, fields):
            logits = self._network.apply(params, **fields).part_logits[0, -1]
            return 1.0 - jax.nn.softmax(logits, axis=-1)[:, body_parts.NONE]

        return apply

    def calibrated(
        self,
        xyz: np.ndarray,
        confidence: np.ndarray,
        points: np.ndarray,
        *,
        with_keypoints: bool = False,
    ) -> np.ndarray:
        """Confidence of the joints of a pose, given the points of the person.

        Args:
            xyz: (joints, 3), predicted joints, metres, depth-camera frame.
            confidence: (joints,), of the network.
            points: (points, 3), metres, depth-camera frame.
            with_keypoints: whether the network had 2D keypoints of the frame.

        Returns:
            (joints,): the probability that each joint is within 10 cm, or the
            network's confidence if the estimator has no calibration.
        """
        weights = self.calibration
        if with_keypoints and self.calibration_with_keypoints:
            weights = self.calibration_with_keypoints
        if not weights:
            return confidence
        rng = np.random.default_rng(0)
        some, _ = sampling.sample_points(points, QUALITY_POINTS, rng, repeat=True)
        weights = tuple(weights)  # JSON has lists
        return np.asarray(self._probability(xyz, confidence, some, weights=weights))

    @functools.cached_property
    def _probability(self):
        return jax.jit(
            functools.partial(
                pose_quality.joint_probability,
                skeleton=skeleton.by_name(self.skeleton),
            )
        )


def from_config(config: Mapping[str, Any], params) -> Estimator:
    """Makes an estimator from the config of a trained run.

    Args:
        config: values of the config (`restore.read_config`).
        params: parameters of its network.
    """
    data = config["data"]
    return Estimator(
        params=params,
        model=dict(config["model"]),
        skeleton=data["skeleton"],
        frames=data["frames"],
        num_points=data["num_points"],
        crop_size=data["crop_size"],
        max_interval=data.get("max_interval", sampling.MAX_INTERVAL),
    )


def load(path: str | pathlib.Path) -> Estimator:
    """Loads an estimator from weights written by `export`.

    Raises:
        FileNotFoundError: there are no weights at `path`.
    """
    params, meta = store.load(path)
    return Estimator(
        params=params, **{key: meta[key] for key in _META_KEYS if key in meta}
    )


def load_shipped(modality: str = store.SHIPPED) -> Estimator:
    """Loads an estimator whose weights are part of the package.

    Args:
        modality: input of the network: "points", "points_keypoints" (points and 2D
            keypoints), "depth" or "rgb".

    Raises:
        errors.BadInput: the package has no weights for this modality.
    """
    path = store.FOLDER / modality
    if not path.with_suffix(".npz").is_file():
        raise errors.BadInput(
            f"the package has no weights for --modality={modality}; give --config "
            "and --workdir of a run that trained them"
        )
    return load(path)


def export(path: str | pathlib.Path, estimator: Estimator, notes: dict) -> None:
    """Writes the weights and settings of an estimator, and notes on their training.

    The exported network computes in float32, even if it was trained in bfloat16.
    """
    meta = {key: getattr(estimator, key) for key in _META_KEYS}
    meta["model"] = {**estimator.model, "dtype": "float32"}
    store.save(path, estimator.params, meta | notes)


_META_KEYS = (
    *("model", "skeleton", "frames", "num_points", "crop_size"),
    *("max_interval", "calibration", "calibration_with_keypoints"),
)
QUALITY_POINTS = 512  # of the person, from which the confidence is computed

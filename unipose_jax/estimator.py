"""A trained network, ready to use: clouds in, camera-frame poses out.

pose = estimator.load_shipped()
xyz, confidence = pose(points, points_valid, time)   # any clips of its length
live = estimator.OnlineEstimator(pose, rays, intrinsics)
xyz, confidence = live(depth, time)                  # one depth frame after another
"""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from data_pipelines.ground import sampling
from data_pipelines.segmentation import segmenter
from data_pipelines.sequences import tracks
from unipose_jax import errors, models, skeleton
from unipose_jax.weights import store


@dataclasses.dataclass(frozen=True, eq=False)
class Estimator:
    """A network with its parameters; it sees points, crops, or both.

    Attributes:
        params: of the network.
        model: its settings, as in a config.
        skeleton: name of the skeleton that it predicts.
        frames: per clip.
        num_points: per frame.
        crop_size: of the crops that it sees, pixels; 0 if it sees none.
    """

    params: dict
    model: dict
    skeleton: str
    frames: int
    num_points: int
    crop_size: int = 0

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the batch fields that the network takes (`schema`)."""
        return models.input_fields(self.model)

    @functools.cached_property
    def _device_params(self) -> dict:
        """The parameters on the device: transferred once, not at every call."""
        return jax.device_put(self.params)

    @functools.cached_property
    def _apply(self):
        joints = skeleton.by_name(self.skeleton).num_joints
        network = models.build(self.model, num_joints=joints)

        @jax.jit
        def apply(params, fields):
            estimate = network.apply(params, **fields)
            return estimate.xyz, jax.nn.sigmoid(estimate.confidence_logit)

        return apply

    def __call__(
        self, points: np.ndarray, points_valid: np.ndarray, time: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints of clips; one compilation per batch size.

        Args:
            points: (clips, frames, points, 3), metres, camera frame.
            points_valid: (clips, frames, points).
            time: (clips, frames), seconds.

        Returns:
            xyz (clips, frames, joints, 3), metres, camera frame, and confidence
            (clips, frames, joints) in [0, 1].

        Raises:
            ValueError: the network does not look at points; see `from_fields`.
        """
        self.check_points()
        fields = {"points": points, "points_valid": points_valid, "time": time}
        return self.from_fields(fields)

    def check_points(self) -> None:
        """Refuses a network that looks at crops alone.

        Raises:
            ValueError: it does.
        """
        if "points" not in self.inputs:
            raise ValueError(
                f"{self.model['name']} sees {', '.join(self.inputs)}, not points; give "
                "them to from_fields"
            )

    def from_fields(
        self, fields: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """As a call, from the batch fields `inputs`, with leading clip axes.

        A network that fuses points with crops does without those that are missing.
        """
        fed = {name: fields[name] for name in self.inputs if name in fields}
        return jax.tree.map(np.asarray, self._apply(self._device_params, fed))


def from_config(config: Mapping[str, Any], params) -> Estimator:
    """An estimator of a trained network.

    Args:
        config: values of the config that it was trained with (`restore.read_config`).
        params: of the network.
    """
    return Estimator(
        params=params,
        model=dict(config["model"]),
        skeleton=config["data"]["skeleton"],
        frames=config["data"]["frames"],
        num_points=config["data"]["num_points"],
        crop_size=config["data"]["crop_size"],
    )


def load(path: str | pathlib.Path) -> Estimator:
    """An estimator from weights that `export` or the package's makers wrote.

    Raises:
        FileNotFoundError: there are none at `path`.
    """
    params, meta = store.load(path)
    return Estimator(
        params=params, **{key: meta[key] for key in _META_KEYS if key in meta}
    )


def load_shipped(modality: str = store.SHIPPED) -> Estimator:
    """The estimator whose weights come with the package.

    Args:
        modality: what it sees: "points", "depth" or "rgb".

    Raises:
        errors.BadInput: no weights of this modality come with the package.
    """
    path = store.FOLDER / modality
    if not path.with_suffix(".npz").is_file():
        raise errors.BadInput(
            f"no weights for --modality={modality} come with the package; give "
            "--config and --workdir of a run that trained them"
        )
    return load(path)


def export(path: str | pathlib.Path, estimator: Estimator, notes: dict) -> None:
    """Writes an estimator's weights and settings, with notes on how they were made.

    It will compute in float32, whatever an accelerator trained it with.
    """
    meta = {key: getattr(estimator, key) for key in _META_KEYS}
    meta["model"] = {**estimator.model, "dtype": "float32"}
    store.save(path, estimator.params, meta | notes)


_META_KEYS = ("model", "skeleton", "frames", "num_points", "crop_size")


class OnlineEstimator:
    """Poses from one depth frame after the other: segments, samples, predicts.

    The network sees the last frames up to now; a clip that has not filled yet repeats
    its first frame. Only the newest frame's pose is returned, so a recording played
    through gives the same poses as a camera.
    """

    def __init__(self, estimator: Estimator, rays: np.ndarray, intrinsics: np.ndarray):
        """Takes the depth camera.

        Args:
            estimator: the network; it looks at points, and maybe at crops beside.
            rays: (height, width, 2), x/z and y/z of every pixel.
            intrinsics: (fx, fy, cx, cy), pixels.

        Raises:
            ValueError: the network does not look at points.
        """
        estimator.check_points()
        self._estimator, self._rays = estimator, rays
        self._segmenter = segmenter.Segmenter(rays, intrinsics)
        self._window: list[dict[str, np.ndarray]] = []

    def __call__(
        self, depth: np.ndarray, time: float
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """The pose in a depth frame, (joints, 3) metres and (joints,) confidence.

        Args:
            depth: (height, width), metres, 0 or NaN where there is none.
            time: seconds.

        Returns:
            None where no person is found.
        """
        depth = np.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=0.0)
        mask = self._segmenter(depth).mask
        return self.from_points(tracks.masked_points(mask, depth, self._rays), time)

    def from_points(
        self,
        xyz: np.ndarray,
        time: float,
        crops: Mapping[str, np.ndarray] | None = None,
        cam_from_points: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """As a call, from the person's points (points, 3) of a frame.

        Args:
            xyz: metres, depth-camera frame.
            time: seconds.
            crops: of a network that fuses: the fields of this frame's crops, without
                those of a camera that has no picture of it.
            cam_from_points: (4, 4), from the depth camera to the colour camera.
        """
        if not len(xyz):
            self._window = []
            return None
        rng = np.random.default_rng(0)
        points, valid = sampling.sample_points(
            xyz, self._estimator.num_points, rng, repeat=True
        )
        frame = {"points": points, "points_valid": valid, "time": np.asarray(time)}
        self._window = [*self._window, frame | dict(crops or {})]
        self._window = self._window[-self._estimator.frames :]
        missing = self._estimator.frames - len(self._window)
        window = [self._window[0]] * missing + self._window
        shared = set.intersection(*(set(fields) for fields in window))
        clip = {name: np.stack([f[name] for f in window])[None] for name in shared}
        clip["time"] = (clip["time"] - clip["time"][:, :1]).astype(np.float32)
        if "color_crop" in clip and cam_from_points is not None:
            clip["cam_from_points"] = np.asarray(cam_from_points, np.float32)[None]
        found, confidence = self._estimator.from_fields(clip)
        return found[0, -1], confidence[0, -1]

"""Typed settings of a training run, one frozen dataclass per section of a config.

The comments in `configs/` explain the values.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from unipose_jax import errors

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Section = TypeVar("Section", bound="DataclassInstance")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """`config.optimizer`."""

    learning_rate: float
    warmup_steps: int = 0
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    backbone_lr_multiplier: float = 1.0
    head_steps: int = 0  # first steps, which train a convention head alone
    head_learning_rate: float = 0.0  # of that head, metres per step


@dataclasses.dataclass(frozen=True, kw_only=True)
class RampSettings:
    """`config.ramp`: terms whose weights rise from 0 between two shares of a run."""

    terms: tuple[str, ...] = ()
    start: float = 0.0
    end: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class TeacherSettings:
    """`config.teacher`, or `config.student.teacher`."""

    kind: str = "network"
    workdir: str = ""
    init_from_teacher: bool = False
    weight_by_confidence: bool = True
    weight_by_ray_distance: bool = True
    ray_scale: float = 0.05  # metres


@dataclasses.dataclass(frozen=True, kw_only=True)
class PointAugmentation:
    """`config.augment` of points."""

    pan: float
    tilt: float
    roll: float
    scale: float
    mirror: bool
    occlusion_prob: float
    occlusion_radius: tuple[float, float]
    modality_dropout: float = 0.0
    keypoint_dropout: float = 0.5
    keypoint_noise: float = 0.0
    no_keypoints_prob: float = 0.0
    no_points_prob: float = 0.0
    blind_spot: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class CropAugmentation:
    """`config.crop_augment` of depth and color crops."""

    rotation: float
    scale: float
    translation: float
    mirror: bool
    erase_prob: float
    erase_area: tuple[float, float]
    depth_noise: float
    contrast: float
    brightness: float
    tint: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeypointErrors:
    """`config.student.keypoint_augment`: errors of the keypoints given to a student.

    Lengths are shares of the crop's side.
    """

    person_dropout: float = 0.0
    joint_dropout: float = 0.0
    noise: float = 0.0
    noise_prob: float = 0.0
    outlier_prob: float = 0.0
    outlier_noise: float = 0.0
    swap_prob: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeypointAugmentation:
    """`config.augment` of clips of keypoints."""

    pan: float
    tilt: float
    roll: float
    mirror: bool
    person_rotation: float
    distance_scale: float
    keypoint_noise: float
    keypoint_noise_prob: float
    person_scale: float = 0.0
    bone_scale: float = 0.0
    person_scale_prob: float = 1.0
    camera_height: float = 0.0
    missing_prob: float = 0.0
    missing_joints: float = 0.0
    missing_run: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageAugmentation:
    """`config.augment` of images of several people."""

    mirror: bool
    zoom: float
    translation: float
    contrast: float
    tint: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorrectionSettings:
    """`config.correction` of a pose machine at test time."""

    kind: str
    steps: int
    learning_rate: float
    bone_weight: float = 0.0
    flip_test: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudySettings:
    """`config.study`: what the evaluation of a pose machine compares."""

    kinds: tuple[str, ...] = ()
    noise: tuple[float, ...] = ()  # pixels
    steps: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class OrdinalLabelSettings:
    """`config.ordinal_labels`: the rule that labels which of two people is nearer."""

    source: str
    margin: float
    equal_margin: float
    use_feet: bool
    min_confidence: float
    depth_margin: float
    min_depth_difference: float


def parse(
    kind: type[Section], values: Mapping[str, Any] | None, section: str
) -> Section:
    """A section of a config as its dataclass.

    Args:
        kind: the dataclass.
        values: the section; None is an empty one.
        section: its name, for errors.

    Raises:
        errors.BadInput: the section has a key that does not exist, or lacks one.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}
    given = dict(values or {})
    for key in given:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise errors.BadInput(f"there is no config.{section}.{key}{hint}")
    for name, field in fields.items():
        if name not in given and field.default is dataclasses.MISSING:
            raise errors.BadInput(f"config.{section}.{name} is missing")
    return kind(**{key: _as_tuple(value) for key, value in given.items()})


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

"""Ablations: each changes a few values of a base config and nothing else.

    python run.py --config=configs/ablations.py:no_physics --workdir=runs/no_physics
    python run.py --config=configs/ablations.py:no_physics,smoke --workdir=runs/smoke
    python -m benchmarks.ablations --configs=unipose,ablations:no_physics \
        --workdir=runs/study --set=config.num_train_steps=1200

After the colon come the name of the ablation and, optionally, the variant of the base:
quick (the default), full or smoke. Ablations are combined by dots, for example
`projection_alone.detector_ideal`. The base is stage 1 of `configs/unipose.py`, and
`configs/wsp_finetune.py` for `wsp_keypoints`.

Time: 420 ms per step of points on one CPU core (0692f32), or 8 minutes for 1,200 steps.
mAP@10cm [%] of all joints, 1,200 steps, rendered test people, three seeds, jax 0.10.2,
3a8113c and 2ba0560:

    unipose           85.2 ± 0.5    supervised        88.3 ± 0.4
    projection        84.9 ± 0.1    rays_alone        78.3 ± 0.4
    no_physics        83.5 ± 0.6    projection_alone  77.5 ± 0.3
    noise_8           83.9 ± 0.5

Fusions, students and noise_0, in shorter runs: docs/results.md. `wsp_keypoints`:
docs/wsp.md. Not measured with these settings: the ablations of single terms, plain_ray,
physics_everywhere, no_random_occlusion and noise_6.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import ml_collections

from configs import unipose, wsp_finetune
from unipose_jax.synthesis.sensing import detector

_BASE = unipose.stage_1("quick")


def _weights(terms, weight: float = 0.0) -> dict[str, float]:
    """Overrides that give all `terms` of stage 1 one weight."""
    return {f"loss_weights.{term}": weight for term in terms}


_NO_PHYSICS = _weights(_BASE.ramp.terms)
_NO_SURFACE_TERMS = _weights(("surface", "surface_hinge"))
_PROJECTION = {
    "loss_weights.point_to_ray": 0.0,
    # 1 m at 3 m is 48 px at 160 wide: the weight that gives both terms one gradient.
    "loss_weights.reprojection": 1.0 / 48.0,
    "loss.reprojection_delta": 2.4,  # pixels: 5 cm, as the ray term has
}
_IDEAL_DETECTOR = {
    f"data.scene.detector.{name}": value
    for name, value in dataclasses.asdict(detector.IDEAL).items()
}
_DEPTH_STUDENT = {"stages": ("depth",)}

ABLATIONS: dict[str, Mapping[str, Any]] = {
    # One term of the objective left out.
    "no_acceleration": _weights(["acceleration"]),
    "no_bone_constancy": _weights(["bone_constancy"]),
    "no_bone_ratio": _weights(["bone_ratio"]),
    "no_joint_limit": _weights(["joint_limit"]),
    "no_occlusion": _weights(["occlusion"]),
    "no_speed": _weights(["speed"]),
    "no_surface": _weights(["surface"]),
    "no_surface_hinge": _weights(["surface_hinge"]),
    "no_symmetry": _weights(["symmetry"]),
    # Several terms left out, or replaced.
    "no_physics": _NO_PHYSICS,
    "projection": _PROJECTION,  # reprojection in pixels instead of rays in metres
    "projection_alone": _PROJECTION | _NO_PHYSICS | _NO_SURFACE_TERMS,
    "rays_alone": _NO_PHYSICS | _NO_SURFACE_TERMS,
    # True 3D joints instead of all weak terms: the upper bound of weak supervision.
    "supervised": _weights(_BASE.loss_weights)
    | {"loss_weights.joint_position": 1.0, "loss_weights.confidence": 0.01},
    # How a term is computed.
    "physics_everywhere": {"loss.physics_weight_on_keypoints": 1.0},
    "plain_ray": {"loss.ray_at_cloud_depth": False},  # distance at the joint itself
    # The input.
    "no_random_occlusion": {
        "augment.occlusion_prob": 0.0
    },  # no holes in training clouds
    "fusion_depth": {"model.fusion": "depth"},  # crops beside the points
    "fusion_rgb": {"model.fusion": "rgb"},
    "fusion_rgbd": {"model.fusion": "rgbd"},
    # A simulated 2D detector with noise of 3 px at 320x240 for all people, in place of
    # the errors of MoveNet on real pictures: the detector of the figures above. The
    # same with other noise, pixels.
    "detector_ideal": _IDEAL_DETECTOR,
    "noise_0": _IDEAL_DETECTOR | {"data.scene.detector.noise": 0.0},
    "noise_6": _IDEAL_DETECTOR | {"data.scene.detector.noise": 6.0},
    "noise_8": _IDEAL_DETECTOR | {"data.scene.detector.noise": 8.0},
    # Students: the terms of stage 1 on their own joints, without a teacher; true joints
    # as labels; all joints of the teacher weighted alike.
    "students_keypoints": _DEPTH_STUDENT
    | {"student.teacher.kind": "none", "student.single_frames": False}
    | {
        f"student.loss_weights.{modality}.{term}": _BASE.loss_weights.get(term, 0.0)
        for modality, weights in _BASE.student.loss_weights.items()
        for term in weights
    },
    "students_supervised": _DEPTH_STUDENT | {"student.teacher.kind": "truth"},
    "students_unfiltered": _DEPTH_STUDENT
    | {
        "student.teacher.weight_by_confidence": False,
        "student.teacher.weight_by_ray_distance": False,
    },
    # Pre-training of `configs/wsp_finetune.py` on 2D keypoints alone, to compare with
    # WSP: every clip has keypoints, and no term asks for depth.
    "wsp_keypoints": {
        "data.labeled_fraction": 1.0,
        "student.teacher.kind": "keypoints",
        "student.loss_weights.rgb.pseudo_depth": 0.0,
        "student.loss_weights.rgb.pseudo_root": 0.0,
        "student.loss_weights.rgb.confidence": 0.0,
    },
}
"""Overrides of the base by name of the ablation; keys as in `--config.KEY=VALUE`."""


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """Returns the config of an ablation.

    Args:
        variant: "NAME" or "NAME,MODE": a key of `ABLATIONS`, or several with dots
            between them, of which later ones win; and the variant of the base, "quick"
            (the default), "full" or "smoke".

    Raises:
        ValueError: there is no such ablation or variant.
    """
    name, _, mode = variant.partition(",")
    names = name.split(".")
    if unknown := [part for part in names if part not in ABLATIONS]:
        raise ValueError(
            f"unknown ablation {unknown[0]!r}; use configs/ablations.py:NAME with one "
            f"of {', '.join(sorted(ABLATIONS))}"
        )
    config = _BASES.get(names[0], unipose.stage_1)(mode or "quick")
    for part in names:
        config.update_from_flattened_dict(ABLATIONS[part])
    return config


def _pretraining(mode: str) -> ml_collections.ConfigDict:
    """`configs/wsp_finetune.py` with the steps that pre-training has."""
    config = wsp_finetune.get_config(mode)
    if mode == "quick":
        config.student.num_train_steps, config.checkpoint_every = 1_000, 500
    return config


_BASES: dict[str, Callable[[str], ml_collections.ConfigDict]] = {
    "wsp_keypoints": _pretraining
}

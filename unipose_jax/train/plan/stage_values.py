"""The values of each stage, as plain dicts, from the values of the whole config.

Points learn from keypoints and depth; depth and color learn from the points. A stage is
a training run of its own, with its own folder and checkpoints.
"""

import copy
import pathlib
from collections.abc import Mapping
from typing import Any

from unipose_jax import errors, models
from unipose_jax.train.checkpoints import checkpoint, folders, pretrained
from unipose_jax.weights import store

OWN_POINTS = ".."
"""`teacher.workdir` of a student of this run's points, from the student's folder."""
_STAGE_KEYS = ("stages", "student")


def requested_stages(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The stages that a config asks for, in the order of training.

    Raises:
        errors.BadInput: none, or one that does not exist.
    """
    wanted = config["stages"]
    wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    unknown = [name for name in wanted if name not in folders.MODALITIES]
    if unknown or not wanted:
        raise errors.BadInput(
            f"config.stages is {config['stages']!r}; choose from "
            f"{', '.join(folders.MODALITIES)}"
        )
    if "student" not in config and set(wanted) != {"points"}:
        raise errors.BadInput(
            f"config.stages is {config['stages']!r}, but a {config['recipe']} has no "
            "students"
        )
    return tuple(name for name in folders.MODALITIES if name in wanted)


def of_stage(
    config: Mapping[str, Any],
    modality: str,
    workdir: pathlib.Path,
    *,
    points_first: bool = False,
) -> dict[str, Any]:
    """The values of one stage: a student's settings replace those of the points.

    Args:
        config: the whole config.
        modality: one of `folders.MODALITIES`.
        workdir: of the whole run.
        points_first: whether the points are trained in `workdir` before this stage.

    Returns:
        A student's `teacher.workdir` is "" for the weights that ship, `OWN_POINTS` for
        the points of this run, trained before or first, or else absolute. So the run
        can be moved as a whole, and another teacher is noticed when it continues. The
        number of points is the teacher's.

    Raises:
        errors.BadInput: a student of a recipe that has none.
    """
    stage = copy.deepcopy({k: v for k, v in config.items() if k not in _STAGE_KEYS})
    if stage.get("init_backbone", ""):
        stage["init_backbone"] = _absolute(stage["init_backbone"])
    given = stage.get("init_weights", "")
    if given and not pretrained.is_shipped(given):
        stage["init_weights"] = _absolute(given)
    data = stage["data"]
    fused = models.FUSIONS.get(stage["model"].get("fusion", "none"), ())
    if modality == "points":
        if fused:
            data["crop_size"] = data["crop_size"] or config["student"]["crop_size"]
            data["crops"] = fused
        if stage.get("teacher", {}).get("workdir"):
            stage["teacher"]["workdir"] = _absolute(stage["teacher"]["workdir"])
        return stage
    if "student" not in config:
        raise errors.BadInput(f"a {config['recipe']} has no network for {modality}")
    student = copy.deepcopy(config["student"])
    data["crop_size"] = student.pop("crop_size")
    data.pop("part_labels", None)  # only the points learn from them
    student["model"] = student.pop("models")[modality]
    student["loss_weights"] = student["loss_weights"][modality]
    stage |= student | {"recipe": "stage2"}
    teacher = stage["teacher"]
    teacher["workdir"] = _teacher_folder(teacher, workdir, points_first)
    if teacher["kind"] == "network":
        data["num_points"] = _teacher_num_points(
            teacher["workdir"], workdir, data["num_points"]
        )
    seen = {modality, *(fused if teacher["workdir"] else ())}  # the teacher's crops
    data["crops"] = tuple(name for name in folders.MODALITIES if name in seen)
    return stage


def shared_crop_size(config: Mapping[str, Any]) -> int:
    """Pixels of the crops of all stages of a config; 0 without any.

    Raises:
        errors.BadInput: points with a fusion and students want different sizes.
    """
    fused = models.FUSIONS.get(config["model"].get("fusion", "none"), ())
    own = config["data"]["crop_size"]
    of_student = config.get("student", {}).get("crop_size", 0)
    sizes = {own or of_student if fused else own}
    if set(requested_stages(config)) - {"points"}:
        sizes = {of_student, *(sizes if fused else ())}
    if len(sizes) > 1:
        raise errors.BadInput(
            f"config.data.crop_size is {own}, but students use crops of {of_student} "
            "pixels (config.student.crop_size)"
        )
    return sizes.pop()


def _teacher_folder(
    teacher: Mapping[str, Any], workdir: pathlib.Path, points_first: bool
) -> str:
    if teacher["kind"] != "network":
        return ""
    if teacher["workdir"]:
        return _absolute(teacher["workdir"])
    trained = points_first or checkpoint.latest_step(workdir) is not None
    return OWN_POINTS if trained else ""


def _teacher_num_points(teacher: str, workdir: pathlib.Path, own: int) -> int:
    """Number of points per frame that a teacher was trained with.

    Args:
        teacher: `teacher.workdir` of a student.
        workdir: of the whole run, whose points are `OWN_POINTS`.
        own: used if there is no such run yet.
    """
    if not teacher:
        return store.read_meta()["num_points"]
    folder = workdir if teacher == OWN_POINTS else pathlib.Path(teacher)
    meta = checkpoint.latest_meta(folder)
    return meta["config"]["data"]["num_points"] if meta else own


def _absolute(path: str) -> str:
    return str(pathlib.Path(path).expanduser().absolute())

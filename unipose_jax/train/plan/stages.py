"""The stages of UniPose: points learn from evidence, then depth and colour from them.

A stage is a training run of its own: its config is made from the whole one, it has its
own folder, and it resumes by itself.
"""

import pathlib

import ml_collections

from unipose_jax import errors, models
from unipose_jax.train.checkpoints import checkpoint, folders
from unipose_jax.weights import store

_STAGE_KEYS = ("stages", "student")


def requested_stages(config: ml_collections.ConfigDict) -> tuple[str, ...]:
    """The stages that a config asks for, in the order to be trained.

    Raises:
        errors.BadInput: none, or one that does not exist.
    """
    wanted = config.stages
    wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    unknown = [name for name in wanted if name not in folders.MODALITIES]
    if unknown or not wanted:
        raise errors.BadInput(
            f"config.stages is {config.stages!r}; choose from "
            f"{', '.join(folders.MODALITIES)}"
        )
    if "student" not in config and set(wanted) != {"points"}:
        raise errors.BadInput(
            f"config.stages is {config.stages!r}, but a {config.recipe} has no students"
        )
    return tuple(name for name in folders.MODALITIES if name in wanted)


def stage_config(
    config: ml_collections.ConfigDict, modality: str, workdir: pathlib.Path
) -> ml_collections.ConfigDict:
    """The config of one stage: a student's settings replace those of the points.

    Args:
        config: the whole config.
        modality: one of `folders.MODALITIES`.
        workdir: of the whole run; its points teach the students, where they have been
            trained there and `student.teacher.workdir` names no other run.

    Returns:
        A student's `teacher.workdir` is "" for the weights that ship, "..", from the
        student's own folder, for the points of this run, or else absolute: the run may
        be moved as a whole, and does not go on with another teacher unnoticed. Clips
        have as many points as the teacher is used to.

    Raises:
        errors.BadInput: a student of a recipe that has none.
    """
    stage = ml_collections.ConfigDict(
        {
            name: value
            for name, value in config.to_dict().items()
            if name not in _STAGE_KEYS
        }
    )
    if stage.get("init_backbone", ""):
        stage.init_backbone = _absolute(stage.init_backbone)
    fused = models.FUSIONS.get(config.model.get("fusion", "none"), ())
    if modality == "points":
        if fused:
            stage.data.crop_size = stage.data.crop_size or config.student.crop_size
            stage.data.crops = fused
        if stage.teacher.workdir:
            stage.teacher.workdir = _absolute(stage.teacher.workdir)
        return stage
    if "student" not in config:
        raise errors.BadInput(f"a {config.recipe} has no network for {modality}")
    settings = config.student.to_dict()
    stage.data.crop_size = settings.pop("crop_size")
    settings["model"] = settings.pop("models")[modality]
    settings["loss_weights"] = settings["loss_weights"][modality]
    for name, value in settings.items():
        stage[name] = value
    stage.recipe = "stage2"
    stage.teacher.workdir = _teacher_folder(stage.teacher, workdir)
    if stage.teacher.kind == "network":
        stage.data.num_points = _teacher_num_points(
            stage.teacher.workdir, workdir, stage.data.num_points
        )
    seen = {modality, *(fused if stage.teacher.workdir else ())}  # the teacher, too
    stage.data.crops = tuple(name for name in folders.MODALITIES if name in seen)
    return stage


def shared_crop_size(config: ml_collections.ConfigDict) -> int:
    """Pixels of the crops that all stages of a config look at together; 0 without any.

    Raises:
        errors.BadInput: points that look at crops and students want other ones.
    """
    fused = models.FUSIONS.get(config.model.get("fusion", "none"), ())
    own = config.data.crop_size
    sizes = {own or config.student.crop_size if fused else own}
    if set(requested_stages(config)) - {"points"}:
        sizes = {config.student.crop_size, *(sizes if fused else ())}
    if len(sizes) > 1:
        raise errors.BadInput(
            f"config.data.crop_size is {config.data.crop_size}, but students look at "
            f"crops of {config.student.crop_size} pixels (config.student.crop_size)"
        )
    return sizes.pop()


def _teacher_folder(teacher: ml_collections.ConfigDict, workdir: pathlib.Path) -> str:
    if teacher.kind != "network":
        return ""
    if teacher.workdir:
        return _absolute(teacher.workdir)
    return "" if checkpoint.latest_step(workdir) is None else ".."


def _teacher_num_points(teacher: str, workdir: pathlib.Path, own: int) -> int:
    """Points of a frame that a teacher was trained with.

    Args:
        teacher: `teacher.workdir` of a student.
        workdir: of the whole run, whose points ".." are.
        own: where there is no such run yet.
    """
    if not teacher:
        return store.read_meta()["num_points"]
    folder = workdir if teacher == ".." else pathlib.Path(teacher)
    meta = checkpoint.latest_meta(folder)
    return meta["config"]["data"]["num_points"] if meta else own


def _absolute(path: str) -> str:
    return str(pathlib.Path(path).expanduser().absolute())

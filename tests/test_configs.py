import importlib
import pathlib

import pytest

from unipose_jax.train import recipes
from unipose_jax.train.checkpoints import folders
from unipose_jax.train.plan import stages

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAMES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "configs").rglob("*.py")
)


# Methods of their own, with keys of their own; the others are variants of UniPose.
METHODS = ("configs.pose_machine", "configs.wsp", "configs.wsp_finetune")


def base_of(name: str) -> str:
    if name.startswith("configs.ablations.wsp_"):
        return "configs.wsp_finetune"
    return name if name in METHODS else "configs.unipose"


def load(name: str, mode: str):
    return importlib.import_module(name).get_config(mode)


def keys(config, prefix=""):
    for key, value in config.items():
        yield from (
            keys(value, f"{prefix}{key}.")
            if hasattr(value, "items")
            else [prefix + key]
        )


def possible_stages(config):
    if "student" not in config:
        return ("points",)
    # Keypoints are of the colour camera: they teach no other network.
    taught_by_keypoints = config.student.teacher.kind == "keypoints"
    return ("rgb",) if taught_by_keypoints else folders.MODALITIES


@pytest.mark.parametrize("mode", ["quick", "full", "smoke"])
@pytest.mark.parametrize("name", NAMES)
def test_builds_with_the_keys_of_the_base(name, mode):
    config = load(name, mode)
    assert set(keys(config)) == set(keys(load(base_of(name), "quick")))
    for modality in possible_stages(config):
        recipes.build(stages.config_of(config, modality, pathlib.Path("nowhere")))


@pytest.mark.parametrize("name", [n for n in NAMES if "ablations" in n])
def test_ablation_changes_something(name):
    changed, base = (load(n, "quick").to_dict() for n in (name, base_of(name)))
    # Ablations of points train no students.
    assert changed | {"stages": base["stages"]} != base


def test_only_the_main_job_trains_points_and_a_student():
    trained = {name: stages.listed(load(name, "quick")) for name in NAMES}
    assert trained.pop("configs.unipose") == ("points", "depth")
    alone = [n for n in trained if "students_" in n or "wsp_" in n]
    assert all(len(trained[name]) == 1 for name in alone)
    others = {trained[name] for name in trained if name not in alone}
    assert others == {("points",)}


@pytest.mark.parametrize("name", NAMES)
def test_unknown_mode_names_the_choices(name):
    with pytest.raises(ValueError, match="'quick', 'full' or 'smoke'"):
        load(name, "slow")

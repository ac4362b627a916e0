import importlib
import pathlib

import pytest

from configs import ablations
from unipose_jax.train import recipes
from unipose_jax.train.checkpoints import folders
from unipose_jax.train.plan import stages

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES = sorted(
    path.stem for path in (ROOT / "configs").glob("*.py") if path.stem != "ablations"
)
ABLATIONS = [f"ablations:{name}" for name in ablations.ABLATIONS]
NAMES = [*FILES, *ABLATIONS]

# Methods with keys of their own; the other configs have the keys of UniPose.
METHODS = ("pose_machine", "wsp", "wsp_finetune")


def base_of(name: str) -> str:
    if name == "ablations:wsp_keypoints":
        return "wsp_finetune"
    return name if name in METHODS else "unipose"


def load(name: str, mode: str):
    file, _, ablation = name.partition(":")
    variant = f"{ablation},{mode}" if ablation else mode
    return importlib.import_module(f"configs.{file}").get_config(variant)


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
    # Keypoints lie in the colour camera's image: only the colour student can use them.
    taught_by_keypoints = config.student.teacher.kind == "keypoints"
    return ("rgb",) if taught_by_keypoints else folders.MODALITIES


@pytest.mark.parametrize("mode", ["quick", "full", "smoke"])
@pytest.mark.parametrize("name", NAMES)
def test_builds_with_the_keys_of_the_base(name, mode):
    config = load(name, mode)
    assert set(keys(config)) == set(keys(load(base_of(name), "quick")))
    for modality in possible_stages(config):
        recipes.build(stages.config_of(config, modality, pathlib.Path("nowhere")))


@pytest.mark.parametrize("mode", ["quick", "full", "smoke"])
@pytest.mark.parametrize("name", ABLATIONS)
def test_each_value_of_an_ablation_is_set_and_all_together_change_something(name, mode):
    changed, base = load(name, mode), load(base_of(name), mode)
    overrides = ablations.ABLATIONS[name.partition(":")[2]]
    for key, value in overrides.items():
        *path, last = key.split(".")
        part = changed
        for step in path:
            part = part[step]
        assert part[last] == value
    # Ablations of points train no students.
    assert changed.to_dict() | {"stages": base.stages} != base.to_dict()


def test_an_ablation_without_a_variant_is_quick():
    assert ablations.get_config("no_physics") == load("ablations:no_physics", "quick")


@pytest.mark.parametrize("variant", ["", "no_gravity", ",smoke", "no_gravity,smoke"])
def test_an_unknown_ablation_is_one_line_with_the_choices(variant):
    message = "use configs/ablations.py:NAME with one of fusion_depth, .*wsp_keypoints$"
    with pytest.raises(ValueError, match=message) as raised:
        ablations.get_config(variant)
    assert "\n" not in str(raised.value)


def test_only_the_main_job_trains_points_and_a_student():
    trained = {name: stages.listed(load(name, "quick")) for name in NAMES}
    assert trained.pop("unipose") == ("points", "depth")
    alone = [n for n in trained if "students_" in n or "wsp_" in n]
    assert all(len(trained[name]) == 1 for name in alone)
    others = {trained[name] for name in trained if name not in alone}
    assert others == {("points",)}


@pytest.mark.parametrize("name", NAMES)
def test_unknown_mode_names_the_choices(name):
    with pytest.raises(ValueError, match="'quick', 'full' or 'smoke'"):
        load(name, "slow")

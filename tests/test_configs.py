import importlib
import itertools
import pathlib

import pytest

from configs import ablations
from tests import stages
from unipose_jax.train.checkpoints import folders
from unipose_jax.train.plan import stage_values

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


def check(problem_of, cases):
    """Fails with a line for each case that has a problem."""
    lines = [f"{case}: {problem}" for case in cases if (problem := problem_of(case))]
    assert not lines, "\n".join(lines)


def build_problem(case):
    """What is wrong with one file in one mode."""
    name, mode = case
    config = load(name, mode)
    unlike = set(keys(config)) ^ set(keys(load(base_of(name), "quick")))
    if unlike:
        return f"keys that only it or only its base has: {sorted(unlike)}"
    try:
        for modality in possible_stages(config):
            stages.recipe(stages.values(config, modality, pathlib.Path("nowhere")))
    except Exception as error:  # every file that fails is listed
        return repr(error)
    return ""


def test_every_file_builds_with_the_keys_of_its_base():
    check(build_problem, itertools.product(NAMES, ("quick", "full", "smoke")))


def test_each_ablation_sets_its_values_and_changes_something():
    def problem(case):
        name, mode = case
        changed, base = load(name, mode), load(base_of(name), mode)
        overrides = ablations.ABLATIONS[name.partition(":")[2]]
        flat = dict(flat_items(changed))
        unset = [key for key, value in overrides.items() if flat[key] != value]
        # Ablations of points train no students.
        same = changed.to_dict() | {"stages": base.stages} == base.to_dict()
        return unset or ("nothing changes" if same else "")

    check(problem, itertools.product(ABLATIONS, ("quick", "full", "smoke")))


def flat_items(config, prefix=""):
    """(dotted key, value) of every setting."""
    for key, value in config.items():
        if hasattr(value, "items"):
            yield from flat_items(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def test_an_ablation_without_a_variant_is_quick():
    assert ablations.get_config("no_physics") == load("ablations:no_physics", "quick")


def test_ablations_are_combined():
    config = ablations.get_config("rays_alone.noise_8,smoke")
    assert config.loss_weights.surface == 0.0
    detector = config.data.scene.detector
    assert (detector.noise, detector.relative_noise) == (8.0, 0.0)
    assert config.num_train_steps == load("unipose", "smoke").num_train_steps


@pytest.mark.parametrize(
    "variant", ["", "no_gravity", "no_speed.no_gravity", ",smoke", "no_gravity,smoke"]
)
def test_an_unknown_ablation_is_one_line_with_the_choices(variant):
    message = "use configs/ablations.py:NAME with one of detector_.*, wsp_keypoints$"
    with pytest.raises(ValueError, match=message) as raised:
        ablations.get_config(variant)
    assert "\n" not in str(raised.value)


def test_only_the_main_job_and_its_variants_train_points_and_a_student():
    trained = {
        name: stage_values.requested_stages(load(name, "quick").to_dict())
        for name in NAMES
    }
    for name in ("unipose", "released", "real_scene"):
        assert trained.pop(name) == ("points", "depth")
    alone = [n for n in trained if "students_" in n or "wsp_" in n]
    assert all(len(trained[name]) == 1 for name in alone)
    others = {trained[name] for name in trained if name not in alone}
    assert others == {("points",)}


def test_an_unknown_mode_names_the_choices():
    def refusal_problem(name):
        try:
            load(name, "slow")
        except ValueError as error:
            named = "'quick', 'full' or 'smoke'" in str(error)
            return "" if named else repr(error)
        return "accepted"

    check(refusal_problem, NAMES)

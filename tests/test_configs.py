import importlib
import itertools
import pathlib

from unipose_jax.train import recipes, stages

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
    return ("rgb",) if taught_by_keypoints else stages.MODALITIES


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
            recipes.build(stages.config_of(config, modality, pathlib.Path("nowhere")))
    except Exception as error:  # every file that fails is listed
        return repr(error)
    return ""


def test_every_file_builds_with_the_keys_of_its_base():
    check(build_problem, itertools.product(NAMES, ("quick", "full", "smoke")))


def test_each_ablation_changes_something():
    def unchanged(name):
        changed, base = (load(n, "quick").to_dict() for n in (name, base_of(name)))
        # Ablations of points train no students.
        return changed | {"stages": base["stages"]} == base

    check(unchanged, [name for name in NAMES if "ablations" in name])


def test_only_the_main_job_trains_points_and_a_student():
    trained = {name: stages.listed(load(name, "quick")) for name in NAMES}
    assert trained.pop("configs.unipose") == ("points", "depth")
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

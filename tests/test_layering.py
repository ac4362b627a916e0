"""Imports point down only.

Each rule is one test over all files; a failure lists every violation.
"""

import ast
import functools
import graphlib
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
STANDARD = {"jax", "jaxlib", "jaxtyping", "numpy"}
LEARNING = STANDARD | {"flax", "optax", "orbax", "etils", "ml_collections"}

# What each part of the package may import from the package, and from outside at the
# top of a module. Order is from the bottom up.
MAY_IMPORT = {
    "errors": set(),
    "atomic": {"errors"},
    "progress": set(),
    "compiling": set(),
    "cluster": {"errors"},
    "geometry": set(),
    "reduction": {"geometry"},
    "skeleton": {"geometry"},
    "physics": {"geometry", "skeleton"},
    "synthesis": {"geometry", "skeleton"},
    "perspective": {"geometry", "skeleton", "physics"},
    "losses": {"reduction", "geometry", "skeleton", "physics"},
    "metrics": {"reduction", "geometry", "skeleton", "physics"},
    "refine": {
        "compiling",
        "reduction",
        "geometry",
        "skeleton",
        "physics",
        "losses",
        "models",
        "weights",
    },
    "pose_quality": {"geometry", "skeleton", "physics"},
    "models": {"geometry", "skeleton"},
    "weights": {"atomic", "models"},
    "detector": {"errors", "atomic"},
}
PURE = {*MAY_IMPORT} - {"models", "weights"}
TOP = {"train", "report"}  # above all of these
ENTRY = {"estimator", "cli"}  # what run.py calls, above everything
TIERS = {
    **dict.fromkeys(PURE, STANDARD),
    "refine": STANDARD | {"optax"},
    "progress": STANDARD | {"tqdm"},
    "cluster": STANDARD | {"tqdm", "dask", "distributed"},
    "models": LEARNING,
    "weights": LEARNING,
    "train": LEARNING | {"tensorboardX", "tqdm", "absl"},
}


def sources(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def part_of(path):
    """The first name below `unipose_jax`: losses, reduction, ..."""
    first = path.relative_to(ROOT / "unipose_jax").parts[0]
    return first.removesuffix(".py")


def imports(tree, *, nested):
    """Dotted names that a module imports, `from a import b` as both a and a.b."""
    for node in ast.walk(tree) if nested else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide what is imported"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def parse(path):
    return ast.parse(path.read_text())


def imported(path, *, nested=True):
    return set(imports(parse(path), nested=nested))


def parts_imported(path):
    """Parts of `unipose_jax` that a module imports, anywhere in it."""
    names = {name for name in imported(path) if name.startswith("unipose_jax.")}
    return {name.split(".")[1] for name in names}


def packages_imported(path, *, nested):
    return {name.split(".")[0] for name in imported(path, nested=nested)}


def check(rule, folder):
    """Fails with a line for each file in which `rule` finds something forbidden."""
    found = ((path.relative_to(ROOT), rule(path)) for path in sources(folder))
    lines = [f"{path}: {sorted(names)}" for path, names in found if names]
    assert not lines, "\n".join(lines)


def imports_that_point_up(path):
    part = part_of(path)
    if part == "__init__":
        return set()  # the root lists what it offers
    everything = set(MAY_IMPORT) | TOP | (ENTRY if part in ENTRY else set())
    return parts_imported(path) - MAY_IMPORT.get(part, everything) - {part}


def parts_without_a_place(path):
    return {part_of(path)} - {*MAY_IMPORT, *TOP, *ENTRY, "__init__"}


def data_pipelines_below_training(path):
    if part_of(path) in {"train"} | ENTRY:
        return set()
    return {"data_pipelines"} & packages_imported(path, nested=True)


def packages_beyond_the_tier(path):
    tier = TIERS.get(part_of(path))
    if tier is None:
        return set()
    known = sys.stdlib_module_names | tier | {"unipose_jax", "data_pipelines"}
    return packages_imported(path, nested=part_of(path) != "train") - known


def imports_that_data_lack(path):
    """What a module of data_pipelines must not import: jax, most of unipose_jax."""
    below = {"atomic", "cluster", "errors", "geometry", "progress", "skeleton"}
    if path.name in ("clip_pool.py", "rendered_batches.py"):
        return parts_imported(path) - below - {"synthesis"}
    jax_used = packages_imported(path, nested=True) & {"jax", "flax", "optax"}
    return jax_used | parts_imported(path) - below


def reports_below_commands(path):
    if part_of(path) in ("cli", "report"):
        return set()
    return {"report"} & parts_imported(path)


def rooms_of(folder):
    """What each direct child of a package imports of its siblings, by name."""
    package = folder.relative_to(ROOT).as_posix().replace("/", ".") + "."
    rooms = {}
    for path in sorted(folder.rglob("*.py")):
        if path == folder / "__init__.py":
            continue  # lists what the package offers
        room = path.relative_to(folder).parts[0].removesuffix(".py")
        names = (name for name in imported(path) if name.startswith(package))
        siblings = {name.removeprefix(package).split(".")[0] for name in names}
        rooms[room] = rooms.get(room, set()) | siblings - {room}
    return rooms


def find_circles():
    """A line for each package whose folders and modules import in a circle."""
    for start in ("unipose_jax", "data_pipelines"):
        for marker in sorted((ROOT / start).rglob("__init__.py")):
            try:
                graphlib.TopologicalSorter(rooms_of(marker.parent)).prepare()
            except graphlib.CycleError as error:
                yield f"{marker.parent.relative_to(ROOT)}: {' -> '.join(error.args[1])}"


def test_no_folder_has_imports_in_a_circle():
    assert not list(find_circles())


def test_a_circle_of_imports_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    for name, other in (("a", "b"), ("b", "a"), ("c", "a")):
        module = tmp_path / "data_pipelines" / name / "module.py"
        module.parent.mkdir(parents=True)
        module.write_text(f"from data_pipelines.{other} import module\n")
    (tmp_path / "data_pipelines/__init__.py").touch()
    (line,) = find_circles()
    assert line.startswith("data_pipelines: ")
    assert {"a", "b"} == set(line.removeprefix("data_pipelines: ").split(" -> "))


def test_imports_point_down():
    check(imports_that_point_up, "unipose_jax")


def test_every_part_has_a_place_in_the_layers():
    check(parts_without_a_place, "unipose_jax")


def test_only_training_and_commands_import_data_pipelines():
    check(data_pipelines_below_training, "unipose_jax")


def test_tiers_keep_to_their_dependencies():
    check(packages_beyond_the_tier, "unipose_jax")


def test_data_pipelines_take_only_geometry_and_skeletons_and_no_jax():
    check(imports_that_data_lack, "data_pipelines")


def test_only_what_users_call_imports_reports():
    check(reports_below_commands, "unipose_jax")


BLOCKING = """
import sys
sys.modules |= dict.fromkeys({blocked!r})
import {modules}
"""


@pytest.mark.parametrize(
    ("modules", "blocked"),
    [
        (
            "unipose_jax.losses, unipose_jax.metrics, unipose_jax.synthesis",
            ["flax", "optax", "orbax", "ml_collections", "cv2", "scipy", "matplotlib"],
        ),
        (
            "unipose_jax.cli.commands, data_pipelines.loading.rendered_batches",
            [
                "cv2",
                "scipy",
                "matplotlib",
                "h5py",
                "tensorflow_datasets",
                "onnxruntime",
            ],
        ),
    ],
    ids=["library", "training"],
)
def test_a_host_without_the_upper_tiers_can_import(modules, blocked):
    program = BLOCKING.format(modules=modules, blocked=blocked)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import jax.numpy as jnp", {"jax.numpy"}),
        ("from unipose_jax import losses", {"unipose_jax.losses"}),
        (
            "def f():\n    from unipose_jax.train import loop",
            {"unipose_jax.train.loop"},
        ),
    ],
)
def test_the_walk_sees_every_form_of_import(source, names):
    assert set(imports(ast.parse(source), nested=True)) == names


@pytest.mark.parametrize(
    ("rule", "place", "names"),
    [
        (imports_that_point_up, "unipose_jax/skeleton/a.py", {"losses", "report"}),
        (parts_without_a_place, "unipose_jax/nowhere.py", {"nowhere"}),
        (data_pipelines_below_training, "unipose_jax/losses/a.py", {"data_pipelines"}),
        (data_pipelines_below_training, "unipose_jax/report/a.py", {"data_pipelines"}),
        (packages_beyond_the_tier, "unipose_jax/losses/a.py", {"flax"}),
        (imports_that_data_lack, "data_pipelines/a.py", {"flax", "losses", "report"}),
        (imports_that_data_lack, "data_pipelines/clip_pool.py", {"losses", "report"}),
        (reports_below_commands, "unipose_jax/train/a.py", {"report"}),
    ],
)
def test_every_rule_can_be_broken(rule, place, names, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(
        "from unipose_jax import losses, report, skeleton\n"
        "import flax, numpy, data_pipelines.schema\n"
    )
    assert rule(path) == names
    folder = place.partition("/")[0]
    with pytest.raises(AssertionError, match=place):
        check(rule, folder)

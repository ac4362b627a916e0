"""Imports point down only."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
STANDARD = {"jax", "jaxlib", "jaxtyping", "numpy"}
LEARNING = STANDARD | {"flax", "optax", "orbax", "ml_collections"}

# What each part of the package may import from the package, and from outside at the
# top of a module. Order is from the bottom up.
MAY_IMPORT = {
    "errors": set(),
    "reduction": set(),
    "geometry": set(),
    "skeleton": {"geometry"},
    "physics": {"geometry", "skeleton"},
    "synthesis": {"geometry", "skeleton"},
    "perspective": {"geometry", "skeleton", "physics"},
    "losses": {"reduction", "geometry", "skeleton", "physics"},
    "metrics": {"reduction", "geometry", "skeleton", "physics"},
    "refine": {"reduction", "geometry", "skeleton", "physics", "losses"},
    "models": {"geometry", "skeleton"},
    "weights": {"models"},
}
PURE = {*MAY_IMPORT} - {"models", "weights"}
TOP = {"train", "report"}  # above all of these
ENTRY = {"estimator", "cli"}  # what run.py calls, above everything
TIERS = {
    **dict.fromkeys(PURE, STANDARD),
    "refine": STANDARD | {"optax"},
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


def imported(path, *, nested=True):
    return set(imports(ast.parse(path.read_text()), nested=nested))


def parts_imported(path):
    """Parts of `unipose_jax` that a module imports, anywhere in it."""
    names = {name for name in imported(path) if name.startswith("unipose_jax.")}
    return {name.split(".")[1] for name in names}


def packages_imported(path, *, nested):
    return {name.split(".")[0] for name in imported(path, nested=nested)}


def identify(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sources("unipose_jax"), ids=identify)
def test_imports_point_down(path):
    part = part_of(path)
    if part == "__init__":
        return  # the root lists what it offers
    everything = set(MAY_IMPORT) | TOP | (ENTRY if part in ENTRY else set())
    allowed = MAY_IMPORT.get(part, everything) | {part}
    assert parts_imported(path) <= allowed


@pytest.mark.parametrize("path", sources("unipose_jax"), ids=identify)
def test_every_part_has_a_place_in_the_layers(path):
    assert part_of(path) in {*MAY_IMPORT, *TOP, *ENTRY, "__init__"}


@pytest.mark.parametrize("path", sources("unipose_jax"), ids=identify)
def test_only_the_top_imports_data_pipelines(path):
    allowed = part_of(path) in TOP | ENTRY
    assert allowed or "data_pipelines" not in packages_imported(path, nested=True)


@pytest.mark.parametrize("path", sources("unipose_jax"), ids=identify)
def test_tiers_keep_to_their_dependencies(path):
    tier = TIERS.get(part_of(path))
    if tier is None:
        return
    known = sys.stdlib_module_names | tier | {"unipose_jax", "data_pipelines"}
    assert packages_imported(path, nested=part_of(path) != "train") <= known


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


@pytest.mark.parametrize("path", sources("data_pipelines"), ids=identify)
def test_data_pipelines_take_only_geometry_and_skeletons_and_no_jax(path):
    allowed = {"errors", "geometry", "skeleton"}
    if path.name in ("synthetic.py", "rendered_batches.py"):
        allowed |= {"synthesis"}
    else:
        assert not packages_imported(path, nested=True) & {"jax", "flax", "optax"}
    assert parts_imported(path) <= allowed


@pytest.mark.parametrize("path", sources("unipose_jax"), ids=identify)
def test_only_what_users_call_imports_reports(path):
    if part_of(path) != "report" and "report" in parts_imported(path):
        assert part_of(path) == "cli"


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

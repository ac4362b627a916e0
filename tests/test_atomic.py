import pathlib

import pytest

from unipose_jax import atomic, errors


def test_a_file_appears_only_when_complete(tmp_path):
    with atomic.replacing(tmp_path / "new" / "a.txt") as aside:
        aside.write_text("whole")
        assert not (tmp_path / "new" / "a.txt").exists()
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_no_temporary_files(tmp_path):
    (tmp_path / "a.txt").write_text("old")

    def fail():
        with atomic.replacing(tmp_path / "a.txt") as aside:
            aside.write_text("half")
            raise RuntimeError

    pytest.raises(RuntimeError, fail)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_renamed_as_a_whole(tmp_path):
    with atomic.replacing(tmp_path / "folder") as aside:
        aside.mkdir()
        (aside / "a").touch()
    assert (tmp_path / "folder" / "a").exists()


@pytest.mark.parametrize("path", ["folder", "file/below"])
def test_a_path_that_cannot_be_written_is_bad_input(tmp_path, path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(errors.BadInput), atomic.replacing(tmp_path / path):
        pass


def test_makes_missing_folders_and_replaces_whole_files(tmp_path):
    path = tmp_path / "a" / "b" / "note.txt"
    atomic.write_text(path, "a longer first version")
    atomic.write_text(path, "±")
    assert path.read_bytes() == "±".encode()
    assert [p.name for p in path.parent.iterdir()] == ["note.txt"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "note.txt"
    path.write_text("old")

    def fail(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", fail)
    with pytest.raises(errors.BadInput, match="cannot write .*note.txt: No space left"):
        atomic.write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]


def test_a_folder_is_not_replaced_by_a_file(tmp_path):
    path = tmp_path / "note.txt"
    path.mkdir()
    with pytest.raises(errors.BadInput, match="note.txt is an existing folder"):
        atomic.write_text(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]

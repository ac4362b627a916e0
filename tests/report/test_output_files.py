import pytest

from unipose_jax.report import output_files


def test_makes_missing_folders_and_replaces_whole_files(tmp_path):
    path = tmp_path / "a" / "b" / "note.txt"
    output_files.write_text(path, "a longer first version")
    output_files.write_text(path, "±")
    assert path.read_bytes() == "±".encode()
    assert [p.name for p in path.parent.iterdir()] == ["note.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "note.txt"
    path.mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(OSError, match="note.txt"):
        output_files.write_text(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]

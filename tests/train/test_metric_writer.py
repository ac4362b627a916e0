import sys

import pytest
from PIL import Image

from unipose_jax.train import metric_writer


def boards(workdir):
    return list(workdir.glob("tensorboard/*"))


def test_pictures_go_to_tensorboard(tmp_path):
    Image.new("RGB", (8, 6)).save(tmp_path / "curve.png")
    metric_writer.write_images(tmp_path, 3, tmp_path)
    (board,) = boards(tmp_path)
    assert b"curve" in board.read_bytes()


def test_no_pictures_need_no_pillow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    metric_writer.write_images(tmp_path, 3, tmp_path)
    assert not boards(tmp_path)
    (tmp_path / "curve.png").touch()
    with pytest.raises(ModuleNotFoundError):
        metric_writer.write_images(tmp_path, 3, tmp_path)

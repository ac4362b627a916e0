import json

import numpy as np

from benchmarks import soak


def test_a_run_that_differs_in_the_last_bit_is_found():
    straight = {"w": np.float32([1.0, 2.0]), "log 1 loss/total": "0.5"}
    same = {"w": np.float32([1.0, 2.0]), "log 1 loss/total": "0.5"}
    assert soak.differences(straight, same) == []
    other = same | {"w": np.nextafter(same["w"], np.float32(9)), "new": ""}
    assert soak.differences(straight, other) == ["new", "w"]


def test_growth_leaves_the_start_out():
    flat = [(float(at), 100.0 if at > 3 else 10.0) for at in range(12)]
    assert soak.growth(flat) == 0.0
    assert soak.growth([(at, size + 2.0 * at) for at, size in flat]) == 6.0


def test_a_recording_is_played_again_and_again(tmp_path):
    source, long = tmp_path / "source", tmp_path / "long"
    (source / "depth").mkdir(parents=True)
    for name in ("000003.png", "000007.png"):
        (source / "depth" / name).write_text(name)
    (source / "camera.json").write_text('{"fps": 2.0, "time": [0.0, 0.5]}')
    assert soak.lengthen(source, long, seconds=2.5) == 5
    found = [path.read_text() for path in sorted((long / "depth").iterdir())]
    assert found == ["000003.png", "000007.png"] * 2 + ["000003.png"]
    assert json.loads((long / "camera.json").read_text()) == {"fps": 2.0}


def test_checkpoints_that_an_earlier_kill_left_are_not_taken_for_new(tmp_path):
    (tmp_path / "checkpoints" / "3.orbax-checkpoint-tmp").mkdir(parents=True)
    (tmp_path / "checkpoints" / "2").mkdir()
    (left,) = soak.unfinished(tmp_path)
    assert left.name.startswith("3.")
    assert soak.unfinished(tmp_path / "none") == set()

"""Scenes in rerun and viser, where these packages are installed."""

import dataclasses

import numpy as np
import pytest

from tests.report.viewer import scenes
from unipose_jax import errors
from unipose_jax.cli import viewers


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr(viewers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.BadInput, match=r"pip install 'unipose_jax\[rerun\]'"):
        viewers.check("rerun")
    with pytest.raises(errors.BadInput, match="pip install viser"):
        viewers.check("viser")


def bare(made):
    """The scene without anything that may be absent."""
    people = [
        dataclasses.replace(
            person,
            poses=[dataclasses.replace(person.poses[0], confidence=None)],
            clouds=(),
            keypoints=None,
        )
        for person in made.people
    ]
    return dataclasses.replace(
        made, people=people, pictures=None, room=None, time=None, depth_camera=None
    )


def absent_joint(made):
    made.people[0].poses[0].xyz[1, 3] = np.nan
    return made


@pytest.mark.parametrize("change", [lambda made: made, bare, absent_joint])
def test_a_file_of_rerun_has_the_frames_and_the_parts(tmp_path, change):
    chunk = pytest.importorskip("rerun.chunk", reason="pip install .[rerun]")
    made = change(scenes.make())
    viewers.show("rerun", made, tmp_path / "a.rrd")
    chunks = list(chunk.RrdReader(tmp_path / "a.rrd").stream())
    paths = {str(one.entity_path) for one in chunks}
    assert "/world/person_2/prediction/bones" in paths
    assert ("/world/camera/picture" in paths) == (made.pictures is not None)
    assert ("/world/room" in paths) == (made.room is not None)
    rows = [
        c.num_rows
        for c in chunks
        if str(c.entity_path) == "/world/person_1/prediction/bones"
    ]
    assert sum(rows) == scenes.FRAMES
    assert [found.name for found in tmp_path.iterdir()] == ["a.rrd"]


@pytest.mark.parametrize("change", [lambda made: made, bare, absent_joint])
def test_viser_shows_every_frame(change):
    viser = pytest.importorskip("viser", reason="needs viser: pip install .[viser]")
    from unipose_jax.cli.viewers import viser_scene

    server = viser.ViserServer(port=0, verbose=False)
    try:
        viser_scene.play(server, change(scenes.make()), stop=0.3)
    finally:
        server.stop()

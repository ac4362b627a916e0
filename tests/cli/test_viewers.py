"""Scenes in rerun and viser, where these packages are installed."""

import dataclasses

import numpy as np
import pytest

from tests.report.viewer import scenes
from unipose_jax import errors
from unipose_jax.cli import viewers
from unipose_jax.report.viewer import scene
from unipose_jax.skeleton import definitions


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


def test_viser_shows_the_last_points_and_picture_of_any_frame(monkeypatch):
    """Points are shown for some frames of a long recording."""
    viser = pytest.importorskip("viser", reason="needs viser: pip install .[viser]")
    from unipose_jax.cli.viewers import viser_scene

    made = scenes.make()
    people = [dataclasses.replace(p, clouds=p.clouds[::2]) for p in made.people]
    pictures = dataclasses.replace(made.pictures, images=made.pictures.images[::2])
    made = dataclasses.replace(made, people=people, pictures=pictures, shown=[0, 2])
    steps, images = [], []
    monkeypatch.setattr(
        viser_scene, "_show_person", lambda *given: steps.append(given[-2:])
    )
    monkeypatch.setattr(
        viser_scene, "_add_camera", lambda *given: images.append(given[-1])
    )
    server = viser.ViserServer(port=0, verbose=False)
    try:
        show = viser_scene.build(server, made)
        for frame in (2, 1, 0):
            show(frame)
    finally:
        server.stop()
    assert steps[::2] == [(2, 1), (1, 0), (0, 0)]
    assert [image is made.pictures.images[1] for image in images] == [
        True,
        False,
        False,
    ]


def test_viser_plays_one_frame(monkeypatch):
    viser = pytest.importorskip("viser", reason="needs viser: pip install .[viser]")
    from unipose_jax.cli.viewers import viser_scene

    made = scenes.make()
    people = [
        dataclasses.replace(
            person,
            poses=[scene.Poses(name="p", xyz=person.poses[0].xyz[:1])],
            clouds=(),
            keypoints=None,
            quality=None,
        )
        for person in made.people
    ]
    made = scene.Scene(name="one", people=people, time=np.array([5.0]))
    server = viser.ViserServer(port=0, verbose=False)
    add_slider = server.gui.add_slider

    def moved(*given):
        slider = add_slider(*given)
        slider.value = 1  # where a slider needs a second place
        return slider

    monkeypatch.setattr(server.gui, "add_slider", moved)
    try:
        viser_scene.play(server, made, stop=0.1)
    finally:
        server.stop()


def test_files_of_rerun_of_one_recording_stay_apart(tmp_path):
    """The viewer joins what has one identifier."""
    chunk = pytest.importorskip("rerun.chunk", reason="pip install .[rerun]")
    found = set()
    for name in ("a.rrd", "b.rrd"):
        viewers.show("rerun", scenes.make(), tmp_path / name)
        (entry,) = chunk.RrdReader(tmp_path / name).recordings()
        found.add(entry.recording_id)
    assert len(found) == 2


def beside(made):
    """The scene with pictures of a camera that is 5 cm to the right and turned."""
    turn = np.array([[0.8, 0.0, -0.6], [0.0, 1.0, 0.0], [0.6, 0.0, 0.8]])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn, turn @ (-0.05, 0.0, 0.0)
    camera = scene.Camera(
        width=80,
        height=60,
        intrinsics=np.array([70.0, 72.0, 41.0, 29.0]),
        cam_from_scene=pose,
    )
    pictures = dataclasses.replace(made.pictures, camera=camera)
    return dataclasses.replace(made, pictures=pictures), turn


def test_a_file_of_rerun_has_the_place_of_everything(tmp_path):
    chunk = pytest.importorskip("rerun.chunk", reason="pip install .[rerun]")
    made, turn = beside(scenes.make())
    viewers.show("rerun", made, tmp_path / "a.rrd")
    found = {}
    for one in chunk.RrdReader(tmp_path / "a.rrd").stream():
        batch = one.to_record_batch()
        own = found.setdefault(str(one.entity_path), {})
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name == "frame" or ":" in name:
                own[name] = column.to_pylist()
    camera = found["/world/camera"]
    matrix = np.reshape(camera["Pinhole:image_from_camera"], (3, 3)).T
    np.testing.assert_allclose(matrix, [[70, 0, 41], [0, 72, 29], [0, 0, 1]])
    scene_from_cam = np.reshape(camera["Transform3D:mat3x3"], (3, 3)).T
    np.testing.assert_allclose(scene_from_cam, turn.T, atol=1e-6)
    place = np.ravel(camera["Transform3D:translation"])
    np.testing.assert_allclose(place, (0.05, 0.0, 0.0), atol=1e-6)
    bones = found["/world/person_2/prediction/bones"]
    assert bones["frame"] == [6, 12, 18]
    xyz = made.people[1].poses[0].xyz[:, definitions.ITOP15.bones]
    np.testing.assert_allclose(bones["LineStrips3D:strips"], xyz, atol=1e-6)


def test_viser_has_the_place_of_everything(monkeypatch):
    viser = pytest.importorskip("viser", reason="needs viser: pip install .[viser]")
    from unipose_jax.cli.viewers import viser_scene

    made, turn = beside(scenes.make())
    bones, cameras = [], []
    server = viser.ViserServer(port=0, verbose=False)
    add = {
        "add_line_segments": lambda name, ends, *_, **__: bones.append((name, ends)),
        "add_camera_frustum": lambda name, **given: cameras.append(given),
    }
    for name, function in add.items():
        monkeypatch.setattr(server.scene, name, function)
    try:
        viser_scene.build(server, made)(2)
    finally:
        server.stop()
    ends = dict(bones)["person 2/prediction"]
    xyz = made.people[1].poses[0].xyz[2, definitions.ITOP15.bones]
    np.testing.assert_allclose(ends, xyz, atol=1e-6)
    (camera,) = cameras
    assert np.tan(camera["fov"] / 2) == pytest.approx(30 / 72)
    np.testing.assert_allclose(camera["position"], (0.05, 0.0, 0.0), atol=1e-9)
    rotation = viser.transforms.SO3(np.asarray(camera["wxyz"])).as_matrix()
    np.testing.assert_allclose(rotation, turn.T, atol=1e-9)

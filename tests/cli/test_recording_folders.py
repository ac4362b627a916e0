"""`predict` and `keypoints` on a folder of recordings."""

import json
import os

import cloudpickle
import pytest
from etils import epath

import unipose_jax
from configs import unipose
from tests.cli.test_predict_people import Network
from tests.data_pipelines import conftest
from tests.test_run import run
from unipose_jax import cluster, errors, estimator
from unipose_jax.cli import keypoints, networks, predict, recording_folders, views

make_recording = conftest.make_recording  # a fixture


@pytest.fixture
def recordings(make_recording, tmp_path, monkeypatch):
    """Two recordings, and one whose camera.json is no JSON."""
    for name in ("all/a", "all/day/b.1"):
        make_recording(name)
    (tmp_path / "all" / "broken").mkdir()
    (tmp_path / "all" / "broken" / "camera.json").write_text("{")
    monkeypatch.setattr(estimator, "load_shipped", lambda modality: Network())
    return tmp_path / "all"


def test_each_recording_has_its_file_and_what_is_done_is_kept(
    recordings, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "poses"
    for _ in range(2):
        with pytest.raises(errors.BadInput, match="broken/camera.json"):
            run("predict", input=recordings, output=out, pictures=False)
    assert "2 of 3 recordings are done already" in capsys.readouterr().out
    (recordings / "broken" / "camera.json").unlink()
    predicted = []
    monkeypatch.setattr(
        predict, "predict", lambda *given, **_: predicted.append(given[2].name)
    )
    run("predict", input=recordings, output=out, pictures=False)
    assert predicted == []
    found = sorted(path.relative_to(out) for path in out.rglob("*.npz"))
    assert [str(path) for path in found] == ["a.npz", "day/b.1.npz"]
    (recordings / "a" / "keypoints.json").touch()  # changes the recording
    run("predict", input=recordings, output=out, pictures=False)
    assert predicted == ["a"]
    (out / "day" / "b.1.npz").unlink()
    run("predict", input=recordings, output=out, pictures=False)
    assert predicted[1:] == ["a", "b.1"]  # nothing was written for a above
    run("predict", input=recordings, output=out, pictures=False, keypoints=False)
    assert predicted[3:] == ["a", "b.1"]


def test_files_of_people_who_are_no_longer_found_are_removed(recordings, tmp_path):
    out = tmp_path / "poses"
    (recordings / "broken" / "camera.json").unlink()
    given = {"input": recordings, "output": out, "pictures": False}
    run("predict", people="all", **given)
    note = out / recording_folders.NOTES / "a.json"
    assert json.loads(note.read_text())["files"] == ["a-1.npz"]
    run("predict", **given)
    assert sorted(path.name for path in out.glob("*.npz")) == ["a.npz"]


def test_results_of_recordings_with_like_names_are_kept_apart(
    make_recording, tmp_path, monkeypatch
):
    """Of `a`, the file of person 1 is called as that of `a-1`."""
    for name in ("all/a", "all/a-1"):
        make_recording(name)
    out, ending = tmp_path / "poses", [""]

    def write(config, workdir, source, output, **_):
        path = output.with_name(f"{output.stem}{ending[0]}.npz")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.name)

    monkeypatch.setattr(predict, "predict", write)
    given = {"input": tmp_path / "all", "output": out, "pictures": False}
    run("predict", **given)
    (tmp_path / "all" / "a" / "keypoints.json").touch()  # changes the recording
    run("predict", **given)
    texts = {path.name: path.read_text() for path in out.glob("*.npz")}
    assert texts == {"a.npz": "a", "a-1.npz": "a-1"}
    ending[0] = "-1"
    run("predict", people="all", **given)
    texts = {path.name: path.read_text() for path in out.glob("*.npz")}
    assert texts == {"a-1.npz": "a", "a-1-1.npz": "a-1"}


def test_a_network_is_loaded_once_for_all_recordings(recordings, tmp_path, monkeypatch):
    (recordings / "broken" / "camera.json").unlink()
    loaded = []
    monkeypatch.setattr(
        networks, "load", lambda *given: (loaded.append(given), (Network(), {}))[1]
    )
    run("predict", input=recordings, output=tmp_path / "poses", pictures=False)
    assert len(loaded) == 1


def test_several_recordings_need_a_folder(recordings, tmp_path):
    with pytest.raises(errors.BadInput, match="--output must be a folder, not .*p.npz"):
        run("predict", input=recordings, output=tmp_path / "p.npz", pictures=False)


def test_workers_of_a_single_recording_have_nothing_to_do(recordings, tmp_path, capsys):
    given = {"output": tmp_path / "p.npz", "pictures": False, "workers": 2}
    run("predict", input=recordings / "a", **given)
    assert "all/a is one recording" in capsys.readouterr().err
    assert (tmp_path / "p.npz").exists()


def test_a_scene_of_several_recordings_is_not_served(recordings, tmp_path):
    with pytest.raises(errors.BadInput, match="serves one recording"):
        run("predict", input=recordings, output=tmp_path / "p", viewer="viser")


def test_keypoints_are_found_where_there_are_none(recordings, tmp_path, monkeypatch):
    (recordings / "a" / keypoints.NAME).touch()
    (recordings / "broken" / "keypoints").mkdir()  # of OpenPose
    asked = []
    monkeypatch.setattr(
        keypoints, "show_keypoints", lambda *given: asked.append(given[:2])
    )
    run("keypoints", input=recordings, model=tmp_path)
    a, b, broken = (recordings / name for name in ("a", "day/b.1", "broken"))
    assert asked == [(a, None), (broken, None), (b, tmp_path)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "--workers=0 is not 1 or more"),
        ({"workers": 2, "scheduler": "tcp://x:1"}, "the workers of that cluster do"),
    ],
)
def test_flags_that_do_not_fit_are_refused(tmp_path, options, message):
    with pytest.raises(errors.BadInput, match=message):
        run("predict", input=tmp_path, output=tmp_path / "p", **options)


def test_a_note_depends_on_version_weights_and_config(tmp_path, monkeypatch):
    """So does whether a recording is predicted anew."""

    def settings(config=None, workdir=None):
        options = {"modality": "points", "wanted": views.Views()}
        return recording_folders._settings(config, workdir, options)

    found = [settings()]
    monkeypatch.setattr(unipose_jax, "__version__", "0.0.1")
    found.append(settings())
    monkeypatch.setattr(recording_folders.store, "FOLDER", tmp_path)
    for content in ("old", "new"):
        (tmp_path / "points.npz").write_text(content)
        found.append(settings())
    run_folder = tmp_path / "run"
    for step, changed in ((3, 1), (3, 2), (5, 2)):
        saved = run_folder / "checkpoints" / str(step)
        saved.mkdir(parents=True, exist_ok=True)
        os.utime(saved, (changed, changed))
        monkeypatch.setattr(
            recording_folders.checkpoint, "latest_step", lambda _, step=step: step
        )
        found.append(settings(workdir=run_folder))
    config = unipose.get_config("smoke")
    found.append(settings(config, run_folder))
    config.seed += 1
    found.append(settings(config, run_folder))
    texts = [json.dumps(one) for one in found]
    assert len(set(texts)) == len(texts) == 9


def test_a_checkpoint_in_a_bucket_is_told_by_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setattr(recording_folders.location, "is_remote", lambda _: True)
    found = []
    for text in ("first", "second"):
        (tmp_path / "_CHECKPOINT_METADATA").write_text(text)
        found.append(recording_folders._written(epath.Path(tmp_path)))
    assert found[0] != found[1]


def test_a_file_that_keeps_its_size_has_changed(make_recording):
    path = make_recording("r")
    before = recording_folders._state_of(path)
    assert recording_folders._state_of(path) == before
    os.utime(path / "camera.json", (1, 1))
    assert recording_folders._state_of(path) != before


def test_a_task_can_go_to_another_machine(recordings, tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr(
        cluster, "map_tasks", lambda function, items, **_: sent.extend(items) or ()
    )
    monkeypatch.setattr(recording_folders, "_settings", lambda *_: {})
    recording_folders.predict_all(
        unipose.get_config("smoke"),
        tmp_path / "run",
        recordings,
        tmp_path / "poses",
        engine=cluster.HERE,
        modality="points",
        wanted=views.Views(),
    )
    received = cloudpickle.loads(cloudpickle.dumps(sent[0]))
    assert received.config.to_dict() == sent[0].config.to_dict()
    assert received.source == sent[0].source

"""Pictures of poses in a recording name frames as the recording does."""

import dataclasses
import shutil

import numpy as np
import pytest

from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import tracks
from unipose_jax.cli import prediction_page
from unipose_jax.report.pages import before_after


@pytest.fixture
def opened(rendered_recording, tmp_path):
    """A recording whose frames are 6, 12, 18 and 24."""
    path = tmp_path / "person"
    shutil.copytree(rendered_recording, path)
    (path / "joints.npz").unlink()
    for number in (3, 2, 1, 0):
        depth = path / "depth"
        (depth / f"{number:06d}.png").rename(depth / f"{6 * number + 6:06d}.png")
    return recording.open_recording(path)


@pytest.fixture
def pose(opened, rendered_recording):
    truth = pose_file.read(rendered_recording / "joints.npz")
    return pose_file.PoseFile(
        xyz=truth.xyz,
        confidence=truth.confidence,
        skeleton=truth.skeleton,
        time=opened.time,
        frame=np.asarray(opened.frames, np.int64),
    )


def test_captions_of_a_prediction_name_the_recordings_frames(opened, pose, tmp_path):
    clouds = dict(enumerate(tracks.person_clouds(opened)))
    page = prediction_page.report_people(
        opened, [(pose, prediction_page.Seen(clouds))], tmp_path / "poses.npz"
    ).read_text()
    assert "person, frame 18" in page
    assert "frame 2." not in page


@pytest.mark.parametrize(
    ("numbered", "titles"),
    [(True, ["frame 12", "frame 24"]), (False, ["frame 1", "frame 3"])],
)
def test_titles_of_a_refinement_name_the_recordings_frames(
    pose, tmp_path, monkeypatch, numbered, titles
):
    drawn = []
    monkeypatch.setattr(
        before_after.canvas, "save", lambda fig, path: drawn.append(fig)
    )
    if not numbered:
        pose = dataclasses.replace(pose, frame=None)
    before_after.draw_poses(tmp_path / "poses.png", pose, pose, frames=[1, 3])
    found = [ax.get_title() for ax in drawn[0].axes]
    assert [title for title in found if title] == titles

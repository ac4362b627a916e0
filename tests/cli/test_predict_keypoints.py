"""`predict` gives the network the 2D keypoints of a recording that are the person's."""

import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from tests import keypoint_network
from tests.data_pipelines import conftest as rooms
from tests.test_run import run
from unipose_jax import errors, estimator, models, skeleton
from unipose_jax.report import page

FRAMES = 4
Z = 2.5
SPHERES = rooms.person_spheres(0.0, Z)[::4, :3]  # on the person from head to foot
BODY = np.concatenate([SPHERES, SPHERES])[:17] - [0.0, 0.0, 0.1]
LENS = (0.1, -0.05, 0.001, 0.002, 0.0)
COLOR = calibration.make_camera(320, 240, (290.0, 285.0, 150.0, 125.0), LENS)
POSE = np.eye(4)
POSE[:3, 3] = [-0.06, 0.01, 0.0]
ITOP = skeleton.by_name("ITOP15")
NO_KEYPOINT = ["right_hand", "left_hand", "right_foot", "left_foot"]


@pytest.fixture(autouse=True)
def network(monkeypatch):
    """`predict` uses `keypoint_network` with single frames; modalities it loads."""
    monkeypatch.setattr(models, "NETWORKS", dict(models.NETWORKS))
    keypoint_network.register()
    made = keypoint_network.make()
    loaded = []
    monkeypatch.setattr(
        estimator, "load_shipped", lambda modality: loaded.append(modality) or made
    )
    errors.warn.cache_clear()
    return loaded


def recorded_uv(xyz):
    """Pixels of the colour camera, with its lens distortion."""
    return COLOR.distort_uv(COLOR.project(xyz @ POSE[:3, :3].T + POSE[:3, 3]))


@pytest.fixture
def make(tmp_path):
    """Writes a recording of a still person, with keypoints in its colour camera."""

    def write(uv=None, confidence=None, people=None, **changes):
        people = [rooms.person_spheres(0.0, Z)] if people is None else people
        depth, shown = rooms.render(np.concatenate(people))
        uv = np.stack([recorded_uv(BODY)] * FRAMES) if uv is None else uv
        confidence = np.full((FRAMES, 17), 0.9) if confidence is None else confidence
        fields = {
            "depth": [depth] * FRAMES,
            "depth_camera": rooms.CAMERA,
            "mask": [shown == 1] * FRAMES,
            "color": [np.full((240, 320, 3), 90, np.uint8)] * FRAMES,
            "color_camera": COLOR,
            "color_from_depth": POSE,
            "fps": 10.0,
            "keypoints": detections.to_coco(uv, confidence, "COCO17"),
        }
        recording.write_recording(tmp_path / "r", **fields | changes)
        return tmp_path / "r"

    return write


def predict(source, tmp_path, **options):
    assert run("predict", input=source, output=tmp_path / "p.npz", **options) == 0
    return pose_file.read(next(iter(sorted(tmp_path.glob("p*.npz")))))


def test_joints_lie_on_the_rays_of_undistorted_colour_keypoints(make, tmp_path, capsys):
    confidence = np.full((FRAMES, 17), 0.9)
    confidence[1] = 0.0
    pose = predict(make(confidence=confidence), tmp_path)
    expected = skeleton.convert(BODY, "COCO17", "ITOP15", derive=True)[0]
    uv = recorded_uv(pose.xyz[0])
    for joint in ("right_knee", "left_elbow", "right_shoulder"):
        index = ITOP.index(joint)
        np.testing.assert_allclose(uv[index], recorded_uv(expected[index]), atol=0.05)
    assert np.ptp(pose.xyz[1], axis=0).max() < 1e-6  # all joints at the centroid
    hand = ITOP.index("left_hand")
    np.testing.assert_allclose(pose.xyz[0, hand], pose.xyz[1, hand], atol=0.02)
    assert (
        "2D keypoints (COCO17) are an input in 3 of 4 frames; none for "
        f"{', '.join(NO_KEYPOINT)}\n"
    ) in capsys.readouterr().out


def test_keypoints_can_be_left_out(make, tmp_path, capsys, network):
    source = make()
    predict(source, tmp_path)
    capsys.readouterr()
    (tmp_path / "p.npz").unlink()
    pose = predict(source, tmp_path, keypoints=False)
    assert network == ["points_keypoints", "points"]
    assert np.ptp(pose.xyz[0], axis=0).max() < 1e-6
    assert "2D keypoints" not in capsys.readouterr().out


def test_without_masks_keypoints_choose_the_person_and_are_an_input(
    make, tmp_path, capsys
):
    pose = predict(make(mask=None), tmp_path)
    printed = capsys.readouterr().out
    assert "2D keypoints choose the person in 4 of 4 frames" in printed
    assert "are an input in 4 of 4 frames" in printed
    assert np.ptp(pose.xyz[0], axis=0).max() > 0.3


@pytest.mark.parametrize("masks", [True, False])
def test_unreadable_keypoints_are_reported_once(make, tmp_path, capsys, network, masks):
    source = make(**({} if masks else {"mask": None}))
    (source / "keypoints.json").write_text("[{}]")
    # The shipped network without keypoints.
    predict(source, tmp_path)
    assert network == ["points"]
    assert capsys.readouterr().err.count("warning: keypoints are not used: ") == 1


@pytest.mark.parametrize("masks", [True, False])
def test_keypoints_of_another_camera_are_not_used_and_this_is_said_once(
    make, tmp_path, capsys, masks
):
    beside = np.stack([recorded_uv(BODY) + [90.0, 0.0]] * FRAMES)
    source = make(uv=beside, **({} if masks else {"mask": None}))
    pose = predict(source, tmp_path)
    assert np.ptp(pose.xyz[0], axis=0).max() < 1e-6
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if "2D keypoints" in line]
    assert len(lines) == 1
    assert lines[0].startswith("warning: ")
    assert "are an input" not in said.out


def test_a_frame_with_keypoints_beside_the_person_is_predicted_without(
    make, tmp_path, capsys
):
    uv = np.stack([recorded_uv(BODY)] * FRAMES)
    uv[2] += [90.0, 0.0]
    pose = predict(make(uv=uv), tmp_path)
    assert np.ptp(pose.xyz[2], axis=0).max() < 1e-6
    said = capsys.readouterr()
    assert "an input in 3 of 4 frames; in 1 they lie beside the person" in said.out
    assert said.err.count("beside the person in depth") == 1


def test_each_of_several_people_has_its_own_keypoints(make, tmp_path, capsys):
    shift = np.array([0.8, 0.0, 0.0])
    people = [rooms.person_spheres(x, Z) for x in (-0.8, 0.8)]
    both = [
        detections.to_coco(
            np.stack([recorded_uv(BODY + side * shift)] * FRAMES),
            np.full((FRAMES, 17), 0.9),
            "COCO17",
        )
        for side in (1, -1)
    ]
    source = make(people=people, mask=None, keypoints=both[0] + both[1])
    assert run("predict", input=source, output=tmp_path / "p.npz", people="all") == 0
    assert capsys.readouterr().out.count("are an input in 4 of 4 frames") == 2
    for path in (tmp_path / "p-1.npz", tmp_path / "p-2.npz"):
        pose = pose_file.read(path)
        knee = pose.xyz[0, ITOP.index("left_knee")]
        own = BODY[skeleton.COCO17.index("left_knee")] + shift * np.sign(knee[0])
        np.testing.assert_allclose(recorded_uv(knee), recorded_uv(own), atol=0.05)


def test_the_keypoints_of_one_are_not_given_to_another(make, tmp_path, capsys):
    people = [rooms.person_spheres(x, Z) for x in (-0.8, 0.8)]
    right = np.stack([recorded_uv(BODY + [0.8, 0.0, 0.0])] * FRAMES)
    source = make(people=people, mask=None, uv=right)
    assert run("predict", input=source, output=tmp_path / "p.npz", people="all") == 0
    assert capsys.readouterr().out.count("are an input in 4 of 4 frames") == 1
    for path in (tmp_path / "p-1.npz", tmp_path / "p-2.npz"):
        xyz = pose_file.read(path).xyz[0]
        assert (np.ptp(xyz, axis=0).max() > 0.3) == (np.median(xyz[:, 0]) > 0)


def test_the_page_draws_the_keypoints_that_were_used(make, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        page, "write_page", lambda _, sections, **__: made.extend(sections)
    )
    uv = np.stack([recorded_uv(BODY)] * FRAMES)
    uv[2] += [90.0, 0.0]
    predict(make(uv=uv), tmp_path, pictures=True)
    keypoints = made[0].scenes[0].people[0].keypoints
    known = keypoints.confidence > 0
    assert known.any(axis=1).tolist() == [True, True, False, True]
    ideal = COLOR.undistort(recorded_uv(BODY))
    knee = ITOP.index("left_knee")
    np.testing.assert_allclose(
        keypoints.uv[0, knee], ideal[skeleton.COCO17.index("left_knee")], atol=0.01
    )


class Crops:
    """A network of depth crops and keypoints that keeps what it is given."""

    inputs = (*models.CROP_FIELDS["depth"], *keypoint_network.INPUTS[3:])
    skeleton, frames, num_points, crop_size = "ITOP15", 1, 64, 16
    calibration, takes_keypoints = (), True

    def __init__(self):
        self.given = []

    def from_fields(self, fields):
        self.given.append(fields)
        return np.full((1, 1, 15, 3), [0.0, 0.0, Z]), np.ones((1, 1, 15))

    def calibrated(self, xyz, confidence, points, *, with_keypoints):
        return np.full(15, 0.8 if with_keypoints else 0.4)

    def body_probability(self, points):
        return np.ones(len(points))


def test_networks_of_crops_get_the_keypoints_of_frames_that_have_some(
    make, tmp_path, monkeypatch, capsys
):
    made, confidence = Crops(), np.full((FRAMES, 17), 0.9)
    confidence[1] = 0.0
    monkeypatch.setattr(estimator, "load_shipped", lambda modality: made)
    pose = predict(make(confidence=confidence), tmp_path, modality="depth")
    given = ["uv" in fields for fields in made.given]
    assert given == [True, False, True, True]
    np.testing.assert_allclose(pose.confidence[:, 0], np.where(given, 0.8, 0.4))
    first = made.given[0]
    assert first["intrinsics"].shape == (1, 4)
    np.testing.assert_allclose(first["cam_from_points"][0], POSE, atol=1e-6)
    knee, own = ITOP.index("left_knee"), skeleton.COCO17.index("left_knee")
    ideal = COLOR.undistort(recorded_uv(BODY))[own]
    np.testing.assert_allclose(first["uv"][0, 0, knee], ideal, atol=0.01)
    assert "are an input in 3 of 4 frames" in capsys.readouterr().out

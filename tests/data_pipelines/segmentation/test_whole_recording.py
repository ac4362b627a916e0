"""Who the person is, by the evidence of all frames of a recording."""

import cv2
import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.segmentation import person_path, segmenter, whole_recording

STEPS = 10
FPS = 10.0


def analyse(camera, depth, *, interval=1 / FPS, hints=None):
    """The bodies of all frames of a recording."""
    bodies = whole_recording.WholeRecording(camera.rays(), camera.intrinsics)
    for index, image in enumerate(depth):
        hint = None if hints is None else hints[index]
        bodies.add(index, image, index * interval, hint)
    return bodies


def places(tracks, path):
    """Place (x and z) of the chosen body of each frame; NaN where there is none."""
    return np.array(
        [
            [np.nan, np.nan] if place is None else bodies[place].center[[0, 2]]
            for place, bodies in zip(path, tracks.seen, strict=True)
        ]
    )


@pytest.fixture(scope="module")
def crossing(room):
    """Two people who cross in front of the camera; the nearer one hides the other."""
    x = np.linspace(-0.9, 0.9, STEPS)
    people = [(room.person(u, 2.2), room.person(-u, 3.1)) for u in x]
    return x, [room.render(np.concatenate(pair))[0] for pair in people]


def test_what_is_seen_of_a_hidden_person_is_not_the_one_in_front(room):
    # They pass within arm's length, so that both are grouped as one body.
    x = np.linspace(-0.45, 0.45, 7)
    pairs = [(room.person(u, 2.2), room.person(-u, 2.6)) for u in x]
    depth = [room.render(np.concatenate(pair))[0] for pair in pairs]
    bodies = analyse(room.camera, depth)
    tracks, _ = bodies.link()
    everyone = person_path.everyone(tracks)
    assert len(everyone) == 2
    for index, image in enumerate(depth):
        for path in everyone:
            mask = bodies.segment(index, image, path[index]).mask
            near = (image[mask] < 2.4).mean() if mask.any() else 1.0
            assert not 0.05 < near < 0.95, (index, near)


def hint(room, x, z, **changes):
    """Keypoints on a standing person."""
    joints = room.person(x, z)[::4, :3]
    given = {"uv": room.camera.project(joints), "confidence": np.ones(len(joints))}
    return segmenter.KeypointHint(
        **given | changes,
        intrinsics=room.camera.intrinsics,
        cam_from_depth=np.eye(4),
    )


@pytest.fixture(scope="module")
def beside_a_dummy(room):
    """Someone walks behind a nearer dummy of human shape, which never moves."""
    x, dummy = np.linspace(0.9, 0.2, 7), room.person(-0.7, 1.9)
    people = [np.concatenate([dummy, room.person(u, 3.1)]) for u in x]
    return x, [room.render(pair)[0] for pair in people], room.render(dummy)[0]


def test_the_one_who_moves_is_the_person_from_the_first_frame_on(room, beside_a_dummy):
    x, depth, _ = beside_a_dummy
    bodies = analyse(room.camera, depth)
    tracks, _ = bodies.link()
    path = person_path.one_person(tracks)
    expected = np.stack([x, np.full(len(x), 3.05)], axis=1)
    np.testing.assert_allclose(places(tracks, path), expected, atol=0.15)
    assert len(person_path.everyone(tracks)) == 1
    mask = bodies.segment(0, depth[0], path[0]).mask
    assert mask.sum() > 500
    assert np.abs(depth[0][mask] - 3.0).max() < 0.4


def test_nobody_is_the_person_before_the_person_enters(room, beside_a_dummy):
    _, walking, empty = beside_a_dummy
    bodies = analyse(room.camera, [empty] * 4 + walking)
    path = person_path.one_person(bodies.link()[0])
    assert [place is None for place in path] == [True] * 4 + [False] * len(walking)
    assert not bodies.segment(0, empty, path[0]).mask.any()


def test_people_who_cross_are_not_exchanged(room, crossing):
    x, depth = crossing
    tracks, _ = analyse(room.camera, depth).link()
    everyone = [places(tracks, path) for path in person_path.everyone(tracks)]
    assert len(everyone) == 2
    near, far = sorted(everyone, key=lambda place: np.nanmedian(place[:, 1]))
    np.testing.assert_allclose(near[:, 0], x, atol=0.2)
    hidden = np.abs(x) < 0.2
    np.testing.assert_allclose(far[~hidden, 0], -x[~hidden], atol=0.25)


def test_keypoints_name_the_person_also_where_there_are_none(room, crossing):
    x, depth = crossing
    hints = [hint(room, -x[0], 3.1)] * 2 + [None] * (STEPS - 2)
    tracks, fit = analyse(room.camera, depth, hints=hints).link()
    path = places(tracks, person_path.one_person(tracks))
    assert fit
    seen = np.isfinite(path[:, 0])
    assert seen.sum() >= STEPS - 3
    np.testing.assert_allclose(path[seen, 0], -x[seen], atol=0.25)


def test_keypoints_on_nobody_are_not_used_and_this_is_said(room, crossing):
    depth = crossing[1]
    away = hint(room, 0.0, 2.0, uv=np.full((15, 2), 5.0), confidence=np.ones(15))
    tracks, fit = analyse(room.camera, depth, hints=[away] * STEPS).link()
    assert not fit
    without, _ = analyse(room.camera, depth).link()
    assert person_path.one_person(tracks) == person_path.one_person(without)


@pytest.mark.parametrize("interval", [1 / 30, 0.5, 5.0, 600.0])
def test_a_still_person_is_found_at_any_frame_rate(room, interval):
    depth = [room.render(room.person(x, 2.5))[0] for x in (0.0, 0.02, 0.0)]
    tracks, _ = analyse(room.camera, depth, interval=interval).link()
    assert None not in person_path.one_person(tracks)
    assert len(person_path.everyone(tracks)) == 1


def test_a_recording_without_frames_or_people_has_no_person(room):
    bodies = whole_recording.WholeRecording(room.camera.rays(), room.camera.intrinsics)
    tracks, _ = bodies.link()
    assert person_path.one_person(tracks) == person_path.everyone(tracks) == []
    tracks, _ = analyse(room.camera, [np.zeros((120, 160), np.float32)] * 2).link()
    assert person_path.one_person(tracks) == [None, None]
    assert person_path.everyone(tracks) == []


def test_two_people_who_touch_are_divided_and_one_with_raised_arms_is_not(room):
    camera = segmenter.Segmenter(room.camera.rays(), room.camera.intrinsics)
    pair = np.concatenate([room.person(-0.33, 2.2), room.person(0.33, 2.2)])
    pair[:, 3] *= 1.25  # stout, and shoulder to shoulder
    likely = [
        b for b in camera.analyze(room.render(pair)[0]).candidates if b.score > 0.2
    ]
    np.testing.assert_allclose(
        sorted(b.center[0] for b in likely), [-0.33, 0.33], atol=0.1
    )
    one = room.person(0.0, 2.2)
    one[:, 3] *= 1.3
    arms = np.abs(one[:, 0]) > 0.16
    one[arms, 1] = -0.2 - (one[arms, 1] + 0.1)  # hands above the head
    likely = [
        b for b in camera.analyze(room.render(one)[0]).candidates if b.score > 0.2
    ]
    assert len(likely) == 1


def test_the_walking_man_is_found_beside_real_chairs(sample_data):
    camera = calibration.make_camera(640, 480, (575.8, 575.8, 320.0, 240.0))
    chosen = range(0, 99, 3)
    files = sorted((sample_data / "real" / "urfall" / "depth").glob("*.png"))
    depth = [cv2.imread(str(files[i]), cv2.IMREAD_UNCHANGED) * 1e-3 for i in chosen]
    bodies = analyse(camera, depth, interval=0.1)
    path = person_path.one_person(bodies.link()[0])
    truth = sorted((sample_data / "real" / "urfall_mask").glob("*.png"))
    right = []
    for index, frame in enumerate(chosen):
        if frame >= 45:
            mask = bodies.segment(index, depth[index], path[index]).mask
            man = cv2.imread(str(truth[frame]), cv2.IMREAD_GRAYSCALE) > 0
            right.append((mask & man).sum() > 0.5 * (mask | man).sum())
    assert np.mean(right) >= 0.95


def test_five_real_people_are_five(sample_data):
    camera = calibration.make_camera(640, 480, (525.0, 525.0, 320.0, 240.0))
    file = next((sample_data / "real" / "pcl_all" / "depth").glob("*.png"))
    depth = cv2.imread(str(file), cv2.IMREAD_UNCHANGED) * np.float32(1e-3)
    tracks, _ = analyse(camera, [depth]).link()
    found = [places(tracks, path)[0] for path in person_path.everyone(tracks)]
    expected = [[-0.9, 2.0], [-0.6, 2.3], [0.1, 2.75], [0.45, 2.6], [0.74, 1.86]]
    np.testing.assert_allclose(sorted(map(list, found)), expected, atol=0.15)

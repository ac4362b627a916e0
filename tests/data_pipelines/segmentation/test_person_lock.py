"""Who the person is in a live video: the choice is causal and has memory."""

import cv2
import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.segmentation import (
    body_evidence,
    person_candidates,
    person_lock,
    segmenter,
)


def body(x, z=3.0, **changes):
    given = {"area": 0.5, "score": 0.9, "moved": 0.0} | changes
    return body_evidence.Body(np.array([x, 0.0, z]), **given)


def test_a_body_that_never_moves_loses_the_lock_once_another_moves(room):
    # A nearer dummy of human shape stands still while a person walks behind it.
    dummy = room.person(-0.8, 2.0)
    follow = segmenter.Segmenter(room.camera.rays(), room.camera.intrinsics)
    for step in range(10):
        person = room.person(1.2 - 0.12 * step, 3.2)
        depth, _ = room.render(np.concatenate([dummy, person]))
        found = follow(depth, time=step / 10)
    truth = (room.render(person)[1] == 1) & (depth > 2.6)
    assert (found.mask & truth).sum() > 0.9 * (found.mask | truth).sum()


def test_a_person_who_stops_is_kept():
    lock, chosen = person_lock.PersonLock(), []
    for frame in range(90):
        walking = frame < 30
        person = body(0.02 * min(frame, 30), moved=1.0 if walking else 0.05)
        chosen.append(lock([body(-1.0, z=1.5), person], frame / 30))
    assert set(chosen[15:]) == {1}


def test_someone_still_is_chosen_if_nobody_moves():
    lock = person_lock.PersonLock()
    assert [lock([body(0.0, moved=0.02)], t) for t in (0.0, 0.1)] == [0, 0]
    assert lock([], 0.2) is None


def test_the_choice_does_not_jump_to_another_while_the_person_is_hidden_shortly():
    lock = person_lock.PersonLock()
    for frame in range(20):
        person = body(-1.0 + 0.03 * frame, moved=1.0)
        assert lock([person, body(1.5, z=3.5, moved=1.0)], frame / 30) == 0
    other = body(1.5, z=3.5, moved=1.0)
    assert [lock([other], frame / 30) for frame in range(20, 40)] == [None] * 20
    back = body(0.0, moved=1.0)
    assert lock([other, back], 40 / 30) == 1
    assert lock([other], 40 / 30 + 2.0) == 0  # the person has left


def test_flicker_at_the_edges_is_no_motion():
    rng = np.random.default_rng(0)
    labels = np.zeros((40, 40), int)
    labels[10:30, 10:30] = 1
    z = np.where(labels, np.float32(2.0), np.float32(3.0))
    background = np.full_like(z, 2.0)
    edge = labels.astype(bool) & (cv2.blur(labels.astype(float), (3, 3)) < 1)
    background[edge & (rng.uniform(size=z.shape) < 0.5)] = 3.0
    background[labels == 0] = 3.0
    moved = body_evidence.moved_pixels(z, background)
    found = person_candidates.Candidate(np.array([1]), np.zeros(3), 1.0)
    share = body_evidence.moved_shares([found], labels, z, moved)
    assert moved[labels == 1].mean() > 0.08
    assert share == 0.0
    # A camera that moves makes everything move, which is no evidence.
    share = body_evidence.moved_shares([found], labels, z, np.ones_like(moved))
    assert share == pytest.approx(0.0)


def test_the_walking_man_is_found_beside_real_chairs(sample_data):
    paths = sorted((sample_data / "real" / "urfall" / "depth").glob("*.png"))
    truth = sorted((sample_data / "real" / "urfall_mask").glob("*.png"))
    camera = calibration.make_camera(640, 480, (575.8, 575.8, 320.0, 240.0))
    follow = segmenter.Segmenter(camera.rays(), camera.intrinsics)
    right = []
    for frame in range(0, 99, 3):
        depth = cv2.imread(str(paths[frame]), cv2.IMREAD_UNCHANGED)
        mask = follow(depth * np.float32(1e-3), time=frame / 30).mask
        man = cv2.imread(str(truth[frame]), cv2.IMREAD_GRAYSCALE) > 0
        if frame >= 45:
            right.append((mask & man).sum() > 0.5 * (mask | man).sum())
    assert len(right) == 18
    assert np.mean(right) >= 0.95

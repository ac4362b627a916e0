import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import keypoint_check, tracks
from unipose_jax import errors


def keypoints_of(room, change=lambda uv: uv):
    """COCO results of the walking person of `make_recording`: points of its body."""
    people = [room.person(0.1 * t, 2.5)[np.arange(17) * 3, :3] for t in range(3)]
    uv = change(np.stack([room.camera.project(xyz) for xyz in people]))
    return detections.to_coco(uv, np.ones((3, 17)), "COCO17")


def visit(path):
    return tracks.visit(recording.open_recording(path), "COCO17", lambda i, cloud: None)


@pytest.mark.parametrize("mask", [True, False])
def test_keypoints_on_the_person_are_accepted(make_recording, room, mask, capsys):
    changes = {} if mask else {"mask": None}
    path = make_recording(keypoints=keypoints_of(room), **changes)
    assert (visit(path).confidence == 1).all()
    assert "2D keypoints" not in capsys.readouterr().err


@pytest.mark.parametrize("mask", [True, False])
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda uv: 0.5 * uv, r"100% would be.* resized .*\[80, 60\]"),
        (lambda uv: 0.75 * uv, r"resized picture: .*\[120, 90\]"),
        (lambda uv: uv + (50, 0), "another recording"),
    ],
)
def test_keypoints_beside_the_person_are_refused(
    make_recording, room, mask, change, cause
):
    changes = {} if mask else {"mask": None}
    path = make_recording(keypoints=keypoints_of(room, change), **changes)
    with pytest.raises(errors.BadInput, match=f"keypoints are on the person.*{cause}"):
        visit(path)


def test_a_mirrored_picture_is_suspected(make_recording, room):
    spheres = [room.person(-0.6, 2.5)] * 3
    depth, shown = zip(*(room.render(s) for s in spheres), strict=True)
    uv = np.stack([room.camera.project(s[np.arange(17) * 3, :3]) for s in spheres])
    uv[..., 0] = room.camera.width - uv[..., 0]
    path = make_recording(
        depth=depth,
        mask=[s == 1 for s in shown],
        keypoints=detections.to_coco(uv, np.ones((3, 17)), "COCO17"),
    )
    with pytest.raises(errors.BadInput, match="if the picture were mirrored"):
        visit(path)


@pytest.mark.parametrize("upper", [False, True])
def test_small_keypoints_on_a_person_at_the_corner_are_refused(
    make_recording, room, upper
):
    # The person fills the picture from its corner, so half of its size is on it, too.
    mask = np.zeros((120, 160), bool)
    mask[:115, :50] = True
    v = np.linspace(4, 108, 17)
    uv = np.stack([np.where(np.arange(17) % 2, 6.0, 44.0), v], axis=-1)[None]
    found = np.clip(uv, 0, (50, 60)) if upper else 0.5 * uv
    path = make_recording(
        depth=[np.where(mask, 2.0, 3.0)] * 3,
        mask=[mask] * 3,
        keypoints=detections.to_coco(found.repeat(3, 0), np.ones((3, 17)), "COCO17"),
    )
    if upper:  # of the same size, as of a person behind a desk
        visit(path)
        return
    with pytest.raises(errors.BadInput, match=r"resized picture: .*\[80, 60\]"):
        visit(path)


def test_keypoints_partly_beside_the_person_are_said(make_recording, room, capsys):
    def stray(uv):
        uv[:, :6] += (60, 0)
        return uv

    visit(make_recording(keypoints=keypoints_of(room, stray)))
    lines = capsys.readouterr().err.splitlines()
    (line,) = [line for line in lines if "2D keypoints" in line]
    assert "65% of the 2D keypoints are on the person" in line


def test_the_colour_camera_may_be_another(make_recording, room):
    camera = calibration.make_camera(640, 480, (500.0, 500.0, 330.0, 250.0))
    moved = np.eye(4, dtype=np.float32)
    moved[:3, 3] = [0.05, 0.0, 0.01]
    people = [room.person(0.1 * t, 2.5)[np.arange(17) * 3, :3] for t in range(3)]
    uv = np.stack([camera.project(xyz + moved[:3, 3]) for xyz in people])
    fields = {
        "color": [np.zeros((480, 640, 3), np.uint8)] * 3,
        "color_camera": camera,
        "color_from_depth": moved,
    }
    for name, factor in (("right", 1.0), ("half", 0.5)):
        found = detections.to_coco(factor * uv, np.ones((3, 17)), "COCO17")
        path = make_recording(name, keypoints=found, **fields)
        if factor == 1.0:
            assert (visit(path).confidence == 1).all()
        else:
            with pytest.raises(errors.BadInput, match=r"resized .*\[320, 240\]"):
                visit(path)


@pytest.mark.parametrize(
    ("shift", "confidence", "expected"),
    [
        (0.0, [0.9] * 4, True),
        (15.0, [0.9] * 4, True),  # less than 5 % of 400 pixels
        (25.0, [0.9] * 4, False),
        (25.0, [0.9, 0.9, 0.1, 0.1], False),
        (25.0, [0.0] * 4, True),  # nothing to compare
    ],
)
def test_keypoints_of_one_frame_are_compared_with_the_person(
    shift, confidence, expected
):
    """A pole of 400 pixels' height; its camera is half a metre aside."""
    y = np.linspace(-1.0, 1.0, 500)
    pole = np.stack([np.zeros(500), y, np.full(500, 2.0)], axis=1)
    camera, pose = np.array([400.0, 400.0, 200.0, 200.0]), np.eye(4)
    pose[0, 3] = 0.5
    uv = np.array([[300.0 + shift, v] for v in (20.0, 150.0, 260.0, 390.0)])
    uv[np.array(confidence) == 0] = np.nan
    found = keypoint_check.on_person(uv, np.array(confidence), pole, camera, pose)
    assert found == expected

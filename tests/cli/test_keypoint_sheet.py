import dataclasses

import numpy as np
import pytest
from PIL import Image

from data_pipelines.cameras import calibration
from data_pipelines.keypoints import detections
from data_pipelines.sequences import sequence
from unipose_jax import errors
from unipose_jax.cli import keypoint_sheet
from unipose_jax.report.draw import palette
from unipose_jax.skeleton import definitions

BODY = definitions.COCO17
HEIGHT = round(keypoint_sheet.SIDE / keypoint_sheet.ASPECT)
# A person from the front, about 90 pixels high; the own left is on the right.
UV = np.array(
    [
        *[(50, 20), (54, 16), (46, 16), (59, 19), (41, 19), (66, 36), (34, 36)],
        *[(74, 52), (26, 52), (76, 66), (24, 66), (61, 66), (39, 66)],
        *[(62, 84), (38, 84), (63, 104), (37, 104)],
    ],
    np.float32,
)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Planted(sequence.Sequence):
    """Ten frames; `found` has their people, `image` what colour shows."""

    found: detections.Detections | None
    image: np.ndarray | None = None

    def color(self, index):
        return self.image

    def depth(self, index):
        return np.full((120, 160), 2.0, np.float32)

    def keypoint_detections(self):
        return self.found


def plant(frames=range(10), *, camera=True, found=True, joints=BODY, image=None):
    person = np.column_stack([UV, np.ones(17)])[: joints.num_joints]
    people = {frame: person[None].astype(np.float32) for frame in frames}
    lens = calibration.make_camera(160, 120, (140.0, 140.0, 80.0, 60.0))
    return Planted(
        name="planted",
        subject="a",
        frames=tuple(range(10)),
        time=np.arange(10.0),
        depth_camera=lens,
        color_camera=lens if camera else None,
        found=detections.Detections(joints, people) if found else None,
        image=image,
    )


def draw(folder, opened, *, frames=1):
    path = folder / "picture.png"
    keypoint_sheet.preview(opened, "COCO17", path, frames=frames)
    return np.asarray(Image.open(path).convert("RGB")) / 255.0


def place(uv, tile):
    """Where a pixel of the image appears in the picture, (x, y)."""
    left, top, right, bottom = keypoint_sheet.window_around(UV)
    row, column = divmod(tile, keypoint_sheet.COLUMNS)
    x = (uv[0] - left) / (right - left) * keypoint_sheet.SIDE
    y = (uv[1] - top) / (bottom - top) * HEIGHT
    x += column * (keypoint_sheet.SIDE + keypoint_sheet.GAP)
    return int(x), int(y + keypoint_sheet.HEADER + row * (HEIGHT + keypoint_sheet.GAP))


@pytest.mark.parametrize("tile", [0, 5])
def test_every_keypoint_lies_on_its_pixel_in_the_colour_of_its_side(tmp_path, tile):
    picture = draw(tmp_path, plant(), frames=tile + 1)
    for joint, color in enumerate(palette.joint_colors(BODY)):
        x, y = place(UV[joint], tile)
        np.testing.assert_allclose(picture[y, x], color, atol=0.01, err_msg=str(joint))


def test_every_keypoint_has_its_index_beside_it(tmp_path, monkeypatch):
    written = draw(tmp_path, plant())
    monkeypatch.setattr(keypoint_sheet, "_write_indices", lambda *arguments: None)
    changed = np.abs(written - draw(tmp_path, plant())).max(axis=-1) > 0.3
    for joint in range(17):
        x, y = place(UV[joint], 0)
        assert changed[y - 18 : y + 2, x + 2 : x + 24].sum() > 10, joint


@pytest.mark.parametrize(
    ("options", "ground"),
    [
        ({"image": np.full((120, 160, 3), 90, np.uint8)}, (90 / 255,) * 3),
        ({}, (225 / 255,) * 3),  # keypoints in colour, but no images
    ],
)
def test_the_image_lies_below(tmp_path, options, ground):
    picture = draw(tmp_path, plant(**options))
    x, y = place((50.0, 60.0), 0)  # between the shoulders and the hips
    np.testing.assert_allclose(picture[y, x], ground, atol=0.01)


def test_depth_stands_in_for_colour(tmp_path):
    picture = draw(tmp_path, plant(camera=False))
    x, y = place((50.0, 60.0), 0)
    shade = palette.depth_rgb(np.full((1, 1), 2.0), depth_range=(1.75, 2.25))
    np.testing.assert_allclose(picture[y, x], shade[0, 0] / 255, atol=0.02)


@pytest.mark.parametrize(
    ("frames", "most", "labels"),
    [
        ((1, 2, 3, 5, 8), 3, [1, 3, 8]),
        ((4,), 6, [4]),
        (range(10), 6, [0, 1, 3, 5, 7, 9]),
    ],
)
def test_frames_with_keypoints_are_shown(tmp_path, monkeypatch, frames, most, labels):
    shown = []
    monkeypatch.setattr(
        keypoint_sheet, "draw_sheet", lambda *_, labels, **__: shown.extend(labels)
    )
    keypoint_sheet.preview(plant(frames), "COCO17", tmp_path / "a.png", frames=most)
    assert shown == [f"frame {frame}" for frame in labels]


def test_joints_that_the_detector_lacks_are_left_out(tmp_path):
    few = definitions.Skeleton("few", BODY.joints[:7], (-1,) * 7)
    draw(tmp_path, plant(joints=few))
    keypoint_sheet.preview(plant(), "PANOPTIC19", tmp_path / "b.png", frames=1)
    assert (tmp_path / "b.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"found": False}, "planted has no 2D keypoints"),
        ({"frames": (10, 11)}, "none of the 2D keypoints is of a frame"),
        ({"joints": definitions.Skeleton("toe", ("toe",), (-1,))}, "or of COCO17"),
    ],
)
def test_nothing_to_draw_is_said_in_one_line(tmp_path, options, message):
    with pytest.raises(errors.BadInput, match=message):
        draw(tmp_path, plant(**options))


def test_an_unknown_skeleton_is_bad_input(tmp_path):
    with pytest.raises(errors.BadInput, match="unknown skeleton 'COCO18'; use one of"):
        keypoint_sheet.preview(plant(), "COCO18", tmp_path / "a.png")

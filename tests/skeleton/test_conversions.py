"""Conversion between every two orders of joints, real people, and the page about it."""

import functools
import itertools
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from benchmarks import draw_skeletons
from benchmarks.figures import canvas
from benchmarks.figures import skeletons as drawing
from data_pipelines.keypoints import detections
from tests.skeleton import test_definitions
from unipose_jax import skeleton

PAGE = pathlib.Path(draw_skeletons.__file__).parents[1] / "docs" / "skeletons.md"
NAMED, DETECTORS = draw_skeletons.NAMED, draw_skeletons.DETECTORS
ORDERS = (*NAMED, *DETECTORS)

each_order = pytest.mark.parametrize("source", ORDERS, ids=lambda body: body.name)
each_skeleton = pytest.mark.parametrize("body", NAMED, ids=lambda body: body.name)
each_detector = pytest.mark.parametrize("order", DETECTORS, ids=lambda o: o.name)


@pytest.fixture(scope="module")
def person():
    return drawing.reference_person()


@pytest.fixture(scope="module")
def recorded(sample_data):
    """Joints of a real recording by the name of its skeleton, metres, y down."""
    return functools.cache(lambda name: test_definitions.RECORDINGS[name](sample_data))


@pytest.fixture(scope="module", params=NAMED, ids=lambda body: body.name)
def drawn(request):
    """A skeleton and its picture, on which text can be measured."""
    fig = drawing.skeleton_figure(request.param)
    canvas.rgb(fig)
    return request.param, fig.axes[0]


def scattered(body):
    """Joints anywhere, so that no two are alike."""
    return np.random.default_rng(7).normal(size=(2, body.num_joints, 3))


def limbs(*names):
    return {f"{side}_{name}" for side in ("left", "right") for name in names}


LIMBS = limbs("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def by_name(xyz, body):
    """Joints by their meaning: (frames, 3) each."""
    body = skeleton.by_name(body) if isinstance(body, str) else body
    return dict(zip(body.joints, np.moveaxis(xyz, -2, 0), strict=True))


@each_order
def test_there_and_back_keeps_exactly_the_joints_that_both_have(source):
    values = scattered(source)
    for target in ORDERS:
        there, _ = skeleton.convert(values, source, target)
        back, valid = skeleton.convert(there, target, source)
        common = np.isin(source.joints, target.joints)
        np.testing.assert_array_equal(valid, common, target.name)
        np.testing.assert_array_equal(back[:, common], values[:, common], target.name)
        assert np.isnan(back[:, ~common]).all(), target.name


@each_order
def test_left_stays_left(source):
    def convert(values, target):
        return skeleton.convert(values, source, target, derive=True)[0]

    values = scattered(source)
    for target in ORDERS:
        np.testing.assert_allclose(
            convert(values[:, np.array(source.mirror)], target),
            convert(values, target)[:, np.array(target.mirror)],
            rtol=1e-12,  # only the order in which four numbers are added differs
            err_msg=target.name,
        )


@each_order
def test_a_derived_joint_lies_near_the_joint_it_is_named_after(source, person):
    seen, _ = skeleton.convert(person, "BODY", source)
    found, valid = skeleton.convert(seen, source, "BODY", derive=True)
    away = np.linalg.norm(found - person, axis=-1)
    # The worst, 6 cm: a head made of nose and head_top is too far forward.
    assert away[valid].max() < 0.065


@each_skeleton
def test_the_reference_person_has_its_left_on_its_left(body, person):
    xyz, _ = skeleton.convert(person, "BODY", body)
    for joint, position in by_name(xyz, body).items():
        side = {"left": -1, "right": 1}.get(joint.partition("_")[0], 0)
        assert np.sign(position[0].round(6)) == side, joint


def test_neck_and_thorax_of_one_pair_of_shoulders_are_one_point():
    body, _ = skeleton.convert(
        scattered(skeleton.COCO17), "COCO17", "BODY", derive=True
    )
    joints = by_name(body, "BODY")
    np.testing.assert_array_equal(joints["neck"], joints["thorax"])


# Indices of (hip, knee) and (shoulder, elbow), left and right, by the documents of the
# data sets rather than by our names.
SEGMENTS = {
    "ITOP15": ((10, 12), (9, 11), (3, 5), (2, 4)),
    "NTU25": ((12, 13), (16, 17), (4, 5), (8, 9)),
    "PANOPTIC19": ((6, 7), (12, 13), (3, 4), (9, 10)),
    "HUMANEVA15": ((8, 9), (11, 12), (2, 3), (5, 6)),
    "MSR20": ((4, 13), (5, 14), (0, 7), (1, 8)),
}
SEGMENT_NAMES = (
    ("left_hip", "left_knee"),
    ("right_hip", "right_knee"),
    ("left_shoulder", "left_elbow"),
    ("right_shoulder", "right_elbow"),
)


@pytest.mark.parametrize("name", SEGMENTS)
def test_recorded_thighs_and_upper_arms_keep_their_lengths(name, recorded):
    xyz = recorded(name)
    before = [np.linalg.norm(xyz[:, a] - xyz[:, b], axis=-1) for a, b in SEGMENTS[name]]
    for target in NAMED:
        joints = by_name(skeleton.convert(xyz, name, target, derive=True)[0], target)
        after = [
            np.linalg.norm(joints[a] - joints[b], axis=-1) for a, b in SEGMENT_NAMES
        ]
        # A mean of copies of a number is rounded: 2e-7 of 4 m.
        np.testing.assert_allclose(after, before, atol=1e-5, err_msg=target.name)
    thigh, upper_arm = np.median(before, axis=1).reshape(2, 2)
    # 0.31 m (NTU) to 0.54 m (MSR), and 0.21 m (NTU) to 0.31 m (ITOP).
    assert 0.3 < thigh.min() < thigh.max() < 0.56
    assert 0.2 < upper_arm.min() < upper_arm.max() < 0.33


@pytest.mark.parametrize(
    ("name", "target", "given"),
    [
        ("ITOP15", "COCO17", LIMBS - limbs("wrist", "ankle")),
        ("ITOP15", "H36M17", {"torso"} | LIMBS - limbs("wrist", "ankle")),
        ("NTU25", "PANOPTIC19", {"neck", "pelvis"} | LIMBS),
        ("NTU25", "COCO17", LIMBS),
        ("PANOPTIC19", "COCO17", set(skeleton.COCO17.joints)),
        ("HUMANEVA15", "COCO17", LIMBS),
        ("MSR20", "HUMANEVA15", set(skeleton.HUMANEVA15.joints)),
    ],
)
def test_recorded_joints_go_there_and_back_unchanged(name, target, given, recorded):
    xyz = recorded(name)
    there, valid = skeleton.convert(xyz, name, target)
    target = skeleton.by_name(target)
    assert {j for j, v in zip(target.joints, valid, strict=True) if v} == given
    np.testing.assert_array_equal(np.isfinite(there).all(axis=(0, 2)), valid)
    back = by_name(skeleton.convert(there, target, name)[0], name)
    for joint, truth in by_name(xyz, name).items():
        expected = truth if joint in given else np.full_like(truth, np.nan)
        np.testing.assert_array_equal(back[joint], expected, err_msg=joint)


# Median distance, millimetres, of what `derive` makes of shoulders and hips to what the
# data set has: what a tracker calls pelvis or neck is not always in the middle of them.
@pytest.mark.parametrize(
    ("name", "joint", "distance_mm"),
    [
        ("PANOPTIC19", "pelvis", 0),
        ("PANOPTIC19", "neck", 9),
        ("ITOP15", "neck", 1),
        ("ITOP15", "torso", 1),
        ("HUMANEVA15", "pelvis", 50),
        ("HUMANEVA15", "thorax", 47),
        ("NTU25", "pelvis", 32),
        ("NTU25", "thorax", 49),
        ("NTU25", "torso", 58),
        ("NTU25", "neck", 112),
        ("MSR20", "pelvis", 125),
        ("MSR20", "thorax", 124),
        ("MSR20", "torso", 115),
    ],
)
def test_derived_joints_miss_recorded_ones_as_the_page_says(
    name, joint, distance_mm, recorded
):
    xyz = recorded(name)
    there, _ = skeleton.convert(xyz, name, "COCO17")
    found, _ = skeleton.convert(there, "COCO17", name, derive=True)
    away = np.linalg.norm(
        by_name(found, name)[joint] - by_name(xyz, name)[joint], axis=1
    )
    np.testing.assert_allclose(1000 * np.median(away), distance_mm, atol=0.6)
    assert f"| {name} | {joint} | {distance_mm} |" in PAGE.read_text()


def test_missing_panoptic_joints_stay_missing_and_spoil_what_they_make(sample_data):
    files = sorted(sample_data.glob("panoptic/160906_band1/hd*/body3DScene_*.json"))
    scenes = [json.loads(path.read_text())["bodies"] for path in files]
    bodies = [body["joints19"] for bodies in scenes for body in bodies]
    joints = np.reshape(bodies, (6, 19, 4))
    xyz = np.where(joints[..., 3:] > 0, joints[..., :3], np.nan)
    coco, valid = skeleton.convert(xyz, "PANOPTIC19", "COCO17")
    assert valid.all()
    assert np.isnan(coco).any()
    seen, known = by_name(xyz, "PANOPTIC19"), by_name(coco, "COCO17")
    np.testing.assert_array_equal([seen[joint] for joint in known], [*known.values()])
    back, _ = skeleton.convert(coco, "COCO17", "PANOPTIC19", derive=True)
    # The third person's right leg is missing, in both frames.
    pelvis = np.isfinite(by_name(back, "PANOPTIC19")["pelvis"]).all(axis=-1)
    np.testing.assert_array_equal(pelvis, [True, True, False] * 2)


@each_detector
def test_labels_of_real_images_go_through_every_detectors_order(order, sample_data):
    found = detections.read(sample_data / "coco" / "test_coco.json")
    people = np.concatenate(list(found.by_frame.values()))
    assert len(people) == 14
    there, _ = skeleton.convert(people, "COCO17", order, derive=True)
    back, valid = skeleton.convert(there, order, "COCO17")
    assert valid.all()
    np.testing.assert_array_equal(back, people)


def test_the_tables_of_the_page_are_up_to_date():
    page = PAGE.read_text()
    assert draw_skeletons.with_tables(page) == page


def test_a_page_without_a_place_for_a_table_is_refused():
    with pytest.raises(ValueError, match="the page has no <!-- joints -->"):
        draw_skeletons.with_tables("# Skeletons\n")


@each_skeleton
def test_every_skeleton_has_a_section_with_a_small_picture(body):
    picture = draw_skeletons.PICTURES / f"{body.name}.png"
    section = PAGE.read_text().split(f"\n## {body.name}\n")[1].split("\n## ")[0]
    assert f"![{body.name}]({picture})" in section
    path = PAGE.parent / picture
    assert path.stat().st_size <= 60_000
    with Image.open(path) as image:
        assert image.width == drawing.WIDTH


def test_every_joint_has_its_own_index_and_name_beside_it_or_at_its_line(drawn):
    body, ax = drawn
    joints = ax.collections[1].get_offsets()
    lines = np.array([line.get_xydata() for line in ax.lines])
    assert len(ax.texts) == body.num_joints
    for text in ax.texts:
        index, name = sorted(text.get_text().split())
        assert body.joints[int(index)] == name
        at_end = np.linalg.norm(lines[:, 1] - text.get_position(), axis=-1) < 6
        assert at_end.sum() <= 1
        start = lines[at_end, 0][0] if at_end.any() else text.get_position()
        away = np.linalg.norm(joints - start, axis=-1)
        assert away[int(index)] <= (0 if at_end.any() else 40), name


def test_no_label_covers_another_or_a_bone(drawn):
    _, ax = drawn
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert min(box.x0 for box in boxes) > 0
    assert max(box.x1 for box in boxes) < drawing.WIDTH
    bones = np.array(ax.collections[0].get_segments())
    share = np.linspace(0, 1, 50)[:, None, None]
    along = bones[:, 0] * share + bones[:, 1] * (1 - share)
    points = ax.transData.transform(along.reshape(-1, 2))
    assert not any(box.contains(*point) for point in points for box in boxes)


def test_lines_to_labels_cross_no_other_and_touch_no_other_joint(drawn):
    _, ax = drawn
    lines = [line.get_xydata() for line in ax.lines]
    assert not any(cross(*pair) for pair in itertools.combinations(lines, 2))
    joints = np.asarray(ax.collections[1].get_offsets())
    share = np.linspace(0, 1, 400)[:, None, None]
    for start, end in lines:
        others = joints[np.any(joints != start, axis=-1)]
        away = np.linalg.norm(start + share * (end - start) - others, axis=-1)
        assert away.min() > 5.0  # about the radius of a joint


def cross(first, second):
    """Whether two segments, (start, end) each, cross inside."""

    def sides(segment, points):
        (x, y), offsets = segment[1] - segment[0], points - segment[0]
        return np.prod(x * offsets[:, 1] - y * offsets[:, 0])

    return sides(first, second) < 0 and sides(second, first) < 0


def test_a_drawing_shows_the_right_hand_side_at_the_left(tmp_path):
    path = tmp_path / "picture.png"
    drawing.draw_skeleton(path, skeleton.ITOP15)
    with Image.open(path) as image:
        rgb = np.asarray(image.convert("RGB"), np.int64)[100:]
    blue = np.argwhere(rgb[..., 2] - rgb[..., 0] > 80)[:, 1]
    orange = np.argwhere(rgb[..., 0] - rgb[..., 2] > 80)[:, 1]
    assert blue.max() < drawing.WIDTH / 2 + 5
    assert orange.min() > drawing.WIDTH / 2 - 5

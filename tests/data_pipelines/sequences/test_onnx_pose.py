"""Tests with synthetic networks that detect discs of known colours."""

import json
import sys

import cv2
import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import onnx_pose
from unipose_jax import errors

onnx = pytest.importorskip("onnx")
helper = pytest.importorskip("onnx.helper")
numpy_helper = pytest.importorskip("onnx.numpy_helper")
pytest.importorskip("onnxruntime")

WIDTH, HEIGHT, CELL = 96, 128, 4  # input size, and input pixels per heat-map cell
BOX = (100.0, 20.0, 190.0, 200.0)
JOINTS = 17
# How the cells of the heat map are placed, as ONNX names it.
HEAT_MAPS = {"heat": "asymmetric", "middle": "half_pixel", "udp": "align_corners"}
# Directions in colour space at least 14 degrees apart, also at the blurred edges.
TRIPLES = [(a, b, 5 - a - b) for a in range(6) for b in range(6 - a)][:JOINTS]
COLORS = np.array([240 * np.array(t) / np.linalg.norm(t) for t in TRIPLES], np.float32)


def build(path, head, *, mean=onnx_pose.MEAN, std=onnx_pose.STD, rgb=True, **shape):
    """Writes a network: blurred similarity to each colour, as heat map or bins."""
    size = {"height": HEIGHT, "width": WIDTH} | shape
    colors = (COLORS if rgb else COLORS[:, ::-1]) - np.float32(mean)
    colors /= np.float32(std)
    across = np.exp(-(np.arange(-12, 13) ** 2) / 32.0)
    kernel = np.outer(across, across) / across.max()
    constants = {
        "direct": -2 * colors[:, :, None, None],
        "square": (colors**2).sum(axis=1),
        "sharp": np.float32([-20.0]),
        "kernel": np.broadcast_to(np.float32(kernel / 60), (JOINTS, 1, 25, 25)),
        "channel": np.int64([1]),
        "rows": np.int64([2]),
        "columns": np.int64([3]),
        "heat_size": np.int64([1, JOINTS, HEIGHT // CELL, WIDTH // CELL]),
        "u_size": np.int64([1, JOINTS, 1, 2 * WIDTH]),
        "v_size": np.int64([1, JOINTS, 2 * HEIGHT, 1]),
    }
    nodes = [
        helper.make_node("Mul", ["image", "image"], ["squares"]),
        helper.make_node("ReduceSum", ["squares", "channel"], ["length"]),
        helper.make_node("Conv", ["image", "direct", "square"], ["linear"]),
        helper.make_node("Add", ["length", "linear"], ["distance"]),
        helper.make_node("Mul", ["distance", "sharp"], ["scaled"]),
        helper.make_node("Exp", ["scaled"], ["match"]),
        helper.make_node(
            "Conv", ["match", "kernel"], ["smooth"], group=JOINTS, pads=[12] * 4
        ),
    ]
    if head == "simcc":
        nodes += [
            node
            for out, gone, size_name in (
                ("u", "rows", "u_size"),
                ("v", "columns", "v_size"),
            )
            for node in (
                helper.make_node("ReduceSum", ["smooth", gone], [f"{out}_sums"]),
                resize(f"{out}_sums", size_name, f"{out}_fine", "asymmetric", "cubic"),
                helper.make_node("Squeeze", [f"{out}_fine", gone], [out]),
            )
        ]
        outputs = ["u", "v"]
    else:
        outputs = ["heat"]
        mode = HEAT_MAPS[head]
        nodes.append(resize("smooth", "heat_size", "heat", mode, "linear"))
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "discs",
        [helper.make_tensor_value_info("image", kind, [1, 3, *size.values()])],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [numpy_helper.from_array(np.array(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


def resize(source, size, target, positions, mode):
    return helper.make_node(
        "Resize",
        [source, "", "", size],
        [target],
        coordinate_transformation_mode=positions,
        mode=mode,
        cubic_coeff_a=-0.5,  # exact for parabolas
    )


def paint(uv, *, width=320, height=240, radius=5.0):
    """Draws a disc in each joint's colour around its keypoint."""
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    image = np.zeros((height, width, 3))
    for color, center in zip(COLORS, uv, strict=True):
        away = np.hypot(u - center[0], v - center[1])
        image += np.clip(radius + 0.5 - away, 0, 1)[..., None] * color
    return np.rint(image).astype(np.uint8)


def spread(box, seed=0):
    """Keypoints in a box whose discs do not overlap: (17, 2)."""
    rng = np.random.default_rng(seed)
    column, row = np.meshgrid(np.arange(4), np.arange(5))
    grid = np.stack([column.ravel() + 0.5, row.ravel() + 0.5], axis=1)[:JOINTS]
    share = (grid + rng.uniform(-0.1, 0.1, grid.shape)) / (4, 5)
    return np.array(box[:2]) + share * np.subtract(box[2:], box[:2])


def error_in_input_pixels(found, true, box):
    """Largest distance along an axis, in pixels of the network's input."""
    sides = 1.25 * np.subtract(box[2:], box[:2])
    return np.abs(found - true).max() * min(WIDTH / sides[0], HEIGHT / sides[1])


@pytest.mark.parametrize("box", [BOX, (30.3, 40.7, 230.2, 199.1)], ids=["tall", "wide"])
@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("heat", {}),
        ("middle", {"cells": "middle"}),
        ("udp", {"cells": "corners"}),
        ("udp", {"udp": True}),
    ],
)
def test_heat_map_peaks_are_accurate_to_a_quarter_cell(tmp_path, head, options, box):
    detector = onnx_pose.KeypointDetector(build(tmp_path / "a.onnx", head), **options)
    uv = spread(box)
    found, confidence = detector(paint(uv), box)
    assert error_in_input_pixels(found, uv, box) < 0.25 * CELL
    assert found.dtype == confidence.dtype == np.float32
    assert (confidence > 0.05).all()


def test_keypoints_have_no_systematic_offset(tmp_path):
    detector = onnx_pose.KeypointDetector(build(tmp_path / "a.onnx", "heat"))
    away = []
    for seed in range(8):
        box = np.add(BOX, np.random.default_rng(seed).uniform(-9, 9, 4))
        uv = spread(box, seed)
        away.append(detector(paint(uv), box)[0] - uv)
    # A systematic error of half a pixel is visible: the mean of 136 has std 0.015.
    np.testing.assert_allclose(np.mean(away, axis=(0, 1)), 0.0, atol=0.06)


def test_cells_of_another_convention_move_all_keypoints(tmp_path):
    path = build(tmp_path / "a.onnx", "middle")
    (right, _), (wrong, _) = (
        onnx_pose.KeypointDetector(path, cells=cells)(paint(spread(BOX)), BOX)
        for cells in ("middle", "first")
    )
    scale = min(WIDTH / (1.25 * 90), HEIGHT / (1.25 * 180))
    np.testing.assert_allclose((right - wrong) * scale, (CELL - 1) / 2, atol=1e-3)
    for options in ({"cells": "center"}, {"cells": "middle", "udp": True}):
        with pytest.raises(ValueError, match="choose one of first, middle, corners"):
            onnx_pose.KeypointDetector(path, **options)


def test_simcc_peaks_are_accurate_to_half_a_bin(tmp_path):
    detector = onnx_pose.KeypointDetector(build(tmp_path / "a.onnx", "simcc"))
    scale = HEIGHT / (1.25 * 180)
    corner = np.array([145.0, 110.0]) - np.array([WIDTH, HEIGHT]) / (2 * scale)
    bins = np.rint(2 * ((spread(BOX) - corner) * scale - 0.5))
    uv = (bins / 2 + 0.5) / scale + corner  # exactly on a bin
    found, confidence = detector(paint(uv), BOX)
    assert error_in_input_pixels(found, uv, BOX) < 0.25
    assert (confidence > 0.05).all()


@pytest.mark.parametrize("head", ["heat", "simcc"])
def test_a_missing_joint_has_zero_confidence(tmp_path, head):
    detector = onnx_pose.KeypointDetector(build(tmp_path / "a.onnx", head))
    uv = spread(BOX)
    uv[5] = -100
    _, confidence = detector(paint(uv), BOX)
    assert confidence[5] < 0.01
    assert (np.delete(confidence, 5) > 0.05).all()


@pytest.mark.parametrize(
    "options", [{"rgb": False}, {"mean": (0, 1, 2), "std": (55, 50, 60)}]
)
def test_colours_are_normalised_as_in_training(tmp_path, options):
    path = build(tmp_path / "a.onnx", "heat", **options)
    uv = spread(BOX)
    found, _ = onnx_pose.KeypointDetector(path, **options)(paint(uv), BOX)
    assert error_in_input_pixels(found, uv, BOX) < 0.25 * CELL
    wrong, _ = onnx_pose.KeypointDetector(path)(paint(uv), BOX)
    assert error_in_input_pixels(wrong, uv, BOX) > CELL


def test_the_peak_of_a_gaussian_is_found_between_cells():
    true = np.array([[7.3, 4.6], [5.0, 8.49], [0.0, 3.2]])
    row, column = np.mgrid[:12, :16]
    heat = np.stack(
        [0.8 * np.exp(-((column - u) ** 2 + (row - v) ** 2) / 4) for u, v in true]
    )
    found, height = onnx_pose._peaks(heat)
    np.testing.assert_allclose(found, true, atol=1e-6)
    assert (height <= 0.8).all()


def test_negative_heat_gives_finite_results():
    heat = np.full((2, 5, 5), -3.0, np.float32)
    heat[1, 2, 2] = 1.0
    found, height = onnx_pose._peaks(heat)
    np.testing.assert_array_equal(found[1], [2, 2])
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(height, [-3, 1])


COLOR_CAMERA = calibration.make_camera(
    320, 240, (280.0, 281.0, 161.0, 119.0), (0.1, -0.05, 0.002, -0.001, 0.01)
)
COLOR_FROM_DEPTH = np.eye(4)
COLOR_FROM_DEPTH[:3, 3] = 0.05, -0.01, 0.02


@pytest.fixture
def opened(make_recording):
    """A person whose colour images have a disc for each joint; frame 1 has no image."""
    path = make_recording(color_camera=None, color=None)
    write_color_camera(path)
    source = recording.open_recording(path)
    (path / "color").mkdir()
    for index in (0, 2):
        image = paint(spread(true_box(source, index), index), radius=4.0)
        cv2.imwrite(str(path / f"color/{index:06d}.png"), image[..., ::-1])
    return source


def write_color_camera(path):
    content = json.loads((path / "camera.json").read_text())
    content["color"] = calibration.to_json(COLOR_CAMERA)
    content["color_from_depth"] = COLOR_FROM_DEPTH.tolist()
    (path / "camera.json").write_text(json.dumps(content))


def true_box(source, index):
    """Box of the masked depth pixels in the colour image, computed with OpenCV."""
    row, column = np.nonzero(source.mask(index))
    z = source.depth(index)[row, column]
    fx, fy, cx, cy = source.depth_camera.intrinsics
    xyz = np.stack([(column + 0.5 - cx) / fx * z, (row + 0.5 - cy) / fy * z, z], axis=1)
    fx, fy, cx, cy = COLOR_CAMERA.intrinsics.astype(float)
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    uv, _ = cv2.projectPoints(
        xyz.astype(float),
        np.zeros(3),
        COLOR_FROM_DEPTH[:3, 3],
        matrix,
        COLOR_CAMERA.distortion.astype(float),
    )
    return (*uv[:, 0].min(axis=0), *uv[:, 0].max(axis=0))


def test_detected_keypoints_of_a_recording_are_read_back(opened, tmp_path):
    detector = onnx_pose.KeypointDetector(build(tmp_path / "a.onnx", "heat"))
    content = onnx_pose.detect_recording(opened, detector)
    (opened.path / "keypoints.json").write_text(json.dumps(content))
    people = recording.open_recording(opened.path).keypoint_detections().by_frame
    assert sorted(people) == [0, 2]
    for index, (person,) in people.items():
        box = true_box(opened, index)
        true = spread(box, index)
        assert error_in_input_pixels(person[:, :2], true, box) < 0.25 * CELL
        assert (person[:, 2] > 0.05).all()


def test_the_box_is_padded_to_the_aspect_ratio_of_the_input():
    # 80 x 100 is padded to 100 x 125 and extended to 3 : 4, which gives 100 x 133.3.
    placed = onnx_pose._fit_box((100, 50, 180, 150), (96, 128))
    np.testing.assert_allclose(placed, (90, 100 - 200 / 3, 0.96))


def test_the_box_encloses_the_points_in_the_recorded_image(opened):
    mask, depth = opened.mask(0), opened.depth(0)
    points = (np.dstack([opened.rays, np.ones_like(depth)]) * depth[..., None])[mask]
    box = onnx_pose.person_box(points, opened)
    np.testing.assert_allclose(box, true_box(opened, 0), atol=1e-3)
    assert onnx_pose.person_box(points + (9, 0, 0), opened) is None
    assert onnx_pose.person_box(points[:0], opened) is None


def test_a_recording_without_colour_is_rejected(make_recording, tmp_path):
    source = recording.open_recording(make_recording(color=None, color_camera=None))
    detector = onnx_pose.KeypointDetector(build(tmp_path / "a.onnx", "heat"))
    with pytest.raises(errors.BadInput, match="no frame has a colour image"):
        onnx_pose.detect_recording(source, detector)


def test_the_file_names_joints_of_other_skeletons(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "JOINTS", 15)
    monkeypatch.setattr(sys.modules[__name__], "COLORS", COLORS[:15])
    detector = onnx_pose.KeypointDetector(build(tmp_path / "a.onnx", "heat"), "ITOP15")
    content = onnx_pose.detect_recording(opened, detector)
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert detections.read(tmp_path / "a.json").joints.joints[0] == "head"


def refusal(path, skeleton="COCO17"):
    with pytest.raises(errors.BadInput) as caught:
        onnx_pose.KeypointDetector(path, skeleton)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_wrong_number_of_joints_is_rejected(tmp_path):
    path = build(tmp_path / "a.onnx", "heat")
    assert "gives 17 joints, but ITOP15 has 15" in refusal(path, "ITOP15")
    assert "unknown skeleton" in refusal(path, "ITOP16")


@pytest.mark.parametrize("shape", [{"height": "h"}, {"width": None}])
def test_an_input_without_fixed_size_is_rejected(tmp_path, shape):
    path = build(tmp_path / "a.onnx", "heat", **shape)
    assert "fixed height and width" in refusal(path)


def test_unknown_output_shapes_are_rejected(tmp_path):
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["image"], ["out"])],
        "flat",
        [helper.make_tensor_value_info("image", kind, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("out", kind, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, tmp_path / "a.onnx")
    assert "gives (1, 48); expected heat maps" in refusal(tmp_path / "a.onnx")


def test_a_file_that_is_not_a_network_is_rejected(tmp_path):
    assert "no ONNX file at" in refusal(tmp_path / "none.onnx")
    (tmp_path / "a.onnx").write_bytes(b"nonsense")
    assert "is not an ONNX model" in refusal(tmp_path / "a.onnx")


def test_a_missing_onnxruntime_is_reported_with_the_install_command(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    path = build(tmp_path / "a.onnx", "heat")
    assert "pip install onnxruntime" in refusal(path)

"""Malformed files: each is read, or refused in one line; nothing else happens.

Valid files of a small recording are damaged at random: JSON values are replaced,
removed or renamed, and bytes of images and archives are cut or changed.
"""

import copy
import json
import shutil

import cv2
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file
from data_pipelines.keypoints import detections
from data_pipelines.readers.recordings import recording
from unipose_jax import errors

CAMERA = calibration.make_camera(32, 24, (28.0, 28.0, 16.0, 12.0))
COLOR = calibration.make_camera(40, 30, (35.0, 35.0, 20.0, 15.0))
FRAMES = 3
SETTINGS = hypothesis.settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**19),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=8),
    st.lists(st.floats(allow_nan=False), max_size=6),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """A recording with colour, masks, keypoints and truth."""
    rng = np.random.default_rng(0)
    depth = np.full((FRAMES, 24, 32), 3.0, np.float32)
    depth[:, 4:20, 12:20] = 2.0
    uv = np.full((FRAMES, 17, 2), 15.0) + rng.uniform(-2, 2, (FRAMES, 17, 2))
    path = tmp_path_factory.mktemp("valid") / "recording"
    recording.write_recording(
        path,
        depth=depth,
        depth_camera=CAMERA,
        fps=15.0,
        color=np.full((FRAMES, 30, 40, 3), 90, np.uint8),
        color_camera=COLOR,
        mask=depth == 2.0,
        keypoints=detections.to_coco(uv, np.full((FRAMES, 17), 0.9), "COCO17"),
        joints=poses(),
    )
    return path


def poses() -> pose_file.PoseFile:
    return pose_file.PoseFile(
        xyz=np.full((FRAMES, 15, 3), 2.0, np.float32),
        confidence=np.ones((FRAMES, 15), np.float32),
        skeleton="ITOP15",
        time=np.arange(FRAMES) / 15,
    )


def read_all(path) -> None:
    """Reads every kind of data of every frame."""
    opened = recording.open_recording(path)
    for index in range(len(opened)):
        opened.depth(index)
        opened.color(index)
        opened.mask(index)
    opened.keypoints("COCO17")
    opened.joints()
    assert np.isfinite(opened.rays).all()


def assert_read_or_refused(read, *arguments) -> None:
    message = "read"
    try:
        read(*arguments)
    except errors.BadInput as error:
        message = str(error)
    assert message
    assert "\n" not in message


def places(tree, path=()):
    """Paths of all values in a JSON tree."""
    yield path
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from places(value, (*path, key))


@st.composite
def damaged_json(draw, tree):
    """The tree with one or two values replaced, removed or renamed."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 2))):
        *parents, last = draw(st.sampled_from([p for p in places(tree) if p]))
        parent = tree
        for key in parents:
            parent = parent[key]
        kind = draw(st.sampled_from(["replace", "remove", "rename"]))
        if kind == "replace":
            parent[last] = draw(JUNK)
        elif kind == "rename" and isinstance(parent, dict):
            parent[draw(st.text(min_size=1, max_size=6))] = parent.pop(last)
        else:
            del parent[last]
        if not tree:
            break
    return tree


@st.composite
def damaged_bytes(draw, content):
    """The content cut short, or with a few bytes changed."""
    if draw(st.booleans()):
        return content[: draw(st.integers(0, len(content) - 1))]
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content) - 1))
        content[place] = draw(st.integers(0, 255))
    return bytes(content)


@pytest.mark.parametrize("name", ["camera.json", "keypoints.json"])
def test_damaged_json_is_read_or_refused_in_one_line(name, valid, tmp_path):
    copied = shutil.copytree(valid, tmp_path / "copy")
    tree = json.loads((valid / name).read_text())

    @SETTINGS
    @hypothesis.given(damaged_json(tree))
    def check(damaged):
        (copied / name).write_text(json.dumps(damaged))
        assert_read_or_refused(read_all, copied)

    check()


@pytest.mark.parametrize("name", ["depth/000001.png", "mask/000001.png", "joints.npz"])
def test_damaged_bytes_are_read_or_refused_in_one_line(name, valid, tmp_path):
    copied = shutil.copytree(valid, tmp_path / "copy")

    @SETTINGS
    @hypothesis.given(damaged_bytes((valid / name).read_bytes()))
    def check(damaged):
        (copied / name).write_bytes(damaged)
        assert_read_or_refused(read_all, copied)

    check()


@pytest.mark.parametrize("kind", ["depth", "mask"])
def test_images_of_any_kind_are_read_or_refused_in_one_line(kind, valid, tmp_path):
    copied = shutil.copytree(valid, tmp_path / "copy")
    shapes = st.sampled_from([(24, 32), (32, 24), (24, 32, 3), (1, 1), (48, 64)])

    @SETTINGS
    @hypothesis.given(shapes, st.sampled_from([np.uint8, np.uint16]), st.integers(0, 9))
    def check(shape, dtype, seed):
        values = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape)
        if seed % 2:
            values = np.where(values % 3, values.flat[0], values.flat[-1])
        cv2.imwrite(str(copied / kind / "000001.png"), values.astype(dtype))
        assert_read_or_refused(read_all, copied)

    check()


@SETTINGS
@hypothesis.given(
    st.sampled_from(["xyz", "confidence", "time", "valid", "skeleton", "frame"]),
    st.sampled_from(["NaN", "shape", "text", "negative", "huge", "missing", "object"]),
)
def test_damaged_pose_files_are_read_or_refused_in_one_line(tmp_path, field, damage):
    pose_file.write(tmp_path / "good.npz", poses())
    fields = dict(np.load(tmp_path / "good.npz"))
    value = fields.get(field, np.ones((FRAMES, 15), bool))
    number = value if value.dtype.kind == "f" else np.ones(value.shape)
    fields[field] = {
        "NaN": np.full_like(number, np.nan),
        "shape": value[..., None],
        "text": np.array(["a"] * FRAMES),
        "negative": -1.0 - number,
        "huge": 1e30 + number,
        "missing": value,
        "object": np.array([None, {}], object),
    }[damage]
    if damage == "missing":
        del fields[field]
    np.savez(tmp_path / "bad.npz", **fields)
    assert_read_or_refused(pose_file.read, tmp_path / "bad.npz")

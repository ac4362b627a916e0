"""The keys of camera.json beside the cameras."""

import json

import numpy as np
import pytest

from data_pipelines.cameras import camera_file
from unipose_jax import errors

DEPTH = {"width": 8, "height": 6, "fx": 10, "fy": 10, "cx": 4, "cy": 3}
CONTENT = {"depth": DEPTH, "depth_unit": 0.001, "fps": 30}


@pytest.fixture
def read(tmp_path):
    def read(**changes):
        content = {k: v for k, v in (CONTENT | changes).items() if v is not ...}
        (tmp_path / "camera.json").write_text(json.dumps(content))
        return camera_file.read_camera_file(tmp_path / "camera.json")

    return read


def test_nothing_is_assumed_where_keys_are_missing(read):
    camera = read()
    assert camera.orientation.is_upright
    assert not camera.up_is_top
    assert camera.invalid is None
    assert camera.mask_values is None
    assert camera.time_unit is None


def test_the_mounting_is_read(read):
    assert read(up="left").orientation.up == "left"
    assert not read(up="left").orientation.mirrored
    assert read(mirrored=True).orientation.mirrored
    assert read(up="top", mirrored=False).orientation.is_upright
    assert read(up="top").up_is_top


@pytest.mark.parametrize(
    ("given", "expected"), [(8191, (8191,)), ([], ()), ([1, 2], (1, 2))]
)
def test_counts_without_depth_are_read(read, given, expected):
    assert read(invalid=given).invalid == expected


@pytest.mark.parametrize("given", [3, [3], {"person": [3]}, {"person": 3}])
def test_mask_values_are_read(read, given):
    assert read(mask_values=given).mask_values == (3,)


@pytest.mark.parametrize("scale", [0.0002, 5000])
def test_a_depth_scale_is_metres_per_count_or_counts_per_metre(read, scale):
    np.testing.assert_allclose(read(depth_unit=..., depth_scale=scale).depth_unit, 2e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"up": "north"}, "'up' is 'north'; use one of \"top\", "),
        ({"up": 180}, "'up' is 180; use one of"),
        ({"up": ["top"]}, "'up' is .*; use one of"),
        ({"mirrored": "yes"}, "'mirrored' must be true or false"),
        ({"time_unit": "msec"}, "'time_unit' is 'msec'; use one of"),
        ({"invalid": 1.5}, "'invalid' must be a whole number"),
        ({"invalid": [-1]}, "'invalid' must be a whole number"),
        ({"invalid": 70000}, "'invalid' has 70000, but pixels go up to 65535"),
        ({"mask_values": [300]}, "'mask_values' has 300, but pixels go up to 255"),
        ({"mask_values": {"nobody": [255]}}, "'mask_values' lists the mask pixels"),
        ({"depth_scale": 0.001}, "has 'depth_unit' and 'depth_scale'; keep one"),
        ({"depth_unit": ..., "depth_scale": 1}, "neither metres per count"),
        ({"fps": 0.0333}, "'fps' 0.0333 is no frame rate .* are 'fps' 30"),
        ({"fps": 29970}, "'fps' 29970 is no frame rate .* is it 29.97"),
        ({"time": [0, float("nan")]}, "entry 1 of 'time' is nan"),
        ({"time": [0, "0.1"]}, "entry 1 of 'time' is '0.1'"),
        ({"time": [0, 10**400]}, "entry 1 of 'time'"),
        ({"timestamps": [0, 1]}, "unknown key 'timestamps'; did you mean 'time'"),
        ({"rgb": DEPTH}, "unknown key 'rgb'; did you mean 'color'"),
        ({"Up": "left"}, "unknown key 'Up'; did you mean 'up'"),
        ({"rotation": 180}, "unknown key 'rotation'; did you mean 'up'"),
        ({"flip": True}, "unknown key 'flip'; did you mean 'mirrored'"),
        ({"fx": 10}, "unknown key 'fx'; did you mean 'depth'"),
        ({"depth2": DEPTH}, "unknown key 'depth2'; did you mean 'depth'"),
        ({"depth": [1, 2]}, "has no 'depth' camera"),
    ],
)
def test_a_wrong_value_is_one_line(read, changes, message):
    with pytest.raises(errors.BadInput, match=message) as caught:
        read(**changes)
    assert "\n" not in str(caught.value)

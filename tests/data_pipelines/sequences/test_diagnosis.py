"""Likely causes when no person is found."""

import re

import numpy as np
import pytest

from data_pipelines.sequences import arrays, diagnosis

CAMERA = np.array([140.0, 140.0, 80.0, 60.0])  # fx, fy, cx, cy


def depth_map(metres=3.0, **boxes):
    depth = np.full((120, 160), metres, np.float32)
    for low, high, z in boxes.values():
        depth[low:high, 60:100] = z
    return depth


@pytest.mark.parametrize(
    ("depth", "cause"),
    [
        (depth_map(0.3), r"depth is from 0\.30 to 0\.30 m: is depth_unit right\?"),
        (depth_map(15.0), "15.00 m: is depth_unit right"),
        (depth_map(3.0, far=(0, 60, 65.5)), "65.50 m: is this value no depth"),
        (
            depth_map(0.0, near=(0, 20, 2.0)),
            "% of the pixels have no depth: is the sen",
        ),
        (depth_map(3.0), "nothing is left that could be a body"),
        (depth_map(3.0, cup=(50, 62, 2.0)), "the largest body left is 0.1. m high: "),
    ],
)
def test_the_cause_is_named_with_what_was_measured(depth, cause):
    clip = arrays.from_arrays(
        "clip", depth=depth[None], time=np.zeros(1), intrinsics=CAMERA
    )
    assert re.search(cause, diagnosis.explain(clip))

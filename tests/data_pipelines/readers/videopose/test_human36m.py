import numpy as np
import pytest

from data_pipelines.readers.videopose import human36m
from tests import config_data
from tests.data_pipelines.originals import videopose
from unipose_jax import errors

KEPT = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]


def open_set(folder, **changes):
    data = {"name": "human36m", "variant": "", "keypoints": ""}
    data |= {"check_counts": True, "skip_corrupt": False}
    return human36m.open_data_set(folder, config_data.typed(data | changes))


@pytest.mark.parametrize("joints", [17, 32])
def test_17_of_32_joints_are_read_in_the_cameras_frame(tmp_path, joints):
    videopose.write_h36m(tmp_path, joints=joints)
    opened = open_set(tmp_path)
    for number, view in enumerate(opened.sequences["validation"]):
        truth = videopose.in_camera(videopose.person(32, 8, seed=4), number)
        # Its tangential distortion differs from OpenCV's. The fit compensates with a
        # rotation of 0.1 degrees: measured 8 mm at 5 m, with 0.02 px RMS.
        np.testing.assert_allclose(view.joints().xyz, truth[:, KEPT], atol=1.2e-2)
        assert view.joints().skeleton == "H36M17"
        projected = view.depth_camera.project(view.xyz)
        np.testing.assert_allclose(view.keypoints("H36M17")[0], projected, atol=0.1)


def test_splits_match_protocol_1(tmp_path):
    videopose.write_h36m(tmp_path)
    opened = open_set(tmp_path)
    people = {k: [v.subject for v in views] for k, views in opened.sequences.items()}
    assert set(people["train"]) == {"S1", "S5", "S6", "S7"}
    assert set(people["validation"]) == {"S8"}
    assert set(people["test"]) == {"S9", "S11"}
    assert len(people["test"]) == 8
    assert opened.sequences["test"][0].name == "S9_Directions_1_cam0"
    np.testing.assert_allclose(opened.sequences["test"][0].time[:2], [0, 0.02])
    sizes = [
        (v.depth_camera.width, v.depth_camera.height)
        for v in opened.sequences["validation"]
    ]
    assert sizes == [(1000, 1002), (1000, 1000), (1000, 1000), (1000, 1002)]


def test_2d_may_have_more_frames_than_3d(tmp_path):
    def cut(solid, _):
        solid["S9"]["Directions 1"] = solid["S9"]["Directions 1"][:6]

    videopose.write_h36m(tmp_path, alter=cut)
    assert [len(view) for view in open_set(tmp_path).sequences["test"]] == [6] * 4 + [
        8
    ] * 4


def test_missing_2d_is_named(tmp_path):
    videopose.write_h36m(tmp_path, alter=lambda _, flat: flat.pop("S6"))
    with pytest.raises(errors.BadInput, match="S6, 'Directions 1': 2D of 0 cameras"):
        open_set(tmp_path)

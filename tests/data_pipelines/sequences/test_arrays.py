import numpy as np
import pytest

from data_pipelines.sequences import arrays
from unipose_jax import errors

TIME = np.array([5.0, 5.1, 5.2])


def parts():
    rng = np.random.default_rng(0)
    return {
        "depth": rng.uniform(1.0, 2.0, (3, 6, 8)),
        "intrinsics": np.array([10.0, 10.0, 4.0, 3.0]),
        "time": TIME,
        "keypoints": rng.uniform(0.1, 1.0, (3, 17, 3)),
        "joints": rng.normal(size=(3, 17, 3)),
    }


def test_a_sequence_returns_the_values_of_its_arrays():
    given = parts()
    given["joints"][1, 4] = np.nan
    made = arrays.from_arrays("clip", **given)
    assert (made.depth_camera.width, made.depth_camera.height) == (8, 6)
    np.testing.assert_allclose(made.time, [0.0, 0.1, 0.2], atol=1e-12)
    np.testing.assert_allclose(made.depth(2), given["depth"][2], rtol=1e-6)
    uv, confidence = made.keypoints("COCO17")
    np.testing.assert_allclose(uv, given["keypoints"][..., :2], rtol=1e-6)
    np.testing.assert_allclose(confidence, given["keypoints"][..., 2], rtol=1e-6)
    truth = made.joints()
    np.testing.assert_allclose(truth.xyz, given["joints"], rtol=1e-6)
    assert not truth.is_valid()[1, 4]
    assert truth.is_valid().sum() == 3 * 17 - 1


def test_a_missing_keypoint_stays_missing():
    given = parts()
    given["keypoints"][1, 4, 2] = 0.0
    uv, confidence = arrays.from_arrays("clip", **given).keypoints("COCO17")
    assert np.isnan(uv[1, 4]).all()
    assert confidence[1, 4] == 0


def test_keypoints_and_joints_are_optional():
    given = parts()
    del given["keypoints"], given["joints"]
    made = arrays.from_arrays("clip", **given)
    assert made.keypoints("COCO17") is None
    assert made.joints() is None


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("depth", (6, 8)),
        ("time", (2, 1)),
        ("intrinsics", (3, 3)),
        ("keypoints", (3, 15, 3)),
        ("joints", (2, 17, 3)),
    ],
)
def test_an_array_of_wrong_shape_is_rejected(name, shape):
    message = rf"^clip: {name} has shape \({shape[0]}, .*\), expected \("
    with pytest.raises(errors.BadInput, match=message):
        arrays.from_arrays("clip", **parts() | {name: np.ones(shape)})

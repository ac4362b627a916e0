import numpy as np
import pytest

from unipose_jax.report.draw import clip_data

XYZ = np.random.default_rng(0).uniform((-1, -1, 2), (1, 1, 4), (6, 15, 3))
INTRINSICS = np.array([300.0, 310.0, 160.0, 120.0])


def turned(angle, shift):
    cos, sin = np.cos(angle), np.sin(angle)
    transform = np.eye(4)
    transform[:3, :3] = [(cos, 0, sin), (0, 1, 0), (-sin, 0, cos)]
    transform[:3, 3] = shift
    return transform


def make_clip(**fields):
    return clip_data.Clip(name="clip", skeleton="ITOP15", xyz=XYZ, **fields)


def test_rays_of_projected_joints_pass_through_them():
    # The keypoint camera stands beside the depth camera, and is turned.
    clip = make_clip(
        color_intrinsics=INTRINSICS,
        color_from_depth=turned(0.1, (0.05, 0.01, 0.0)),
        keypoints=np.zeros((6, 15, 2)),
    )
    clip.keypoints[:] = clip.project(XYZ, "color")
    origin, dirs = clip.rays(2)
    along = np.sum((XYZ[2] - origin) * dirs, axis=-1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(dirs, axis=-1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(origin + along * dirs, XYZ[2], atol=1e-12)


def test_keypoints_of_no_confidence_have_no_ray():
    confidence = np.ones((6, 15))
    confidence[0, 3] = 0.0
    clip = make_clip(
        intrinsics=INTRINSICS,
        keypoints=np.full((6, 15, 2), 100.0),
        keypoint_confidence=confidence,
    )
    _, dirs = clip.rays(0)
    np.testing.assert_array_equal(np.isnan(dirs).any(axis=-1), np.arange(15) == 3)


def test_keypoints_belong_to_the_depth_map_only_with_one_camera():
    keypoints = np.zeros((6, 15, 2))
    alone = make_clip(intrinsics=INTRINSICS, keypoints=keypoints)
    beside = make_clip(color_intrinsics=INTRINSICS, keypoints=keypoints)
    assert alone.keypoints_on("depth") is keypoints
    assert beside.keypoints_on("depth") is None
    assert beside.keypoints_on("color") is keypoints


def test_thinning_keeps_first_and_last_frame_and_all_fields_in_step():
    clip = make_clip(
        time=np.arange(6.0), depth=np.zeros((6, 4, 5)), intrinsics=INTRINSICS
    )
    thin = clip.thinned(3)
    np.testing.assert_array_equal(thin.time, [0.0, 2.0, 5.0])
    np.testing.assert_array_equal(thin.xyz, XYZ[[0, 2, 5]])
    assert thin.depth.shape == (3, 4, 5)
    assert thin.intrinsics is INTRINSICS
    assert clip.thinned(99).num_frames == 6


def test_images_need_intrinsics():
    with pytest.raises(ValueError, match="depth maps but no intrinsics"):
        make_clip(depth=np.zeros((6, 4, 5)))
    with pytest.raises(ValueError, match="pixels but no intrinsics"):
        make_clip(color=np.zeros((6, 4, 5, 3), np.uint8))


def test_asking_for_images_that_are_not_there_names_those_that_are():
    clip = make_clip(depth=np.zeros((6, 4, 5)), intrinsics=INTRINSICS)
    assert clip.image_kinds == ("depth",)
    with pytest.raises(ValueError, match=r"has \('depth',\), not 'color'"):
        clip.images("color")


def test_truth_of_nothing_is_no_truth():
    assert make_clip(truth=np.full_like(XYZ, np.nan)).truth is None
    partly = XYZ.copy()
    partly[2] = np.nan
    clip = make_clip(truth=partly)
    assert clip.truth_at(2) is None
    np.testing.assert_array_equal(clip.truth_at(1), XYZ[1])
    assert make_clip().truth_at(1) is None

"""NTU RGB+D on real files: residuals of the cameras, and left and right."""

import numpy as np
import pytest

from data_pipelines.readers.ntu import skeleton_file
from tests.data_pipelines.originals import ntu_rgbd as originals
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

SAMPLES = (
    "S001C001P001R001A001",
    "S001C001P001R001A011",
    "S002C001P003R001A003",
    "S003C001P015R001A034",
)


def link_samples(sample_data, folder):
    """Links the sample files as a source, with a first depth image, which they lack."""
    for name in SAMPLES:
        path = sample_data / "ntu" / f"{name}.skeleton"
        if not path.is_file():
            pytest.skip(f"no {path}")
        (folder / path.name).symlink_to(path)
        (folder / name).mkdir()
        (folder / name / "MDepth-00000001.png").touch()
    video = sample_data / "ntu" / f"{SAMPLES[0]}_rgb.avi"
    (folder / video.name).symlink_to(video)
    return folder


@pytest.mark.parametrize("name", SAMPLES)
def test_cameras_fit_real_files(sample_data, name):
    path = sample_data / "ntu" / f"{name}.skeleton"
    if not path.is_file():
        pytest.skip(f"no {path}")
    (body,) = skeleton_file.read(path)
    fitted = skeleton_file.fit_cameras([skeleton_file.point_correspondences(body)])
    assert fitted.depth_rms < 2e-4  # pixels; measured 4e-5 to 5e-5
    assert fitted.color_rms < 0.015  # measured 0.002 to 0.008
    np.testing.assert_allclose(fitted.depth.intrinsics[:2], 365.3, atol=0.5)
    baseline = fitted.color.intrinsics[0] * fitted.color_from_depth[0, 3]
    np.testing.assert_allclose(baseline, 56.2, atol=0.2)  # data README
    # All joints, also inferred ones, with the camera that the reader returns.
    uv = originals.project(body.xyz, fitted.depth)
    error = np.linalg.norm(uv - body.uv_depth, axis=-1)
    assert np.sqrt((error**2).mean()) < 1e-3
    seen = body.xyz @ fitted.color_from_depth[:3, :3].T + fitted.color_from_depth[:3, 3]
    error = np.linalg.norm(
        originals.project(seen, fitted.color) - body.uv_color, axis=-1
    )
    assert np.sqrt((error**2).mean()) < 0.02


def test_one_kinect_has_the_same_cameras_in_all_setups(sample_data, tmp_path):
    opened = originals.open_source(link_samples(sample_data, tmp_path))
    assert [len(opened.sequences[split]) for split in ("train", "test")] == [3, 1]
    first, second = opened.sequences["train"][1], opened.sequences["test"][0]
    np.testing.assert_allclose(
        first.depth_camera.intrinsics, second.depth_camera.intrinsics, atol=0.01
    )
    assert "RMS at most 5e-05 px in depth and 0.007 px in colour" in opened.protocol


def test_joint_names_match_the_real_mirrored_image(sample_data, tmp_path):
    """The woman faces the camera: her left side is on the right of the image."""
    opened = originals.open_source(link_samples(sample_data, tmp_path))
    sequence = opened.sequences["train"][0]
    uv, confidence = sequence.keypoints("COCO17")
    left, right = (skeletons.COCO17.index(f"{s}_shoulder") for s in ("left", "right"))
    assert (uv[:, left, 0] > uv[:, right, 0] + 20).all()
    assert (confidence[:, [left, right]] > 0).all()
    # She wears black and stands in front of a white wall.
    image = sequence.color(60)
    u, v = np.floor(uv[60, right]).astype(int)
    assert image[v + 20, u].max() < 60
    assert image[v + 20, u - 100].min() > 150


def test_missing_depth_of_the_samples_is_reported(sample_data):
    message = f"no masked depth .* of {SAMPLES[0]}, {SAMPLES[1]}"
    with pytest.raises(errors.BadInput, match=message):
        originals.open_source(sample_data / "ntu")

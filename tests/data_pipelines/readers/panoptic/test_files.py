"""CMU Panoptic: missing, incomplete and invalid files."""

import json
import shutil
import tarfile

import pytest

from data_pipelines.readers.panoptic import data_set
from tests import config_data
from tests.data_pipelines.originals import cmu_panoptic as originals
from unipose_jax import errors

NAME = originals.RECORDINGS["train"]


def settings(**changes):
    data = {
        "name": "cmu_panoptic",
        "variant": "",
        "keypoints": "",
        "check_counts": False,
        "skip_corrupt": False,
    }
    return config_data.typed(data | changes)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("panoptic")
    originals.write(folder, NAME)
    return folder


@pytest.fixture
def copied(written, tmp_path):
    """A copy of the recording that a test may damage."""
    shutil.copytree(written / NAME, tmp_path / NAME)
    return tmp_path / NAME


def test_missing_files_are_listed(copied):
    (copied / f"ksynctables_{NAME}.json").unlink()
    shutil.rmtree(copied / "hdPose3d_stage1_coco19")
    with pytest.raises(
        errors.BadInput,
        match=f"incomplete: no {NAME}/ksynctables_{NAME}.json, {NAME}/hdPose3d",
    ):
        data_set.open_data_set(copied.parent, settings(skip_corrupt=True))
    with pytest.raises(errors.BadInput, match=r"NODE6/depthdata.dat and 5 more$"):
        data_set.open_data_set(copied.parent, settings(check_counts=True))


@pytest.mark.parametrize("name", ["no_folder", ""])
def test_a_source_without_recordings_is_rejected(tmp_path, name):
    with pytest.raises(errors.BadInput, match="has no CMU Panoptic recording"):
        data_set.open_data_set(tmp_path / name, settings())


def test_variants_are_rejected(written):
    with pytest.raises(errors.BadInput, match="variant is 'side'"):
        data_set.open_data_set(written, settings(variant="side"))


CORRUPTED = {
    "calibration": (
        f"calibration_{NAME}.json",
        b"{",
        "calibration.* is not valid JSON",
    ),
    "other cameras": (
        f"calibration_{NAME}.json",
        b'{"cameras": []}',
        "no camera 50_01",
    ),
    "no sensors": (f"kcalibration_{NAME}.json", b'{"sensors": []}', "no sensor 1"),
    "no matrix": (
        f"kcalibration_{NAME}.json",
        b'{"sensors": [{}, {}]}',
        "sensor 1: 'M_depth' is missing",
    ),
    "no table": (f"ksynctables_{NAME}.json", b"[]", "no list kinect.depth.KINECTNODE1"),
    "other times": (
        f"ksynctables_{NAME}.json",
        json.dumps(
            {
                "kinect": {
                    kind: {f"KINECTNODE{n}": {"univ_time": [5, 40]} for n in (1, 2)}
                    for kind in ("depth", "color")
                }
            }
        ).encode(),
        "no depth image of KINECTNODE1 is within 17 ms",
    ),
    "scene": (
        "hdPose3d_stage1_coco19/body3DScene_00000101.json",
        b'{"univTime": 1, "bodies": [{"id": 0, "joints19": [1]}]}',
        "body3DScene_00000101.json is not an HD pose file",
    ),
    "half a picture": (
        "kinect_shared_depth/KINECTNODE1/depthdata.dat",
        bytes(2 * 128 * 106 + 2),
        "depthdata.dat has 27138 bytes, not a whole number of 128x106",
    ),
    "no depth": (
        "kinect_shared_depth/KINECTNODE1/depthdata.dat",
        b"",
        "depthdata.dat has 0 bytes",
    ),
    "empty video": (
        "kinectVideos/kinect_50_01.mp4",
        b"",
        "kinect_50_01.mp4 is not a video",
    ),
}


@pytest.mark.parametrize("case", CORRUPTED)
def test_an_invalid_file_is_named_and_skipped_only_if_allowed(copied, case):
    path, content, message = CORRUPTED[case]
    (copied / path).write_bytes(content)
    with pytest.raises(errors.BadInput, match=message) as caught:
        data_set.open_data_set(copied, settings())
    assert "\n" not in str(caught.value)
    left = data_set.open_data_set(copied, settings(skip_corrupt=True))
    assert str(caught.value) in left.skipped
    assert all(s.node == 2 for s in left.sequences["train"])


def test_poses_without_people_are_rejected(copied):
    for file in (copied / "hdPose3d_stage1_coco19").iterdir():
        file.write_text('{"univTime": 1.0, "bodies": []}')
    with pytest.raises(errors.BadInput, match="none of the 4 scenes has a person"):
        data_set.open_data_set(copied, settings())


def test_a_damaged_archive_is_rejected(copied):
    poses = copied / "hdPose3d_stage1_coco19"
    with tarfile.open(poses.with_suffix(".tar"), "w") as archive:
        archive.add(poses, poses.name)
    shutil.rmtree(poses)
    content = poses.with_suffix(".tar").read_bytes()
    poses.with_suffix(".tar").write_bytes(content[: len(content) // 2 + 100])
    with pytest.raises(
        errors.BadInput, match="stage1_coco19.tar is not a complete tar file"
    ):
        data_set.open_data_set(copied, settings())


def test_a_frame_beyond_the_end_of_the_depth_file_is_an_error_of_that_frame(copied):
    path = copied / "kinect_shared_depth/KINECTNODE1/depthdata.dat"
    path.write_bytes(path.read_bytes()[: -2 * 128 * 106])
    seen = data_set.open_data_set(copied, settings()).sequences["train"][0]
    assert seen.depth(2).any()
    with pytest.raises(errors.BadInput, match=r"ends before depth image 6"):
        seen.depth(3)


def test_an_unreadable_color_image_is_an_error_of_that_frame(copied):
    originals.extract_pictures(copied, 1)
    (copied / "kinectImgs/50_01/50_01_00000002.jpg").write_bytes(b"no picture")
    seen = data_set.open_data_set(copied, settings()).sequences["train"][0]
    assert seen.color(1) is not None
    with pytest.raises(errors.BadInput, match=r"50_01_00000002.jpg: colour image 1"):
        seen.color(0)

import dataclasses

import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.ground import schema
from data_pipelines.sequences import person_crops, sequence
from unipose_jax import errors
from unipose_jax.geometry import camera as pinhole
from unipose_jax.synthesis import pools, scene

PINHOLE = calibration.make_camera(64, 48, (60.0, 62.0, 33.0, 23.0))
BENT = calibration.make_camera(
    64, 48, (60.0, 62.0, 33.0, 23.0), (-0.5, 0.1, 0.02, -0.03, 0.0)
)
POSE = np.eye(4, dtype=np.float32)
POSE[:3, 3] = [0.06, -0.01, 0.02]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Frames(sequence.Sequence):
    """A sequence with images in memory; a string is the error of an unreadable one."""

    pictures: tuple = ()

    def color(self, index):
        picture = self.pictures[index]
        if isinstance(picture, str):
            raise errors.BadInput(picture)
        return picture


def make_sequence(pictures=(), depth_camera=PINHOLE, color_camera=PINHOLE, pose=POSE):
    return Frames(
        name="frames",
        subject="someone",
        frames=tuple(range(len(pictures))),
        time=np.arange(len(pictures)) / 10,
        depth_camera=depth_camera,
        color_camera=color_camera,
        color_from_depth=pose,
        pictures=tuple(pictures),
    )


def make_person(seed=0, count=300):
    """A point cloud of human size, 2 m away: (points, 3)."""
    rng = np.random.default_rng(seed)
    low, high = (-0.3, -0.5, 1.9), (0.5, 0.4, 2.2)
    return rng.uniform(low, high, (count, 3)).astype(np.float32)


def project(matrix, xyz):
    """Projects points to pixels of a crop with its matrix: (..., 2)."""
    return ((xyz / xyz[..., 2:]) @ matrix.astype(np.float64).T)[..., :2]


def recorded(camera, xyz):
    """Projects points to distorted pixels of a camera: (..., 2)."""
    xy = (xyz[..., :2] / xyz[..., 2:]).reshape(-1, 2)
    uv = pinhole.uv_from_xy(pinhole.distort(xy, camera.distortion), camera.intrinsics)
    return uv.reshape(*xyz.shape[:-1], 2)


@pytest.fixture(scope="module")
def rendered():
    # With a prime number of pixels, few samples fall on an edge between two pixels.
    params = scene.SceneParams(frames=2, height=48, width=64, points=150, crop_size=17)
    extras = ("depth", "mask", "color", *scene.CROPS)
    return pools.render_pool(1, "train", 0, 6, params, extras=extras, batch_size=6)


def clear_of_edges(matrix, camera, size, samples):
    """Mask of crop pixels without samples on an edge between two image pixels.

    The points come from pixels, so whole rows and columns of samples can lie on such
    edges, where the nearest pixel depends on rounding.
    """
    place = (np.arange(size * samples) + 0.5) / samples
    sure = []
    for axis in (0, 1):
        ray = (place - matrix[axis, 2].astype(np.float64)) / matrix[axis, axis]
        pixel = ray * camera.intrinsics[axis] + camera.intrinsics[axis + 2]
        off = np.abs(pixel - np.rint(pixel)) > 1e-3
        sure.append(off.reshape(size, samples).all(axis=1))
    return sure[1][:, None] & sure[0]


@pytest.mark.parametrize("clip", range(6))
def test_crops_match_those_of_rendered_people(rendered, clip):
    one = {name: value[clip] for name, value in rendered.items()}
    source = make_sequence(
        one["color"],
        calibration.make_camera(64, 48, one["depth_intrinsics"]),
        calibration.make_camera(64, 48, one["intrinsics"]),
        one["cam_from_points"],
    )
    for frame in range(2):
        xyz = one["points"][frame][one["points_valid"][frame]]
        alone = np.where(one["mask"][frame], one["depth"][frame], 0.0)
        got = person_crops.frame_crops(source, frame, xyz, alone, size=17)
        assert set(got) == set(schema.CROP_FIELDS)
        for name, value in got.items():
            expected = one[name][frame]
            assert (value.dtype, value.shape) == (expected.dtype, expected.shape)
            if "matrix" in name or name == "reference_depth":
                np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-3)
            else:
                samples = {"depth_crop": 1, "color_crop": 3}[name]
                camera = getattr(source, name.replace("crop", "camera"))
                sure = clear_of_edges(got[f"{name}_matrix"], camera, 17, samples)
                assert sure.mean() > 0.5
                np.testing.assert_array_equal(value[sure], expected[sure])


def test_the_renderer_has_a_camera_baseline(rendered):
    aside = np.abs(rendered["cam_from_points"] - np.eye(4)).max((1, 2)) > 0.01
    assert 0 < aside.sum() < 6


@pytest.mark.parametrize("camera", [PINHOLE, BENT], ids=["pinhole", "bent"])
@pytest.mark.parametrize("joint", [(0.0, 0.0, 2.0), (-0.28, -0.45, 2.0), (0.4, 0.3, 2)])
def test_a_point_projects_onto_its_image_in_both_crops(camera, joint):
    """Draws a dot at the distorted pixel of a point, and looks for it at P (x, y)."""
    source = make_sequence([None], camera, camera)
    seen = np.array(joint) @ POSE[:3, :3].T + POSE[:3, 3]
    depth, color = np.zeros((48, 64), np.float32), np.zeros((48, 64, 3), np.uint8)
    for image, xyz in ((depth, np.array(joint)), (color, seen)):
        column, row = np.floor(recorded(camera, xyz)).astype(int)
        image[row, column] = 200
    person = make_person()
    found = person_crops.depth_fields(source, person, depth, size=96)
    assert distance_to_dot(found["depth_crop"], found["depth_crop_matrix"], joint) < 2
    found = person_crops.color_fields(source, person, color, size=96)
    dot = found["color_crop"][..., 0]
    # One image pixel is two and a half crop pixels.
    assert distance_to_dot(dot, found["color_crop_matrix"], seen) < 2


def distance_to_dot(crop, matrix, xyz):
    """Distance between the centre of a dot and the projected point, crop pixels."""
    rows, columns = np.nonzero(crop > 100)
    middle = np.array([columns.mean(), rows.mean()]) + 0.5
    return np.linalg.norm(middle - project(matrix, np.array(xyz)))


def test_the_lens_distortion_affects_the_test_above():
    corner = np.array([-0.28, -0.45, 2.0])
    assert np.linalg.norm(recorded(BENT, corner) - PINHOLE.project(corner)) > 0.3


def test_crops_are_empty_outside_the_valid_range_of_the_lens():
    # r (1 - 0.25 r^2) increases up to r^2 = 4/3 and is 0 again at r = 2.
    fold = calibration.make_camera(
        64, 48, (60.0, 60.0, 32.0, 24.0), (-0.25, 0, 0, 0, 0)
    )
    matrix = np.array([[10.0, 0, 24], [0, 10, 24], [0, 0, 1]])
    seen = person_crops.resample(np.ones((48, 64)), matrix, fold, size=48)
    v, u = np.indices((48, 48)) + 0.5
    radius = np.hypot(u - 24, v - 24) / 10
    assert np.all(seen[radius > np.sqrt(4 / 3)] == 0)
    # The top and bottom edges are at r (1 - 0.25 r^2) = 24 / 60: r = 0.417.
    assert np.all(seen[radius < 0.4] == 1)


@pytest.mark.parametrize("shrink", [2.0, 5.0])
def test_fine_patterns_are_averaged(shrink):
    size = 16
    rows, columns = np.indices((100, 120))
    board = np.repeat(((rows + columns) % 2 * 255)[..., None], 3, -1).astype(np.uint8)
    camera = calibration.make_camera(120, 100, (100.0, 100.0, 60.0, 50.0))
    source = make_sequence([board], camera, camera, np.eye(4, dtype=np.float32))
    half = shrink * size / 2.4 / 100  # metres at 1 m
    person = np.array([[-half, -half, 1.0], [half, half, 1.0]])
    fields = person_crops.color_fields(source, person, board, size=size)
    assert fields["color_crop_matrix"][0, 0] == pytest.approx(100 / shrink)
    # A single sample per pixel would be black or white.
    off = np.abs(fields["color_crop"].astype(float) - 127.5)
    assert off.max() < (15 if shrink > 3 else 60)


def test_the_square_matches_a_hand_computed_one():
    # 60 px wide at f / z = 30 px per metre; 12 px high; a margin of a tenth per side.
    camera = calibration.make_camera(64, 48, (60.0, 60.0, 32.0, 24.0))
    person = np.array([[-1.0, 0.1, 2.0], [1.0, -0.3, 2.0]])
    matrix = person_crops.crop_matrix(person, camera, size=36)
    # s = 36 / 72; left = 32 - 36, top = 24 - 3 - 36.
    np.testing.assert_allclose(matrix, [[30, 0, 18], [0, 30, 19.5], [0, 0, 1]])


def test_outliers_and_points_behind_the_camera_have_no_effect():
    person = make_person(count=500)
    matrix = person_crops.crop_matrix(person, PINHOLE, size=32)
    outliers = np.concatenate([person, [[5.0, 0.0, 2.0], [0.0, -9.0, 2.0]]])
    changed = person_crops.crop_matrix(outliers, PINHOLE, size=32)
    np.testing.assert_allclose(changed, matrix, rtol=0.02, atol=0.2)
    behind = np.concatenate([person, [[0.1, 0.1, -1.0], [0.1, 0.1, 0.0]]])
    unchanged = person_crops.crop_matrix(behind, PINHOLE, size=32)
    np.testing.assert_allclose(unchanged, matrix, rtol=1e-6)


def test_a_frame_without_points_gets_the_centre_of_the_image():
    nobody = np.zeros((0, 3), np.float32)
    depth = np.full((48, 64), 1.5, np.float32)
    fields = person_crops.depth_fields(make_sequence(), nobody, depth, size=24)
    assert fields["reference_depth"] == 0
    # 48 x 48 pixels, starting at column 8.
    expected = [[30, 0, 12.5], [0, 31, 11.5], [0, 0, 1]]
    np.testing.assert_allclose(fields["depth_crop_matrix"], expected)
    np.testing.assert_array_equal(fields["depth_crop"], 1.5)


def test_reference_depth_is_the_median_of_the_person():
    fields = person_crops.depth_fields(
        make_sequence(),
        np.array([[0, 0, 1.5], [0, 0, 2.0], [0, 0, 9.0]]),
        np.zeros((48, 64), np.float32),
        size=8,
    )
    assert fields["reference_depth"] == 2.0


def test_without_a_color_camera_there_is_no_color():
    source = make_sequence([None], color_camera=None)
    depth = np.full((48, 64), 2.0004, np.float32)
    fields = person_crops.frame_crops(source, 0, make_person(), depth, size=8)
    assert set(fields) == {"depth_crop", "depth_crop_matrix", "reference_depth"}
    assert fields["depth_crop"].dtype == np.uint16
    assert set(np.unique(fields["depth_crop"])) <= {0, 2000}


def test_color_that_cannot_be_read_is_bad_input():
    source = make_sequence(["color/000000.png cannot be decoded"])
    depth = np.zeros((48, 64), np.float32)
    with pytest.raises(errors.BadInput, match="000000.png cannot be decoded"):
        person_crops.frame_crops(source, 0, make_person(), depth, size=8)


def test_frames_without_an_image_are_black_among_others():
    white = np.full((48, 64, 3), 255, np.uint8)
    depth = np.ones((48, 64), np.float32)
    source = make_sequence([white, None])
    frames = [
        person_crops.frame_crops(source, index, make_person(), depth, size=8)
        for index in (0, 1)
    ]
    fields = person_crops.stack_frames(frames)
    assert set(fields) == set(schema.CROP_FIELDS)
    assert fields["color_crop"][0].any()
    assert not fields["color_crop"][1].any()
    assert not any("color" in name for name in person_crops.stack_frames(frames[1:]))
    assert person_crops.stack_frames([{}, {}]) == person_crops.stack_frames([]) == {}

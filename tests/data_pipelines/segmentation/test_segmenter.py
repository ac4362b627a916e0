import cv2
import numpy as np
import pytest

from data_pipelines.cameras import calibration
from data_pipelines.segmentation import person_candidates, planes
from data_pipelines.segmentation import segmenter as segmentation


def segmenter(room, camera=None):
    camera = camera or room.camera
    return segmentation.Segmenter(camera.rays(), camera.intrinsics)


def iou(mask, truth):
    return (mask & truth).sum() / (mask | truth).sum()


def noisy(depth, seed=0):
    """Adds structured-light noise, 1.4e-3 z^2, and drops a tenth of the pixels."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=depth.shape) * 1.4e-3 * depth**2
    missing = rng.uniform(size=depth.shape) < 0.1
    return np.where(missing, 0, depth + noise).astype(np.float32)


@pytest.mark.parametrize("x", [-0.8, 0.0, 0.7])
@pytest.mark.parametrize("z", [2.2, 3.3])
def test_a_person_in_a_room_is_segmented(room, x, z):
    depth, shown = room.render(room.person(x, z))
    found = segmenter(room)(depth)
    assert iou(found.mask, shown == 1) > 0.95
    rows, columns = np.nonzero(found.mask)
    left, top, right, bottom = found.box
    assert (left, top) == (columns.min(), rows.min())
    assert (right, bottom) == (columns.max() + 1, rows.max() + 1)
    np.testing.assert_allclose(found.floor, room.floor, atol=0.02)


def test_noise_and_holes_reduce_the_overlap_little(room):
    depth, shown = room.render(room.person(0.2, 2.8))
    depth = noisy(depth)
    assert iou(segmenter(room)(depth).mask, (shown == 1) & (depth > 0)) > 0.9


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf, -1.0])
def test_nan_and_infinity_mean_missing_depth(room, nothing):
    depth, _ = room.render(room.person(0.0, 2.5))
    depth[10:90:7, ::5] = 0
    other = np.where(depth > 0, depth, nothing)
    first, second = segmenter(room)(depth), segmenter(room)(other)
    np.testing.assert_array_equal(first.mask, second.mask)


def test_feet_are_in_the_mask_and_the_floor_is_not(room):
    depth, shown = room.render(room.person(0.0, 2.5))
    found = segmenter(room)(depth)
    feet = np.zeros(shown.shape, bool)
    feet[np.nonzero(shown == 1)[0].max() - 3 :] = True
    assert (found.mask & feet & (shown == 1)).sum() > 0.6 * (feet & (shown == 1)).sum()
    assert (found.mask & (shown == 0)).sum() < 0.02 * (shown == 1).sum()


@pytest.mark.parametrize("planes", [(), ("wall",), ("floor",)])
def test_a_person_is_segmented_without_floor_or_wall(room, planes):
    depth, shown = room.render(
        room.person(0.1, 2.5), planes=[getattr(room, name) for name in planes]
    )
    assert iou(segmenter(room)(depth).mask, shown == 1) > 0.95


def test_a_nearer_box_is_not_the_person(room):
    box = (np.array([-1.0, 0.3, 1.6]), np.array([-0.4, 1.2, 2.1]))
    depth, shown = room.render(room.person(0.5, 3.0), boxes=[box])
    assert iou(segmenter(room)(noisy(depth)).mask, shown == 1) > 0.85


def test_the_nearest_of_several_people_is_chosen(room):
    far, near = room.person(-0.6, 3.4), room.person(0.5, 2.4)
    depth, _ = room.render(np.concatenate([far, near]))
    truth = room.render(near)[1] == 1
    assert iou(segmenter(room)(depth).mask, truth) > 0.95


def test_the_person_under_the_keypoints_is_chosen(room):
    far, near = room.person(-0.6, 3.4), room.person(0.5, 2.4)
    depth, _ = room.render(np.concatenate([far, near]))
    # Keypoints of the far person in a camera 10 cm to the right.
    cam_from_depth = np.eye(4)
    cam_from_depth[0, 3] = -0.1
    joints = far[::5, :3] + cam_from_depth[:3, 3]
    hint = segmentation.KeypointHint(
        uv=np.append(room.camera.project(joints), [[np.nan, np.nan]], axis=0),
        confidence=np.append(np.ones(len(joints)), 0.0),
        intrinsics=room.camera.intrinsics,
        cam_from_depth=cam_from_depth,
    )
    truth = room.render(far)[1] == 1
    assert iou(segmenter(room)(depth, hint).mask, truth) > 0.95


def test_the_person_is_followed_behind_another_person(room):
    follow = segmenter(room)
    for step in range(6):
        # Walks away from 2 m to 3 m while another person enters at 2.2 m.
        person = room.person(-0.7, 2.0 + 0.2 * step)
        other = room.person(1.6 - 0.2 * step, 2.2)
        depth, _ = room.render(np.concatenate([person, other]))
        found = follow(depth)
    assert iou(found.mask, room.render(person)[1] == 1) > 0.9
    follow.reset()
    assert iou(follow(depth).mask, room.render(other)[1] == 1) > 0.9


def test_a_pole_in_front_does_not_divide_the_person(room):
    pole = (np.array([-0.03, -2.0, 1.5]), np.array([0.03, 1.2, 1.56]))
    depth, shown = room.render(room.person(0.0, 2.5), boxes=[pole])
    assert iou(segmenter(room)(depth).mask, shown == 1) > 0.9


def test_a_hand_held_out_is_in_the_mask(room):
    # The hand occludes its own forearm: there are 0.4 m of depth between the two.
    hand = np.array([[0.25, -0.05, 2.1, 0.06]])
    depth, shown = room.render(np.concatenate([room.person(0.0, 2.5), hand]))
    found = segmenter(room)(depth)
    assert iou(found.mask, shown == 1) > 0.95
    assert found.mask[tuple((room.camera.project(hand[0, :3])[::-1]).astype(int))]


@pytest.mark.parametrize("depth", [0.0, 2.0])
def test_no_person_is_found_without_a_person(room, depth):
    found = segmenter(room)(np.full((120, 160), depth, np.float32))
    assert not found.mask.any()
    assert found.box == (0, 0, 0, 0)
    assert found.score == 0


def test_no_person_is_found_in_an_empty_room(room):
    assert not segmenter(room)(room.render()[0]).mask.any()


@pytest.mark.parametrize(("width", "height"), [(320, 240), (640, 480), (512, 424)])
def test_segmentation_works_at_any_resolution(room, width, height):
    focal = 0.9 * width
    camera = calibration.make_camera(
        width, height, (focal, focal, width / 2, height / 2)
    )
    depth, shown = room.render(room.person(0.0, 2.8), camera=camera)
    assert iou(segmenter(room, camera)(depth).mask, shown == 1) > 0.95


@pytest.mark.parametrize(
    "size", [(1280, 4), (4, 1280), (1, 1), (700, 1), (1, 700), (3, 2), (5, 640)]
)
@pytest.mark.parametrize("depth", ["flat", "steps", "nothing"])
def test_images_of_any_shape_are_accepted(size, depth):
    width, height = size
    camera = calibration.make_camera(
        width, height, (300.0, 300.0, width / 2, height / 2)
    )
    steps = 1.0 + np.arange(width * height, dtype=np.float32).reshape(height, width) % 3
    image = {"flat": np.full_like(steps, 2.0), "steps": steps, "nothing": 0 * steps}
    found = segmentation.Segmenter(camera.rays(), camera.intrinsics)(image[depth])
    assert found.mask.shape == (height, width)


def test_masks_reach_the_image_edges_beyond_the_grid(room):
    # With 512x424 pixels in blocks of 3, the last row and two columns are in no block.
    camera = calibration.make_camera(512, 424, (460.0, 460.0, 470.0, 180.0))
    depth, shown = room.render(room.person(0.2, 1.6), camera=camera)
    mask = segmenter(room, camera)(depth).mask
    for edge in (np.s_[-1], np.s_[:, -1]):
        person = shown[edge] == 1
        assert person.sum() > 5, edge
        assert mask[edge][person].mean() > 0.8, edge


def test_grid_blocks_cover_exactly_their_own_pixels():
    # A surface at constant depth. One block of 3x3 pixels is the person, so the mask
    # has exactly this block and the eight blocks around it.
    camera = calibration.make_camera(512, 424, (460.0, 460.0, 256.0, 212.0))
    view = segmenter(None, camera).analyze(np.full((424, 512), 2.0, np.float32))
    labels = np.zeros_like(view.labels)
    labels[50, 80] = 1
    view = view._replace(labels=labels, room=planes.Planes(None, ()))
    person = person_candidates.Candidate(np.array([1]), np.array([0.0, 0.0, 2.0]), 1.0)
    found = segmentation.extract_person(view, person)
    assert found.box == (3 * 79, 3 * 49, 3 * 82, 3 * 52)
    assert found.mask.sum() == 9 * 9


def test_segmentation_matches_real_masks_of_the_turning_person(sample_data):
    camera = calibration.make_camera(640, 480, (525.0, 525.0, 320.0, 240.0))
    follow = segmentation.Segmenter(camera.rays(), camera.intrinsics)
    scores = []
    for frame in range(0, 50, 7):
        stem = sample_data / "turning_person" / f"{frame:010d}"
        depth = cv2.imread(f"{stem}_depth.png", cv2.IMREAD_UNCHANGED) * np.float32(1e-3)
        truth = cv2.imread(f"{stem}_mask.jpg", cv2.IMREAD_GRAYSCALE) > 127
        scores.append(iou(follow(depth).mask, truth & (depth > 0)))
    assert min(scores) > 0.99


def test_the_person_in_a_real_itop_frame_is_segmented(sample_data):
    depth = np.load(sample_data / "itop" / "00_02254.npy").astype(np.float32)
    camera = calibration.make_camera(320, 240, (285.71, 285.71, 160.5, 120.5))
    found = segmentation.Segmenter(camera.rays(), camera.intrinsics)(depth)
    # Marked by hand to 3 px: head, left hand, right foot.
    np.testing.assert_allclose(found.box, (95, 65, 213, 233), atol=4)
    assert found.mask[
        107, 100
    ]  # the hand in front of the body, separated from the arm in depth
    assert found.mask[225, 205]  # the front foot
    assert not found.mask[150, 50]  # the pillar
    assert not found.mask[200, 300]  # the nearer furniture


def test_holes_of_the_grid_get_the_nearest_depth_around_them():
    depth = np.random.default_rng(0).uniform(1.0, 3.0, (7, 10)).astype(np.float32)
    depth[1::2, 1::2] = 0.0  # the centres of the blocks
    depth[2:4, 4:6] = 0.0
    depth[1, 3] = 2.5
    found = segmentation._downsample_depth(depth, 2)
    known = np.where(depth > 0, depth, np.inf)[:6]
    expected = known.reshape(3, 2, 5, 2).min(axis=(1, 3))
    expected[1, 2], expected[0, 1] = 0.0, 2.5
    np.testing.assert_array_equal(found, expected)

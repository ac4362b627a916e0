import numpy as np
import pytest

from data_pipelines.segmentation import person_candidates

PIXEL = 0.01


def flat_cloud(labels, depths):
    """Points of regions parallel to the image plane, each at its own depth."""
    z = np.array(depths, np.float32)[labels]
    v, u = np.indices(labels.shape)
    return np.stack([u * PIXEL * z, v * PIXEL * z, z], axis=-1).astype(np.float32)


def test_region_measures_match_hand_computed_values():
    labels = np.zeros((10, 12), int)
    labels[2:5, 3:7] = 1
    labels[6:10, 0:2] = 2
    xyz = flat_cloud(labels, [4.0, 2.0, 1.0])
    regions = person_candidates.measure_regions(labels, xyz, PIXEL)
    # 12 pixels of 2 cm, 8 of 1 cm.
    np.testing.assert_allclose(regions.area[1:], [12 * 4e-4, 8 * 1e-4], rtol=1e-5)
    np.testing.assert_allclose(regions.low[1], [0.06, 0.04, 2.0], rtol=1e-5)
    np.testing.assert_allclose(regions.high[1], [0.12, 0.08, 2.0], rtol=1e-5)
    # Region 2 touches the left border with 4 pixels and the bottom with 2, 1 cm each.
    np.testing.assert_allclose(
        regions.border_contact[1:], [[0, 0, 0], [0.04, 0, 0.02]], rtol=1e-5
    )


def test_gap_is_the_smallest_depth_step():
    labels = np.zeros((6, 12), int)
    labels[:, 1:4], labels[:, 4:7], labels[:, 9:12] = 1, 2, 3
    z = np.array([0, 2.0, 2.3, 2.7])[labels]
    gap = person_candidates.depth_gaps(labels, z, 4, PIXEL)
    assert gap[1, 2] == gap[2, 1] == pytest.approx(0.3)
    assert gap[2, 3] == pytest.approx(0.4)  # across a hole of two pixels
    assert np.isinf(gap[1, 3])


@pytest.mark.parametrize(
    ("between", "meet"),
    [(1.0, True), (3.0, False), (0.0, False)],
    ids=["occluder", "background", "hole"],
)
def test_distant_regions_are_neighbours_only_behind_an_occluder(between, meet):
    labels = np.zeros((6, 30), int)
    labels[:, 6:12], labels[:, 18:24] = 1, 2
    z = np.where(labels > 0, 2.0, between)
    gap = person_candidates.depth_gaps(labels, z, 3, PIXEL)
    assert np.isfinite(gap[1, 2]) == meet


def test_boxiness_is_high_for_a_box_and_low_for_a_person(room):
    box = (np.array([-0.3, 0.2, 2.0]), np.array([0.4, 1.2, 2.5]))
    values = {}
    for name, kind, (depth, shown) in (
        ("box", 2, room.render(boxes=[box])),
        ("person", 1, room.render(room.person(0.0, 2.5))),
    ):
        xyz = np.concatenate(
            [room.camera.rays() * depth[..., None], depth[..., None]], -1
        )
        shape = shown == kind
        values[name] = person_candidates.boxiness(shape, xyz[shape])
    assert values["person"] < 0.55 < 0.9 < values["box"]


def test_convexity_matches_hand_computed_values():
    square = np.zeros((20, 20), bool)
    square[2:12, 3:13] = True
    assert person_candidates.convexity(square) == 1
    square[2:7, 3:8] = False
    # An L of 75 pixels; the hull adds about half of the missing 25.
    assert person_candidates.convexity(square) == pytest.approx(75 / 87.5, abs=0.05)


def test_flatness_is_high_for_a_plane_and_low_for_a_ball():
    rng = np.random.default_rng(0)
    plane = np.column_stack([rng.uniform(-1, 1, (500, 2)), np.full(500, 2.0)])
    ball = rng.normal(size=(500, 3))
    ball = 0.5 * ball / np.linalg.norm(ball, axis=1, keepdims=True) + [0, 0, 2]
    assert person_candidates.flatness(plane) == 1
    assert person_candidates.flatness(ball) < 0.4


def test_only_a_person_of_human_size_is_plausible(room):
    scores = {}
    for name, scale in (("doll", 0.15), ("person", 1.0), ("giant", 2.5)):
        camera_height = 1.2 * scale
        depth, shown = room.render(
            room.person(0.0, 2.5) * scale, planes=(room.floor * [1, 1, 1, scale],)
        )
        xyz = np.concatenate(
            [room.camera.rays() * depth[..., None], depth[..., None]], -1
        ).astype(np.float32)
        labels = (shown == 1).astype(int)
        regions = person_candidates.measure_regions(labels, xyz, 1 / 140)
        floor = np.array([0, -1, 0, camera_height])
        scores[name] = person_candidates.plausibility(
            xyz[labels > 0], regions, np.array([1]), floor
        )
    assert scores["person"] > 0.9
    assert scores["doll"] < 0.01
    assert scores["giant"] < 0.3

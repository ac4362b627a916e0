"""The scores and the table of `python -m benchmarks.real`."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.real import (
    adaptation,
    cases,
    columns,
    itop,
    rows,
    scores,
    still,
    table,
    unlabelled,
)
from data_pipelines.sequences import arrays
from unipose_jax import errors, metrics
from unipose_jax.physics import skin_depths

INTRINSICS = np.array([100.0, 100.0, 40.0, 30.0])


def wall(distance=2.0, frames=1, keypoints=None):
    """A case of a wall that fills the picture, all of it person."""
    depth = np.full((frames, 60, 80), distance, np.float32)
    one = arrays.from_arrays(
        "wall",
        depth=depth,
        intrinsics=INTRINSICS,
        time=np.arange(frames) / 30.0,
        keypoints=keypoints,
        skeleton="ITOP15",
    )
    made = cases.Case(one)
    masks = np.ones((60, 80), bool)
    z = depth[0][..., None]
    points = np.concatenate([one.rays * z, z], axis=-1).reshape(-1, 3)
    cloud = cases.tracks.PersonCloud(points.astype(np.float32), masks, depth[0])
    made.__dict__["clouds"] = [cloud] * frames  # as segmentation would find it
    return made


def at_centre(confidence=1.0):
    """Keypoints of one frame, all at the principal point."""
    places = np.tile([40.0, 30.0, confidence], (1, 15, 1))
    return places.astype(np.float32)


def test_position_agrees_with_the_metrics_of_the_package():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(4, 15, 3)).astype(np.float32)
    xyz = truth + rng.normal(scale=0.06, size=truth.shape).astype(np.float32)
    found = scores.position(xyz, truth)
    arguments = (jnp.asarray(xyz), jnp.asarray(truth))
    valid = jnp.ones((4, 15), bool)
    expected = float(metrics.map_10cm(*arguments, valid=valid).mean())
    assert 0.3 < expected < 0.95
    np.testing.assert_allclose(found["map_10cm"], 100 * expected, rtol=1e-5)
    error = float(metrics.mpjpe(*arguments, valid=valid).mean())
    np.testing.assert_allclose(found["mpjpe_mm"], 1e3 * error, rtol=1e-5)


def test_a_joint_that_is_missing_is_not_within_10_cm():
    truth = np.zeros((2, 2, 3))
    xyz = truth + np.array([0.03, 0.0, 0.04])
    xyz[0, 0] = np.nan
    found = scores.position(xyz, truth)
    assert found["map_10cm"] == 75.0
    assert found["missing"] == 1
    np.testing.assert_allclose(found["mpjpe_mm"], 50.0)
    np.testing.assert_allclose(scores.within_by_joint(xyz, truth), [50.0, 100.0])


def test_a_point_at_rest_has_no_scatter_and_another_has_its_distance():
    xyz = np.zeros((4, 2, 3))
    xyz[:2, 1, 0] = 0.1  # half of the frames 10 cm away: 5 cm from the median
    np.testing.assert_allclose(scores.scatter_mm(xyz), [0.0, 50.0])
    xyz[1:, 0] = np.nan  # one frame does not tell
    assert np.isnan(scores.scatter_mm(xyz)[0])


def test_scatter_is_in_the_world_frame():
    person = np.array([[0.3, -0.2, 2.0]])
    case = wall(frames=3)
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, 0, 3] = [0.0, 0.1, 0.3]  # the camera moves to the right
    seen = person - poses[:, None, :3, 3]
    moving = dataclasses.replace(case.recorded, world_from_depth=poses)
    np.testing.assert_allclose(scores.scatter_mm(still.in_world(moving, seen)), 0.0)
    assert scores.scatter_mm(seen)[0] > 90.0
    with pytest.raises(errors.BadInput, match="no world_from_depth"):
        still.in_world(case.recorded, seen)


def test_jitter_is_the_mean_step():
    xyz = np.zeros((3, 2, 3))
    xyz[1:, 0, 2] = [0.02, 0.06]  # 20 and 40 mm; the other joint rests
    np.testing.assert_allclose(scores.jitter_mm(xyz), 15.0)
    assert np.isnan(scores.jitter_mm(np.full((3, 2, 3), np.nan)))


def test_relative_to_the_root_a_shift_of_the_person_is_free():
    rng = np.random.default_rng(1)
    xyz = rng.normal(size=(2, 4, 3))
    moved = xyz + np.array([0.5, -1.0, 2.0])
    np.testing.assert_allclose(
        scores.relative_to(moved, (1, 2)), scores.relative_to(xyz, (1, 2))
    )


def test_distance_to_a_mark_is_across_the_line_of_sight():
    xyz = np.array([[0.0, 0.0, 2.0], [0.0, 0.0, 4.0], [9.0, 9.0, 1.0]])
    uv = np.array([[45.0, 30.0], [45.0, 30.0], [np.nan, np.nan]])
    known = np.array([True, True, False])
    away = scores.lateral_mm(xyz, uv, INTRINSICS, known)
    np.testing.assert_allclose(away, [100.0, 200.0, np.nan])  # 5 px of 100


def test_bones_are_those_of_both_sides():
    xyz = np.zeros((2, 15, 3))
    xyz[:, columns.joint("right_elbow"), 0] = 0.3
    xyz[:, columns.joint("left_elbow"), 0] = [0.2, 0.4]
    text, values = unlabelled.bones(xyz, {"upper arm": ("shoulder", "elbow")})
    assert text == "30/30 ± 0.0/10.0"
    (sides,) = values.values()
    np.testing.assert_allclose(sides, [[30.0, 0.0], [30.0, 10.0]])
    missing = unlabelled.bones(np.full_like(xyz, np.nan), {"thigh": ("hip", "knee")})
    assert missing == ("–", {})


@pytest.mark.parametrize("person_only", [True, False])
def test_the_look_up_on_a_plane_finds_the_plane_plus_skin(person_only):
    skin = np.linspace(0.0, 0.14, 15)
    xyz = rows.looked_up(wall(2.0, keypoints=at_centre()), skin, person_only, 3.0)
    np.testing.assert_allclose(xyz[0, :, 2], 2.0 + skin, atol=1e-5)
    np.testing.assert_allclose(xyz[0, :, :2], 0.0, atol=1e-6)


def test_the_look_up_finds_nothing_without_a_keypoint():
    case = wall(keypoints=at_centre(confidence=0.1))
    assert np.isnan(rows.looked_up(case, np.zeros(15), True, 3.0)).all()


def test_keypoints_and_truth_are_hidden_from_methods_without_them():
    case = wall(keypoints=at_centre())
    assert case.has_keypoints
    assert case.depth_only.keypoint_detections() is None
    assert case.with_keypoints.keypoint_detections() is not None
    assert case.with_keypoints.joints() is None


def test_keypoints_of_itop_are_projections_with_noise_of_the_original_pixels():
    rng = np.random.default_rng(2)
    xyz = rng.uniform([-0.5, -0.5, 2.0], [0.5, 0.5, 3.0], (200, 15, 3))
    frames = itop.Frames(np.zeros((200, 1, 1)), xyz.astype(np.float32), INTRINSICS)
    exact = frames.keypoints(noise=0.0, seed=0)[..., :2]
    np.testing.assert_allclose(
        exact, xyz[..., :2] / xyz[..., 2:] * 100.0 + [40.0, 30.0], atol=1e-3
    )
    noisy = frames.keypoints(noise=2.4, seed=0)[..., :2]
    np.testing.assert_allclose((noisy - exact).std(), 1.0, rtol=0.05)


def test_the_largest_depth_is_found_from_the_spacing_of_16_bit_floats():
    rng = np.random.default_rng(3)
    depth = np.append(rng.uniform(0.8, 2.5, 60), 2.7).astype(np.float16)
    depth = depth.astype(np.float64)
    assert itop.largest_depth(depth / depth.max()) == depth.max()


def test_folds_are_blocks_that_cover_all_frames_once():
    found = itop.folds(10, 4)
    assert np.concatenate(found).tolist() == list(range(10))
    assert [len(fold) for fold in found] == [3, 3, 2, 2]
    with pytest.raises(errors.BadInput, match="2 frames cannot be divided into 3"):
        itop.folds(2, 3)


@pytest.mark.parametrize(("count", "number"), [(2, 1), (20, 3), (46, 7)])
def test_held_out_frames_are_not_trained_on(count, number):
    trained, held = adaptation.split(count, 0.15)
    assert len(held) == number
    assert sorted(trained + held) == list(range(count))


def test_without_held_out_frames_all_are_trained_on():
    assert adaptation.split(3, 0.0) == ([0, 1, 2], [0, 1, 2])
    with pytest.raises(errors.BadInput, match="two frames or more"):
        adaptation.split(1, 0.15)


def test_overrides_change_the_config_and_others_are_refused():
    how = adaptation.Adaptation(overrides={"loss_weights.surface": 0.0}, steps=7)
    config = adaptation.config_of(how)
    assert config.loss_weights.surface == 0.0
    assert config.num_train_steps == 7
    with pytest.raises(errors.BadInput, match="no key loss_weights.surfaces"):
        adaptation.config_of(
            adaptation.Adaptation(overrides={"loss_weights.surfaces": 0.0})
        )


def test_cells_without_figures_give_their_reason_below_the_table(tmp_path):
    cells = {
        ("a", "x"): table.Cell("1.5", {"value": 1.5}, 3),
        ("b", "x"): table.skipped("no data"),
    }
    text = table.to_markdown(cells, {"a": "A", "b": "B"}, {"x": "X [mm]"}, ["a note"])
    assert text.splitlines() == [
        *("|  | X [mm] |", "| --- | --- |"),
        *("| A | 1.5 (3) |", "| B | – [1] |"),
        *("", "- a note", "- [1] no data"),
    ]
    table.write(tmp_path, text, cells, {"seed": 0})
    assert table.read(tmp_path, {"seed": 0}) == cells
    with pytest.raises(errors.BadInput, match="made with seed=0, not 1"):
        table.read(tmp_path, {"seed": 1})
    assert table.read(tmp_path / "other", {"seed": 1}) == {}


def test_figures_that_do_not_exist_are_null_in_json(tmp_path):
    cells = {("a", "x"): table.Cell("–", {"by": [float("nan"), 2.0]}, 1)}
    table.write(tmp_path, "", cells, {})
    assert table.read(tmp_path, {})["a", "x"].values == {"by": [None, 2.0]}


def test_unknown_rows_and_columns_are_named():
    with pytest.raises(errors.BadInput, match="no row 'y'; use x"):
        rows.choose("row", {"x": None}, ["y"])
    with pytest.raises(errors.BadInput, match="no column 'y'; use x"):
        rows.choose("column", {"x": None}, ["y"])


def test_absent_data_are_named(tmp_path):
    options = columns.Options(tmp_path, tmp_path / "cache")
    for load in (columns.load_side, still.load_cello, unlabelled.load_ddrnet):
        with pytest.raises(errors.BadInput, match=f"no {tmp_path}"):
            load(options)
    assert not (tmp_path / "cache").exists()


def test_the_look_up_of_itop_s_frames_has_their_axes_and_pixels(sample_data, tmp_path):
    # With exact keypoints and ITOP's own depths below the skin, what remains is
    # occlusion. A wrong axis or half a pixel of these frames costs more.
    options = columns.Options(sample_data, tmp_path, noise=0.0)
    some = columns.load_side(options)[:8]
    truth = itop.side_frames(sample_data).xyz[:8]
    depth = np.array(skin_depths.typical(itop.SKELETON, convention="ITOP"))
    found = [rows.looked_up(case, depth, True, 5.0) for case in some]
    assert scores.position(np.concatenate(found), truth)["map_10cm"] > 85.0


def person(frame):
    """A case of one frame of a body in front of a wall, without truth."""
    depth = np.full((1, 60, 80), 4.0, np.float32)
    depth[0, 5:55, 32 + frame : 46 + frame] = 2.0
    keypoints = np.ones((1, 15, 3), np.float32)
    keypoints[..., 0] = 39.0 + frame
    keypoints[..., 1] = np.linspace(8.0, 52.0, 15)
    one = arrays.from_arrays(
        f"frame-{frame}",
        depth=depth,
        intrinsics=INTRINSICS,
        time=np.zeros(1),
        keypoints=keypoints,
        skeleton="ITOP15",
    )
    return cases.Case(one)


@pytest.mark.slow
def test_a_network_adapts_to_single_frames_without_labels(traced_only):
    how = adaptation.Adaptation(
        steps=2,
        overrides={
            **{"model.width": 16, "model.num_blocks": 1, "model.num_heads": 2},
            **{"model.num_patches": 8, "data.num_points": 32},
            "teacher.init_from_teacher": False,
            "loss_weights.pseudo_position": 0.0,
            **{"global_batch_size": 4, "checkpoint_every": 2, "log_every": 1},
        },
    )
    frames = [person(frame).with_keypoints for frame in range(8)]
    network = adaptation.adapt_on(frames, dataclasses.replace(how, held_out=0.5))
    assert network.skeleton == "ITOP15"
    assert network.frames == 1
    assert adaptation.registry.READERS.get("frames_in_memory") is None

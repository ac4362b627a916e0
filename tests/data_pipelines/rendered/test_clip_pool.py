import dataclasses
import json

import numpy as np
import pytest

from configs import unipose
from data_pipelines.ground import schema, settings
from data_pipelines.loading import rendered_batches, sources
from data_pipelines.rendered import clip_pool
from tests import config_data
from unipose_jax import errors, skeleton
from unipose_jax.skeleton import body_parts
from unipose_jax.synthesis.motion import body_shape


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    config = unipose.get_config("smoke")
    config.data.cache_dir = str(tmp_path_factory.mktemp("pools"))
    return config_data.typed(config.data)


def open_train(data):
    return sources.open_train(data, seed=0, batch_size=4, host=0, hosts=1)


def with_scene(data, **changes):
    """The settings with other fields of the scene."""
    scene = settings.FrozenMapping({**data.scene, **changes})
    return dataclasses.replace(data, scene=scene)


def test_batches_follow_the_schema(data):
    schema.validate(next(open_train(data)))


def test_every_clip_occurs_once_per_epoch(data):
    pool = clip_pool.open_pool(data, "train")
    batches = sources.open_train(data, seed=3, batch_size=4, host=0, hosts=1)
    heads = [next(batches)["xyz"][:, 0, 0] for _ in range(4)]  # two epochs of 8 clips
    stored = np.sort(pool.clips["xyz"][:, 0, 0], axis=0)
    for epoch in (heads[:2], heads[2:]):
        np.testing.assert_array_equal(np.sort(np.concatenate(epoch), axis=0), stored)
    assert not np.array_equal(heads[0], heads[2])


def test_state_is_json_and_resumes_exactly(data):
    batches = open_train(data)
    next(batches)
    state = json.loads(json.dumps(batches.get_state()))
    expected = next(batches)
    other = open_train(data)
    other.set_state(state)
    resumed = next(other)
    for name, value in expected.items():
        np.testing.assert_array_equal(resumed[name], value)


def test_a_cached_pool_equals_the_rendered_one(data):
    first = clip_pool.open_pool(data, "validation")
    again = clip_pool.open_pool(data, "validation")
    for name, value in first.clips.items():
        np.testing.assert_array_equal(again.clips[name], value)


def test_another_detector_gives_another_pool(data):
    base = clip_pool.open_pool(data, "validation")
    detector = {**data.scene["detector"], "noise": 8.0}
    noisy = clip_pool.open_pool(with_scene(data, detector=detector), "validation")
    np.testing.assert_array_equal(noisy.clips["points"], base.clips["points"])
    assert not np.array_equal(noisy.clips["uv"], base.clips["uv"])


@pytest.fixture(scope="module")
def cropped(data):
    """The same config with crops."""
    return dataclasses.replace(data, crop_size=32)


def test_crops_do_not_change_the_other_fields_of_clips(data, cropped):
    plain = clip_pool.open_pool(data, "validation")
    pool = clip_pool.open_pool(cropped, "validation")
    assert pool.clips.keys() - plain.clips.keys() == set(schema.CROP_FIELDS)
    for name, value in plain.clips.items():
        np.testing.assert_array_equal(pool.clips[name], value, err_msg=name)
    assert pool.clips["depth_crop"].dtype == np.uint16  # packed while it is stored
    schema.validate(pool[0])
    np.testing.assert_allclose(
        pool[0]["depth_crop"], pool.clips["depth_crop"][0] / 1000, rtol=1e-6
    )
    batch = next(open_train(cropped))
    schema.validate(batch)
    assert batch["depth_crop"].shape == (4, 3, 32, 32)
    assert batch["color_crop"].shape == (4, 3, 32, 32, 3)


def test_unused_crops_are_not_rendered(cropped):
    both = clip_pool.open_pool(cropped, "validation")
    data = dataclasses.replace(cropped, crops=("depth",))
    pool = clip_pool.open_pool(data, "validation")
    assert both.clips.keys() - pool.clips.keys() == {"color_crop", "color_crop_matrix"}
    np.testing.assert_array_equal(pool.clips["depth_crop"], both.clips["depth_crop"])


def test_fresh_clips_have_crops(cropped):
    data = dataclasses.replace(cropped, train_clips=0)
    data = with_scene(data, points=data.num_points)
    batch = next(open_train(data))
    schema.validate(batch)
    assert set(schema.CROP_FIELDS) <= batch.keys()
    # Compared with the truth: the joints of the trunk are about 0.1 m behind the skin.
    torso = batch["xyz"][..., 8, 2]
    seen = batch["reference_depth"] > 0
    assert np.median(np.abs(batch["reference_depth"] - torso)[seen]) < 0.3


def test_labels_of_points_follow_them_and_change_nothing_else(data):
    plain = clip_pool.open_pool(data, "validation")
    labelled = dataclasses.replace(data, part_labels=True)
    pool = clip_pool.open_pool(labelled, "validation")
    assert pool.clips.keys() - plain.clips.keys() == {"points_part"}
    for name, value in plain.clips.items():
        np.testing.assert_array_equal(pool.clips[name], value, err_msg=name)
    example = pool.example(0, np.random.default_rng(5))
    schema.validate(example)
    stored = zip(
        pool.clips["points"][0, 1], pool.clips["points_part"][0, 1], strict=True
    )
    parts = {tuple(xyz): part for xyz, part in stored}
    drawn = zip(example["points"][1], example["points_part"][1], strict=True)
    assert all(parts[tuple(xyz)] == part for xyz, part in drawn)
    head = example["points"][example["points_part"] == body_parts.NAMES.index("head")]
    place = example["xyz"][:, skeleton.ITOP15.index("head")].mean(axis=0)
    assert np.linalg.norm(head - place, axis=-1).max() < 0.5


def test_fresh_clips_have_the_labels_of_a_pool(data):
    data = dataclasses.replace(data, part_labels=True, train_clips=0)
    data = with_scene(data, points=data.num_points)
    batch = next(open_train(data))
    schema.validate(batch)
    assert (batch["points_part"] != body_parts.UNKNOWN)[batch["points_valid"]].all()


def test_fresh_clips_equal_those_of_a_pool(data):
    data = with_scene(
        data, points=data.num_points
    )  # the pool samples from these stored points
    stored = clip_pool.render(data, "train", 2)
    batch = rendered_batches.render_batches(data, batch_size=2, host=0, hosts=1)[0]
    assert stored["points_valid"].mean() < 1.0  # some points are flying pixels
    for name, value in stored.items():
        np.testing.assert_array_equal(batch[name], value, err_msg=name)


def test_hosts_render_their_parts_of_fresh_batches(data):
    whole, *parts = (
        rendered_batches.render_batches(data, batch_size=4, host=host, hosts=hosts)
        for host, hosts in ((0, 1), (0, 2), (1, 2))
    )
    for step in range(2):
        batch, shares = whole[step], [part[step] for part in parts]
        for name, value in batch.items():
            together = np.concatenate([share[name] for share in shares])
            np.testing.assert_array_equal(together, value, err_msg=name)


def test_training_can_have_different_views(data):
    usual = clip_pool.scene_params(data, "train")
    assert usual == clip_pool.scene_params(data, "test")
    view = settings.FrozenMapping({**data.train_view, "frontal_share": 0.25})
    data = dataclasses.replace(data, train_view=view)
    own = clip_pool.scene_params(data, "train")
    assert own.view == dataclasses.replace(usual.view, frontal_share=0.25)
    assert clip_pool.scene_params(data, "test") == usual
    assert clip_pool.scene_params(data, "validation") == usual


def test_a_missing_motion_file_is_reported(data):
    data = dataclasses.replace(data, motion="nowhere.npz")
    with pytest.raises(errors.BadInput, match="no motion clips at nowhere.npz"):
        clip_pool.open_pool(data, "test")


def motion_file(path, *, fps, joints=None):
    """Writes a clip of a person who walks along x at 1 m/s for ten seconds."""
    body = skeleton.BODY
    names = list(joints or body.joints)
    rest = np.zeros((body.num_joints, 3), np.float32)
    for joint, parent in enumerate(body.parents):
        rest[joint] = body_shape.REST_OFFSETS[joint] + (
            rest[parent] if parent >= 0 else 0
        )
    time = np.arange(round(10 * fps)) / fps
    xyz = np.stack([rest[body.index(name)] for name in names])[None].repeat(
        len(time), 0
    )
    xyz[..., 0] += time[:, None]
    np.savez(path, walk=xyz, joint_names=names, fps=fps, up="-y")
    return path


@pytest.mark.parametrize("fps", [15.0, 20.0, 24.0, 25.0, 30.0, 60.0, 10.0])
def test_motion_keeps_its_speed_at_any_frame_rate(data, tmp_path, fps):
    path = motion_file(tmp_path / "walk.npz", fps=fps)
    data = dataclasses.replace(data, motion=str(path))
    pieces = clip_pool.motion_pieces(data)
    speed = data.scene["fps"] * np.diff(
        pieces[:, :, skeleton.BODY.index("torso"), 0], axis=1
    )
    np.testing.assert_allclose(speed, 1.0, atol=1e-3)


def test_clips_too_short_to_resample_are_dropped(data, tmp_path):
    path = motion_file(tmp_path / "walk.npz", fps=25.0)
    with np.load(path) as found:
        clips = dict(found)
    np.savez(path, **clips, pose=clips["walk"][:3])
    data = dataclasses.replace(data, motion=str(path))
    assert len(clip_pool.motion_pieces(data)) > 0
    np.savez(path, **(clips | {"fps": 0.0}))
    with pytest.raises(errors.BadInput, match="0 frames per second are no rate"):
        clip_pool.motion_pieces(data)


@pytest.mark.parametrize("content", [b"PK\x03\x04 cut off", b"", b"\x93NUMPY"])
def test_an_unreadable_motion_file_is_reported(data, tmp_path, content):
    (tmp_path / "walk.npz").write_bytes(content)
    data = dataclasses.replace(data, motion=str(tmp_path / "walk.npz"))
    with pytest.raises(errors.BadInput, match="walk.npz has no motion clips"):
        clip_pool.open_pool(data, "test")


def test_motion_without_wrists_is_reported(data, tmp_path):
    names = [name for name in skeleton.BODY.joints if "wrist" not in name]
    path = motion_file(tmp_path / "walk.npz", fps=30.0, joints=names)
    data = dataclasses.replace(data, motion=str(path))
    with pytest.raises(errors.BadInput, match="motion clips: .*left_wrist"):
        clip_pool.open_pool(data, "test")


def test_an_unknown_source_is_reported_with_the_choices(data):
    data = dataclasses.replace(data, name="itpo", path="somewhere")
    with pytest.raises(errors.BadInput, match="use one of synthetic, recording, itop"):
        sources.open_split(data, "test")

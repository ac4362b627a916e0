import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipelines.ground import schema
from unipose_jax.synthesis import pools, scene
from unipose_jax.synthesis.sensing import image_crops

SEED, COUNT = 3, 6
CROPS = ("depth_crop", "depth_crop_matrix", "color_crop", "color_crop_matrix")
CROPS += ("reference_depth",)
PARAMS = scene.SceneParams(frames=3, height=60, width=80, points=128, crop_size=16)


@pytest.fixture(scope="module")
def pool():
    return render(0, COUNT, extras=scene.EXTRAS)


def render(start, count, *, params=PARAMS, **options):
    return pools.render_pool(
        SEED, "train", start, count, params, batch_size=2, **options
    )


def test_clip_is_a_function_of_seed_split_and_index(pool):
    part = render(3, 2, extras=scene.EXTRAS)
    for name, value in part.items():
        np.testing.assert_array_equal(value, pool[name][3:5], err_msg=name)


@pytest.mark.parametrize("devices", [1, 4])
def test_clips_rendered_together_equal_those_rendered_alone(pool, monkeypatch, devices):
    """Accelerators render batches and share them, a CPU (`pool`) goes clip by clip."""
    monkeypatch.setattr(pools, "_renders_sequentially", lambda: False)
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:devices])
    together = pools.make_renderer(SEED, "train", PARAMS, extras=scene.EXTRAS)
    clips = together(np.array([2, 4, 4, 5]))
    assert clips.keys() == pool.keys()
    assert len(clips["points"].sharding.device_set) == devices
    clips = jax.device_get(clips)
    alone = {name: value[[2, 4, 4, 5]] for name, value in pool.items()}
    # Rounding differs between compilations and processors, and an edge pixel may then
    # fall to the other side: almost all numbers agree.
    for name in clips.keys() - {"points", "points_part", *CROPS}:
        assert share_close(clips[name], alone[name]) > 0.98, name
    same = np.isclose(clips["points"], alone["points"], atol=1e-3).all(-1)
    assert (clips["points_part"] == alone["points_part"])[same].mean() > 0.98
    # A point is the pixel of a certain rank in the mask. A pixel more in the mask moves
    # ranks by one, and so most points of its frame to the next pixel.
    differ = clips["mask"] != alone["mask"]
    assert differ.sum() < 0.02 * alone["mask"].sum()
    more = np.abs(clips["mask"].sum((2, 3)) - alone["mask"].sum((2, 3)))
    moved = np.abs(ranks(clips) - ranks(alone))
    assert (moved <= more[..., None]).mean() > 0.98
    # Crops depend on all points of their frame.
    for name, value in cut_again(clips).items():
        assert share_close(clips[name], value) > 0.98, name


def share_close(value, expected):
    return np.isclose(value, expected, rtol=1e-3, atol=1e-3).mean()


def ranks(clips):
    """Each point's place among the masked pixels: (clips, frames, points).

    Asserts that it lies on a pixel of the mask and has its depth.
    """
    xyz, mask, depth = clips["points"], clips["mask"], clips["depth"]
    assert clips["points_valid"].all()
    intrinsics = clips["depth_intrinsics"][:, None, None]
    uv = xyz[..., :2] / xyz[..., 2:] * intrinsics[..., :2] + intrinsics[..., 2:] - 0.5
    np.testing.assert_allclose(uv, np.rint(uv), atol=1e-2)
    column, row = np.moveaxis(np.rint(uv).astype(int), -1, 0)
    clip, frame = np.ogrid[: len(mask), : mask.shape[1]]
    place = (clip[..., None], frame[..., None], row, column)
    assert mask[place].all()
    np.testing.assert_array_equal(depth[place], xyz[..., 2])
    rank = mask.reshape(*mask.shape[:2], -1).cumsum(axis=-1)
    return np.take_along_axis(rank, row * mask.shape[-1] + column, axis=-1)


@jax.jit
@jax.vmap
def cut_again(clip):
    """The crops that follow from the points and images of a clip."""
    options = {"points_valid": clip["points_valid"], "size": PARAMS.crop_size}
    person = jnp.where(clip["mask"], clip["depth"], 0.0)
    points, camera = clip["points"], clip["depth_intrinsics"]
    fields = image_crops.depth_fields(person, points, camera, **options)
    fields["depth_crop"] = jnp.round(1000.0 * fields["depth_crop"])
    camera, pose = clip["intrinsics"], clip["cam_from_points"]
    return fields | image_crops.color_fields(
        clip["color"], points, camera, pose, **options
    )


def test_adding_crops_does_not_change_other_fields(pool):
    plain = dataclasses.replace(PARAMS, crop_size=0)
    without = render(0, 2, params=plain)
    assert without.keys() == pool.keys() - schema.OPTIONAL_FIELDS.keys() - {
        "true_depth"
    }
    for name, value in without.items():
        np.testing.assert_array_equal(value, pool[name][:2], err_msg=name)


def test_progress_counts_clips():
    done = []
    render(0, 4, progress=done.append)
    one_by_one = jax.default_backend() == "cpu"
    assert done == ([1, 2, 3, 4] if one_by_one else [2, 4])

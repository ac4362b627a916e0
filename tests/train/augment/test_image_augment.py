import functools

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from unipose_jax import skeleton
from unipose_jax.train.augment import image_augment

COCO17 = skeleton.COCO17


def example():
    """A picture whose red channel is its column."""
    columns = jnp.broadcast_to(jnp.arange(8, dtype=jnp.uint8)[None, :, None], (4, 8, 3))
    uv = jnp.broadcast_to(jnp.arange(17.0)[None, :, None] / 4.0, (2, 17, 2)) + 0.5
    confidence = jnp.broadcast_to(jnp.arange(17.0)[None] / 17.0, (2, 17))
    return {
        "image": columns,
        "people_uv": uv,
        "people_confidence": confidence,
        "other": jnp.ones(3),
    }


def views(**settings):
    config = ml_collections.ConfigDict(
        {"mirror": True, "contrast": 0.0, "tint": 0.0, "zoom": 0.0, "translation": 0.0}
    )
    config.update(settings)
    view = functools.partial(
        image_augment.augment_image, config=config, skeleton=COCO17
    )
    keys = jax.random.split(jax.random.key(0), 16)
    return jax.device_get(jax.jit(jax.vmap(view, in_axes=(0, None)))(keys, example()))


def test_a_mirrored_keypoint_is_where_the_picture_shows_it():
    seen, plain = views(), example()
    turned = seen["image"][:, 0, 0, 0] == 7
    assert 0 < turned.sum() < 16
    nose = seen["people_uv"][turned, 0, 0, 0]
    np.testing.assert_allclose(nose, 8.0 - plain["people_uv"][0, 0, 0])
    left, right = COCO17.index("left_hip"), COCO17.index("right_hip")
    np.testing.assert_allclose(
        seen["people_confidence"][turned, 0, left],
        np.broadcast_to(plain["people_confidence"][0, right], turned.sum()),
    )
    np.testing.assert_array_equal(seen["people_uv"][~turned][0], plain["people_uv"])
    np.testing.assert_array_equal(seen["other"], np.ones((16, 3)))


def test_without_changes_pictures_stay():
    seen = views(mirror=False)
    assert (seen["image"] == np.asarray(example()["image"])).all()


def test_light_changes_pictures_and_nothing_else():
    seen = views(mirror=False, contrast=0.5, tint=0.2)
    assert len({picture.tobytes() for picture in seen["image"]}) > 8
    assert (seen["people_uv"] == np.asarray(example()["people_uv"])).all()


def test_zoomed_keypoints_are_where_the_picture_shows_them():
    seen = views(mirror=False, zoom=0.5, translation=0.2)
    plain = example()
    # The picture's value is its column: it says where a pixel has come from.
    for picture, uv in zip(seen["image"], seen["people_uv"], strict=True):
        known = (uv[0, :, 0] > 1) & (uv[0, :, 0] < 7) & (uv[0, :, 1] < 3)
        known &= uv[0, :, 1] > 1
        column, row = np.floor(uv[0, known]).astype(int).T
        origin = np.asarray(plain["people_uv"])[0, known, 0] - 0.5
        np.testing.assert_allclose(picture[row, column, 0], origin, atol=1.8)  # a pixel
    outside = (seen["people_uv"] < 0).any(-1) | (seen["people_uv"] >= [8, 4]).any(-1)
    assert not seen["people_confidence"][outside].any()
    assert outside.any()


def test_depths_go_with_their_joints():
    config = ml_collections.ConfigDict(
        {"mirror": True, "contrast": 0.0, "tint": 0.0, "zoom": 0.0, "translation": 0.0}
    )
    depth = jnp.arange(34.0).reshape(2, 17)
    fed = example() | {"people_depth": depth, "people_visible": depth > 5.0}
    view = functools.partial(
        image_augment.augment_image, config=config, skeleton=COCO17
    )
    keys = jax.random.split(jax.random.key(0), 16)
    seen = jax.device_get(jax.jit(jax.vmap(view, in_axes=(0, None)))(keys, fed))
    turned = seen["image"][:, 0, 0, 0] == 7
    for name in ("people_depth", "people_visible"):
        mirrored = np.asarray(fed[name])[:, list(COCO17.mirror)]
        assert (seen[name][turned] == mirrored).all()
        assert (seen[name][~turned] == np.asarray(fed[name])).all()

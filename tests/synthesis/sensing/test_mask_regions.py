import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from unipose_jax.skeleton import body_parts
from unipose_jax.synthesis.sensing import mask_regions, person_points

SHARES = ("lost_share", "cut_share", "hole_share", "leak_share")
HEAD, TORSO = (body_parts.NAMES.index(name) for name in ("head", "torso"))


def scene():
    """A head above a torso, 20 cm before a wall, with the left half of it far away."""
    part = np.full((2, 40, 60), body_parts.NONE)
    part[:, 5:12, 34:42], part[:, 12:32, 30:46] = HEAD, TORSO
    depth = np.where(
        part > body_parts.NONE, 2.0, np.where(np.arange(60) < 20, 4.0, 2.2)
    )
    return jnp.asarray(part), jnp.asarray(depth, jnp.float32)


def masks(**changes):
    """Masks of 12 clips with one kind of error, and the parts."""
    params = dataclasses.replace(person_points.SegmentationParams(), **changes)
    part, depth = scene()

    def simulate(key):
        return mask_regions.simulate(
            key, part > body_parts.NONE, depth, part, params=params
        )

    keys = jax.random.split(jax.random.key(0), 12)
    return np.asarray(jax.jit(jax.vmap(simulate))(keys)), np.asarray(part)


def test_lost_parts_are_lost_whole_in_all_frames():
    mask, part = masks(lost_share=1.0)
    kept = {}
    for one in (HEAD, TORSO):
        share = mask[:, part == one].mean(axis=1)
        assert set(np.unique(share)) <= {0.0, 1.0}
        kept[one] = share
    assert kept[HEAD].mean() < 1.0
    assert kept[TORSO].mean() < 1.0
    assert np.any(kept[HEAD] != kept[TORSO])  # one is lost without the other
    assert not mask[:, part == body_parts.NONE].any()


def test_a_cut_leaves_a_part_of_the_person_on_one_side_of_a_line():
    mask, part = masks(cut_share=1.0)
    share = mask[:, part > body_parts.NONE].mean(axis=1)
    assert np.all((share > 0.1) & (share < 0.95))
    assert not mask[:, part == body_parts.NONE].any()
    for clip in mask[:, 0]:
        rows, columns = np.nonzero(clip)
        inside = (part[0] > body_parts.NONE)[rows.min() : rows.max() + 1]
        assert clip.sum() == inside[:, columns.min() : columns.max() + 1].sum()


def test_leaks_are_background_near_the_person_in_the_image_and_in_depth():
    mask, part = masks(leak_share=1.0)
    assert mask[:, part > body_parts.NONE].all()
    leaks = mask & (part == body_parts.NONE)
    assert leaks.sum(axis=(1, 2, 3)).max() > 50
    assert not leaks[..., :20].any()  # two metres behind the person


def test_holes_take_about_their_area():
    mask, part = masks(hole_share=1.0, hole_area=0.3)
    assert 0.5 < mask[:, part > body_parts.NONE].mean() < 0.9


def test_large_errors_are_off_without_shares():
    assert not person_points.SegmentationParams(hole_area=0.9).large_errors
    for share in SHARES:
        assert person_points.SegmentationParams(**{share: 0.1}).large_errors

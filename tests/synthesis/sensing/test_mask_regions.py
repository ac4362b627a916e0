import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from unipose_jax.synthesis.sensing import mask_regions, person_points

SHARES = ("lost_share", "cut_share", "hole_share", "leak_share")
HEAD, TRUNK = (mask_regions.GROUPS.index(name) for name in ("head", "trunk"))


def scene():
    """A head above a trunk, 20 cm before a wall, with the left half of it far away."""
    group = np.full((2, 40, 60), -1)
    group[:, 5:12, 34:42], group[:, 12:32, 30:46] = HEAD, TRUNK
    depth = np.where(group >= 0, 2.0, np.where(np.arange(60) < 20, 4.0, 2.2))
    return jnp.asarray(group), jnp.asarray(depth, jnp.float32)


def masks(**changes):
    """Masks of 12 clips with one kind of error, and the groups."""
    params = dataclasses.replace(person_points.SegmentationParams(), **changes)
    group, depth = scene()

    def simulate(key):
        return mask_regions.simulate(key, group >= 0, depth, group, params=params)

    keys = jax.random.split(jax.random.key(0), 12)
    return np.asarray(jax.jit(jax.vmap(simulate))(keys)), np.asarray(group)


def test_lost_groups_are_lost_whole_in_all_frames():
    mask, group = masks(lost_share=1.0)
    kept = {}
    for part in (HEAD, TRUNK):
        share = mask[:, group == part].mean(axis=1)
        assert set(np.unique(share)) <= {0.0, 1.0}
        kept[part] = share.mean()
    assert kept[HEAD] < 1.0
    assert kept[TRUNK] < 1.0
    assert not mask[:, group < 0].any()


def test_a_cut_leaves_a_part_of_the_person_on_one_side_of_a_line():
    mask, group = masks(cut_share=1.0)
    share = mask[:, group >= 0].mean(axis=1)
    assert np.all((share > 0.1) & (share < 0.95))
    assert not mask[:, group < 0].any()
    for clip in mask[:, 0]:
        rows, columns = np.nonzero(clip)
        inside = (group[0] >= 0)[rows.min() : rows.max() + 1]
        assert clip.sum() == inside[:, columns.min() : columns.max() + 1].sum()


def test_leaks_are_background_near_the_person_in_the_image_and_in_depth():
    mask, group = masks(leak_share=1.0)
    assert mask[:, group >= 0].all()
    leaks = mask & (group < 0)
    assert leaks.sum(axis=(1, 2, 3)).max() > 50
    assert not leaks[..., :20].any()  # two metres behind the person


def test_holes_take_about_their_area():
    mask, group = masks(hole_share=1.0, hole_area=0.3)
    assert 0.5 < mask[:, group >= 0].mean() < 0.9


def test_large_errors_are_off_without_shares():
    assert not person_points.SegmentationParams(hole_area=0.9).large_errors
    for share in SHARES:
        assert person_points.SegmentationParams(**{share: 0.1}).large_errors

"""The study of terms and conventions on real frames, without its data."""

import numpy as np
import pytest

from benchmarks.real import ablation, adaptation, itop
from unipose_jax import errors


def test_every_cell_is_settings_of_adapt():
    for name, cell in ablation.all_cells().items():
        how = adaptation.Adaptation(overrides=ablation.overrides(cell))
        config = adaptation.config_of(how)
        used = {term for term, weight in config.loss_weights.items() if weight}
        assert ("surface" in used) == ("depth" in name or "all" in name)
        assert ("reprojection" in used) == ("reprojection" in name)
        assert ("symmetry" in used) == ("physics" in name or "all" in name)
        assert bool(config.model.convention_head) == ("head" in name)


@pytest.mark.parametrize("wanted", [10, 20, 54])
def test_frames_that_are_scored_are_not_trained_on(wanted):
    seen = []
    for held in itop.folds(62, 8):
        rows = ablation.training_rows(62, held, wanted)
        assert len(set(rows)) == wanted
        assert not set(rows) & set(held)
        seen.extend(held)
    assert sorted(seen) == list(range(62))


def test_more_frames_than_a_fold_leaves_are_refused():
    with pytest.raises(errors.BadInput, match="--frames=55: a fold leaves 54"):
        ablation.training_rows(62, np.arange(8), 55)


def test_the_table_compares_with_the_first_row_block_by_block():
    def blocks(name, *apart):
        return {
            ("output", name, 54, 3.0, 0, fold): {"mm": [[mm] * 15]}
            for fold, mm in enumerate(apart)
        }

    record = blocks("a", 50.0, 150.0) | blocks("b", 50.0, 90.0)
    first, second = ablation.table(record, ["a", "b"]).splitlines()[-2:]
    assert first == "| a | 50.0 | +0.0 ± 0.0 | 100.0 | 2 |"
    assert second == "| b | 100.0 | +50.0 ± 50.0 | 70.0 | 2 |"

import pytest

from benchmarks import lifting
from unipose_jax.synthesis.sensing import detector

# ml_collections loads config files with a function that Python deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


def test_the_table_shows_what_is_lost_against_no_noise():
    values = dict.fromkeys(lifting.LEVELS, [60.0, 62.0])
    record = values | {"0 px": [50.0, 54.0]}
    table = lifting.table_of({"colour": record})
    first, rule, row = table.splitlines()
    assert first.count("|") == rule.count("|") == row.count("|")
    assert "| 52.0 ± 2.8 (+0.0) |" in row
    assert row.count("| 61.0 ± 1.4 (+9.0) ") == len(lifting.LEVELS) - 1


def test_levels_change_what_the_ideal_detector_has():
    usual = vars(detector.IDEAL)
    for changes in lifting.LEVELS.values():
        assert (changes or {}).keys() <= usual.keys()
    for name in ("swap_share", "outlier_share", "miss_share"):
        level = f"{name.split('_')[0].replace('miss', 'misse')}s x4"
        assert lifting.LEVELS[level] == {name: pytest.approx(4.0 * usual[name])}

import numpy as np
import pytest

from unipose_jax.synthesis.motion import actions


def test_tables_have_one_value_per_channel():
    for table, channels in (
        (actions.ARMS, len(actions.ARM_CHANNELS)),
        (actions.TRUNKS, len(actions.TRUNK_CHANNELS)),
        (actions.LEGS, actions.NUM_LEG_CHANNELS),
    ):
        means, spreads = actions.stack_rows(table)
        assert means.shape == spreads.shape == (len(table), channels)
        assert (spreads >= 0.0).all()
        assert np.isfinite(means).all()


def test_actions_name_existing_rows():
    for name, action in actions.ACTIONS.items():
        assert action.main in actions.ARMS, name
        assert action.other in actions.ARMS, name
        assert action.trunk in actions.TRUNKS, name
        assert action.legs in actions.LEGS, name
        assert action.speed[0] <= action.speed[1], name
        assert action.jump[0] <= action.jump[1], name


def test_unknown_row_is_named_with_the_choices():
    with pytest.raises(ValueError, match="'tail'.*hang"):
        actions.row_index(actions.ARMS, "tail")


def test_sideways_channels_exist():
    assert set(actions.SIDEWAYS) < set(actions.TRUNK_CHANNELS)


def test_people_lie_and_crawl_only_where_a_config_asks_for_it():
    named = {name for name, _ in actions.MotionParams().action_weights}
    assert named == set(actions.ACTIONS) - set(actions.FLOOR_ACTIONS)

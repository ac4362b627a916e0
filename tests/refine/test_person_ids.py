import numpy as np

from unipose_jax import skeleton
from unipose_jax.refine import person_ids


def test_people_are_distinguished_by_their_bone_lengths(person):
    rng = np.random.default_rng(0)
    sizes = np.repeat([1.0, 0.85, 1.0, 0.85, 1.0], 60)
    run = np.repeat(np.arange(5), 60)
    xyz = np.tile(person, (5, 1, 1)) * sizes[:, None, None]
    xyz = xyz + 0.02 * rng.normal(size=xyz.shape)
    valid = np.ones(xyz.shape[:2], bool)
    found = person_ids.assign_person_ids(
        xyz, run, valid=valid, skeleton=skeleton.ITOP15
    )
    np.testing.assert_array_equal(found, sizes < 1.0)


def test_a_sequence_without_valid_joints_has_one_person(person):
    valid = np.zeros(person.shape[:2], bool)
    run = np.zeros(60, int)
    found = person_ids.assign_person_ids(
        person, run, valid=valid, skeleton=skeleton.ITOP15
    )
    np.testing.assert_array_equal(found, 0)


def test_unobserved_bones_stay_unknown(person):
    rng = np.random.default_rng(0)
    sizes = np.repeat([1.0, 1.0, 0.9], [70, 65, 60])
    run = np.repeat(np.arange(3), [70, 65, 60])
    xyz = np.concatenate([person, person, person, person[:15]]) * sizes[:, None, None]
    xyz = xyz + 0.01 * rng.normal(size=xyz.shape)
    valid = np.ones(xyz.shape[:2], bool)
    hidden = [
        index
        for index, name in enumerate(skeleton.ITOP15.joints)
        if name.endswith(("hip", "knee", "foot"))
    ]
    valid[:135, hidden] = False
    found = person_ids.assign_person_ids(
        xyz, run, valid=valid, skeleton=skeleton.ITOP15
    )
    np.testing.assert_array_equal(found, sizes < 1.0)

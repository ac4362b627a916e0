"""Networks with parameters, for tests."""

import jax

from unipose_jax import models


def initialize(config, num_joints, clip):
    """The network of a config and random parameters for a clip's inputs.

    No parameter is left at zero: a residual block with zero weights would test nothing.
    """
    network = models.build(config, num_joints=num_joints)
    params = jax.jit(network.init)(jax.random.key(1), **clip)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    moved = [
        leaf + 0.1 * jax.random.normal(key, leaf.shape)
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return network, jax.tree.unflatten(tree, moved)

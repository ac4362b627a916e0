"""Devices and hosts. The only file that says pmap.

A training state is replicated over the devices, a batch is split over them along its
leading axis, and every host feeds its own devices. JAX keeps pmap in maintenance mode
and builds it on `shard_map`: `shard_map_step` is `map_step` without pmap. Tests compare
the two, and one device with four and with two processes of two.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import jax_utils
from jax.experimental import multihost_utils

from unipose_jax import errors

AXIS = "devices"


def initialize(coordinator: str | None, num_processes: int, process_id: int) -> None:
    """Joins several hosts into one training run.

    Args:
        coordinator: "host:port" of process 0, "auto" for a cluster that tells JAX
            itself (Cloud TPU, Slurm, ...), or None or "" for a single host.
        num_processes: number of hosts; ignored with "auto".
        process_id: this host's number from 0; ignored with "auto".

    Raises:
        errors.BadInput: several hosts without a coordinator: each would think itself
            alone, and write over the others; or they cannot be joined.
    """
    if not coordinator and (num_processes > 1 or process_id > 0):
        raise errors.BadInput(
            "--num_processes and --process_id need --coordinator=HOST:PORT"
        )
    if coordinator and coordinator != "auto" and not 0 <= process_id < num_processes:
        raise errors.BadInput(
            f"--process_id={process_id} is not from 0 to "
            f"--num_processes={num_processes} - 1"
        )
    try:
        if coordinator == "auto":
            jax.distributed.initialize()
        elif coordinator:
            jax.distributed.initialize(coordinator, num_processes, process_id)
    except (ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise errors.BadInput(f"--coordinator={coordinator}: {said}") from error
    if coordinator:
        print(
            f"process {jax.process_index()} of {jax.process_count()}: "
            f"{jax.local_device_count()} of {jax.device_count()} devices",
            flush=True,
        )
    if jax.process_count() > 1 and jax.default_backend() == "cpu":
        # The lead alone would find programs that it kept; the others, who compile them,
        # would miss its first collective, which waits for 30 seconds (jaxlib 0.10).
        jax.config.update("jax_enable_compilation_cache", False)


def is_main_process() -> bool:
    """True on the one host that writes reports and logs."""
    return jax.process_index() == 0


def local_batch_size(global_batch_size: int) -> int:
    """This host's share of a global batch.

    Raises:
        errors.BadInput: the batch does not divide over all devices.
    """
    if global_batch_size % jax.device_count():
        raise errors.BadInput(
            f"global_batch_size={global_batch_size} does not divide over "
            f"{jax.device_count()} devices; use a multiple of it"
        )
    return global_batch_size // jax.process_count()


def map_step(step: Callable) -> Callable:
    """Maps `step(state, batch, key)` over devices; `key` is the same on all."""
    return jax.pmap(step, axis_name=AXIS, in_axes=(0, 0, None), donate_argnums=0)


def shard_map_step(step: Callable) -> Callable:
    """`map_step` by `jax.shard_map`, with the same arguments and results."""
    mesh = jax.make_mesh((jax.device_count(),), (AXIS,))
    spec, everywhere = jax.P(AXIS), jax.P()

    def block(state, batch, key):
        # Each device has a block of one along the leading axis, which `step` lacks.
        state, batch = jax.tree.map(lambda x: x[0], (state, batch))
        return jax.tree.map(lambda x: x[None], step(state, batch, key))

    mapped = jax.jit(
        jax.shard_map(
            block,
            mesh=mesh,
            in_specs=(spec, spec, everywhere),
            out_specs=spec,
            check_vma=False,
        ),
        donate_argnums=0,
    )
    sharding = jax.NamedSharding(mesh, spec)

    def place(x):
        """This host's part of a global array."""
        if isinstance(x, jax.Array) and not x.is_fully_addressable:
            return x
        return jax.make_array_from_process_local_data(sharding, np.asarray(x))

    return lambda state, batch, key: mapped(*jax.tree.map(place, (state, batch)), key)


def map_apply(apply: Callable) -> Callable:
    """Maps `apply(params, batch)` over devices."""
    return jax.pmap(apply, axis_name=AXIS)


def replicate(tree):
    """Puts one copy of a pytree on every local device."""
    # By the name of the mapped axis: placed otherwise, a step compiles twice. From
    # NumPy arrays: to stack those of JAX, a program would be compiled for each shape.
    return jax_utils.replicate(jax.device_get(tree), axis_name=AXIS)


def first_replica(tree):
    """Takes the first device's copy."""
    return jax_utils.unreplicate(tree)


def unreplicate(tree):
    """Takes the first device's copy, as NumPy arrays, in one transfer."""
    copies = jax.device_get(jax.tree.map(lambda x: x.addressable_data(0), tree))
    return jax.tree.map(lambda x: np.asarray(x)[0], copies)


def shard(batch):
    """Splits the leading axis over local devices: n to (devices, n / devices)."""
    devices = jax.local_device_count()
    return jax.tree.map(lambda x: x.reshape(devices, -1, *x.shape[1:]), batch)


def put(batch):
    """`shard`, and sends each part to its device without waiting."""
    return jax.device_put(shard(batch), jax.NamedSharding(_local_mesh(), jax.P(AXIS)))


def put_everywhere(tree):
    """Sends whole arrays, such as a key, to all local devices without waiting."""
    return jax.device_put(tree, jax.NamedSharding(_local_mesh(), jax.P()))


def _local_mesh() -> jax.sharding.Mesh:
    """Places arrays as `replicate` does."""
    return jax.sharding.Mesh(np.array(jax.local_devices()), (AXIS,))


def unshard(batch):
    """Undoes `shard`, where the batch is."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch)


def per_example_keys(key: jax.Array, count: int) -> jax.Array:
    """One key for each of a device's `count` examples, by place in the global batch.

    The same example gets the same key on any number of devices and hosts. Call inside
    a mapped function.
    """
    place = jax.lax.axis_index(AXIS) * count + jnp.arange(count)
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, place)


def any_host(flag: bool) -> bool:
    """Whether `flag` is set on any host; all of them must ask."""
    return bool(gather_hosts(np.asarray(flag)).any())


def gather_hosts(tree):
    """Stacks every host's NumPy pytree along a new leading axis, on every host."""
    if jax.process_count() == 1:
        return jax.tree.map(lambda x: np.asarray(x)[None], tree)
    return multihost_utils.process_allgather(tree)

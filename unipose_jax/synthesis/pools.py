"""Renders clips in batches, on one or several devices, and collects them in pools.

A clip does not depend on the batch that it is rendered in, except for rounding, which
differs between compiled programs and between processors. Rounding changes single pixels
at edges. A pixel that enters or leaves the person's mask shifts the ranks by which
`person_points.sample_points` chooses pixels, and so moves many points of that frame to
the next pixel.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from unipose_jax.synthesis import scene

# Arrays are either sharded along the clip axis or replicated on each device.
_CLIPS = jax.sharding.PartitionSpec("clips")
_WHOLE = jax.sharding.PartitionSpec()


def render_pool(
    seed: int,
    split: str,
    start: int,
    count: int,
    params: scene.SceneParams,
    *,
    motion_clips: Float[np.ndarray, "clips clip_frames joints 3"] | None = None,
    extras: tuple[str, ...] = (),
    batch_size: int = 128,
    progress: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Renders clips `start` to `start + count` of a split.

    Args:
        seed: of the whole data set.
        split: one of `scene.SPLITS`.
        start: index of the first clip.
        count: number of clips.
        params: parameters of the clips.
        motion_clips: clip i uses the motion `motion_clips[i % clips]`; None for
            procedural motion.
        extras: as in `scene.make_clip`.
        batch_size: clips rendered at a time on an accelerator; each batch size is
            compiled once. A CPU renders clips one by one, which fits its cache.
        progress: called after each batch with the number of finished clips.

    Returns:
        The dict of `scene.make_clip`, NumPy arrays with a leading clip axis.
    """
    batch_size = 1 if _renders_sequentially() else max(1, min(batch_size, count))
    render = make_renderer(
        seed, split, params, motion_clips=motion_clips, extras=extras
    )
    pool: dict[str, np.ndarray] = {}
    for done in range(0, count, batch_size):
        index = start + np.minimum(done + np.arange(batch_size), count - 1)
        size = min(batch_size, count - done)
        for name, value in jax.device_get(render(index)).items():
            if name not in pool:
                pool[name] = np.empty((count, *value.shape[1:]), value.dtype)
            pool[name][done : done + size] = value[:size]
        if progress is not None:
            progress(done + size)
    return pool


def make_renderer(
    seed: int,
    split: str,
    params: scene.SceneParams,
    *,
    motion_clips: Float[np.ndarray, "clips clip_frames joints 3"] | None = None,
    extras: tuple[str, ...] = (),
) -> Callable[[Int[np.ndarray, " count"]], dict[str, Array]]:
    """Builds a function `render(indices)` whose clips stay on the device.

    The local accelerators share the clips of a call if their number divides the number
    of clips. A call returns before its clips are computed (asynchronous dispatch), and
    each number of clips is compiled once. A CPU renders clips one by one.

    Args:
        seed: of the whole data set.
        split: one of `scene.SPLITS`.
        params: parameters of the clips.
        motion_clips: clip i uses the motion `motion_clips[i % clips]`; None for
            procedural motion.
        extras: as in `scene.make_clip`.

    Returns:
        Function that returns the dict of `scene.make_clip` with a leading clip axis.
    """
    key = scene.split_key(seed, split)
    clips = None if motion_clips is None else jnp.asarray(motion_clips)

    def render(index):
        if not _renders_sequentially():
            devices = tuple(jax.local_devices())
            shared = devices if len(index) % len(devices) == 0 else devices[:1]
            return _batch_renderer(params, extras, shared)(key, index, clips)
        render_clip = _batch_renderer(params, extras, tuple(jax.local_devices()[:1]))
        done = [render_clip(key, index[i : i + 1], clips) for i in range(len(index))]
        return jax.tree.map(lambda *parts: jnp.concatenate(parts), *done)

    return render


def _renders_sequentially() -> bool:
    return jax.default_backend() == "cpu"


@functools.lru_cache(maxsize=16)
def _batch_renderer(
    params: scene.SceneParams, extras: tuple[str, ...], devices: tuple[jax.Device, ...]
) -> Callable:
    """Function of (split key, clip indices, motion clips or None), compiled in parts.

    Each device renders its share of the clips. Extras are compiled as a separate
    program, because compiling them together would change the rounding of the rest.
    """
    scene.check_extras(extras, params)
    shoot = _compiled_clip_renderer(dataclasses.replace(params, crop_size=0), devices)
    together = jax.vmap(
        functools.partial(scene.render_extras, params=params, extras=extras)
    )
    add = jax.jit(_shard_over_devices(together, devices, (_CLIPS,)))

    def render_batch(key, index, clips):
        shot = shoot(key, index, clips)
        return shot.clip | add(shot) if extras else shot.clip

    return render_batch


@functools.lru_cache(maxsize=16)
def _compiled_clip_renderer(
    params: scene.SceneParams, devices: tuple[jax.Device, ...]
) -> Callable:
    """Compiled function of (split key, clip indices, motion clips or None)."""

    def shoot(key, index, clips):
        motion_clip = None if clips is None else clips[index % clips.shape[0]]
        return scene.render_scene(jax.random.fold_in(key, index), params, motion_clip)

    many = jax.vmap(shoot, in_axes=(None, 0, None))
    return jax.jit(_shard_over_devices(many, devices, (_WHOLE, _CLIPS, _WHOLE)))


def _shard_over_devices(
    function: Callable,
    devices: tuple[jax.Device, ...],
    places: tuple[jax.sharding.PartitionSpec, ...],
) -> Callable:
    """Shards a function of clips over devices; returns it unchanged for one device."""
    if len(devices) == 1:
        return function
    mesh = jax.sharding.Mesh(np.array(devices), tuple(_CLIPS))
    return jax.shard_map(
        function, mesh=mesh, in_specs=places, out_specs=_CLIPS, check_vma=False
    )

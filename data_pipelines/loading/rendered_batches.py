"""Training batches of rendered people: from a pool in memory, or rendered afresh."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from data_pipelines.ground import schema, settings
from data_pipelines.loading import label_subset, pool_batches
from data_pipelines.rendered import clip_pool
from unipose_jax import errors
from unipose_jax.geometry import point_cloud
from unipose_jax.synthesis import pools


def open_train(
    data: settings.DataSettings,
    *,
    seed: int,
    batch_size: int,
    host: int,
    hosts: int,
    teacher=None,
):
    """Batches of rendered clips: from a pool, or new ones where `train_clips` is 0.

    The arguments are those of `sources.open_train`.
    """
    options = {"batch_size": batch_size, "host": host, "hosts": hosts}
    if data.train_clips == 0:
        if data.labeled_fraction != 1.0:
            raise errors.BadInput(
                f"config.data.labeled_fraction={data.labeled_fraction} is a share of a "
                "number of clips; set config.data.train_clips, which is 0 (always "
                "fresh ones)"
            )
        fresh = FreshBatches(data, **options)
        return teacher.label_batches(fresh) if teacher else fresh
    pool = label_subset.labeled_subset(
        clip_pool.open_pool(data, "train"), data.labeled_fraction, seed=data.seed
    )
    pool = teacher.label_source(pool) if teacher else pool
    return pool_batches.PoolBatches(pool, seed=seed, **options)


class FreshBatches:
    """Batches that are rendered when asked for: clip i of training is drawn once.

    A batch is a function of (data seed, step) and costs what rendering costs, so this
    is for accelerators, where it stays: nothing waits for it to be done.
    """

    def __init__(
        self,
        data: settings.DataSettings,
        *,
        batch_size: int,
        host: int,
        hosts: int,
    ):
        """Prepares the batches of one host; arguments as of `PoolBatches`."""
        self._batch_size, self._step = batch_size, 0
        self._share = (batch_size // hosts) * host + np.arange(batch_size // hosts)
        self._render = pools.make_renderer(
            data.seed,
            "train",
            dataclasses.replace(
                clip_pool.scene_params(data, "train"), points=data.num_points
            ),
            motion_clips=clip_pool.motion_pieces(data),
            extras=clip_pool.crop_fields(data),
        )

    def __next__(self) -> dict[str, jax.Array]:
        clips = self._render(self._step * self._batch_size + self._share)
        self._step += 1
        valid = _inliers(clips["points"], clips["points_valid"])
        return schema.unpack(
            clip_pool.schema_fields_of(clips) | {"points_valid": valid}
        )

    def get_state(self) -> dict[str, Any]:
        """The position in the data, JSON-able."""
        return {"step": self._step}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Goes to a position from `get_state`."""
        self._step = int(state["step"])


@jax.jit
@jax.vmap
@jax.vmap
def _inliers(points, valid):
    """`point_cloud.inliers` of clouds (clips, frames, points, 3), on their device."""
    return point_cloud.inliers(points, valid=valid)

"""Training batches of people that are rendered at each step."""

import dataclasses
import sys

import grain
import jax
import numpy as np

from data_pipelines.ground import schema, settings
from data_pipelines.loading import loader
from data_pipelines.rendered import clip_pool
from unipose_jax.geometry import point_cloud
from unipose_jax.synthesis import pools


def render_batches(
    data: settings.DataSettings, *, batch_size: int, host: int, hosts: int
) -> grain.MapDataset:
    """Endless batches of one host; each training clip is used once.

    A batch is a function of (data seed, step). Rendering at each step is meant for
    accelerators: batches stay on the device and are computed asynchronously.

    Args:
        data: settings of the data.
        batch_size: clips per global batch.
        host: index of this host.
        hosts: number of hosts; must divide `batch_size`.
    """
    render = pools.make_renderer(
        data.seed,
        "train",
        dataclasses.replace(
            clip_pool.scene_params(data, "train"), points=data.num_points
        ),
        motion_clips=clip_pool.motion_pieces(data),
        extras=clip_pool.extra_fields(data),
    )

    def make(numbers: np.ndarray) -> dict[str, jax.Array]:
        clips = render(numbers)
        valid = _inliers(clips["points"], clips["points_valid"])
        return schema.unpack(
            clip_pool.schema_fields_of(clips) | {"points_valid": valid}
        )

    numbers = grain.MapDataset.range(sys.maxsize)
    share = loader.batch(numbers, batch_size=batch_size, host=host, hosts=hosts)
    return share.map(make)


@jax.jit
@jax.vmap
@jax.vmap
def _inliers(points, valid):
    """`point_cloud.inliers` for clouds (clips, frames, points, 3), on the device."""
    return point_cloud.inliers(points, valid=valid)

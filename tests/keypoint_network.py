"""A network with points and keypoints as inputs whose joints are known by hand."""

import flax.linen as nn
import jax.numpy as jnp

from unipose_jax import estimator, models, skeleton

NAME = "on_rays"


class OnRays(nn.Module):
    """Joints at the centroid of the points; those with a keypoint on its ray."""

    num_joints: int
    dtype: str

    def __call__(
        self,
        points,
        points_valid,
        time,
        uv=None,
        confidence=None,
        intrinsics=None,
        cam_from_points=None,
    ):
        count = jnp.maximum(points_valid.sum((1, 2)), 1)[:, None]
        middle = jnp.where(points_valid[..., None], points, 0.0).sum((1, 2)) / count
        shape = (*points.shape[:2], self.num_joints, 3)
        xyz = jnp.broadcast_to(middle[:, None, None], shape)
        logit = jnp.zeros(shape[:3])
        if uv is not None:
            pose = cam_from_points[:, None, None]
            turned = jnp.einsum("...ij,...j->...i", pose[..., :3, :3], xyz)
            z = (turned + pose[..., :3, 3])[..., 2:]
            camera = intrinsics[:, None, None]
            xy = (uv - camera[..., 2:]) / camera[..., :2] * z
            seen = jnp.concatenate([xy, z], axis=-1) - pose[..., :3, 3]
            found = jnp.einsum("...ji,...j->...i", pose[..., :3, :3], seen)
            known = confidence > 0
            xyz = jnp.where(known[..., None], found, xyz)
            logit = jnp.where(known, 2.0, 0.0)
        return models.PoseEstimate(xyz, logit)


INPUTS = (*models.POINT_FIELDS, *models.KEYPOINT_FIELDS, "cam_from_points")


def register() -> None:
    """Adds the network to the table of networks."""
    models.register(NAME, OnRays, inputs=INPUTS)


def make(frames: int = 1, **changes) -> estimator.Estimator:
    """An estimator with it, after `register`."""
    return estimator.Estimator(
        params={},
        model={"name": NAME, "dtype": "float32"},
        skeleton=skeleton.ITOP15.name,
        frames=frames,
        num_points=64,
        **changes,
    )

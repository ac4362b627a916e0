"""3D Human Pose Machines: sequences of 2D keypoints or images to 3D poses.

K. Wang et al., "3D Human Pose Machines with Self-supervised Learning", T-PAMI 2019,
arXiv 1901.03798: 2D-aware features go through a recurrent 2D-to-3D pose transformer to
coarse 3D joints, which a correction network refines; a 3D-to-2D projector maps them
back. This implementation predicts poses in the frame of a virtual camera that points at
the person (`virtual_camera`), so that they do not depend on the real camera, and
estimates the person's distance from the apparent size.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from unipose_jax.models import backbones, sequence_cores, virtual_camera
from unipose_jax.models.estimate import LiftEstimate, PoseEstimate

FEATURES = ("keypoints", "image", "both")


class KeypointFeatures(nn.Module):
    """Features of the 2D joints of each frame and of the viewing direction."""

    width: int
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        plane: Float[Array, "batch frames joints 2"],
        confidence: Float[Array, "batch frames joints"],
        view: virtual_camera.VirtualCamera,
    ) -> Float[Array, "batch frames width"]:
        ahead = view.rotation[..., 2, :]  # the line of sight in the camera's frame
        mean = jnp.mean(ahead, axis=1, keepdims=True)
        moved = (ahead - mean)[..., :2] / view.apparent_size[:, None, None]
        distance = jnp.log(view.depth)[:, None, None] - 1.0  # about zero
        inputs = [
            plane.reshape(*plane.shape[:2], -1),
            confidence,
            moved,
            ahead[..., 1:2],
            jnp.broadcast_to(distance, (*plane.shape[:2], 1)),
        ]
        of_joints = 3 * plane.shape[2]
        embed = nn.Dense(
            self.width, dtype=self.dtype, kernel_init=_zero_rows(of_joints)
        )
        x = embed(jnp.concatenate(inputs, axis=-1))
        y = nn.LayerNorm(dtype=self.dtype)(nn.gelu(x))
        return x + nn.Dense(self.width, dtype=self.dtype)(y)


def _zero_rows(count: int) -> Callable:
    """Initialises the weights of the first inputs with zeros, others as usual.

    The weights of a joint that is missing in all of training remain zero. If its
    keypoint is present later, it then adds nothing, where random weights would add
    noise.
    """
    usual = nn.initializers.lecun_normal()

    def init(key, shape, dtype=jnp.float32):
        return usual(key, shape, dtype).at[:count].set(0.0)

    return init


class ImageFeatures(nn.Module):
    """Features of the colour crop of each frame."""

    width: int
    backbone: str = "small"
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self, crop: UInt8[Array, "batch frames size size 3"]
    ) -> Float[Array, "batch frames width"]:
        images = backbones.normalize_color(crop.reshape(-1, *crop.shape[2:]))
        network = backbones.Backbone(self.backbone, self.dtype, name="backbone")
        pooled = network(images).late.mean(axis=(1, 2))
        return nn.Dense(self.width, dtype=self.dtype)(
            pooled.reshape(*crop.shape[:2], -1)
        )


class Correction(nn.Module):
    """The self-supervised correction: a residual network with one hidden layer."""

    hidden: int

    @nn.compact
    def __call__(
        self, xyz: Float[Array, "*batch joints 3"]
    ) -> Float[Array, "*batch joints 3"]:
        flat = xyz.reshape(*xyz.shape[:-2], -1)
        small = nn.initializers.variance_scaling(0.01, "fan_in", "normal")
        hidden = nn.relu(nn.Dense(self.hidden, name="hidden")(flat))
        change = nn.Dense(flat.shape[-1], kernel_init=small, name="change")(hidden)
        return xyz + change.reshape(xyz.shape)


class Projector(nn.Module):
    """The learnt 3D-to-2D projector: two hidden layers, the second residual."""

    hidden: int

    @nn.compact
    def __call__(
        self, xyz: Float[Array, "*batch joints 3"]
    ) -> Float[Array, "*batch joints 2"]:
        flat = xyz.reshape(*xyz.shape[:-2], -1)
        x = nn.relu(nn.Dense(self.hidden, name="hidden")(flat))
        x = x + nn.relu(nn.Dense(self.hidden, name="residual")(x))
        plane = nn.Dense(2 * xyz.shape[-2], name="plane")(x)
        return plane.reshape(*xyz.shape[:-1], 2)


class PoseMachine(nn.Module):
    """The complete pose machine.

    Attributes:
        num_joints: number of joints to predict.
        features: input of the network, one of `FEATURES`.
        backbone: image network, one of `backbones.BACKBONES`.
        core: the pose transformer, one of `sequence_cores.CORES`.
        width: channels of features and core.
        depth: pairs of passes, or blocks, of the core.
        hidden: hidden units of the correction and the projector (1024 in the paper).
        dtype: of activations up to the coarse pose.
    """

    num_joints: int
    features: str = "keypoints"
    backbone: str = "small"
    core: str = "lstm"
    width: int = 256
    depth: int = 1
    hidden: int = 1024
    dtype: jnp.dtype = jnp.dtype("float32")

    def setup(self):
        if self.features not in FEATURES:
            raise ValueError(
                f"unknown features {self.features!r}; choose from {', '.join(FEATURES)}"
            )
        sizes: dict[str, Any] = {"width": self.width, "dtype": self.dtype}
        if self.features != "image":
            self.keypoint_features = KeypointFeatures(**sizes)
        if self.features != "keypoints":
            self.image_features = ImageFeatures(backbone=self.backbone, **sizes)
        self.transformer = sequence_cores.build(self.core, depth=self.depth, **sizes)
        self.norm = nn.LayerNorm(dtype=self.dtype)
        small = nn.initializers.variance_scaling(0.1, "fan_in", "normal")
        self.joints = nn.Dense(3 * self.num_joints, kernel_init=small)
        self.distance = nn.Dense(1, kernel_init=small)
        self.correction = Correction(self.hidden)
        self.projector = Projector(self.hidden)

    def __call__(self, **inputs) -> PoseEstimate:
        """Predicts poses of clips.

        Args:
            inputs: see `coarse`.
        """
        return self.finish(*self.coarse(**inputs))

    def coarse(
        self,
        uv: Float[Array, "batch frames joints 2"],
        confidence: Float[Array, "batch frames joints"],
        intrinsics: Float[Array, "batch 4"],
        color_crop: UInt8[Array, "batch frames size size 3"] | None = None,
        color_crop_matrix: Float[Array, "batch frames 3 3"] | None = None,
    ):
        """Predicts poses before the correction.

        Args:
            uv: keypoints, undistorted pixels.
            confidence: in [0, 1]; 0 for a missing keypoint.
            intrinsics: (fx, fy, cx, cy), pixels.
            color_crop: RGB crop of the person; not used for features "keypoints".
            color_crop_matrix: P of the crops.

        Returns:
            The virtual camera; keypoints on its image plane; their confidence; joints
            relative to the middle of the person, metres, virtual-camera frame; and the
            depth of that middle, metres.
        """
        view, plane = virtual_camera.from_keypoints(uv, confidence > 0, intrinsics)
        if self.features == "image":
            assert color_crop is not None
            assert color_crop_matrix is not None
            view = virtual_camera.from_crops(
                color_crop_matrix, size=color_crop.shape[2]
            )
            plane = virtual_camera.normalize_keypoints(
                view, uv, confidence > 0, intrinsics
            )
        x = jnp.zeros((), self.dtype)
        if self.features != "image":
            x = x + self.keypoint_features(plane, confidence, view)
        if self.features != "keypoints":
            x = x + self.image_features(color_crop)
        x = self.norm(self.transformer(x))
        joints = self.joints(x).astype(jnp.float32)
        joints = joints.reshape(*joints.shape[:2], self.num_joints, 3)
        stretch = jnp.exp(self.distance(x).astype(jnp.float32))[..., 0]
        return view, plane, confidence, joints, view.depth[:, None] * stretch

    def finish(self, view, plane, confidence, joints, depth) -> PoseEstimate:
        """Applies correction and projection to the output of `coarse`."""
        middle = jnp.pad(depth[:, :, None, None], ((0, 0), (0, 0), (0, 0), (2, 0)))
        xyz = self.correction(joints) + middle
        usual = view.depth[:, None, None, None] * jnp.eye(3)[None, None, None, 2]
        return PoseEstimate(
            xyz=view.to_camera(xyz),
            confidence_logit=jax.scipy.special.logit(jnp.clip(confidence, 0.01, 0.99)),
            lift=LiftEstimate(
                coarse_xyz=view.to_camera(joints + middle),
                camera_projection=view.project(xyz),
                network_projection=self.projector(4.0 * (xyz - usual) / usual[..., 2:]),
                observed=plane,
            ),
        )

"""Image backbones: crops to feature maps on a coarse grid of cells.

Residual networks (He et al., CVPR 2016) with group normalisation (Wu and He, ECCV
2018), which has no batch statistics to synchronise between devices; and patch
transformers, of which the small one is meant for CPUs.
"""

import functools
import math
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from unipose_jax.models.patch_transformer import MaskedDepth, PatchTransformer

_GROUP = 16  # channels that are normalised together (Wu and He, table 3)
_DEPTH_SPAN = 0.5  # metres of the person's depth that make one unit of the input
_DEPTH_LIMIT = 2.0  # units; pixels farther away are not of the person
# Mean and deviation of photographs, RGB in [0, 1] (ImageNet's, widely used).
_COLOR_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_COLOR_SPREAD = np.array([0.229, 0.224, 0.225], np.float32)


class Features(NamedTuple):
    """Feature maps (batch, rows, columns, channels) of the last two stages."""

    early: Array  # A2J's C4, for the anchors' weights
    late: Array  # A2J's C5: the same cells with a larger receptive field
    active: Array | None = None  # bool, cells that have features; None is all


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., fig. 5 left)."""

    width: int
    stride: int = 1
    dilation: int = 1
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width channels"]):
        d = self.dilation
        y = _conv(self.width, 3, stride=self.stride, dilation=d, dtype=self.dtype)(x)
        y = nn.relu(group_norm(y, self.dtype))
        y = _conv(self.width, 3, dilation=d, dtype=self.dtype)(y)
        y = group_norm(y, self.dtype, zero_init=True)
        return nn.relu(y + _shortcut(x, y, self.stride, self.dtype))


class BottleneckBlock(nn.Module):
    """1x1, 3x3 and 1x1 convolution and a shortcut (He et al., fig. 5 right).

    The 3x3 convolution has the stride, and a quarter of the output's `width`.
    """

    width: int
    stride: int = 1
    dilation: int = 1
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width channels"]):
        inner, d = self.width // 4, self.dilation
        y = nn.relu(group_norm(_conv(inner, 1, dtype=self.dtype)(x), self.dtype))
        y = _conv(inner, 3, stride=self.stride, dilation=d, dtype=self.dtype)(y)
        y = nn.relu(group_norm(y, self.dtype))
        y = _conv(self.width, 1, dtype=self.dtype)(y)
        y = group_norm(y, self.dtype, zero_init=True)
        return nn.relu(y + _shortcut(x, y, self.stride, self.dtype))


class ResNetStage(NamedTuple):
    """Blocks at one resolution; the first has the stride, the others the dilation."""

    blocks: int
    width: int
    stride: int
    dilation: int = 1


class ResNetConfig(NamedTuple):
    """Architecture of a residual `Backbone`."""

    block: type[BasicBlock] | type[BottleneckBlock]
    stem: int  # channels of the first convolution
    stem_kernel: int
    pooled: bool  # whether the stem ends with 3x3 maximum pooling of stride 2
    stages: tuple[ResNetStage, ...]


class TransformerConfig(NamedTuple):
    """Architecture of a `PatchTransformer`."""

    patch: int
    window: int
    width: int
    num_blocks: int
    num_heads: int
    keep: int


_RESNET = functools.partial(ResNetConfig, stem=64, stem_kernel=7, pooled=True)
BACKBONES: dict[str, ResNetConfig | TransformerConfig] = {
    # For 64x64 crops on a few CPU cores.
    "tokens": TransformerConfig(
        patch=4, window=12, width=96, num_blocks=4, num_heads=2, keep=80
    ),
    # For the same crops on an accelerator.
    "tokens_large": TransformerConfig(
        patch=4, window=12, width=192, num_blocks=6, num_heads=6, keep=96
    ),
    "small": ResNetConfig(
        BasicBlock,
        stem=16,
        stem_kernel=3,
        pooled=False,
        stages=(ResNetStage(1, 32, 2), ResNetStage(1, 64, 2), ResNetStage(1, 96, 1)),
    ),
    "resnet18": _RESNET(
        BasicBlock,
        stages=(
            ResNetStage(2, 64, 1),
            ResNetStage(2, 128, 2),
            ResNetStage(2, 256, 2),
            ResNetStage(2, 512, 1, 2),
        ),
    ),
    "resnet50": _RESNET(
        BottleneckBlock,
        stages=(
            ResNetStage(3, 256, 1),
            ResNetStage(4, 512, 2),
            ResNetStage(6, 1024, 2),
            ResNetStage(3, 2048, 1, 2),
        ),
    ),
}
"""Networks by name. As in A2J (Xiong et al., ICCV 2019), the last stage of the residual
networks dilates its convolutions instead of halving the resolution."""


class Backbone(nn.Module):
    """Features of images; a cell covers `stride_of(kind)` pixels per side.

    Attributes:
        kind: one of `BACKBONES`.
        dtype: of activations; parameters and statistics stay float32.
    """

    kind: str = "small"
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        images: Float[Array, "batch height width channels"],
        surface: MaskedDepth | None = None,
    ) -> Features:
        """Computes the last two stages.

        Args:
            images: about zero mean and unit variance.
            surface: the person in depth images; patch transformers use only its
                patches.

        Raises:
            ValueError: `kind` is unknown, or an image side is not a multiple of the
                stride.
        """
        layout, stride = _backbone_config(self.kind), stride_of(self.kind)
        if images.shape[1] % stride or images.shape[2] % stride:
            raise ValueError(
                f"images of {images.shape[1:3]} pixels do not divide into the cells of "
                f"{self.kind!r}: use multiples of {stride}"
            )
        if isinstance(layout, TransformerConfig):
            return Features(*PatchTransformer(*layout, self.dtype)(images, surface))
        x = images.astype(self.dtype)
        x = _conv(layout.stem, layout.stem_kernel, stride=2, dtype=self.dtype)(x)
        x = nn.relu(group_norm(x, self.dtype))
        if layout.pooled:
            x = nn.max_pool(x, (3, 3), strides=(2, 2), padding="SAME")
        maps = []
        for stage in layout.stages:
            for index in range(stage.blocks):
                first = index == 0
                x = layout.block(
                    stage.width,
                    stride=stage.stride if first else 1,
                    dilation=1 if first else stage.dilation,
                    dtype=self.dtype,
                )(x)
            maps.append(x)
        return Features(early=maps[-2], late=maps[-1])


def normalize_depth(
    depth: Float[Array, "*batch height width"], reference: Float[Array, "*batch"]
) -> Float[Array, "*batch height width 2"]:
    """Network input from depth: normalised relative depth and its validity mask.

    Relative depth is (depth - reference) / 0.5 m, clipped to [-2, 2].

    Args:
        depth: metres, 0 where depth is missing.
        reference: depth of the person, metres.
    """
    seen = depth > 0.0
    relative = (depth - reference[..., None, None]) / _DEPTH_SPAN
    relative = jnp.where(seen, jnp.clip(relative, -_DEPTH_LIMIT, _DEPTH_LIMIT), 0.0)
    return jnp.stack([relative, seen.astype(relative.dtype)], axis=-1)


def normalize_color(
    color: UInt8[Array, "*batch height width 3"],
) -> Float[Array, "*batch height width 3"]:
    """Network input from 8-bit RGB: about zero mean and unit variance per channel."""
    ones = (1,) * (color.ndim - 1)
    mean, spread = (v.reshape(*ones, 3) for v in (_COLOR_MEAN, _COLOR_SPREAD))
    return (color.astype(jnp.float32) / 255.0 - mean) / spread


def stride_of(kind: str) -> int:
    """Side of a cell of the features, pixels of the image.

    Raises:
        ValueError: `kind` is not one of `BACKBONES`.
    """
    layout = _backbone_config(kind)
    if isinstance(layout, TransformerConfig):
        return layout.patch
    stem = 4 if layout.pooled else 2
    return stem * math.prod(stage.stride for stage in layout.stages)


def group_norm(
    x: Float[Array, "batch height width channels"],
    dtype: jnp.dtype,
    *,
    zero_init: bool = False,
) -> Float[Array, "batch height width channels"]:
    """Group normalisation of `x`; call it within a Flax module.

    Args:
        x: features.
        dtype: of the result; the statistics are float32.
        zero_init: start with a scale of zero, so that a residual block starts as its
            shortcut (Goyal et al., arXiv 1706.02677, section 5.1).
    """
    width = x.shape[-1]
    scale = nn.initializers.zeros if zero_init else nn.initializers.ones
    # Epsilon bounds the gradient where an image is constant, such as an empty crop.
    norm = nn.GroupNorm(
        num_groups=width // math.gcd(width, _GROUP),
        epsilon=1e-5,
        scale_init=scale,
        dtype=dtype,
    )
    return norm(x)


def _backbone_config(kind: str) -> ResNetConfig | TransformerConfig:
    if kind not in BACKBONES:
        raise ValueError(
            f"unknown image network {kind!r}; choose from {sorted(BACKBONES)}"
        )
    return BACKBONES[kind]


def _conv(
    width: int, size: int, *, stride: int = 1, dilation: int = 1, dtype: jnp.dtype
) -> nn.Conv:
    """A convolution without bias, because a normalisation follows."""
    return nn.Conv(
        width,
        (size, size),
        strides=stride,
        kernel_dilation=dilation,
        use_bias=False,
        kernel_init=nn.initializers.he_normal(),
        dtype=dtype,
    )


def _shortcut(x: Array, y: Array, stride: int, dtype: jnp.dtype) -> Array:
    """Shortcut of a block: the input, projected to the output's shape if needed."""
    if x.shape == y.shape:
        return x
    x = _conv(y.shape[-1], 1, stride=stride, dtype=dtype)(x)
    return group_norm(x, dtype)

"""TensorFlow.js graph models: reads their two files and runs their convolutions in JAX.

A model is a `.json` file with the graph and a list of tensors, and a `.bin` file with
the numbers of the tensors, one after the other.
"""

import base64
import dataclasses
import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unipose_jax import errors

_MAX_BYTES = 1 << 28  # of either file
_PRECISION = jax.lax.Precision.HIGHEST
# Operations on the batch axis of a single picture; `run` has a batch of any size.
_IDENTITY = ("Identity", "Cast", "Unpack", "ExpandDims", "Squeeze")
_ACTIVATIONS = {
    "BiasAdd": lambda x: x,
    "Relu": jax.nn.relu,
    "Relu6": jax.nn.relu6,
}


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """One operation of a graph."""

    name: str
    op: str
    inputs: tuple[str, ...]
    stride: int = 1
    same: bool = True  # padding of the size of the output; False: no padding
    activations: tuple[str, ...] = ()  # BiasAdd, Relu, Relu6, in order


@dataclasses.dataclass(frozen=True, eq=False)
class GraphModel:
    """Operations in the order of execution, and the tensors by name."""

    nodes: tuple[Node, ...]
    tensors: Mapping[str, np.ndarray]
    input_shape: tuple[int, ...]

    @property
    def params(self) -> dict[str, np.ndarray]:
        """The float tensors."""
        return {
            name: tensor
            for name, tensor in self.tensors.items()
            if tensor.dtype == np.float32
        }


def read(path: str | os.PathLike) -> GraphModel:
    """Reads a model from its `.json` file and the `.bin` files that it names.

    Raises:
        errors.BadInput: a file is missing, damaged or not such a model.
    """
    path = pathlib.Path(path)
    try:
        content = json.loads(_read_bytes(path))
        nodes = tuple(map(_parse_node, content["modelTopology"]["node"]))
        shape = next(
            node["attr"]["shape"]["shape"]["dim"]
            for node in content["modelTopology"]["node"]
            if node["op"] == "Placeholder"
        )
        tensors: dict[str, np.ndarray] = {}
        for group in content["weightsManifest"]:
            names = [pathlib.PurePath(name).name for name in group["paths"]]
            data = b"".join(_read_bytes(path.with_name(name)) for name in names)
            tensors |= _parse_tensors(group["weights"], data, path)
        return GraphModel(nodes, tensors, tuple(int(side["size"]) for side in shape))
    except errors.BadInput:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration) as error:
        raise errors.BadInput(
            f"{path} is not a TensorFlow.js graph model ({type(error).__name__})"
        ) from error


def run(
    model: GraphModel,
    params: Mapping[str, jax.Array],
    images: jax.Array,
    outputs: Sequence[str],
) -> dict[str, jax.Array]:
    """Evaluates some nodes of a convolutional network.

    Args:
        model: the network; its input has a batch of one.
        params: `model.params`, separate for `jax.jit`: XLA would spend minutes on
            folding constants.
        images: (batch, height, width, channels), in the units of the network.
        outputs: names of nodes.

    Returns:
        The values of these nodes by name.

    Raises:
        ValueError: a node does not exist or needs an operation that is not here.
    """
    nodes = {node.name: node for node in model.nodes}
    values: dict[str, Any] = {**model.tensors, **params}
    for name in _order(nodes, outputs):
        node = nodes[name]
        if name in values:
            continue
        if node.op == "Placeholder":
            values[name] = jnp.asarray(images, jnp.float32)
        else:
            values[name] = _apply(node, [values[source] for source in node.inputs])
    return {name: values[name] for name in outputs}


def depthwise_3x3(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """Depthwise 3x3 convolution as a sum of nine shifted products.

    On CPUs XLA compiles the sum to one loop, which is eight times as fast as its own
    depthwise convolution.

    Args:
        x: (batch, height, width, channels).
        kernel: (3, 3, channels, 1).
        stride: of the output.

    Returns:
        (batch, ceil(height / stride), ceil(width / stride), channels); zeros outside.
    """
    height, width = (math.ceil(size / stride) for size in x.shape[1:3])
    padded = jnp.pad(x, [(0, 0), *_same(x.shape[1:3], 3, stride), (0, 0)])
    total = jnp.zeros((), x.dtype)
    for row in range(3):
        for column in range(3):
            shifted = padded[
                :,
                row : row + stride * (height - 1) + 1 : stride,
                column : column + stride * (width - 1) + 1 : stride,
            ]
            total = total + shifted * kernel[row, column, :, 0][None, None, None]
    return total


def _apply(node: Node, inputs: list[Any]) -> jax.Array:
    """Value of a node."""
    first = inputs[0]
    if node.op in _IDENTITY:
        return first
    if node.op in ("AddV2", "Sub", "Mul"):
        operate = {"AddV2": jnp.add, "Sub": jnp.subtract, "Mul": jnp.multiply}[node.op]
        other = jnp.asarray(inputs[1])
        other = other.reshape((1,) * (first.ndim - other.ndim) + other.shape)
        return operate(first, other)
    if node.op == "ResizeBilinear":
        size = (first.shape[0], *map(int, inputs[1]), first.shape[3])
        return jax.image.resize(first, size, "bilinear")
    if node.op in ("_FusedConv2D", "Conv2D"):
        value = _convolve(node, first, jnp.asarray(inputs[1]))
    elif node.op in ("FusedDepthwiseConv2dNative", "DepthwiseConv2dNative"):
        value = depthwise_3x3(first, jnp.asarray(inputs[1]), node.stride)
    else:
        raise ValueError(f"{node.name} is {node.op}, which cannot be run")
    if len(inputs) > 2:
        value = value + jnp.asarray(inputs[2])[None, None, None]
    for activation in node.activations:
        value = _ACTIVATIONS[activation](value)
    return value


def _convolve(node: Node, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution; a 1x1 kernel is a matrix product."""
    if kernel.shape[:2] == (1, 1) and node.stride == 1:
        return jnp.matmul(x, kernel[0, 0][None, None], precision=_PRECISION)
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (node.stride, node.stride),
        "SAME" if node.same else "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=_PRECISION,
    )


def _same(sizes: Sequence[int], kernel: int, stride: int) -> list[tuple[int, int]]:
    """Padding before and after each axis, as TensorFlow's SAME."""
    totals = [
        max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        for size in sizes
    ]
    return [(total // 2, total - total // 2) for total in totals]


def _order(nodes: Mapping[str, Node], outputs: Sequence[str]) -> list[str]:
    """Names of the nodes that the outputs need, sources first."""
    done: dict[str, None] = {}
    stack = [(name, False) for name in outputs]
    while stack:
        name, ready = stack.pop()
        if name in done:
            continue
        if name not in nodes:
            raise ValueError(f"the graph has no node {name!r}")
        if ready:
            done[name] = None
            continue
        stack.append((name, True))
        stack.extend((source, False) for source in nodes[name].inputs)
    return list(done)


def _parse_node(raw: Mapping[str, Any]) -> Node:
    """Reads one operation."""
    attributes = raw.get("attr", {})
    strides = attributes.get("strides", {}).get("list", {}).get("i", [1, 1])
    padding = attributes.get("padding", {}).get("s", "")
    fused = attributes.get("fused_ops", {}).get("list", {}).get("s", [])
    activations = tuple(base64.b64decode(name).decode() for name in fused)
    if unknown := set(activations) - set(_ACTIVATIONS):
        raise ValueError(f"unknown activations {unknown}")
    return Node(
        raw["name"],
        raw["op"],
        # "node:1" is the second output of a node; "^node" is no input.
        tuple(
            name.partition(":")[0] for name in raw.get("input", ()) if name[0] != "^"
        ),
        stride=int(strides[1]),
        same=base64.b64decode(padding) != b"VALID",
        activations=activations,
    )


def _parse_tensors(
    entries: Sequence[Mapping[str, Any]], data: bytes, path: pathlib.Path
) -> dict[str, np.ndarray]:
    """Cuts the content of the `.bin` files into tensors: float32 or int32."""
    tensors, place = {}, 0
    for entry in entries:
        stored = entry.get("quantization", {}).get("dtype", entry["dtype"])
        if stored not in ("float16", "float32", "int32"):
            raise errors.BadInput(f"{path}: a tensor is stored as {stored}")
        size = math.prod(entry["shape"])
        end = place + size * np.dtype(stored).itemsize
        if end > len(data):
            raise errors.BadInput(f"{path}: its .bin file is too short")
        tensor = np.frombuffer(data, stored, size, place).reshape(entry["shape"])
        tensors[entry["name"]] = tensor.astype(entry["dtype"])
        place = end
    if place != len(data):
        raise errors.BadInput(f"{path}: its .bin file is too long")
    return tensors


def _read_bytes(path: pathlib.Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise errors.BadInput(f"{path} is larger than {_MAX_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error

"""MoveNet SinglePose: the 17 joints of COCO of one person in a square picture.

MobileNetV2 with a feature pyramid and four heads (CenterNet): the centre of a person,
the displacement from the centre to each joint, a heat map per joint, and the position
of the joint inside a cell of the heat map. See docs/detector.md.
"""

import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from unipose_jax import errors
from unipose_jax.detector import graph_model

JOINTS = 17  # in the order of the skeleton COCO17
BATCH = 8  # pictures of one call of the network
_HEADS = {"center": 1, "heatmap": JOINTS, "regress": 2 * JOINTS, "offset": 2 * JOINTS}
# Cells. A score is divided by the distance to where it is expected plus this, so that
# the person in the middle and the joint near its expected place are preferred.
_SOFTENING = 1.8


class MoveNet:
    """The network; `network(images)` detects the joints in square pictures."""

    def __init__(self, model: graph_model.GraphModel, *, batch: int = BATCH):
        """Takes a network that `graph_model.read` has read.

        Args:
            model: the network.
            batch: pictures that are computed at once; the last ones are padded.

        Raises:
            ValueError: the network has other heads.
        """
        heads = {head: _last_node(model, head) for head in _HEADS}
        self._params = jax.device_put(model.params)
        self._batch = batch
        self.size = model.input_shape[1]  # side of a picture, pixels

        def detect(params: dict[str, jax.Array], images: jax.Array) -> jax.Array:
            values = graph_model.run(model, params, images, list(heads.values()))
            maps = {head: values[node] for head, node in heads.items()}
            cell = self.size / maps["heatmap"].shape[1]
            found = decode(**maps)
            return found * jnp.array([cell, cell, 1.0])[None, None]

        picture = jax.ShapeDtypeStruct((1, *model.input_shape[1:]), jnp.uint8)
        maps = jax.eval_shape(
            lambda params, x: graph_model.run(model, params, x, list(heads.values())),
            model.params,
            picture,
        )
        for head, channels in _HEADS.items():
            if maps[heads[head]].shape[3] != channels:
                raise ValueError(f"the head {head!r} does not have {channels} channels")
        self._detect = jax.jit(detect)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Detects the joints of one person in each picture.

        Args:
            images: uint8 RGB (pictures, size, size, 3).

        Returns:
            float32 (pictures, 17, 3): u and v, pixels of the picture with its corner at
            (0, 0), and the confidence in [0, 1]. Every joint has a place, also one that
            is not in the picture.
        """
        found = [np.zeros((0, JOINTS, 3), np.float32)]
        for start in range(0, len(images), self._batch):
            part = images[start : start + self._batch]
            missing = self._batch - len(part)
            padded = np.pad(part, [(0, missing), (0, 0), (0, 0), (0, 0)])
            found.append(np.asarray(self._detect(self._params, padded))[: len(part)])
        return np.concatenate(found)


def load(path: str | os.PathLike, *, batch: int = BATCH) -> MoveNet:
    """Loads the network from its `.json` file, which has its `.bin` file beside it.

    Args:
        path: the `.json` file.
        batch: pictures that are computed at once.

    Raises:
        errors.BadInput: a file is missing, damaged or another network.
    """
    path = pathlib.Path(path)
    try:
        return MoveNet(graph_model.read(path), batch=batch)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise errors.BadInput(f"{path} is not MoveNet SinglePose: {reason}") from error


def decode(
    center: Float[Array, "batch rows columns 1"],
    heatmap: Float[Array, "batch rows columns joints"],
    regress: Float[Array, "batch rows columns axes"],
    offset: Float[Array, "batch rows columns axes"],
) -> Float[Array, "batch joints 3"]:
    """Places and confidences of the joints, from the output of the four heads.

    The person is the maximum of the centre map, weighted by 1 / (1.8 + distance to the
    middle of the picture). Each joint is expected at this centre plus its displacement;
    its cell is the maximum of its heat map, weighted in the same way by the distance to
    the expected place.

    Args:
        center: logits of the centre of a person.
        heatmap: logits of each joint.
        regress: displacements from the centre, cells: v and u of each joint in turn.
        offset: places inside the cell, likewise.

    Returns:
        u and v in cells, with the corner of the map at (0, 0), and the confidence.
    """
    batch, rows, columns, joints = heatmap.shape
    v, u = jnp.meshgrid(jnp.arange(rows), jnp.arange(columns), indexing="ij")
    away = jnp.hypot(v - rows // 2, u - columns // 2) + _SOFTENING
    people = (jax.nn.sigmoid(center[..., 0]) / away[None]).reshape(batch, -1)
    cell = people.argmax(axis=1)
    first = jnp.arange(batch)
    middle = jnp.stack([cell // columns, cell % columns], axis=-1)
    moves = regress.reshape(batch, rows * columns, joints, 2)[first, cell]
    expected = middle[:, None] + moves  # (batch, joints, 2), v and u

    height = jax.nn.sigmoid(heatmap).reshape(batch, rows * columns, joints)
    grid = jnp.stack([v, u], axis=-1).reshape(1, rows * columns, 1, 2)
    away = jnp.linalg.norm(grid - expected[:, None], axis=-1) + _SOFTENING
    cell = (height / away).argmax(axis=1)  # (batch, joints)
    joint = jnp.arange(joints)[None]
    inside = offset.reshape(batch, rows * columns, joints, 2)
    inside = inside[first[:, None], cell, joint]
    place = jnp.stack([cell % columns, cell // columns], axis=-1) + inside[..., ::-1]
    confidence = height[first[:, None], cell, joint]
    return jnp.concatenate([place, confidence[..., None]], axis=-1)


def _last_node(model: graph_model.GraphModel, head: str) -> str:
    """Name of the last convolution of a head."""
    marks = ("/center_0/",) if head == "center" else (f"/kpt_{head}_0/",)
    names = [
        node.name
        for node in model.nodes
        if node.op == "_FusedConv2D" and any(mark in node.name for mark in marks)
    ]
    if not names:
        raise ValueError(f"it has no head {head!r}")
    return names[-1]

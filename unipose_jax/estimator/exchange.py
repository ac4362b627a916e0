"""Networks as files for programs without this package: StableHLO and ONNX.

The network becomes a function of arrays with its weights inside; `describe` says what
goes in and what comes out.
"""

import logging
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import export

from data_pipelines.ground import schema
from unipose_jax import errors, models, skeleton
from unipose_jax.estimator import network

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
OUTPUTS = ("xyz", "xyz_confidence")
TOLERANCE = 1e-4  # metres, largest difference of a converted network
_HOW_TO_INSTALL = "pip install onnx onnxruntime; pip install --no-deps jax2onnx onnx-ir"


def to_stablehlo(estimator: network.Estimator) -> bytes:
    """The network as StableHLO, for any number of clips on any platform of JAX.

    `jax.export.deserialize(bytearray(data)).call(*inputs)` runs it, in JAX alone.

    Args:
        estimator: the network; computes in float32.
    """
    (clips,) = export.symbolic_shape("clips")
    exported = export.export(jax.jit(_function(estimator)), platforms=PLATFORMS)
    return bytes(exported(*_arguments(estimator, clips)).serialize())


def to_onnx(estimator: network.Estimator) -> bytes:
    """The network as ONNX, for one clip at a time; compared with JAX before it returns.

    Args:
        estimator: the network; computes in float32.

    Raises:
        errors.BadInput: jax2onnx or onnxruntime are not installed, or the network has
            an operation that jax2onnx cannot convert, or converts wrongly.
    """
    for library in ("jax2onnx", "onnx_ir"):  # many lines on plugins that are not used
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        import jax2onnx
        import onnxruntime
    except ImportError as error:
        raise errors.BadInput(
            f"--format=onnx needs {error.name}: {_HOW_TO_INSTALL}"
        ) from error
    function, arguments = _function(estimator), _arguments(estimator, 1)
    # jax2onnx replaces functions of JAX that it cannot batch; in a jaxpr, there are
    # none left.
    traced = jax.make_jaxpr(function)(*arguments)
    try:
        model = jax2onnx.to_onnx(
            jax.extend.core.jaxpr_as_fun(traced),
            arguments,
            model_name=estimator.model["name"],
            input_names=list(estimator.inputs),
            output_names=list(OUTPUTS),
        )
        data = model.SerializeToString()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # of errors
        session = onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"]
        )
        inputs = sample_inputs(estimator)
        found = session.run(
            list(OUTPUTS), dict(zip(estimator.inputs, inputs, strict=True))
        )
    except Exception as error:  # of many kinds, such as NotImplementedError
        why = " ".join(str(error).split())[:200]
        raise errors.BadInput(
            f"jax2onnx cannot convert {estimator.model['name']} "
            f"({type(error).__name__}: {why}); use --format=stablehlo"
        ) from error
    apart = [
        float(np.abs(value - np.asarray(wanted)).max())
        for value, wanted in zip(found, jax.jit(function)(*inputs), strict=True)
    ]
    if not max(apart) <= TOLERANCE:
        raise errors.BadInput(
            f"the ONNX network differs from JAX by {max(apart):.2g} (metres or "
            "confidence); use --format=stablehlo"
        )
    return data


def sample_inputs(estimator: network.Estimator, clips: int = 1) -> list[np.ndarray]:
    """Plausible inputs, in order, to compare networks with: a cloud 3 m away.

    Args:
        estimator: the network.
        clips: how many.
    """
    rng = np.random.default_rng(0)
    values: dict[str, Any] = {
        "points": (0.0, 0.0, 3.0),
        "points_valid": True,
        "time": np.arange(estimator.frames) / 15.0,
        "intrinsics": (286.0, 286.0, 160.0, 120.0),
        "cam_from_points": np.eye(4),
        "depth_crop_matrix": [[110.0, 0.0, 48.0], [0.0, 110.0, 48.0], [0.0, 0.0, 1.0]],
        "color_crop_matrix": [[110.0, 0.0, 48.0], [0.0, 110.0, 48.0], [0.0, 0.0, 1.0]],
        "reference_depth": 3.0,
    }
    scale = {"points": 0.3, "uv": 90.0, "depth_crop": 0.2, "color_crop": 60.0}
    base = {"uv": 150.0, "depth_crop": 3.0, "color_crop": 120.0, "confidence": 0.5}
    found = []
    for name, given in zip(estimator.inputs, _arguments(estimator, clips), strict=True):
        value = np.broadcast_to(values.get(name, base.get(name, 0.0)), given.shape)
        value = value + scale.get(name, 0.0) * rng.uniform(-1.0, 1.0, given.shape)
        found.append(np.asarray(value, given.dtype))
    return found


def describe(estimator: network.Estimator) -> dict[str, Any]:
    """Inputs, outputs, joints and preprocessing of an exported network, for JSON."""
    body = skeleton.by_name(estimator.skeleton)
    pose = ["clips", estimator.frames, body.num_joints]
    outputs = {
        "xyz": ([*pose, 3], f"joints, metres, {_FRAME}"),
        "xyz_confidence": (pose, "of the network in each joint, in (0, 1)"),
    }
    return {
        "network": estimator.model["name"],
        "skeleton": body.name,
        "joints": list(body.joints),
        "parents": list(body.parents),
        "inputs": [
            {
                "name": name,
                "shape": ["clips", *given.shape[1:]],
                "dtype": str(given.dtype),
                "description": _field(name).description,
            }
            for name, given in zip(
                estimator.inputs, _arguments(estimator, 1), strict=True
            )
        ],
        "outputs": [
            {"name": name, "shape": shape, "dtype": "float32", "description": text}
            for name, (shape, text) in outputs.items()
        ],
        "preprocessing": _preprocessing(estimator),
    }


_FRAME = "depth-camera frame: x right, y down, z forward, of the upright picture"
_POINTS = (
    "points: of one person alone, without floor, furniture and other people; the pixel "
    "(u, v), centres at +0.5 and without lens distortion, at depth z is "
    "((u - cx) z / fx, (v - cy) z / fy, z).",
    "points: as many as the shape says, drawn at random without replacement; a smaller "
    "cloud is repeated. points_valid is True everywhere.",
    "A clip ends at the newest frame. Frames are at most {max_interval} s apart; at "
    "the start and after a longer gap, the first frame is repeated with its time.",
)
_KEYPOINTS = (
    "uv, confidence: 2D keypoints in the order of joints. Where there is none, and for "
    "a frame without keypoints, the confidence is 0. Without a colour camera, "
    "intrinsics are those of the depth camera and cam_from_points is the identity."
)
_CROPS = (
    "Crops: the square around the person, scaled; a crop matrix P maps (x / z, y / z, "
    "1) to pixels of the crop, centres at +0.5. Frames are independent."
)


def _preprocessing(estimator: network.Estimator) -> list[str]:
    """What to do before the network, one sentence or two each."""
    lines = []
    if "points" in estimator.inputs:
        lines += [text.format(max_interval=estimator.max_interval) for text in _POINTS]
    if "uv" in estimator.inputs:
        lines.append(_KEYPOINTS)
    if any("crop" in name for name in estimator.inputs):
        lines.append(_CROPS)
    return lines


def _function(estimator: network.Estimator) -> Callable[..., tuple[Any, Any]]:
    """The network as a function of its inputs in order, with its parameters inside."""
    joints = skeleton.by_name(estimator.skeleton).num_joints
    settings = {**estimator.model, "dtype": "float32"}
    built = models.build(settings, num_joints=joints)
    params = jax.tree.map(lambda x: np.asarray(x, np.float32), estimator.params)

    def apply(*inputs):
        fields = dict(zip(estimator.inputs, inputs, strict=True))
        estimate = built.apply(params, **fields)
        return estimate.xyz, jax.nn.sigmoid(estimate.confidence_logit)

    return apply


def _arguments(estimator: network.Estimator, clips: Any) -> list[jax.ShapeDtypeStruct]:
    """Shape and type of each input, in order."""
    sizes: dict[str | int, int] = {
        "T": estimator.frames,
        "N": estimator.num_points,
        "S": estimator.crop_size,
        "J": skeleton.by_name(estimator.skeleton).num_joints,
    }
    fields = [_field(name) for name in estimator.inputs]
    return [
        jax.ShapeDtypeStruct(
            (clips, *(sizes.get(axis, axis) for axis in field.shape)),
            np.dtype(field.dtype),
        )
        for field in fields
    ]


def _field(name: str) -> schema.Field:
    return (schema.FIELDS | schema.OPTIONAL_FIELDS)[name]

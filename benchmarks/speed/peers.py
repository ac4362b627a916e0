"""A published network of the same task, for comparison: the work of A2J.

A2J (Xiong et al., ICCV 2019, arXiv 1908.09999) predicts the joints of ITOP from a depth
crop of 288x288 by a ResNet-50 with output stride 16 and three branches. Its layers are
built here as an ONNX graph with random weights and run by onnxruntime, which is about
as fast as networks get on a CPU. The crop and the decoding of anchors are left out.
"""

from typing import Any

import numpy as np

from benchmarks.speed import options, timing
from unipose_jax import cluster

_SIDE = 288  # pixels
_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # width and blocks of ResNet-50
_JOINTS, _ANCHORS, _BRANCH = 15, 16, 256


def a2j(chosen: options.Options) -> timing.Measured:
    """The network on one crop."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise timing.Skipped(f"{error.name} is not installed") from error
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = cluster.num_cores()
    settings.log_severity_level = 3
    model = _Graph(onnx).model()
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    crop = np.random.default_rng(0).normal(size=(1, 3, _SIDE, _SIDE))
    crop = crop.astype(np.float32)
    times = timing.repeat(
        lambda: session.run(None, {"crop": crop}), repeats=5 if chosen.quick else 20
    )
    shapes = f"crop {_SIDE}x{_SIDE}, onnxruntime {onnxruntime.__version__}"
    return timing.rate(times, 1, "frames/s", shapes)


class _Graph:
    """The layers, with batch normalisation as part of the convolutions."""

    def __init__(self, onnx: Any):
        self._onnx, self._make = onnx, onnx.helper
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._rng = np.random.default_rng(0)

    def model(self) -> Any:
        """The whole network: class, offset and depth of each anchor."""
        x = self._conv("crop", 3, 64, size=7, stride=2)
        x = self._add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        width_in, before = 64, x
        for number, (width, blocks) in enumerate(_STAGES):
            before = x  # of the last stage: the input of the classes
            for block in range(blocks):
                stride = 2 if block == 0 and number in (1, 2) else 1
                dilation = 2 if number == 3 else 1
                x = self._bottleneck(x, width_in, width, stride, dilation)
                width_in = 4 * width
        count = _JOINTS * _ANCHORS
        outputs = [
            self._branch(before, 1024, count),
            self._branch(x, 2048, 2 * count),
            self._branch(x, 2048, count),
        ]
        value = self._make.make_tensor_value_info
        float32 = self._onnx.TensorProto.FLOAT
        graph = self._make.make_graph(
            self._nodes,
            "a2j",
            [value("crop", float32, [1, 3, _SIDE, _SIDE])],
            [value(name, float32, ["n", "c", "v", "u"]) for name in outputs],
            self._weights,
        )
        opset = self._make.make_opsetid("", 17)
        return self._make.make_model(graph, opset_imports=[opset], ir_version=9)

    def _bottleneck(
        self, x: str, width_in: int, width: int, stride: int, dilation: int
    ) -> str:
        y = self._conv(x, width_in, width)
        y = self._conv(y, width, width, size=3, stride=stride, dilation=dilation)
        y = self._conv(y, width, 4 * width, relu=False)
        if width_in != 4 * width:
            x = self._conv(x, width_in, 4 * width, stride=stride, relu=False)
        return self._add("Relu", [self._add("Add", [x, y])])

    def _branch(self, x: str, width_in: int, width_out: int) -> str:
        for width in (width_in, _BRANCH, _BRANCH, _BRANCH):
            x = self._conv(x, width, _BRANCH, size=3)
        return self._conv(x, _BRANCH, width_out, size=3, relu=False)

    def _conv(
        self,
        x: str,
        width_in: int,
        width_out: int,
        *,
        size: int = 1,
        stride: int = 1,
        dilation: int = 1,
        relu: bool = True,
    ) -> str:
        shape = (width_out, width_in, size, size)
        kernel = self._rng.normal(0.0, (2 / (width_in * size**2)) ** 0.5, shape)
        values = {"kernel": kernel, "bias": np.zeros(width_out)}
        names = [f"{key}{len(self._nodes)}" for key in values]
        self._weights += [
            self._onnx.numpy_helper.from_array(value.astype(np.float32), name)
            for name, value in zip(names, values.values(), strict=True)
        ]
        y = self._add(
            "Conv",
            [x, *names],
            kernel_shape=[size, size],
            strides=[stride, stride],
            dilations=[dilation, dilation],
            pads=[dilation * (size // 2)] * 4,
        )
        return self._add("Relu", [y]) if relu else y

    def _add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"value{len(self._nodes)}"
        self._nodes.append(self._make.make_node(kind, inputs, [name], **attributes))
        return name


ROWS = {"peers/a2j": a2j}

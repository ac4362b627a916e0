"""The released network on a real picture, against onnxruntime on the same graph."""

import cv2
import numpy as np
import pytest

from data_pipelines.keypoints import crops
from unipose_jax.detector import graph_model, movenet

onnx = pytest.importorskip("onnx")
helper = pytest.importorskip("onnx.helper")
numpy_helper = pytest.importorskip("onnx.numpy_helper")
onnxruntime = pytest.importorskip("onnxruntime")

SIMPLE = {"AddV2": "Add", "Sub": "Sub", "Mul": "Mul"}


class Converter:
    """Writes the nodes of a graph as ONNX, with channels before rows and columns."""

    def __init__(self, model):
        self.model, self.nodes, self.constants = model, [], []

    def constant(self, name, value):
        self.constants.append(
            numpy_helper.from_array(np.ascontiguousarray(value), name)
        )
        return name

    def tensor(self, name):
        """A float tensor that is added or multiplied: channels first."""
        value = np.asarray(self.model.tensors[name], np.float32).reshape(-1, 1, 1)
        return self.constant(f"{name}/first", value)

    def convert(self, node):
        source = node.inputs[0] if node.inputs else None
        if node.op in SIMPLE:
            other = node.inputs[1]
            other = self.tensor(other) if other in self.model.tensors else other
            self.put(SIMPLE[node.op], [source, other], node.name)
        elif node.op == "ResizeBilinear":
            rows, columns = self.model.tensors[node.inputs[1]]
            scales = self.constant(f"{node.name}/scales", np.float32([1, 1, 2, 2]))
            self.put(
                "Resize",
                [source, "", scales],
                node.name,
                mode="linear",
                coordinate_transformation_mode="half_pixel",
            )
        elif "Conv" in node.op:
            self.convolution(node, source)
        else:
            self.put("Identity", [source], node.name)

    def convolution(self, node, source):
        kernel = self.model.tensors[node.inputs[1]]
        depthwise = "Depthwise" in node.op
        axes = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
        inputs = [source, self.constant(f"{node.name}/kernel", kernel.transpose(axes))]
        for bias in node.inputs[2:]:
            value = self.model.tensors[bias]
            inputs.append(self.constant(f"{node.name}/bias", value))
        relu = node.activations[-1] if node.activations else "BiasAdd"
        plain = relu == "BiasAdd"
        self.put(
            "Conv",
            inputs,
            node.name if plain else f"{node.name}/linear",
            strides=[node.stride] * 2,
            auto_pad="SAME_UPPER" if node.same else "VALID",
            group=kernel.shape[2] if depthwise else 1,
        )
        if not plain:
            limits = [self.constant(f"{node.name}/0", np.float32(0))]
            if relu == "Relu6":
                limits.append(self.constant(f"{node.name}/6", np.float32(6)))
            self.put("Clip", [f"{node.name}/linear", *limits], node.name)

    def put(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))


def run_with_onnxruntime(model, picture, outputs):
    made = Converter(model)
    kind = onnx.TensorProto.FLOAT
    nodes = {node.name: node for node in model.nodes}
    entry = next(node.name for node in model.nodes if node.op == "Placeholder")
    for name in graph_model._order(nodes, outputs):
        if name not in model.tensors and name != entry:
            made.convert(nodes[name])
    graph = helper.make_graph(
        made.nodes,
        "network",
        [helper.make_tensor_value_info(entry, kind, [1, 3, 256, 256])],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        made.constants,
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    whole.ir_version = 9
    session = onnxruntime.InferenceSession(whole.SerializeToString())
    channels_first = picture.astype(np.float32).transpose(2, 0, 1)[None]
    found = session.run(outputs, {entry: channels_first})
    return {
        name: value.transpose(0, 2, 3, 1)
        for name, value in zip(outputs, found, strict=True)
    }


@pytest.fixture(scope="module")
def released(sample_data):
    """The network and a picture of a man from behind."""
    model = graph_model.read(sample_data / "movenet" / "movenet-thunder.json")
    image = cv2.imread(str(sample_data / "real/pcl_p1/color/000000.png"))
    return model, np.ascontiguousarray(image[..., ::-1])


def test_the_released_network_equals_onnxruntime(released):
    model, image = released
    square = crops.Square(-120, 40, 440)
    picture = crops.crop(image, square, 256)
    heads = [movenet._last_node(model, head) for head in movenet._HEADS]
    expected = run_with_onnxruntime(model, picture, heads)
    decoded = movenet.decode(
        **{
            head: expected[name]
            for head, name in zip(movenet._HEADS, heads, strict=True)
        }
    )
    network = movenet.MoveNet(model, batch=1)
    found = network(picture[None])
    scale = np.array([4.0, 4.0, 1.0])
    np.testing.assert_allclose(found, np.asarray(decoded) * scale, rtol=1e-5, atol=1e-3)
    assert network.size == 256


def test_a_man_from_behind_is_found_where_eyes_see_him(released, sample_data):
    model, image = released
    true = np.load(sample_data / "real/pcl_joints2d_by_eye.npz")
    network = movenet.MoveNet(model, batch=1)
    square = crops.around((10, 60, 160, 480), image.shape)
    (person,) = crops.keypoints_in_squares(network, [image], [square])
    errors = [
        np.hypot(*(person[crops._NAMES.index(name), :2] - uv))
        for name, uv in zip(true["names"], true["uv"][0], strict=True)
        if name in crops._NAMES and np.isfinite(uv).all()
    ]
    assert np.median(errors) < 0.03 * 400  # of his height in pixels

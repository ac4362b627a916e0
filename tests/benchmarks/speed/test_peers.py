import collections

import pytest

from benchmarks.speed import peers


def test_a2j_has_the_layers_of_its_paper():
    onnx = pytest.importorskip("onnx")
    model = peers._Graph(onnx).model()
    onnx.checker.check_model(model)
    kinds = collections.Counter(node.op_type for node in model.graph.node)
    # 53 convolutions of a ResNet-50, and three branches of five.
    assert kinds["Conv"] == 53 + 15
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in [*inferred.value_info, *inferred.output]
    }
    found = [shapes[value.name] for value in inferred.output]
    # 15 joints at 16 anchors: class, offset of two, depth; output stride 16.
    assert found == [[1, 240, 18, 18], [1, 480, 18, 18], [1, 240, 18, 18]]

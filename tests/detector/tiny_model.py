"""A tiny network: files, operations and heads of MoveNet, and random weights."""

import base64
import json

import numpy as np

SIZE = 32  # side of its input; its maps have cells of two pixels
_HEADS = {"center_0": 1, "kpt_heatmap_0": 17, "kpt_regress_0": 34, "kpt_offset_0": 34}


def _text(value):
    return base64.b64encode(value.encode()).decode()


class Builder:
    """Collects nodes and tensors; every method returns the name of its node."""

    def __init__(self, seed=0):
        self._rng = np.random.default_rng(seed)
        self.nodes = []
        self.tensors = {}
        shape = {"dim": [{"size": str(side)} for side in (1, SIZE, SIZE, 3)]}
        self.add("Placeholder", "input", shape={"shape": shape})

    def add(self, op, name, *inputs, **attributes):
        entry = {"op": op, "name": name, "input": list(inputs), "attr": attributes}
        self.nodes.append(entry)
        return name

    def constant(self, name, value):
        self.tensors[name] = np.asarray(value)
        return self.add("Const", name)

    def random(self, name, *shape, scale=0.5):
        value = self._rng.normal(size=shape).astype(np.float16).astype(np.float32)
        return self.constant(name, value * np.float32(scale))

    def conv(self, name, source, shape, *, op="_FusedConv2D", stride=1, relu=""):
        channels = shape[3] if op == "_FusedConv2D" else shape[2]
        fused = ["BiasAdd", relu] if relu else ["BiasAdd"]
        return self.add(
            op,
            name,
            source,
            self.random(f"{name}/weights", *shape),
            self.random(f"{name}/bias", channels),
            strides={"list": {"i": ["1", str(stride), str(stride), "1"]}},
            padding={"s": _text("SAME")},
            fused_ops={"list": {"s": [_text(entry) for entry in fused]}},
        )

    def head(self, name, source, channels):
        spread = self.add(
            "DepthwiseConv2dNative",
            f"call/{name}/depthwise",
            source,
            self.random(f"call/{name}/kernel", 3, 3, 6, 1),
            strides={"list": {"i": ["1", "1", "1", "1"]}},
            padding={"s": _text("SAME")},
        )
        wide = self.conv(f"call/{name}/relu", spread, (1, 1, 6, 8), relu="Relu")
        self.conv(f"call/{name}/BiasAdd", wide, (1, 1, 8, channels))


def build(heads=None):
    """Nodes and tensors of the network."""
    made = Builder()
    image = made.add("Unpack", "image", made.add("Cast", "float", "input"))
    scale = made.constant("scale", np.full((1, 1, 1, 3), 0.0078125, np.float32))
    shifted = made.add("Sub", "shifted", image + ":0", made.constant("zero", [0.0]))
    image = made.add("Mul", "scaled", shifted, scale)
    depthwise = "FusedDepthwiseConv2dNative"
    large = made.conv("conv", image, (3, 3, 3, 6), stride=2, relu="Relu6")
    small = made.conv("thin", large, (3, 3, 6, 1), op=depthwise, stride=2, relu="Relu6")
    size = made.constant("size", np.array([16, 16], np.int32))
    up = made.add("ResizeBilinear", "up", small, size)
    features = made.add("AddV2", "sum", up, large)
    for name, channels in (heads or _HEADS).items():
        made.head(name, features, channels)
    return made


def write(path, made=None):
    """Writes the two files; `path` is the `.json`. Floats are stored as float16."""
    made = made or build()
    entries, data = [], b""
    for name, tensor in made.tensors.items():
        whole = tensor.dtype.kind == "i"
        entry = {"name": name, "shape": list(tensor.shape)}
        entry["dtype"] = "int32" if whole else "float32"
        if not whole:
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
        entries.append(entry)
        data += tensor.astype("int32" if whole else "float16").tobytes()
    content = {
        "format": "graph-model",
        "modelTopology": {"node": made.nodes},
        "weightsManifest": [{"paths": [f"{path.stem}.bin"], "weights": entries}],
    }
    path.write_text(json.dumps(content))
    path.with_suffix(".bin").write_bytes(data)
    return path

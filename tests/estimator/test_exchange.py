"""Exported networks: the same joints as here, without the package."""

import sys
import types

import jax
import jaxtyping
import numpy as np
import pytest
from jax import export

from tests.models import networks
from unipose_jax import errors, estimator, models
from unipose_jax.estimator import exchange
from unipose_jax.weights import store

MODEL = {
    "name": "point_net",
    "num_patches": 4,
    "width": 8,
    "num_blocks": 1,
    "num_heads": 2,
    "fusion": "none",
    "keypoints": True,
    "point_parts": True,
    "backbone": "small",
    "image_grid": 2,
    "dtype": "float32",
}
TOLERANCE = 1e-4  # metres: what docs/export.md promises


def make(model=MODEL, **changes):
    network = estimator.Estimator(
        params={}, model=model, skeleton="ITOP15", frames=2, num_points=48, **changes
    )
    inputs = exchange.sample_inputs(network)
    fields = dict(zip(network.inputs, inputs, strict=True))
    params = networks.initialize(model, 15, fields)[1]
    object.__setattr__(network, "params", jax.device_get(params))
    return network


@pytest.fixture
def symbolic(monkeypatch):
    """Checks of shapes are off: they do not know that clips are at least one."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(scope="module")
def network():
    return make()


def check_stablehlo(network, *, clips):
    """Compares the exported network with `from_fields` and returns its joints."""
    exported = export.deserialize(bytearray(exchange.to_stablehlo(network)))
    assert set(exported.platforms) == set(exchange.PLATFORMS)
    inputs = exchange.sample_inputs(network, clips)
    found = exported.call(*inputs)
    wanted = network.from_fields(dict(zip(network.inputs, inputs, strict=True)))
    for value, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(value, other, atol=TOLERANCE)
    return wanted


def test_stablehlo_has_the_joints_of_the_network(network, symbolic):
    xyz, _ = check_stablehlo(network, clips=3)
    assert xyz.shape == (3, 2, 15, 3)
    assert np.ptp(xyz) > 0.01  # metres


def test_crops_are_exported_as_well(symbolic):
    model = {
        "name": "depth_anchor_net",
        "backbone": "small",
        "head_width": 8,
        "head_depth": 1,
        "dtype": "float32",
    }
    check_stablehlo(make(model, crop_size=32), clips=2)


def test_keypoints_of_confidence_0_are_no_keypoints(network):
    fields = dict(zip(network.inputs, exchange.sample_inputs(network), strict=True))
    nothing = fields | {
        name: np.zeros_like(fields[name]) for name in fields if name not in POINTS
    }
    known = network.from_fields({name: fields[name] for name in POINTS})
    for value, other in zip(network.from_fields(nothing), known, strict=True):
        np.testing.assert_allclose(value, other, atol=TOLERANCE)


POINTS = models.POINT_FIELDS


def test_the_description_has_inputs_and_outputs_in_order(network):
    about = exchange.describe(network)
    assert [each["name"] for each in about["inputs"]] == list(network.inputs)
    assert about["inputs"][0]["shape"] == ["clips", 2, 48, 3]
    assert about["inputs"][0]["description"].endswith("metres, depth-camera frame")
    assert [each["name"] for each in about["outputs"]] == list(exchange.OUTPUTS)
    assert about["outputs"][0]["shape"] == ["clips", 2, 15, 3]
    assert about["joints"][0] == "head"
    assert about["parents"].count(-1) == 1
    assert any("confidence is 0" in line for line in about["preprocessing"])


def test_onnx_has_the_joints_of_the_network(network):
    pytest.importorskip("jax2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(exchange.to_onnx(network))
    assert [each.name for each in session.get_inputs()] == list(network.inputs)
    fields = dict(zip(network.inputs, exchange.sample_inputs(network), strict=True))
    found = session.run(list(exchange.OUTPUTS), fields)
    for value, other in zip(found, network.from_fields(fields), strict=True):
        np.testing.assert_allclose(value, other, atol=TOLERANCE)


def test_without_jax2onnx_it_says_what_to_install(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(errors.BadInput, match="--format=onnx needs jax2onnx: pip ins"):
        exchange.to_onnx(network)


def fake_converter(monkeypatch, convert):
    monkeypatch.setitem(sys.modules, "jax2onnx", types.SimpleNamespace(to_onnx=convert))


def test_what_cannot_be_converted_is_one_line(network, monkeypatch):
    def convert(*_, **__):
        raise NotImplementedError("scatter\nis not supported")

    fake_converter(monkeypatch, convert)
    with pytest.raises(errors.BadInput, match="use --format=stablehlo") as caught:
        exchange.to_onnx(network)
    assert "(NotImplementedError: scatter is not supported)" in str(caught.value)


def test_a_wrong_conversion_is_not_returned(network, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    model = types.SimpleNamespace(SerializeToString=lambda: b"model")
    fake_converter(monkeypatch, lambda *_, **__: model)

    class Session:
        def __init__(self, *_, **__):
            pass

        def run(self, *_):
            return np.full((1, 2, 15, 3), np.nan), np.zeros((1, 2, 15))

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    with pytest.raises(errors.BadInput, match="differs from JAX by"):
        exchange.to_onnx(network)


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.stem for path in store.FOLDER.glob("*.npz")])
def test_released_networks_are_exported(name, symbolic):
    check_stablehlo(estimator.load_shipped(name), clips=2)

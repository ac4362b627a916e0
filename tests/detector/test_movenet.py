"""The tiny network against loops in NumPy, and the released one against onnxruntime."""

import json

import numpy as np
import pytest

from tests.detector import tiny_model
from unipose_jax import errors
from unipose_jax.detector import graph_model, movenet


def convolve(x, kernel, stride, *, depthwise):
    """Convolution with TensorFlow's SAME padding, one output pixel after another."""
    size = -(-x.shape[0] // stride)
    total = max((size - 1) * stride + len(kernel) - x.shape[0], 0)
    before = total // 2
    padded = np.pad(x, [(before, total - before)] * 2 + [(0, 0)])
    channels = kernel.shape[2] if depthwise else kernel.shape[3]
    out = np.zeros((size, size, channels))
    for row in range(size):
        for column in range(size):
            top, left = row * stride, column * stride
            part = padded[top : top + len(kernel), left : left + len(kernel)]
            if depthwise:
                out[row, column] = (part * kernel[..., 0]).sum(axis=(0, 1))
            else:
                out[row, column] = np.tensordot(part, kernel, axes=3)
    return out


def enlarge(x):
    """Twice the size: bilinear, pixel centres at +0.5, constant beyond the border."""
    place = np.clip((np.arange(2 * len(x)) + 0.5) / 2 - 0.5, 0, len(x) - 1)
    low = np.minimum(place.astype(int), len(x) - 2)
    share = (place - low)[:, None, None]
    x = x[low] * (1 - share) + x[low + 1] * share
    share = share.reshape(1, -1, 1)
    return x[:, low] * (1 - share) + x[:, low + 1] * share


def heads_by_loops(tensors, image):
    """Logits of the four heads of the tiny network."""

    def layer(name, x, stride=1, *, depthwise=False):
        y = convolve(x, tensors[f"{name}/weights"], stride, depthwise=depthwise)
        return y + tensors[f"{name}/bias"]

    large = np.clip(layer("conv", image * 0.0078125, 2), 0, 6)
    small = np.clip(layer("thin", large, 2, depthwise=True), 0, 6)
    features = enlarge(small) + large
    maps = []
    for head in ("center_0", "kpt_heatmap_0", "kpt_regress_0", "kpt_offset_0"):
        kernel = tensors[f"call/{head}/kernel"]
        wide = convolve(features, kernel, 1, depthwise=True)
        wide = np.maximum(layer(f"call/{head}/relu", wide), 0)
        maps.append(layer(f"call/{head}/BiasAdd", wide))
    return maps


def decode_by_loops(center, heatmap, regress, offset):
    """Joints (17, 3) in cells, one cell after another."""

    def logistic(x):
        return 1 / (1 + np.exp(-x))

    def best(score, row, column):
        cells = [
            (score[r, c] / (np.hypot(r - row, c - column) + 1.8), r, c)
            for r in range(len(score))
            for c in range(len(score))
        ]
        return max(cells)[1:]

    row, column = best(logistic(center[..., 0]), len(center) // 2, len(center) // 2)
    joints = []
    for joint in range(17):
        dv, du = regress[row, column, 2 * joint : 2 * joint + 2]
        score = logistic(heatmap[..., joint])
        r, c = best(score, row + dv, column + du)
        v, u = offset[r, c, 2 * joint : 2 * joint + 2]
        joints.append((c + u, r + v, score[r, c]))
    return np.array(joints)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Path of the files of the tiny network."""
    return tiny_model.write(tmp_path_factory.mktemp("tiny") / "net.json")


@pytest.fixture(scope="module")
def network(tiny):
    return movenet.load(tiny, batch=2)


@pytest.fixture(scope="module")
def images():
    shape = (3, tiny_model.SIZE, tiny_model.SIZE, 3)
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def test_the_network_equals_loops_over_pixels(tiny, network, images):
    tensors = graph_model.read(tiny).tensors
    expected = [decode_by_loops(*heads_by_loops(tensors, image)) for image in images]
    expected = np.array(expected) * (2, 2, 1)
    np.testing.assert_allclose(network(images), expected, rtol=1e-5, atol=1e-5)
    assert network.size == tiny_model.SIZE


def test_a_picture_has_the_same_joints_in_every_batch(network, images):
    np.testing.assert_allclose(network(images)[2:], network(images[2:]), atol=1e-6)
    assert network(images[:0]).shape == (0, 17, 3)


def test_of_two_people_the_one_in_the_middle_is_taken():
    maps = {
        "center": np.full((1, 8, 8, 1), -9.0, np.float32),
        "heatmap": np.full((1, 8, 8, 17), -9.0, np.float32),
        "regress": np.zeros((1, 8, 8, 34), np.float32),
        "offset": np.full((1, 8, 8, 34), 0.5, np.float32),
    }
    for row, column, logit in ((4, 3, 1.0), (1, 7, 1.5)):
        maps["center"][0, row, column] = logit
        maps["heatmap"][0, row, column] = logit
    found = np.asarray(movenet.decode(**maps))
    np.testing.assert_allclose(found[0, :, :2], np.tile([3.5, 4.5], (17, 1)))
    np.testing.assert_allclose(found[0, :, 2], 1 / (1 + np.exp(-1.0)), rtol=1e-6)


def refusal(path):
    with pytest.raises(errors.BadInput) as caught:
        movenet.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_and_damaged_files_are_refused(tiny, tmp_path):
    assert "cannot read" in refusal(tmp_path / "none.json")
    for content in ("nonsense", "[]", '{"modelTopology": {}}', "{}"):
        (tmp_path / "bad.json").write_text(content)
        assert "bad.json is not a TensorFlow.js" in refusal(tmp_path / "bad.json")
    path = tiny_model.write(tmp_path / "a.json")
    data = path.with_suffix(".bin").read_bytes()
    for changed, why in ((data[:-2], "too short"), (data + b"00", "too long")):
        path.with_suffix(".bin").write_bytes(changed)
        assert why in refusal(path)
    path.with_suffix(".bin").unlink()
    assert "cannot read" in refusal(path)


def test_other_networks_are_refused(tmp_path):
    few = {"center_0": 1, "kpt_heatmap_0": 17, "kpt_regress_0": 34}
    path = tiny_model.write(tmp_path / "a.json", tiny_model.build(few))
    assert "a.json is not MoveNet SinglePose: it has no head 'offset'" in refusal(path)
    other = few | {"kpt_offset_0": 26}
    path = tiny_model.write(tmp_path / "a.json", tiny_model.build(other))
    assert "does not have 34 channels" in refusal(path)
    content = json.loads(path.read_text())
    content["modelTopology"]["node"][-1]["op"] = "Softmax"
    path.write_text(json.dumps(content))
    assert "is not MoveNet SinglePose" in refusal(path)

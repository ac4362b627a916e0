import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax.models import backbones


def parameters(kind, shape):
    """Shapes of the parameters for images of a shape, without computing any."""
    network = backbones.Backbone(kind)
    return jax.eval_shape(network.init, jax.random.key(0), jnp.zeros(shape))


def random_parameters(network, *args, **inputs):
    """As after some training: no scale or bias is exactly 1 or 0 any more.

    Drawn with NumPy: compiling an initialisation takes longer than all the tests.
    """
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), *args, **inputs))
    rng = np.random.default_rng(0)

    def draw(path, shape):
        noise = rng.standard_normal(shape.shape)
        if path[-1].key == "kernel":
            noise *= np.sqrt(2.0 / np.prod(shape.shape[:-1]))
        else:
            noise = 0.1 * noise + (path[-1].key == "scale")
        return jnp.asarray(noise, shape.dtype)

    return jax.tree_util.tree_map_with_path(draw, shapes)


def built(kind):
    network = backbones.Backbone(kind)
    params = random_parameters(network, jnp.zeros((1, 16, 16, 2)))
    return jax.jit(network.apply), params


@pytest.fixture(scope="module")
def small():
    return built("small")


@pytest.fixture(scope="module", params=["small", "tokens"])
def for_a_cpu(request):
    return built(request.param)


# Of torchvision's models without their last layer: 11,689,512 - 513,000 and
# 25,557,032 - 2,049,000. Group normalisation has as many parameters as batch
# normalisation, and dilation takes none.
@pytest.mark.parametrize(
    ("kind", "count"), [("resnet18", 11_176_512), ("resnet50", 23_508_032)]
)
def test_residual_networks_have_the_published_number_of_parameters(kind, count):
    leaves = jax.tree.leaves(parameters(kind, (1, 32, 32, 3)))
    assert sum(leaf.size for leaf in leaves) == count


@pytest.mark.parametrize(
    ("kind", "channels", "most"), [("small", 3, 250_000), ("tokens", 2, 550_000)]
)
def test_networks_for_a_cpu_are_small(kind, channels, most):
    leaves = jax.tree.leaves(parameters(kind, (1, 64, 64, channels)))
    assert 150_000 < sum(leaf.size for leaf in leaves) < most


@pytest.mark.parametrize(
    ("kind", "stride", "widths"),
    [
        ("small", 8, (64, 96)),
        ("tokens", 4, (96, 96)),
        ("resnet18", 16, (256, 512)),
        ("resnet50", 16, (1024, 2048)),
    ],
)
def test_both_feature_maps_have_one_cell_per_stride(kind, stride, widths):
    assert backbones.stride_of(kind) == stride
    shape = (2, 3 * stride, 5 * stride, 3)
    network = backbones.Backbone(kind)
    features, _ = jax.eval_shape(
        network.init_with_output, jax.random.key(0), jnp.zeros(shape)
    )
    assert features.early.shape == (2, 3, 5, widths[0])
    assert features.late.shape == (2, 3, 5, widths[1])


@pytest.mark.parametrize("kind", ["resnet18", "resnet50"])
def test_the_last_stage_dilates_all_blocks_but_its_first(kind):
    network, images = backbones.Backbone(kind), jnp.zeros((1, 32, 32, 3))
    params = parameters(kind, images.shape)
    program = jax.make_jaxpr(network.apply)(params, images)
    convolutions = [
        e.params for e in program.eqns if e.primitive.name == "conv_general_dilated"
    ]
    dilated = [p["rhs_dilation"] == (2, 2) for p in convolutions]
    # Two 3x3 convolutions of one basic block, or one of each of two bottleneck blocks.
    assert sum(dilated) == 2
    assert all(p["window_strides"] == (1, 1) for p in convolutions[dilated.index(1) :])


def test_unknown_kind_names_the_choices():
    with pytest.raises(ValueError, match="resnet18.*resnet50.*small.*tokens"):
        backbones.stride_of("large")


def test_images_that_do_not_divide_into_cells_are_refused():
    with pytest.raises(ValueError, match="multiples of 8"):
        parameters("small", (1, 16, 20, 2))


@pytest.mark.parametrize("block", [backbones.BasicBlock, backbones.BottleneckBlock])
def test_an_initial_block_equals_its_shortcut(block):
    x = jax.random.normal(jax.random.key(1), (2, 4, 4, 8))
    y, _ = jax.jit(block(8).init_with_output)(jax.random.key(0), x)
    np.testing.assert_array_equal(y, jax.nn.relu(x))


def test_features_move_with_the_image(small):
    """Compared far from the border, where convolutions are padded with zeros."""
    apply, params = small
    content = jax.random.normal(jax.random.key(2), (16, 16, 2))
    images = jnp.zeros((2, 224, 224, 2))
    images = images.at[0, 96:112, 96:112].set(content)
    images = images.at[1, 104:120, 88:104].set(content)  # a cell down and to the left
    here, there = (
        jax.tree.map(lambda x, i=i: x[i], apply(params, images)) for i in (0, 1)
    )
    for a, b in zip(here[:2], there[:2], strict=True):
        # The means of a normalisation are sums of 50,000 values in another order.
        np.testing.assert_allclose(a[8:18, 8:18], b[9:19, 7:17], rtol=1e-4, atol=1e-4)
        assert np.ptp(a[8:18, 8:18]) > 1.0


def test_images_of_a_batch_are_independent(for_a_cpu):
    apply, params = for_a_cpu
    images = jax.random.normal(jax.random.key(3), (2, 16, 16, 2))
    seen = apply(params, images)
    beside = apply(params, images.at[1].multiply(-5.0))
    for a, b in zip(seen[:2], beside[:2], strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        assert np.abs(a[1] - b[1]).max() > 0.1


def test_constant_images_give_finite_gradients(for_a_cpu):
    apply, params = for_a_cpu

    def total(params, images):
        return sum(jnp.sum(x**2) for x in apply(params, images)[:2])

    slope = jax.jit(jax.grad(total, argnums=(0, 1)))
    for value in (0.0, 1.0):
        chex.assert_tree_all_finite(slope(params, jnp.full((2, 16, 16, 2), value)))


def test_bfloat16_applies_to_activations_only():
    network = backbones.Backbone("small", jnp.dtype("bfloat16"))
    features, params = jax.eval_shape(
        network.init_with_output, jax.random.key(0), jnp.zeros((1, 16, 16, 2))
    )
    assert {x.dtype.name for x in features[:2]} == {"bfloat16"}
    assert {x.dtype.name for x in jax.tree.leaves(params)} == {"float32"}

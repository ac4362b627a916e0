import numpy as np
import pytest

from data_pipelines.ground import schema
from unipose_jax import errors

SIZES = {"T": 2, "N": 5, "J": 3, "H": 4, "W": 6, "Hc": 4, "Wc": 6, "S": 7}


def make_example(batch=(), extras=()):
    fields = schema.FIELDS | {name: schema.OPTIONAL_FIELDS[name] for name in extras}
    example = {
        name: np.zeros((*batch, *(SIZES.get(a, a) for a in field.shape)), field.dtype)
        for name, field in fields.items()
    }
    example["intrinsics"][:] = 100.0
    example["cam_from_points"][:] = np.eye(4)
    for name in {"depth_crop_matrix", "color_crop_matrix"} & example.keys():
        example[name][:] = [[5.0, 0.0, 3.5], [0.0, 5.0, 3.5], [0.0, 0.0, 1.0]]
    return example


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
@pytest.mark.parametrize(
    "extras",
    [(), ("depth", "mask"), ("color",), ("points_part",), schema.CROP_FIELDS],
)
def test_examples_and_batches_are_valid(batch, extras):
    schema.validate(make_example(batch, extras))


@pytest.mark.parametrize("name", list(schema.FIELDS))
def test_a_missing_field_is_named(name):
    example = make_example()
    del example[name]
    with pytest.raises(errors.BadInput, match=f"'{name}' is missing"):
        schema.validate(example)


@pytest.mark.parametrize("name", list(schema.FIELDS))
def test_a_wrong_dtype_is_named(name):
    example = make_example()
    example[name] = example[name].astype(np.float64)
    with pytest.raises(errors.BadInput, match=f"'{name}' has dtype float64"):
        schema.validate(example)


@pytest.mark.parametrize("name", list(schema.FIELDS))
def test_a_wrong_size_is_named(name):
    example = make_example()
    example[name] = np.repeat(example[name], 2, axis=0)
    with pytest.raises(errors.BadInput, match="has shape"):
        schema.validate(example)


def test_an_unknown_field_is_named():
    with pytest.raises(errors.BadInput, match="'velocity' is not in the schema"):
        schema.validate(make_example() | {"velocity": np.zeros(3)})


@pytest.mark.parametrize("part", [-2, 11])
def test_a_part_that_does_not_exist_is_named(part):
    example = make_example(extras=("points_part",))
    example["points_part"][0, 0] = part
    with pytest.raises(errors.BadInput, match=r"'points_part' is outside \[-1, 10\]"):
        schema.validate(example)


def test_leading_axes_must_agree():
    example = make_example((4,))
    example["time"] = example["time"][:3]
    with pytest.raises(errors.BadInput, match="'time' has shape"):
        schema.validate(example)


@pytest.mark.parametrize(
    ("name", "value", "also"),
    [
        ("points", np.nan, "points_valid"),
        ("confidence", 1.5, None),
        ("confidence", np.nan, None),
        ("uv", np.inf, "confidence"),
        ("intrinsics", 0.0, None),
        ("cam_from_points", 2.0, None),
        ("xyz", np.nan, "xyz_valid"),
        ("time", np.nan, None),
    ],
)
def test_an_invalid_value_is_named(name, value, also):
    example = make_example()
    example[name][...] = value
    if also:
        example[also][...] = 1
    with pytest.raises(errors.BadInput, match=f"'{name}' "):
        schema.validate(example)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("depth_crop", -1.0),
        ("depth_crop", np.nan),
        ("reference_depth", -1.0),
        ("reference_depth", np.inf),
        ("depth_crop_matrix", 0.0),
        ("color_crop_matrix", np.nan),
        ("color_crop_matrix", np.ones((3, 3))),
        ("color_crop_matrix", [[2, 2, 0], [3, 3, 0], [0, 0, 1]]),
        ("depth_crop_matrix", [[2, 0, 0], [0, 3, 0], [0.5, 0, 1]]),
    ],
)
def test_an_invalid_crop_is_named(name, value):
    example = make_example(extras=schema.CROP_FIELDS)
    example[name][-1] = value
    with pytest.raises(errors.BadInput, match=f"'{name}' is "):
        schema.validate(example)


def test_a_mirrored_crop_is_valid():
    example = make_example(extras=schema.CROP_FIELDS)
    example["depth_crop_matrix"][0] = [[-5, 0, 3.5], [0, 5, 3.5], [0, 0, 1]]
    schema.validate(example)


def test_both_crops_must_have_the_same_size():
    example = make_example(extras=schema.CROP_FIELDS)
    example["color_crop"] = example["color_crop"][:, :6, :6]
    with pytest.raises(errors.BadInput, match="'color_crop' has shape .* S = 7"):
        schema.validate(example)


def test_depth_is_packed_to_half_a_millimetre():
    depth = np.array([0.0, 0.0014, 2.7182, 65.535, 65.6, 1e9], np.float32)
    fields = {"depth_crop": depth, "time": np.arange(2)}
    packed = schema.pack(fields)
    assert packed["depth_crop"].dtype == np.uint16
    unpacked = schema.unpack(packed)
    assert unpacked["depth_crop"].dtype == np.float32
    # Depth beyond the range of uint16 counts as missing.
    np.testing.assert_allclose(unpacked["depth_crop"], [0, 0.001, 2.718, 65.535, 0, 0])
    assert unpacked["time"] is fields["time"]
    assert schema.pack(unpacked)["depth_crop"].tolist() == packed["depth_crop"].tolist()
    assert schema.pack({}) == schema.unpack({}) == {}


def test_time_must_not_decrease():
    example = make_example()
    example["time"][:] = [0.1, 0.0]
    with pytest.raises(errors.BadInput, match="'time' decreases"):
        schema.validate(example)


def test_nan_is_allowed_where_masked():
    example = make_example()
    for name in ("points", "uv", "xyz"):
        example[name][:] = np.nan
    schema.validate(example)

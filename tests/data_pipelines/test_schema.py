import numpy as np
import pytest

from data_pipelines import errors, schema

SIZES = {"T": 2, "N": 5, "J": 3, "H": 4, "W": 6, "Hc": 4, "Wc": 6}


def make_example(batch=(), extras=()):
    fields = schema.FIELDS | {name: schema.EXTRAS[name] for name in extras}
    example = {
        name: np.zeros((*batch, *(SIZES.get(a, a) for a in field.shape)), field.dtype)
        for name, field in fields.items()
    }
    example["intrinsics"][:] = 100.0
    example["cam_from_points"][:] = np.eye(4)
    return example


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
@pytest.mark.parametrize("extras", [(), ("depth", "mask"), ("color",)])
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
def test_an_impossible_value_is_named(name, value, also):
    example = make_example()
    example[name][...] = value
    if also:
        example[also][...] = 1
    with pytest.raises(errors.BadInput, match=f"'{name}' "):
        schema.validate(example)


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

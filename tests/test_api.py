"""What the package offers is documented, annotated and called the same way."""

import importlib
import inspect

import pytest

PACKAGES = [
    "geometry",
    "skeleton",
    "physics",
    "perspective",
    "synthesis",
    "losses",
    "metrics",
    "refine",
]


def offered(package):
    """(name, object) of all functions and classes reached through `__all__`."""
    for name in package.__all__:
        member = getattr(package, name)
        if inspect.ismodule(member):
            for inner, value in vars(member).items():
                defined_here = getattr(value, "__module__", "") == member.__name__
                if not inner.startswith("_") and callable(value) and defined_here:
                    yield f"{member.__name__}.{inner}", value
        elif callable(member):
            yield f"{package.__name__}.{name}", member


def load(name):
    return importlib.import_module(f"unipose_jax.{name}")


MODULES = {name: load(name) for name in PACKAGES}
OFFERED = dict(pair for module in MODULES.values() for pair in offered(module))
FUNCTIONS = {k: v for k, v in OFFERED.items() if inspect.isfunction(v)}
every_function = pytest.mark.parametrize("name", sorted(FUNCTIONS))


@pytest.mark.parametrize("name", PACKAGES)
def test_all_lists_what_exists_in_order(name):
    names = MODULES[name].__all__
    assert names == sorted(names)
    assert all(hasattr(MODULES[name], member) for member in names)
    assert MODULES[name].__doc__


@pytest.mark.parametrize("name", sorted(OFFERED))
def test_docstring_begins_with_one_summary_line(name):
    lines = (inspect.getdoc(OFFERED[name]) or "").splitlines()
    assert lines, "no docstring"
    assert lines[0].rstrip().endswith((".", ":", "?")), lines[0]
    assert len(lines) == 1 or not lines[1], "the summary is longer than a line"


@every_function
def test_signature_is_annotated(name):
    signature = inspect.signature(FUNCTIONS[name])
    bare = [p.name for p in signature.parameters.values() if p.annotation is p.empty]
    assert not bare
    assert signature.return_annotation is not signature.empty


@every_function
def test_options_are_keyword_only(name):
    parameters = inspect.signature(FUNCTIONS[name]).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters if p.default is not p.empty)


# Read in order: (values, source, target).
EXEMPT = {"convert"}
# Synthesis begins with random keys, and hands scenes and parameters on in order.
MATHS = [name for name in FUNCTIONS if ".synthesis." not in name]


@pytest.mark.parametrize("name", sorted(MATHS))
def test_what_follows_an_array_is_an_array_or_keyword_only(name):
    parameters = list(inspect.signature(FUNCTIONS[name]).parameters.values())
    arrays = [is_array(p) for p in parameters]
    loose = [
        p.name
        for i, p in enumerate(parameters)
        if any(arrays[:i]) and not arrays[i] and p.kind is not p.KEYWORD_ONLY
    ]
    assert not loose or name.rpartition(".")[2] in EXEMPT


def is_array(parameter):
    """Whether a parameter is an array or holds arrays."""
    return "Array" in str(parameter.annotation)


@every_function
def test_docstring_names_every_argument_it_lists(name):
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    text = inspect.getdoc(FUNCTIONS[name])
    if "Args:" in text:
        section = text.split("Args:")[1].split("\n\n")[0]
        assert all(f"{parameter}:" in section for parameter in parameters)


@every_function
def test_randomness_comes_from_a_key_given_first(name):
    parameters = list(inspect.signature(FUNCTIONS[name]).parameters)
    assert not {"rng", "prng", "prng_key"} & set(parameters)
    assert "key" not in parameters or parameters[0] == "key"


def test_shipped_functions_are_found():
    assert "unipose_jax.losses.point_to_ray" in FUNCTIONS
    assert "unipose_jax.metrics.mpjpe" in FUNCTIONS
    assert len(FUNCTIONS) > 60

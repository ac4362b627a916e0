"""What the package offers is documented, annotated and called the same way.

Each rule is one test over all public functions; a failure lists every violation.
"""

import importlib
import inspect

import pytest
from jaxtyping import Array

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


@pytest.fixture(scope="module")
def packages():
    return [importlib.import_module(f"unipose_jax.{name}") for name in PACKAGES]


@pytest.fixture(scope="module")
def members(packages):
    """Public functions and classes by their full name."""
    return dict(pair for package in packages for pair in offered(package))


@pytest.fixture(scope="module")
def functions(members):
    """Public functions by their full name."""
    return {k: v for k, v in members.items() if inspect.isfunction(v)}


def check(rule, members):
    """Fails with a line for each member that breaks the rule."""
    found = ((name, rule(value)) for name, value in sorted(members.items()))
    lines = [f"{name}: {problem}" for name, problem in found if problem]
    assert not lines, "\n".join(lines)


def parameters_of(function):
    return list(inspect.signature(function).parameters.values())


def is_array(parameter):
    """Whether a parameter is an array or holds arrays."""
    return "Array" in str(parameter.annotation)


def wrong_summary(member):
    lines = (inspect.getdoc(member) or "").splitlines()
    if not lines:
        return "no docstring"
    if not lines[0].rstrip().endswith((".", ":", "?")):
        return f"the summary is no sentence: {lines[0]}"
    return "the summary is longer than a line" if "".join(lines[1:2]) else ""


def not_annotated(function):
    bare = [p.name for p in parameters_of(function) if p.annotation is p.empty]
    signature = inspect.signature(function)
    return bare + ["return"] * (signature.return_annotation is signature.empty)


def positional_options(function):
    """Parameters with a default that can be given by position."""
    options = [p for p in parameters_of(function) if p.default is not p.empty]
    return [p.name for p in options if p.kind is not p.KEYWORD_ONLY]


def loose_after_array(function):
    """Parameters after an array that are neither arrays nor keyword-only."""
    parameters = parameters_of(function)
    arrays = [is_array(p) for p in parameters]
    return [
        p.name
        for i, p in enumerate(parameters)
        if any(arrays[:i]) and not arrays[i] and p.kind is not p.KEYWORD_ONLY
    ]


def missing_in_args(function):
    """Parameters that an `Args:` section leaves out."""
    text = inspect.getdoc(function) or ""
    if "Args:" not in text:
        return []
    section = text.split("Args:")[1].split("\n\n")[0]
    return [p.name for p in parameters_of(function) if f"{p.name}:" not in section]


def wrong_key(function):
    names = [p.name for p in parameters_of(function)]
    wrong = {"rng", "prng", "prng_key"} & set(names)
    return wrong or ("key is not first" if "key" in names[1:] else "")


def test_all_lists_what_exists_in_order(packages):
    for package in packages:
        names = package.__all__
        assert names == sorted(names), package.__name__
        assert not [name for name in names if not hasattr(package, name)]
        assert package.__doc__, package.__name__


def test_docstring_begins_with_one_summary_line(members):
    check(wrong_summary, members)


def test_signature_is_annotated(functions):
    check(not_annotated, functions)


def test_options_are_keyword_only(functions):
    check(positional_options, functions)


# Read in order: (values, source, target).
EXEMPT = {"convert"}


def test_what_follows_an_array_is_an_array_or_keyword_only(functions):
    # Synthesis begins with random keys, and hands scenes and parameters on in order.
    maths = {
        name: function
        for name, function in functions.items()
        if ".synthesis." not in name and name.rpartition(".")[2] not in EXEMPT
    }
    check(loose_after_array, maths)


def test_docstring_names_every_argument_it_lists(functions):
    check(missing_in_args, functions)


def test_randomness_comes_from_a_key_given_first(functions):
    check(wrong_key, functions)


def test_shipped_functions_are_found(functions):
    assert "unipose_jax.losses.point_to_ray" in functions
    assert "unipose_jax.metrics.mpjpe" in functions
    assert len(functions) > 60


def test_every_rule_can_be_broken():
    def broken(values: Array, rng, key: Array, scale: float = 1.0):
        pass

    def long() -> None:
        pass

    assert wrong_summary(long) == "no docstring"
    long.__doc__ = "A summary\nof two lines."
    assert wrong_summary(long)
    long.__doc__ = "A summary.\nNo empty line follows it."
    assert wrong_summary(long)
    broken.__doc__ = "A summary.\n\nArgs:\n    values: the only one listed.\n"
    assert not wrong_summary(broken)
    assert not_annotated(broken) == ["rng", "return"]
    assert positional_options(broken) == ["scale"]
    assert loose_after_array(broken) == ["rng", "scale"]
    assert missing_in_args(broken) == ["rng", "key", "scale"]
    assert wrong_key(broken) == {"rng"}
    assert wrong_key(lambda values, key: None)
    with pytest.raises(AssertionError, match="(?s)a: .*key.*b: .*key"):
        check(missing_in_args, {"a": broken, "b": broken})

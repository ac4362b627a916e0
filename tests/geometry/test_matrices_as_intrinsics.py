"""A 3x3 matrix in place of (fx, fy, cx, cy) is refused in one line.

In a process of its own: the checks of shapes that tests add would come first.
"""

import pathlib
import subprocess
import sys

PROGRAM = """
import inspect
import jax, jax.numpy as jnp
from unipose_jax import geometry, losses
from unipose_jax.geometry import camera, depth, rays, transforms

given = {
    "xyz": jnp.ones((3, 5, 3)), "points": jnp.ones((3, 5, 3)),
    "uv": jnp.ones((3, 5, 2)), "xy": jnp.ones((3, 5, 2)),
    "depth": jnp.ones((3, 5)), "distance": jnp.ones((3, 4, 5)),
    "frame_from_cam": jnp.eye(4), "where": jnp.ones((3, 5), bool),
    "distortion": jnp.zeros(5), "skin_depth": jnp.zeros(5),
    "left_top": jnp.zeros((3, 2)), "side": jnp.ones(3), "size": 8,
}
modules = [getattr(geometry, name) for name in geometry.__all__] + [losses]
functions = {
    f"{module.__name__}.{name}": value
    for module in modules for name, value in vars(module).items()
    if inspect.isfunction(value) and not name.startswith("_")
    and "intrinsics" in inspect.signature(value).parameters
}
assert len(functions) > 10, functions
for name, function in functions.items():
    parameters = inspect.signature(function).parameters.values()
    needed = {p.name: given.get(p.name) for p in parameters if p.default is p.empty}
    if name.endswith(("xyz_from_depth", "range_from_depth")):
        needed["depth"] = given["distance"]
    try:
        jax.eval_shape(lambda k: function(**needed | {"intrinsics": k}), jnp.eye(3))
    except ValueError as error:
        assert "intrinsics_from_matrix" in str(error), (name, error)
    else:
        raise AssertionError(f"{name} takes a matrix")
    jax.eval_shape(lambda k: function(**needed | {"intrinsics": k}), jnp.ones(4))
"""


def test_every_function_that_takes_intrinsics_refuses_a_matrix():
    root = pathlib.Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

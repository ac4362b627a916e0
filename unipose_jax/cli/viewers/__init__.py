"""Scenes in other viewers: rerun and viser, which are optional packages."""

import importlib
import importlib.util
import pathlib

from unipose_jax import errors
from unipose_jax.report.viewer import scene as scene_lib

PROGRAMS = ("rerun", "viser")


def check(name: str) -> None:
    """Checks that the package of a viewer is installed.

    Raises:
        errors.BadInput: with the command that installs it.
    """
    if importlib.util.find_spec(name) is None:
        package = "rerun-sdk" if name == "rerun" else name
        raise errors.BadInput(
            f"--viewer={name} needs the package {package}: pip install "
            f"'unipose_jax[{name}]' or pip install {package}"
        )


def show(name: str, scene: scene_lib.Scene, path: pathlib.Path) -> None:
    """Shows a scene in a viewer.

    Args:
        name: "rerun" writes a file for its viewer; "viser" serves the scene until the
            process is interrupted.
        scene: people in one recording.
        path: of the file, `.rrd`.

    Raises:
        errors.BadInput: its package is not installed.
    """
    check(name)
    module = importlib.import_module(f"unipose_jax.cli.viewers.{name}_scene")
    if name == "rerun":
        module.write(scene, path)
        print(f"scene: {path} (rerun {path})")
    else:
        module.serve(scene)

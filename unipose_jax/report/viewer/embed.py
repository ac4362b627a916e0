"""HTML, style and script of viewers and charts, which a page contains in full."""

import functools
import json
import pathlib
from collections.abc import Sequence
from typing import Any

from unipose_jax.report import curves as curves_lib
from unipose_jax.report.viewer import data
from unipose_jax.report.viewer import scene as scene_lib

_FOLDER = pathlib.Path(__file__).parent
_STYLES = ("libraries.min.css", "page/viewer.css", "page/curves.css")
_SCRIPTS = tuple(
    f"page/{name}.js"
    for name in ("arrays", "space", "picture", "charts", "viewer", "curves")
)


def body(scenes: Sequence[scene_lib.Scene]) -> str:
    """HTML of the viewer with its data."""
    return _read("page/viewer.html").replace("{{ data }}", _json(data.pack(scenes)))


def charts(made: Sequence[curves_lib.Chart]) -> str:
    """HTML of charts over training steps with their data."""
    packed = _json(curves_lib.pack(made))
    return f'<div class=curves><script type="application/json">{packed}</script></div>'


def _json(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    # "</script>" inside a name would end the element.
    return text.replace("<", "\\u003c")


def style() -> str:
    """Style sheet, for the head of the page."""
    return "\n".join(map(_read, _STYLES))


def libraries() -> str:
    """Script with the libraries, which comes before that of `script`."""
    return _read("libraries.min.js")


def script() -> str:
    """Script that starts each viewer of the page: a module, at the end of the page."""
    return "\n".join(map(_read, _SCRIPTS))


@functools.cache
def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")

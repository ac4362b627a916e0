"""HTML, style and script of the viewer, which a page contains in full."""

import functools
import json
import pathlib
from collections.abc import Sequence

from unipose_jax.report.viewer import data
from unipose_jax.report.viewer import scene as scene_lib

_FOLDER = pathlib.Path(__file__).parent
_STYLES = ("libraries.min.css", "page/viewer.css")
_SCRIPTS = tuple(
    f"page/{name}.js" for name in ("arrays", "space", "picture", "charts", "viewer")
)


def body(scenes: Sequence[scene_lib.Scene]) -> str:
    """HTML of the viewer with its data."""
    text = json.dumps(data.pack(scenes), separators=(",", ":"), allow_nan=False)
    # "</script>" inside a name would end the element.
    return _read("page/viewer.html").replace("{{ data }}", text.replace("<", "\\u003c"))


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

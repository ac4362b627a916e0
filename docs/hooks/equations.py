"""Renders equations ($...$ and $$...$$) as SVG when the site is built.

The pages then need neither JavaScript, fonts nor a network for them. Values keep their
standard deviations on the same line.
"""

import functools
import html
import re
from typing import Any
from xml.etree import ElementTree

import ziamath

_PATTERN = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">'
    r"(?:\\\(|\\\[)(?P<tex>.*?)(?:\\\)|\\\])</(?P=tag)>",
    re.DOTALL,
)
_SIZE = 24.0  # font size in the units of the drawing
_SCALE = 1.12  # of the text: letters look as large as those of the text


def on_page_content(content: str, **_: Any) -> str:
    """Replaces each equation of a page, those of docstrings included."""
    return _PATTERN.sub(_replace, content).replace(" ± ", "&nbsp;±&nbsp;")


def _replace(match: re.Match) -> str:
    tag, tex = match["tag"], html.unescape(match["tex"]).strip()
    return f'<{tag} class="equation">{_svg(tex, tag == "span")}</{tag}>'


@functools.cache
def _svg(tex: str, inline: bool) -> str:
    # Bars of norms keep the height of a letter, also beside a sum.
    source = tex.replace(r"\lVert", r"\|").replace(r"\rVert", r"\|")
    equation = ziamath.Latex(source, size=_SIZE, inline=inline)
    svg = equation.svgxml()
    width, height = (_SCALE * value / _SIZE for value in equation.getsize())
    shift = _SCALE * equation.getyofst() / _SIZE
    svg.set("width", f"{width:.3f}em")
    svg.set("height", f"{height:.3f}em")
    svg.set("style", f"vertical-align: {shift:.3f}em")
    svg.set("role", "img")
    svg.set("aria-label", tex)
    text = ElementTree.tostring(svg, encoding="unicode")
    return text.replace('fill="black"', 'fill="currentColor"')

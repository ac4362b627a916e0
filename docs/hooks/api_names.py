"""Links names in docstrings: of functions, to the API pages, and of docs/*.md."""

import re
from typing import Any

_ID = re.compile(r'id="((?:unipose_jax|data_pipelines)\.[\w.]+)"')
_CODE = re.compile(r"(?<!<b>)<code>([A-Za-z_]\w*(?:\.\w+)*)(\(\))?</code>(?!</a>)")
_PAGE = re.compile(r"\bdocs/(\w+(?:/\w+)?)\.md\b")
_SPANS = re.compile(r"(<h\d.*?</h\d>|<a .*?</a>|<pre.*?</pre>)", re.DOTALL)


def on_page_content(html: str, *, page: Any, **_: Any) -> str:
    """Links what the page has by its end, and dotted names to other pages."""
    ends: dict[str, set[str]] = {}
    for full in _ID.findall(html):
        parts = full.split(".")
        for start in range(1, len(parts)):
            ends.setdefault(".".join(parts[start:]), set()).add(full)

    def replace(match: re.Match) -> str:
        name = match[1]
        found = ends.get(name, set())
        if len(found) == 1:
            return f'<a href="#{found.pop()}">{match[0]}</a>'
        if "." not in name or found:
            return match[0]
        full = name if name.startswith("unipose_jax.") else f"unipose_jax.{name}"
        # The plugin autorefs resolves this, or leaves the code as it is.
        return f'<autoref identifier="{full}" optional>{match[0]}</autoref>'

    parts = _SPANS.split(html)
    parts[::2] = [_CODE.sub(replace, part) for part in parts[::2]]
    if page.url.startswith("api/"):
        link = r'<a href="../\1.html">\g<0></a>'
        parts[::2] = [_PAGE.sub(link, part) for part in parts[::2]]
    return "".join(parts)

"""Turns links to files outside docs/ (code, licences) into links to the repository.

Without `repo_url` only their text remains.
"""

import pathlib
import posixpath
import re
from typing import Any

_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<path>\.\./[^)\s#]+)(?:#[^)\s]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Rewrites the links of a page; a file that does not exist is an error."""
    root = pathlib.Path(config.config_file_path).parent
    folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def replace(match: re.Match) -> str:
        path = posixpath.normpath(posixpath.join(folder, match["path"]))
        if path.startswith("docs/"):
            return match[0]
        if not (root / path).exists():
            raise FileNotFoundError(f"{page.file.src_uri} links to {path}")
        if not config.repo_url:
            return match["text"]
        return f"[{match['text']}]({config.repo_url.rstrip('/')}/blob/main/{path})"

    return _LINK.sub(replace, markdown)

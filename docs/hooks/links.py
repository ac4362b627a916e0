"""Links of the pages: to files of the repository, and to nothing on the network."""

import pathlib
import posixpath
import re
from typing import Any

from mkdocs import exceptions, utils

_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<path>\.\./[^)\s#]+)(?:#[^)\s]*)?\)")
_REMOTE = "https://unpkg.com/iframe-worker/shim"  # of the plugin "offline"
_LOCAL = "assets/iframe-worker.js"


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Turns links to files outside docs/ into links to the repository.

    An example links to its page. Without `repo_url` only the text of others remains. A
    file that does not exist is an error.
    """
    root = pathlib.Path(config.config_file_path).parent
    folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def replace(match: re.Match) -> str:
        path = posixpath.normpath(posixpath.join(folder, match["path"]))
        if path.startswith("docs/"):
            return match[0]
        if not (root / path).exists():
            raise exceptions.PluginError(f"{page.file.src_uri} links to {path}")
        if re.match(r"examples/\d", path):  # has a page (hooks/examples.py)
            of_page = posixpath.join("docs", path.removesuffix(".py") + ".md")
            return f"[{match['text']}]({posixpath.relpath(of_page, folder)})"
        if not config.repo_url:
            return match["text"]
        return f"[{match['text']}]({config.repo_url.rstrip('/')}/blob/main/{path})"

    return _LINK.sub(replace, markdown)


def on_post_page(output: str, *, page: Any, **_: Any) -> str:
    """Takes the script for search in pages that are opened from disk from the site."""
    return output.replace(_REMOTE, utils.get_relative_url(_LOCAL, page.url))

"""A page for each file of examples/: its docstring as text, then its code."""

import ast
import pathlib
from typing import Any

from mkdocs.structure import files as mkdocs_files

FOLDER = "examples"
_AFTER = "Python"  # the section of the navigation before that of the examples


def page(source: str, name: str) -> str:
    """The Markdown of an example.

    Args:
        source: of the module.
        name: of its file without suffix, such as "01_predict".
    """
    docstring = ast.get_docstring(ast.parse(source)) or ""
    code = source.split('"""', 2)[2].strip()
    number, _, title = name.partition("_")
    title = title.replace("_", " ").capitalize()
    return f"# {number} {title}\n\n{docstring}\n\n```python\n{code}\n```\n"


def on_config(config: Any, **_: Any) -> Any:
    """Adds the section of the examples to the navigation."""
    sections = [next(iter(section)) for section in config.nav]
    pages = [f"{FOLDER}/{path.stem}.md" for path in _sources(config)]
    config.nav.insert(sections.index(_AFTER) + 1, {"Examples": pages})
    return config


def on_files(files: Any, *, config: Any, **_: Any) -> Any:
    """Adds the pages, which are in no folder."""
    for path in _sources(config):
        content = page(path.read_text(), path.stem)
        uri = f"{FOLDER}/{path.stem}.md"
        files.append(mkdocs_files.File.generated(config, uri, content=content))
    return files


def on_serve(server: Any, *, config: Any, **_: Any) -> None:
    """Builds the site again when an example changes."""
    server.watch(str(pathlib.Path(config.config_file_path).parent / FOLDER))


def _sources(config: Any) -> list[pathlib.Path]:
    folder = pathlib.Path(config.config_file_path).parent / FOLDER
    return sorted(folder.glob("[0-9]*.py"))

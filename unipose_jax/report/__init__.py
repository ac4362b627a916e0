"""Reports of results: tables, learning curves and interactive HTML pages.

`build.write_report` makes everything at once, `viewer` the interactive part of a page.
`gallery` and `draw` need matplotlib; import them where they are used.
"""

from unipose_jax.report import build, logs, page, tables
from unipose_jax.report.draw import palette, views

__all__ = [
    "build",
    "logs",
    "page",
    "palette",
    "tables",
    "views",
]

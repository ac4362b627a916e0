"""Reports of results: tables, learning curves and interactive HTML pages.

`build.write_report` makes everything at once, `viewer` the interactive part of a page.
`draw.overlay` and `video` need OpenCV; import them where they are used.
"""

from unipose_jax.report import build, curves, logs, page, tables
from unipose_jax.report.draw import palette

__all__ = [
    "build",
    "curves",
    "logs",
    "page",
    "palette",
    "tables",
]

"""Reports of results: tables, learning curves and interactive HTML pages.

`page.write_page` writes a page, `viewer` makes its interactive parts.
`draw.overlay` and `video` need OpenCV; import them where they are used.
"""

from unipose_jax.report import curves, logs, page, tables
from unipose_jax.report.draw import palette

__all__ = [
    "curves",
    "logs",
    "page",
    "palette",
    "tables",
]

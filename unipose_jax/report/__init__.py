"""Reports of results: tables, learning curves and interactive HTML pages.

`page.write_page` writes a page, `viewer` makes its interactive parts.
`draw.overlay` needs OpenCV; import it where it is used.
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

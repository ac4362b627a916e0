"""Reports of results: tables, curves, images, an animation and an HTML page.

`build.write_report` makes everything at once. `animation`, `curves`, `gallery`,
`keypoints`, `overlays`, `scenes` and `skeletons` draw, and need matplotlib; import them
where they are used.
"""

from unipose_jax.report import build, logs, page, tables
from unipose_jax.report.draw import clip_data, palette, views

__all__ = [
    "build",
    "clip_data",
    "logs",
    "page",
    "palette",
    "tables",
    "views",
]

"""HTML pages of results, which open from disk without a network.

All text is escaped. Viewer and pictures are contained in the page: it is one file.
"""

import base64
import dataclasses
import mimetypes
import pathlib
from collections.abc import Sequence

import jinja2

from unipose_jax import atomic, errors
from unipose_jax.report import curves, tables
from unipose_jax.report.viewer import embed
from unipose_jax.report.viewer import scene as scene_lib

_TEMPLATE = pathlib.Path(__file__).with_name("page.html")
_GENERATOR = '<meta name="generator" content="unipose_jax">'  # stands in the template
_OLDER = "--notice: #fff4e0; --notice-line: #e69f00"  # of pages before that line


@dataclasses.dataclass(frozen=True)
class Figure:
    """An image with its caption.

    Attributes:
        path: file of the image, PNG or another format of browsers.
        caption: text below the image, also its alternative text.
        wide: takes the whole width of the page; narrow images are side by side.
    """

    path: pathlib.Path
    caption: str
    wide: bool = True


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading and its contents, in this order; empty parts are omitted.

    Attributes:
        heading: of the section.
        text: one paragraph.
        scenes: shown in an interactive viewer, one at a time.
        charts: over training steps, interactive.
        numbers: tables, one below the other.
        figures: pictures.
        code: preformatted text in a folded block.
        code_label: label of the folded block.
    """

    heading: str
    text: str = ""
    scenes: Sequence[scene_lib.Scene] = ()
    charts: Sequence[curves.Chart] = ()
    numbers: Sequence[tables.Table | tables.Words] = ()
    figures: Sequence[Figure] = ()
    code: str = ""
    code_label: str = "show"

    @property
    def is_interactive(self) -> bool:
        return bool(self.scenes or self.charts)

    def __bool__(self) -> bool:
        parts = (self.text, self.numbers, self.figures, self.code)
        return self.is_interactive or any(map(bool, parts))


@dataclasses.dataclass(frozen=True)
class Headline:
    """A figure large at the top: "mAP@10cm", "88.2 ± 0.4 %", "validation people"."""

    label: str
    value: str
    detail: str = ""


def write_page(
    path: atomic.Path,
    sections: Sequence[Section],
    *,
    title: str,
    subtitle: str = "",
    notice: str = "",
    headlines: Sequence[Headline] = (),
) -> None:
    """Writes the page in one step.

    Args:
        path: of the page.
        sections: from top to bottom; empty ones are left out.
        title: of the page.
        subtitle: below the title: command, commit, device.
        notice: in a box above everything, for example that all data are rendered.
        headlines: the most important figures.

    Raises:
        ValueError: there is no file of a picture.
    """
    template = jinja2.Template(
        _TEMPLATE.read_text(encoding="utf-8"),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    text = template.render(
        sections=[section for section in sections if section],
        title=title,
        subtitle=subtitle,
        notice=notice,
        headlines=headlines,
        source_of=_source,
        viewer=embed if any(section.is_interactive for section in sections) else None,
    )
    atomic.write_text(path, text)


def begin_page(path: atomic.Path, *, title: str) -> None:
    """Writes a placeholder page before the images are drawn.

    It remains if the report is interrupted, and marks the folder as a report.
    """
    write_page(path, [], title=title, notice="This report was not finished.")


def check_free(path: atomic.Path) -> None:
    """Checks that a page can be written: nothing is there, or an older page.

    Raises:
        errors.BadInput: something else has this name.
    """
    if pathlib.Path(path).exists() and not is_ours(path):
        raise errors.BadInput(
            f"the page would go to {path}, which is something else; name the output "
            "otherwise, or use --nopictures"
        )


def is_ours(path: atomic.Path) -> bool:
    """Whether a file is a page that `write_page` wrote."""
    path = pathlib.Path(path)
    text = path.read_text(errors="replace") if path.is_file() else ""
    return _GENERATOR in text or _OLDER in text


def _source(figure: Figure) -> str:
    """The picture itself as a `data:` URL."""
    path = pathlib.Path(figure.path)
    if not path.is_file():
        raise ValueError(f"no picture {path}")
    kind, _ = mimetypes.guess_type(path.name)
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"

"""A self-contained HTML page that shows a folder of results.

All text is escaped. Pictures are linked, relative to the page, and must lie in its
folder, so that the folder can be moved or zipped.
"""

import dataclasses
import html
import pathlib
import urllib.parse
from collections.abc import Sequence

from unipose_jax import atomic
from unipose_jax.report import tables


@dataclasses.dataclass(frozen=True)
class Figure:
    """An image with its caption.

    Attributes:
        path: file inside the folder of the page.
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
        numbers: tables, one below the other.
        figures: pictures.
        code: preformatted text in a folded block.
        code_label: label of the folded block.
    """

    heading: str
    text: str = ""
    numbers: Sequence[tables.Table] = ()
    figures: Sequence[Figure] = ()
    code: str = ""
    code_label: str = "show"


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
        path: `index.html` of the folder that holds the pictures.
        sections: from top to bottom.
        title: of the page.
        subtitle: below the title: command, commit, device.
        notice: in a box above everything, for example that all data are rendered.
        headlines: the most important figures.

    Raises:
        ValueError: a picture is absent or lies outside the folder.
    """
    folder = pathlib.Path(path).resolve().parent
    body = [
        f"<header><h1>{_text(title)}</h1>",
        f"<p class=subtitle>{_text(subtitle)}</p>" if subtitle else "",
        "</header>",
        f"<p class=notice role=note>{_text(notice)}</p>" if notice else "",
        _headlines(headlines),
        *(_section(section, folder) for section in sections),
    ]
    atomic.write_text(
        path,
        PAGE.format(
            generator=GENERATOR,
            title=_text(title),
            css=CSS,
            body="\n".join(filter(None, body)),
        ),
    )


def table_html(table: tables.Table) -> str:
    """A table as HTML, numbers to the right."""
    head = "".join(f"<th scope=col>{_text(c.heading)}</th>" for c in table.columns)
    rows = []
    for name, cells in table.rows:
        shown = zip(cells, table.columns, strict=True)
        texts = (_text(tables.cell_text(cell, column)) for cell, column in shown)
        data = "".join(f"<td>{text}</td>" for text in texts)
        rows.append(f"<tr><th scope=row>{_text(name)}</th>{data}</tr>")
    caption = f"<caption>{_text(table.title)}</caption>" if table.title else ""
    note = f"<p class=note>{_text(table.note)}</p>" if table.note else ""
    return (
        f"<div class=scroll><table>{caption}<thead><tr><td></td>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>{note}"
    )


def _section(section: Section, folder: pathlib.Path) -> str:
    parts = [f"<section><h2>{_text(section.heading)}</h2>"]
    if section.text:
        parts.append(f"<p>{_text(section.text)}</p>")
    parts += [table_html(table) for table in section.numbers]
    if section.figures:
        shown = "".join(_figure(figure, folder) for figure in section.figures)
        parts.append(f"<div class=gallery>{shown}</div>")
    if section.code:
        label = _text(section.code_label)
        code = f"<pre>{_text(section.code)}</pre>"
        parts.append(f"<details><summary>{label}</summary>{code}</details>")
    return "\n".join([*parts, "</section>"])


def _figure(figure: Figure, folder: pathlib.Path) -> str:
    target = pathlib.Path(figure.path).resolve()
    if not target.is_file() or not target.is_relative_to(folder):
        raise ValueError(f"no picture {figure.path} inside {folder}")
    link = urllib.parse.quote(target.relative_to(folder).as_posix())
    caption = _text(figure.caption)
    kind = "wide" if figure.wide else "narrow"
    return (
        f'<figure class={kind}><a href="{link}">'
        f'<img src="{link}" alt="{caption}" loading="lazy"></a>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _headlines(headlines: Sequence[Headline]) -> str:
    if not headlines:
        return ""
    cards = "".join(
        f"<div><dt>{_text(card.label)}</dt><dd>{_text(card.value)}"
        f"<small>{_text(card.detail)}</small></dd></div>"
        for card in headlines
    )
    return f"<dl class=headlines>{cards}</dl>"


def begin_page(path: atomic.Path, *, title: str) -> None:
    """Writes a placeholder page before the images are drawn.

    It remains if the report is interrupted, and marks the folder as a report.
    """
    write_page(path, [], title=title, notice="This report was not finished.")


def is_ours(path: atomic.Path) -> bool:
    """Whether a file is a page that `write_page` wrote."""
    path = pathlib.Path(path)
    text = path.read_text(errors="replace") if path.is_file() else ""
    return GENERATOR in text or _OLDER in text


def _text(text: str) -> str:
    return html.escape(text, quote=True)


GENERATOR = '<meta name="generator" content="unipose_jax">'
_OLDER = "--notice: #fff4e0; --notice-line: #e69f00"  # of pages before that line

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{generator}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

CSS = """
:root {
  --ground: #ffffff; --ink: #1f2328; --faint: #59636e; --line: #d5dae1;
  --panel: #f6f8fa; --accent: #0072b2; --notice: #fff4e0; --notice-line: #e69f00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #101418; --ink: #e6e9ed; --faint: #9aa4af; --line: #2f3842;
    --panel: #181e25; --accent: #56b4e9; --notice: #2b2312; --notice-line: #e69f00;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 80px; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 4px; }
h2 {
  font-size: 1.25rem; margin: 48px 0 12px; padding-bottom: 6px;
  border-bottom: 1px solid var(--line);
}
.subtitle { margin: 0; color: var(--faint); overflow-wrap: anywhere; }
.notice {
  margin: 24px 0 0; padding: 12px 16px; border-radius: 6px;
  background: var(--notice); border-left: 4px solid var(--notice-line);
}
.headlines { display: flex; flex-wrap: wrap; gap: 12px; margin: 24px 0 0; }
.headlines div {
  flex: 1 1 170px; padding: 14px 18px; border-radius: 8px;
  background: var(--panel); border: 1px solid var(--line);
}
.headlines dt { color: var(--faint); font-size: .85rem; }
.headlines dd { margin: 2px 0 0; font-size: 1.7rem; font-weight: 650; }
.headlines small {
  display: block; color: var(--faint); font-size: .8rem; font-weight: 400;
}
.scroll { overflow-x: auto; margin: 16px 0 4px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: 8px; }
th, td { padding: 7px 16px; text-align: right; white-space: nowrap; }
th[scope=row] { text-align: left; font-weight: 500; padding-left: 8px; }
thead th { color: var(--faint); font-size: .88rem; font-weight: 600; }
thead tr { border-bottom: 2px solid var(--line); }
tbody tr { border-bottom: 1px solid var(--line); }
tbody tr:hover { background: var(--panel); }
.note { color: var(--faint); font-size: .88rem; margin: 4px 0 16px; }
.gallery { display: flex; flex-wrap: wrap; gap: 20px; margin: 16px 0; }
figure { margin: 0; }
figure.wide { flex: 1 1 100%; }
figure.narrow { flex: 1 1 420px; }
figure img {
  width: 100%; height: auto; display: block; background: #ffffff;
  border: 1px solid var(--line); border-radius: 8px;
}
figcaption { color: var(--faint); font-size: .88rem; margin-top: 6px; }
summary { cursor: pointer; color: var(--accent); }
pre {
  overflow-x: auto; padding: 14px 16px; border-radius: 8px; font-size: .82rem;
  background: var(--panel); border: 1px solid var(--line);
}
"""

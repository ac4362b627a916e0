import base64
import html.parser

import numpy as np
import pytest
from PIL import Image

from unipose_jax import errors
from unipose_jax.report import page, tables

NASTY = "<script>alert('x')</script> & \"q\""


class Reader(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.alts, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        given = dict(attrs)
        self.links += [given[key] for key in ("src", "href") if key in given]
        self.alts += [given["alt"]] if "alt" in given else []

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "figures" / "a b#1.png"
    path.parent.mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    return path


def write(tmp_path, *sections, **options):
    page.write_page(
        tmp_path / "index.html", sections, title=options.pop("title", "T"), **options
    )
    return Reader((tmp_path / "index.html").read_text(encoding="utf-8"))


def test_all_text_is_escaped(tmp_path, picture):
    table = tables.metrics_table({NASTY: {NASTY: 1.0}}, title=NASTY, note=NASTY)
    section = page.Section(
        NASTY,
        text=NASTY,
        numbers=[table],
        figures=[page.Figure(picture, NASTY)],
        code=NASTY,
        code_label=NASTY,
    )
    read = write(
        tmp_path,
        section,
        title=NASTY,
        subtitle=NASTY,
        notice=NASTY,
        headlines=[page.Headline(NASTY, NASTY, NASTY)],
    )
    assert "script" not in read.tags
    assert read.text.count(NASTY) == 16
    assert read.alts == [NASTY]


def test_pictures_are_in_the_page_and_nothing_else_is_loaded(tmp_path, picture):
    read = write(tmp_path, page.Section("A", figures=[page.Figure(picture, "c")]))
    (source,) = read.links
    kind, _, content = source.partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(content) == picture.read_bytes()
    text = (tmp_path / "index.html").read_text().replace(content, "")
    for outside in ("http:", "https:", "//", "@import", "url("):
        assert outside not in text


def test_pictures_that_are_absent_are_refused(tmp_path):
    folder = tmp_path / "report"
    section = page.Section("A", figures=[page.Figure(folder / "missing.png", "c")])
    with pytest.raises(ValueError, match="no picture"):
        page.write_page(folder / "index.html", [section], title="T")
    assert not folder.exists()


def test_tables_show_the_same_cells_as_text(tmp_path):
    table = tables.metrics_table({"weak": {"mpjpe_mm": [60.0, 62.0, 67.0]}})
    read = write(tmp_path, page.Section("A", numbers=[table]))
    assert "63.0 ± 3.6" in read.text
    assert "MPJPE [mm]" in read.text


def test_empty_parts_have_no_elements(tmp_path):
    read = write(tmp_path, page.Section("A"))
    assert not {"table", "figure", "details", "dl", "p"} & set(read.tags)


def test_pages_replace_older_pages_and_nothing_else(tmp_path):
    path = tmp_path / "poses.html"
    page.check_free(path)
    page.write_page(path, [], title="T")
    page.check_free(path)
    path.write_text("<html>my page</html>")
    with pytest.raises(errors.BadInput, match="poses.html, which is something else"):
        page.check_free(path)


def test_empty_sections_are_left_out_and_an_interrupted_page_is_replaced(tmp_path):
    path = tmp_path / "p.html"
    page.begin_page(path, title="T")
    assert page.is_ours(path)
    assert "not finished" in path.read_text()
    page.write_page(path, [page.Section("Empty"), page.Section("A", "b")], title="T")
    text = path.read_text()
    assert "Empty" not in text
    assert text.count("<h2>") == 1
    assert "not finished" not in text

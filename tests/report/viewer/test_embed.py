"""A page with a viewer opens from disk, without a network."""

import dataclasses
import html.parser
import json
import pathlib
import re

import pytest

from tests.report.viewer import scenes
from unipose_jax.report import page
from unipose_jax.report.viewer import embed


class Elements(html.parser.HTMLParser):
    """All elements, and the text of scripts by type."""

    def __init__(self):
        super().__init__()
        self.links, self.scripts, self._type = [], [], None

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.links += [values[name] for name in ("src", "href") if values.get(name)]
        if tag == "script":
            self.scripts.append([values.get("type"), ""])
            self._type = True

    def handle_endtag(self, tag):
        if tag == "script":
            self._type = None

    def handle_data(self, text):
        if self._type:
            self.scripts[-1][1] += text


@pytest.fixture
def written(tmp_path):
    def write(*made):
        path = tmp_path / "page.html"
        page.write_page(path, [page.Section("", scenes=made)], title="Poses")
        return path

    return write


def elements(path):
    found = Elements()
    found.feed(path.read_text(encoding="utf-8"))
    return found


def test_a_page_loads_nothing(written):
    path = written(scenes.make())
    found = elements(path)
    assert found.links == []
    assert [kind for kind, _ in found.scripts] == ["application/json", None, "module"]
    assert "default-src 'none'" in path.read_text(encoding="utf-8")
    own = "".join(text for kind, text in found.scripts if kind == "module")
    assert not re.search(r"fetch\(|XMLHttpRequest|import\s|https?://", own)


def test_names_cannot_end_the_data(written):
    name = "</script><script>alert(1)</script>"
    found = elements(written(scenes.make(name=name)))
    assert json.loads(found.scripts[0][1])["scenes"][0]["name"] == name
    assert len(found.scripts) == 3


def test_pages_without_a_scene_have_no_viewer(tmp_path):
    page.write_page(tmp_path / "p.html", [page.Section("A", text="b")], title="t")
    assert (tmp_path / "p.html").stat().st_size < 20_000


def test_parts_that_are_absent_are_left_out(written):
    made = scenes.make()
    (person, _) = made.people
    bare = dataclasses.replace(person, keypoints=None, clouds=(), quality=None)
    bare = dataclasses.replace(
        made, people=[bare], pictures=None, room=None, floor=None, depth_camera=None
    )
    (one,) = json.loads(elements(written(bare)).scripts[0][1])["scenes"]
    assert one["pictures"] is one["room"] is one["floor"] is None
    assert one["people"][0]["keypoints"] is one["people"][0]["clouds"] is None


def test_libraries_come_with_their_licence_and_are_small():
    text = embed.libraries()
    assert len(text) < 700_000
    assert "</script" not in text
    assert "The above copyright notice and this permission notice" in text
    folder = pathlib.Path(embed.__file__).parent / "libraries"
    versions = json.loads((folder / "package.json").read_text())["devDependencies"]
    assert f'"{versions["three"].split(".")[1]}"' in text  # THREE.REVISION
    exported = (folder / "libraries.js").read_text().partition("export {")[2]
    for name in set(re.findall(r"\blib\.(\w+)", embed.script())):
        assert re.search(rf"\b{name}\b", exported), f"libraries.js lacks {name}"

"""A page works in Chromium: playing, the slider, switches, and no error."""

import contextlib
import re
import shutil

import pytest

from tests.report.pages import test_comparison
from tests.report.viewer import scenes
from unipose_jax.report import page
from unipose_jax.report.pages import comparison

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
SOFTWARE = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@pytest.fixture(scope="module")
def chromium():
    driver = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install .[browser]"
    )
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with driver.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    made = [scenes.make(), scenes.make(name="again")]
    page.write_page(path, [page.Section("", scenes=made)], title="Poses")
    return path


SIZES = {"wide": (1280, "light"), "phone": (390, "dark")}


@contextlib.contextmanager
def tab_of(chromium, path, size, ready):
    """A tab with a page, which must report no error and request nothing."""
    width, scheme = SIZES[size]
    context = chromium.new_context(
        viewport={"width": width, "height": 860}, color_scheme=scheme
    )
    tab, problems = context.new_page(), []
    tab.on("console", lambda message: problems.append(message.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("requestfailed", lambda request: problems.append(request.url))
    tab.goto(path.as_uri())
    tab.wait_for_selector(f"{ready}[data-ready]")
    yield tab
    context.close()
    assert problems == []


@pytest.fixture(params=list(SIZES))
def opened(chromium, path, request):
    with tab_of(chromium, path, request.param, ".viewer") as tab:
        yield tab


@pytest.mark.parametrize("size", list(SIZES))
def test_charts_of_runs_share_the_step_under_the_cursor(chromium, tmp_path, size):
    runs = [test_comparison.run("a"), test_comparison.run("b", error=30.0, seed=1)]
    comparison.write(tmp_path / "c.html", runs)
    with tab_of(chromium, tmp_path / "c.html", size, ".curves") as tab:
        charts = tab.locator(".curves section")
        assert charts.count() == 2
        loss = charts.nth(1)
        area = loss.locator(".u-over")
        area.scroll_into_view_if_needed()
        box = area.bounding_box()
        tab.mouse.move(box["x"] + 3, box["y"] + box["height"] / 2)
        assert loss.locator(".u-value").all_text_contents() == ["10", "6.00", "3.00"]
        tab.mouse.move(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
        assert charts.nth(0).locator(".u-value").all_text_contents()[1:] == [
            "60.0",
            "30.0",
        ]
        assert tab.locator("td.bar").count() == 15 * 2
        width, window = tab.evaluate("[document.body.scrollWidth, innerWidth]")
        assert width <= window


def shot(tab):
    """The 3D view as a PNG."""
    tab.wait_for_timeout(100)
    return tab.locator("[data-part=space]").screenshot()


def now(tab):
    return tab.locator("[data-part=now]").text_content()


def test_the_slider_and_the_keys_choose_the_frame(opened):
    assert now(opened) == "frame 6 of 18 · 0.00 s"
    opened.locator("[data-part=slider]").fill("2")
    assert now(opened) == "frame 18 of 18 · 0.20 s"
    opened.locator("h1").click()
    opened.keyboard.press("ArrowLeft")
    assert now(opened) == "frame 12 of 18 · 0.10 s"


def test_playing_moves_on_and_stops(opened):
    opened.select_option("[data-part=pace]", "0.25")
    opened.click("[data-part=play]")
    later = re.compile("frame (12|18)")
    opened.locator("[data-part=now]", has_text=later).wait_for()
    opened.click("[data-part=play]")
    assert opened.locator("[data-part=play]").get_attribute("aria-label") == "Play"


def test_switches_change_the_picture_in_3d(opened):
    before = shot(opened)
    opened.locator("[data-part=space]").hover()
    for _ in range(6):  # away, until the camera is in sight
        opened.mouse.wheel(0, 240)
    assert shot(opened) != before
    switches = opened.locator("[data-switch]:visible")
    assert switches.count() == 6
    for index in range(5):  # all but "follow"
        before = shot(opened)
        switches.nth(index).click()
        name = switches.nth(index).get_attribute("data-switch")
        assert shot(opened) != before, name


def test_views_joints_people_and_clips_can_be_chosen(opened):
    views = set()
    for name in ("front", "side", "top", "start"):
        opened.click(f"[data-view={name}]")
        views.add(shot(opened))
    assert len(views) == 4
    opened.locator("[data-part=joints] button").nth(4).click()
    assert "right elbow" in opened.locator("[data-part=charts]").text_content()
    assert "Error [mm]" in opened.locator("[data-part=charts]").text_content()
    opened.select_option("[data-part=paint]", label="error")
    opened.select_option("[data-part=person]", label="person 2")
    assert "Error" not in opened.locator("[data-part=charts]").text_content()
    opened.select_option("[data-part=clip]", label="again")
    opened.wait_for_timeout(100)
    assert now(opened).startswith("frame 6")


def test_charts_and_the_page_fit_and_the_cursor_follows(opened):
    width, window = opened.evaluate("[document.body.scrollWidth, innerWidth]")
    assert width <= window
    cursor = opened.locator("[data-part=charts] .now").first
    before = cursor.bounding_box()["x"]
    opened.locator("[data-part=slider]").fill("1")
    assert cursor.bounding_box()["x"] > before + 20
    area = opened.locator("[data-part=charts] .u-over").first
    area.scroll_into_view_if_needed()
    area.click(position={"x": 3, "y": 20})
    assert now(opened).startswith("frame 6")

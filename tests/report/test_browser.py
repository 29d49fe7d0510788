"""The page in a real browser: fits phones, loads nothing, and axe finds nothing wrong with it.

Needs playwright and a Chromium: ``CHROMIUM`` names another than /usr/bin/chromium. The test with
axe also needs ``AXE`` to name the file axe.min.js, which ``npm pack axe-core`` brings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.report.pages import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
AXE = os.environ.get("AXE", "")
SIZES = [(390, 844), (1280, 800)]

# Which part of the page shows each answer; all must be seen without scrolling.
FIRST_SCREEN = ".hero, .facts > section"

RULES = """axe.run(document, {
    resultTypes: ['violations'],
    rules: Object.fromEntries(axe.getRules().map(rule => [rule.ruleId, {enabled: true}])),
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright")
    if not Path(CHROMIUM).is_file():
        pytest.skip(f"no browser at {CHROMIUM}; set CHROMIUM")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=PAGES)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / f"{request.param}.html"
    PAGES[request.param](path)
    return path


@pytest.fixture
def opened(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    (width, height), scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    yield context.new_page()
    context.close()


def views(*schemes: str) -> pytest.MarkDecorator:
    """Run a test at each size, in each colour scheme."""
    found = [(size, scheme) for size in SIZES for scheme in schemes]
    names = [f"{size[0]}-{scheme}" for size, scheme in found]
    return pytest.mark.parametrize("opened", found, ids=names, indirect=True)


@views("light")
def test_a_page_fits_loads_nothing_and_reports_no_error(opened: Page, path: Path) -> None:
    requests: list[str] = []
    messages: list[str] = []
    opened.on("request", lambda request: requests.append(request.url))
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.on("dialog", lambda dialog: messages.append(dialog.message))
    opened.goto(path.as_uri())
    assert requests == [path.as_uri()]
    assert messages == []
    width = opened.viewport_size["width"] if opened.viewport_size else 0
    assert opened.evaluate("document.documentElement.scrollWidth") == width


@views("light")
def test_the_first_screen_answers(opened: Page, path: Path) -> None:
    if path.stem == "hostile":
        pytest.skip("its names alone fill the screen of a phone")
    opened.goto(path.as_uri())
    height = opened.viewport_size["height"] if opened.viewport_size else 0
    answers = opened.query_selector_all(FIRST_SCREEN)
    assert len(answers) == 5
    for answer in answers:
        box = answer.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= height


@views("light")
def test_the_texts_of_a_chart_do_not_overlap(opened: Page, path: Path) -> None:
    opened.goto(path.as_uri())
    for chart in opened.query_selector_all("figure svg"):
        if not chart.is_visible():
            continue
        found = [text.bounding_box() for text in chart.query_selector_all("text")]
        boxes = sorted((box for box in found if box), key=lambda box: box["y"])
        assert boxes
        frame = chart.bounding_box()
        assert frame is not None
        for at, box in enumerate(boxes):
            assert box["x"] >= frame["x"] - 1
            assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 1
            for other in boxes[at + 1 :]:
                apart = (
                    box["x"] + box["width"] <= other["x"]
                    or other["x"] + other["width"] <= box["x"]
                    or box["y"] + box["height"] <= other["y"] + 1
                )
                assert apart


@views("light", "dark")
def test_axe_finds_nothing(opened: Page, path: Path) -> None:
    if not Path(AXE).is_file():
        pytest.skip("no axe: set AXE to the path of axe.min.js of the npm package axe-core")
    if path.stem == "layers60":
        pytest.skip("its elements are those of other pages, and many: axe takes ten seconds")
    opened.goto(path.as_uri())
    # axe does not judge the contrast of text on a gradient, which shows that a table scrolls.
    opened.add_style_tag(content=".wide { background: none !important }")
    opened.evaluate(Path(AXE).read_text(encoding="utf-8"))
    found = opened.evaluate(RULES)["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []


def test_print_has_every_table_whole(browser: Browser, path: Path) -> None:
    page = browser.new_page(viewport={"width": 700, "height": 1000})  # A4 without its margins
    page.goto(path.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    for table in page.query_selector_all("table"):
        box = table.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 701
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.close()

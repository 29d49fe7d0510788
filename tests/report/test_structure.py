"""Every page is sound HTML: headings in order, ids once, anchors that resolve, named tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from edgespike.energy import energy_report
from edgespike.report import write_page
from tests.energy.examples import TWO_LAYERS, TWO_SAMPLES, counts_of
from tests.report.pages import PAGES

EMPTY = {"meta", "br", "hr"}
Element = tuple[str, dict[str, str]]


class Elements(HTMLParser):
    """All elements of a page, each with its attributes and its ancestors' places."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.all: list[Element] = []
        self.texts: dict[int, str] = {}
        self.open: list[int] = []
        self.parents: list[list[int]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        self.parents.append(list(self.open))
        self.all.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in EMPTY:
            self.open.append(len(self.all) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parents.append(list(self.open))
        self.all.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.all[self.open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for place in self.open:
            self.texts[place] = self.texts.get(place, "") + data

    def of(self, *tags: str) -> Iterator[tuple[int, Element]]:
        return ((at, element) for at, element in enumerate(self.all) if element[0] in tags)


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Elements:
    path = tmp_path_factory.mktemp("structure") / "page.html"
    PAGES[request.param](path)
    return Elements(path.read_text(encoding="utf-8"))


def test_headings_leave_out_no_level(page: Elements) -> None:
    levels = [int(tag[1]) for _, (tag, _) in page.of("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_ids_are_used_once_and_every_reference_resolves(page: Elements) -> None:
    ids = [attributes["id"] for _, attributes in page.all if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not any(re.search(r"\s", name) for name in ids)
    links = [attributes["href"] for _, (_, attributes) in page.of("a", "use")]
    referred = [link[1:] for link in links if link.startswith("#")]
    for _, attributes in page.all:
        referred += attributes.get("aria-labelledby", "").split()
    assert referred
    assert set(referred) <= set(ids)


def test_the_contents_list_leads_to_every_part(page: Elements) -> None:
    ((nav, _),) = page.of("nav")
    listed = [
        attributes["href"][1:] for at, (_, attributes) in page.of("a") if nav in page.parents[at]
    ]
    parts = [
        attributes["id"]
        for _, (_, attributes) in page.of("h2")
        if "answer-" not in attributes["id"]
    ]
    assert [name for name in listed if name in parts] == parts


def test_every_table_has_a_name_scopes_and_rows_of_one_length(page: Elements) -> None:
    for table, (_, attributes) in page.of("table"):
        assert attributes["aria-labelledby"]
        rows = [at for at, _ in page.of("tr") if table in page.parents[at]]
        cells = {
            row: [at for at, _ in page.of("td", "th") if page.parents[at][-1] == row]
            for row in rows
        }
        assert len({len(row) for row in cells.values()}) == 1
        assert len(rows) > 1
        region = page.all[page.parents[table][-1]][1]
        assert (region["role"], region["tabindex"]) == ("region", "0")
    assert all(attributes["scope"] in ("col", "row") for _, (_, attributes) in page.of("th"))


def test_every_chart_is_an_image_with_a_text(page: Elements) -> None:
    for _, (_, attributes) in page.of("svg"):
        assert attributes["role"] == "img"
        assert len(attributes["aria-label"]) > 20


def test_nothing_of_a_name_becomes_an_element_or_an_address(page: Elements) -> None:
    assert not [tag for _, (tag, _) in page.of("script", "img", "iframe", "object", "b")]
    for _, attributes in page.all:
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("href", "#").startswith(("#", "https://"))


def test_regions_have_different_names(page: Elements) -> None:
    names = [
        attributes["aria-labelledby"]
        for _, attributes in page.all
        if attributes.get("role") == "region"
    ]
    assert len(names) == len(set(names))


def test_a_long_name_is_cut_in_the_heading(tmp_path: Path) -> None:
    """So that all answers stay on the first screen of a phone; the title has the whole name."""
    graph = replace(TWO_LAYERS, name="long" * 50)
    path = tmp_path / "page.html"
    write_page(path, graph, energy_report(graph, counts_of(graph, TWO_SAMPLES), ["45nm"]))
    text = path.read_text(encoding="utf-8")
    assert f"<title>{graph.name}: " in text
    assert "<h1>" + ("long" * 15)[:57] + "...: what a sample costs</h1>" in text

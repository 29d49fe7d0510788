"""Views of notebooks: sound, escaped, without style for others, and none without the extra."""

from __future__ import annotations

import re
import sys
from typing import Any, Protocol

import pytest

from edgespike.energy import energy_report
from edgespike.verification import verify
from tests.energy.examples import TWO_LAYERS, TWO_SAMPLES, counts_of
from tests.report.pages import HOSTILE, stack
from tests.report.test_structure import Elements


class Shown(Protocol):
    """What a notebook asks for a view."""

    def _repr_html_(self) -> str | None: ...


REPORT = energy_report(TWO_LAYERS, counts_of(TWO_LAYERS, TWO_SAMPLES))
CERTIFICATE = verify(TWO_LAYERS, TWO_SAMPLES)
LARGE = stack(20, origin=HOSTILE)
OBJECTS = {"report": REPORT, "certificate": CERTIFICATE, "graph": TWO_LAYERS, "large": LARGE}

every = pytest.mark.parametrize("shown", OBJECTS.values(), ids=OBJECTS)


def view(shown: Shown) -> str:
    html = shown._repr_html_()
    assert html is not None
    return html


@every
def test_a_view_is_sound_and_changes_nothing_outside(shown: Shown) -> None:
    html = view(shown)
    elements = Elements(html)
    assert not [tag for _, (tag, _) in elements.of("script", "img", "link")]
    assert all(attributes["aria-label"] for _, (_, attributes) in elements.of("table"))
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    selectors = [
        part for rule in re.findall(r"([^{}]+)\{", style) for part in rule.strip().split(", ")
    ]
    assert selectors
    assert all(selector.startswith(".edgespike-view ") for selector in selectors)


@every
def test_the_text_stays_one_line(shown: object) -> None:
    assert "\n" not in repr(shown)


@every
def test_without_the_extra_the_text_is_shown(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "jinja2"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert shown._repr_html_() is None


def test_a_report_shows_its_answer() -> None:
    html = view(REPORT)
    for expected in (
        "91.4 to 216 pJ",
        "no labels given",
        "int8-with-memory",
        "synaptic operations",
    ):
        assert expected in html


def test_a_certificate_shows_its_result() -> None:
    assert "<strong>equal</strong> on cpu" in view(CERTIFICATE)
    assert repr(CERTIFICATE).endswith("cpu equal on 2 samples>")


def test_a_large_graph_is_folded() -> None:
    rows: Any = re.findall(r"<summary>(\d+) more nodes", view(LARGE))
    assert rows == [str(len(LARGE.nodes) - 12)]
    assert "more nodes" not in view(TWO_LAYERS)

"""The site builds without a warning, and everything that it should say is there."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from edgespike.cli.app import app
from tests.docs.site import Page, broken_links, loaded_from_elsewhere, read_pages

inventory = pytest.importorskip("sphinx.util.inventory")
pytest.importorskip("torch")  # nn and prune are documented

DOCS = Path(__file__).parents[2] / "docs"
PACKAGES = (
    *("edgespike", "edgespike.graph", "edgespike.graph.ops", "edgespike.counting"),
    *("edgespike.energy", "edgespike.report", "edgespike.adapters", "edgespike.data.own"),
    *("edgespike.nn", "edgespike.prune", "edgespike.bayes.mixture", "edgespike.api"),
)
"""Packages that list what they offer in ``__all__``."""

HOMES = {"Graph": "edgespike.graph", "EdgespikeError": "edgespike.errors"}
"""Names of the top level that are described elsewhere."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    start = time.perf_counter()
    command = ["-m", "sphinx", "-W", "--keep-going", "-q", "-j", "2", str(DOCS), str(out)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    print(f"the site was built in {time.perf_counter() - start:.0f} s")
    if done.returncode or done.stderr:
        pytest.fail(f"the site does not build without warnings:\n{done.stderr}", pytrace=False)
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return read_pages(site)


def test_every_link_and_anchor_leads_somewhere(pages: dict[Path, Page]) -> None:
    assert len(pages) > 50
    assert list(broken_links(pages)) == []


def test_nothing_is_loaded_from_the_network(pages: dict[Path, Page]) -> None:
    assert list(loaded_from_elsewhere(pages)) == []


def test_every_page_can_be_reached_from_the_start_page(site: Path, pages: dict[Path, Page]) -> None:
    start = (site / "index.html").resolve()
    listed = {(site / link.split("#")[0]).resolve() for link in pages[start].links}
    written = (page for page in DOCS.rglob("*.md") if "_build" not in page.parts)
    built = {(site / page.relative_to(DOCS).with_suffix(".html")).resolve() for page in written}
    assert sorted(built - listed - {start}) == []


def test_every_command_and_option_is_in_the_reference(site: Path) -> None:
    text = (site / "reference" / "command-line.html").read_text()
    group: Any = typer.main.get_command(app)
    missing = [
        f"{name} {option}"
        for name, command in group.commands.items()
        for parameter in command.params
        for option in getattr(parameter, "opts", [])
        if parameter.param_type_name == "option"
        and not parameter.hidden
        and f'id="cmdoption-edgespike-{name}-{option.lstrip("-").lower()}"' not in text
    ]
    assert group.commands
    assert [name for name in group.commands if f'id="edgespike-{name}"' not in text] == []
    assert missing == []


def _described(site: Path) -> set[str]:
    with (site / "objects.inv").open("rb") as file:
        found = inventory.InventoryFile.load(file, "", lambda base, path: path)
    return {name for kind, names in found.items() if kind.startswith("py:") for name in names}


def _public() -> Iterator[str]:
    for package in PACKAGES:
        where = "edgespike" if package == "edgespike.api" else package
        for name in import_module(package).__all__:
            if name != "__version__":
                yield f"{HOMES.get(name, where) if where == 'edgespike' else where}.{name}"


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    described = _described(site)
    moved = {name.replace("edgespike.graph.", "edgespike.graph.ops.") for name in described}
    assert sorted(set(_public()) - described - moved) == []


def test_the_search_index_knows_the_pages(site: Path) -> None:
    index = (site / "searchindex.js").read_text()
    assert all(name in index for name in ("tutorials/what-will-it-cost", "glossary", "limits"))

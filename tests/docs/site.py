"""A built site as the links and anchors of its pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass
class Page(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name == "id" or (tag == "a" and name == "name")):
                self.anchors.add(value)
            elif value and name in ("href", "src"):
                self.links.append(value)


def read_pages(site: Path) -> dict[Path, Page]:
    """Return every page of a site by its resolved path."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        page = Page()
        page.feed(path.read_text())
        pages[path.resolve()] = page
    return pages


def broken_links(pages: dict[Path, Page]) -> Iterator[str]:
    """Yield each link inside the site that leads to no file or anchor, or to another machine's."""
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{path.name}: {link} leads nowhere"
            elif parts.fragment and target in pages:
                missing = unquote(parts.fragment) not in pages[target].anchors
                yield from [f"{path.name}: {link} has no such anchor"] * missing


def loaded_from_elsewhere(pages: dict[Path, Page]) -> Iterator[str]:
    """Yield what pages would load from the network: scripts, styles, fonts and pictures."""
    for path in pages:
        for tag in ("<script", "<link", "<img"):
            for piece in path.read_text().split(tag)[1:]:
                element = piece.split(">", 1)[0]
                if "://" in element and 'rel="canonical"' not in element:
                    yield f"{path.name}: {tag}{element}>"

"""Relative links that work both in the repository and on this site.

A page says ``[maqd](../experiments/maqd)``, as it must for readers of the repository. Here a link
to a folder leads to the README or ``__init__.py`` in it, and one to a page that a symbolic link in
``docs/`` shows leads to that page. Any other file is copied, and the link leads to the copy. A
link that leads nowhere stays as it is, and Sphinx warns of it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z+]+:|#|/)([^)#\s]+)(?:#[^)\s]*)?\)")
_INSIDE = ("README.md", "__init__.py")
_SHOWN = {"README.md": "readme", "CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changelog"}


def _rewrite(app: Sphinx, page: str, source: list[str]) -> None:
    docs = Path(app.srcdir).resolve()
    shown = Path(app.env.doc2path(page))
    written = shown.resolve().parent  # where a symbolic link leads
    placed = shown.parent.resolve()

    def instead(match: re.Match[str]) -> str:
        image, text, link = match.groups()
        target = _file(written / link)
        if target is None or (target.is_relative_to(docs) and written.is_relative_to(docs)):
            return match[0]
        name = _page(docs, target)
        if name is not None:
            return f"{{doc}}`{text.replace('`', '')} </{name}>`"
        path = os.path.relpath(target, placed)
        if target.suffix == ".md":  # otherwise taken for a page
            return f"{{download}}`{text.replace('`', '')} <{path}>`"
        return f"{image}[{text}]({path})"

    source[0] = _LINK.sub(instead, source[0])


def _file(target: Path) -> Path | None:
    """Return the file that a link leads to, or None."""
    target = target.resolve()
    if target.is_dir():
        return next((target / name for name in _INSIDE if (target / name).is_file()), None)
    return target if target.is_file() else None


def _page(docs: Path, target: Path) -> str | None:
    """Return the name of the page that shows a file, or None."""
    if target.suffix != ".md" or not target.is_relative_to(docs.parent):
        return None
    inside = target.relative_to(docs.parent).with_suffix("")
    if target.is_relative_to(docs):
        return target.relative_to(docs).with_suffix("").as_posix()
    if inside.parts[0] == "experiments":
        return inside.as_posix()
    return _SHOWN.get(f"{inside}.md")


def setup(app: Sphinx) -> dict[str, bool]:
    """Rewrite links before a page is parsed."""
    app.connect("source-read", _rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

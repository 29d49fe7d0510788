"""Tables in Markdown, for the pages of the documentation that tests compare with the code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table, without a line break at its end."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def ways_out_table(ways_out: Mapping[str, str]) -> str:
    """Return what to do instead of operators that are not read, one row for each way out."""
    operators: dict[str, list[str]] = {}
    for operator, way_out in ways_out.items():
        operators.setdefault(way_out, []).append(f"`{operator}`")
    return markdown_table(
        ("operator", "instead"), ((", ".join(names), text) for text, names in operators.items())
    )

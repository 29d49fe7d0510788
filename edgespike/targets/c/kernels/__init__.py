"""The functions in C that programs are made of, one in each file, and which others they call."""

from __future__ import annotations

from importlib import resources
from string import Template

CALLS = {
    "list_bits": ("lowest",),
    "find_rows": ("window",),
    "spans": ("window",),
    "gather8": ("add_bytes",),
    "gather4": ("add_bytes",),
    "gather2": ("add_bytes",),
}
"""What a file needs of others, beside what its user names."""

ORDER = (
    "lowest",
    "clear",
    "window",
    "list_bits",
    "list_bytes",
    "portable",
    "add_bytes",
    "find_rows",
    "spans",
    "gather8",
    "gather4",
    "gather2",
    "gather_wide",
    "halves",
    "pairs",
    "eights",
    "fire",
    "fire_halves",
    "levels",
    "line",
    "scaled",
    "decay",
    "decay_in_parts",
    "fan_out",
    "count_number",
    "count",
)
"""All files in an order in which each comes after what it calls."""


class Kernels:
    """The functions that a program uses."""

    def __init__(self) -> None:
        self._used: dict[tuple[int, tuple[tuple[str, str], ...]], str] = {}

    def use(self, name: str, **types: object) -> None:
        """Add a file, with what stands for each of its placeholders."""
        for called in CALLS.get(name, ()):
            self.use(called)
        given = {key: str(value) for key, value in types.items()}
        text = resources.files(__package__).joinpath(f"{name}.c").read_text("utf-8")
        key = (ORDER.index(name), tuple(sorted(given.items())))
        self._used[key] = Template(text).substitute(given)

    def text(self) -> str:
        """Return all functions that are used, in order."""
        return "\n".join(self._used[key] for key in sorted(self._used))

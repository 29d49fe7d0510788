"""What a network's names in C begin with."""

from __future__ import annotations

import re

HEADERS = frozenset(
    [
        "arduino",
        "assert",
        "complex",
        "ctype",
        "errno",
        "fenv",
        "float",
        "inttypes",
        "iso646",
        "limits",
        "locale",
        "math",
        "memory",
        "port",
        "port_mcu",
        "setjmp",
        "signal",
        "stdalign",
        "stdarg",
        "stdatomic",
        "stdbool",
        "stddef",
        "stdint",
        "stdio",
        "stdlib",
        "stdnoreturn",
        "string",
        "strings",
        "tgmath",
        "threads",
        "time",
        "uchar",
        "unistd",
        "wchar",
        "wctype",
    ]
)
"""Headers that a network's must not stand in for."""


def c_prefix(name: str) -> str:
    """Return a graph's name as the beginning of C identifiers, so that two graphs can be linked.

    A header of that name stands in for no other.
    """
    prefix = re.sub("[^0-9A-Za-z]", "_", name)
    # No identifier begins with a digit, and those that begin with an underscore are reserved.
    plain = prefix[0].isalpha() and prefix.lower() not in HEADERS
    return prefix if plain else f"net_{prefix}"

"""What is supported between neurons, as the pages of the converters list it."""

from __future__ import annotations

from collections.abc import Iterator

from edgespike.converters.spiking.functions import FUNCTIONS
from edgespike.converters.spiking.layers import torch_layers
from edgespike.converters.spiking.values import IDENTITIES

BEGIN, END = "<!-- support: from the code -->", "<!-- end of support -->"
"""What stands around such a list in a page."""


def layers() -> Iterator[str]:
    """Yield lines of the layers and functions of torch between neurons."""
    yield f"Layers: {', '.join(kind.__name__ for kind in torch_layers())}."
    yield ""
    functions = [name for name in FUNCTIONS if not name.startswith("__") and name[-1] != "_"]
    yield f"Functions, also as methods and operators: {', '.join(functions)}."
    yield ""
    yield f"Without effect: {', '.join(sorted(IDENTITIES))}."

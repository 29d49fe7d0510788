"""What is read of a ``.net`` file, as the table of the documentation."""

from __future__ import annotations

from collections.abc import Iterator

from edgespike.converters.lava_dl.layers import COUNT_HIGH, DELAY_HIGH, LAYERS, REFUSED_LAYERS
from edgespike.converters.lava_dl.neurons import DECAY_ONE, NEURONS, NEVER_FIRES, REFUSED_NEURONS

NODES = {
    "input": "`Input`; with neurons an identity, whose bias is the drive's, and a `Membrane`",
    "dense": f"`Dense` and `Membrane`; with delays, 0 to {DELAY_HIGH}, a `Dense` for each, `Add`",
    "dense_rec": "two `Dense`, `Add`, `Membrane`, and a `Delay` of its spikes",
    "conv": f"`Conv2d` and `Membrane`; weights of 4 or 5 axes, windows and groups up to "
    f"{COUNT_HIGH}",
    "flatten": "`Reshape`",
}
"""What each type of layer becomes."""

PARAMETERS = {
    "iDecay": f"`decay_syn`, 0 to {DECAY_ONE}; at {DECAY_ONE} there is no current",
    "vDecay": f"`decay`, 0 to {DECAY_ONE}",
    "vThMant": f"`theta`, 0 to {NEVER_FIRES}; fires above it",
    "refDelay": "only 1: Lava's LIF has no refractory time",
    "wgtExp": "only 0: netx does not read it",
}
"""What each field of neurons becomes."""


def support_table() -> str:
    """Return the table of what is read and what is refused, in Markdown."""
    return "\n".join(("| in the file | in the graph |", "|---|---|", *_rows())) + "\n"


def _rows() -> Iterator[str]:
    for kind in LAYERS:
        yield f"| layer `{kind}` | {NODES[kind]} |"
    neurons = " or ".join(f"`{kind}`" for kind in NEURONS)
    yield f"| neurons {neurons} | `Membrane`: reset to zero in the same step, `>` |"
    for name, becomes in PARAMETERS.items():
        yield f"| `neuron/{name}` | {becomes} |"
    for kind, reason in REFUSED_LAYERS.items():
        yield f"| layer `{kind}` | refused: {reason} |"
    for kind, reason in REFUSED_NEURONS.items():
        yield f"| neurons `{kind}` | refused: {reason} |"

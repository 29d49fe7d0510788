"""The tables of docs/converters/nir.md, from what the converter goes by."""

from __future__ import annotations

from collections.abc import Iterator

from edgespike.converters.nir.producers import PRODUCERS, UNBOUNDED, Producer
from edgespike.converters.nir.receivers import RECEIVERS
from edgespike.converters.nir.schema import PRIMITIVES
from edgespike.converters.tables import markdown_table
from edgespike.graph import Reset


def primitives_table() -> str:
    """Return NIR's primitives, and what is read and written of them."""
    rows = (
        (f"`{name}`", each.meaning, each.becomes, each.writes or "not written")
        for name, each in PRIMITIVES.items()
    )
    return markdown_table(("node", "computes", "read as", "written for"), rows)


def producers_table() -> str:
    """Return what each simulator is taken to compute."""
    head = ("`producer`", "step", "leak", "fires", "`zero` resets", "`subtract` resets", "spikes")
    return markdown_table(head, map(_producer, PRODUCERS.values()))


def recognised_table() -> str:
    """Return by what each simulator's files are recognised, in the order of the rules."""
    rows = ((f"`{each.name}`", each.recognised) for each in PRODUCERS.values())
    return markdown_table(("`producer`", "recognised by"), rows)


def receivers_table() -> str:
    """Return what each simulator can be written for."""
    rows = (
        (
            f"`{name}`",
            ", ".join(sorted(each.nodes)),
            each.producer.reset.value,
            each.producer.comparison.value,
            f"{each.producer.dt:g}",
        )
        for name, each in RECEIVERS.items()
    )
    return markdown_table(("`--for`", "nodes", "reset", "fires at v", "default dt"), rows)


def _producer(each: Producer) -> Iterator[str]:
    def default(reset: Reset) -> str:
        return " (default)" if each.reset is reset else ""

    many = "any number" if each.max_spikes == UNBOUNDED else "one"
    floor = ""
    if each.floor is not None:
        at = "0" if not each.floor else "-threshold"
        floor = f", floor {at} ({', '.join(each.floored)})"
    yield f"`{each.name}`"
    yield f"{each.dt:g}"
    yield each.discretisation.value
    yield f"v {each.comparison.value} threshold"
    yield each.zero_time.value + default(Reset.ZERO)
    yield each.subtract_time.value + default(Reset.SUBTRACT)
    yield many + floor

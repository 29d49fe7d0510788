"""A certificate for people: equal or different first, and what was compared."""

from __future__ import annotations

from rich.console import Console

from edgespike.console import print_aligned_table, print_lines
from edgespike.graph import Graph
from edgespike.text import aligned, listed, number_of, shortened, wrapped
from edgespike.trace import observed_names
from edgespike.verification import Certificate, TargetResult

_TARGETS, _DIFFERENCES = 6, 2
"""How many targets have a line, and of how many the first difference is printed."""


def print_certificate(certificate: Certificate, console: Console, most: int = _TARGETS) -> None:
    """Print whether targets are equal, where they first differ, and what ran on what."""
    results = certificate.targets
    different = [name for name, result in results.items() if not result.equal]
    equal = [name for name in results if name not in different]
    answer = _answer(certificate, different, equal)
    print_lines(console, wrapped(answer, console.width, hanging=2, most=3))
    for name in different[:_DIFFERENCES]:
        print_lines(console, wrapped(_difference(name, results[name]), console.width, 2, hanging=2))
    shown = [*different, *equal][:most]
    rows = [
        (
            shortened(name, 18),
            "equal" if results[name].equal else "DIFFERENT",
            results[name].runtime,
        )
        for name in shown
    ]
    room = console.width - max(map(len, (f"{name}  DIFFERENT  " for name, _, _ in rows)))
    print_lines(console, aligned([(*row, shortened(text, max(room, 20))) for *row, text in rows]))
    if len(shown) < len(results):
        print_lines(console, [f"and {len(results) - len(shown):,} more; --json has everything"])


def _answer(certificate: Certificate, different: list[str], equal: list[str]) -> str:
    first = next(iter(certificate.targets.values()))
    compared = f"every layer and step of {number_of(first.samples, 'sample')}"
    if not different:
        return f"equal: {listed(equal, 4)}; {compared}"
    others = f"; equal: {listed(equal, 4)}" if equal else ""
    return f"DIFFERENT: {listed(different, 4)}{others}; {compared} compared"


def _difference(name: str, result: TargetResult) -> str:
    at = result.first_difference
    assert at is not None
    return (
        f"{shortened(name)} first differs in layer {shortened(at.layer, 40)}, sample {at.sample}, "
        f"step {at.step}, neuron {at.neuron}: found {at.found}, expected {at.expected}"
    )


def certificate_facts(certificate: Certificate) -> list[tuple[str, str]]:
    """Return what was compared and counted, and the hashes of graph and inputs."""
    results = certificate.targets
    first = next(iter(results.values()))
    counted: dict[tuple[int, int], list[str]] = {}
    for name, result in results.items():
        counted.setdefault((result.synaptic_operations, result.multiply_accumulates), []).append(
            name
        )
    texts = [
        f"{operations:,} synaptic operations, {accumulates:,} multiply-accumulates"
        + ("" if len(counted) == 1 else f" on {listed(names)}")
        for (operations, accumulates), names in counted.items()
    ]
    alike = "; every target counts the same" if len(results) > 1 == len(counted) else ""
    return [
        (
            "compared",
            f"{first.layers:,} layers, {number_of(first.steps, 'step')}",
        ),
        ("counted", "; ".join(texts) + alike),
        ("graph", certificate.graph),
        ("inputs", certificate.inputs),
    ]


def print_layers(graph: Graph, certificate: Certificate, console: Console) -> None:
    """Print which values were compared in each layer, and which targets first differ there."""
    samples = next(iter(certificate.targets.values())).samples
    differ: dict[str, list[str]] = {}
    for target, result in certificate.targets.items():
        if result.first_difference is not None:
            differ.setdefault(result.first_difference.layer, []).append(target)
    names = observed_names(graph)
    sizes = [graph.tensors[name].size * graph.steps * samples for name in names]
    print_aligned_table(
        console,
        [
            ("layer", "left"),
            ("operation", "left"),
            ("shape", "left"),
            ("values", "right"),
            ("first to differ", "left"),
        ],
        [
            [
                name,
                graph[name].op.kind,
                "x".join(map(str, graph.tensors[name].shape)),
                f"{size:,}",
                ", ".join(differ.get(name, ["–"])),
            ]
            for name, size in zip(names, sizes, strict=True)
        ],
        title="Values compared in each layer, over all steps and samples",
        footer=["total", "", "", f"{sum(sizes):,}", ""],
    )

"""Pages of many kinds of reports, for tests that read or look at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgespike.counting import audit
from edgespike.energy import Constant, EnergyReport, Grade, energy_report, load_profile
from edgespike.energy.cores import CoreLoad
from edgespike.graph import Dense, Graph, Input, Membrane, Node, Readout, Threshold
from edgespike.interpreter import interpret
from edgespike.report import write_page
from edgespike.trace import confusion_matrix
from edgespike.verification import verify
from tests.energy.examples import counts_of

WIDTH = 12
HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(1)>"


def stack(
    layers: int,
    *,
    steps: int = 1,
    classes: int = 4,
    name: Callable[[int], str] = "layer{}".format,
    **given: str | tuple[str, ...],
) -> Graph:
    """Return a net of dense layers, the last of them the readout's."""
    rng = np.random.default_rng(layers)
    nodes, last = [Node("input", Input((WIDTH,), 0, 15, 1 / 15))], "input"
    for number in range(layers - 1):
        weight = rng.integers(-3, 5, (WIDTH, WIDTH))
        fire = (
            Threshold(np.full((WIDTH, 1), 2), np.zeros(WIDTH, np.bool_))
            if steps == 1
            else Membrane(np.full(WIDTH, 4), decay=300)
        )
        dense, spikes = name(number), f"{name(number)}.spikes"
        nodes.append(Node(dense, Dense(weight, np.zeros(WIDTH, np.int64)), (last,)))
        nodes.append(Node(spikes, fire, (dense,)))
        last = spikes
    weight = rng.integers(-3, 5, (classes, WIDTH))
    nodes.append(Node("last", Dense(weight, np.zeros(classes, np.int64)), (last,)))
    nodes.append(Node("answer", Readout(np.ones(classes)), ("last",)))
    return Graph(f"stack_{layers}_{steps}", tuple(nodes), steps, **given)  # type: ignore[arg-type]


def _samples(graph: Graph, number: int = 6) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 16, (number, graph.steps, WIDTH))


def _report(graph: Graph) -> EnergyReport:
    return energy_report(graph, counts_of(graph, _samples(graph)), refusals=lambda _: [])


def bare(path: Path) -> None:
    """Write the page of a net of one layer and nothing else."""
    graph = stack(1)
    write_page(path, graph, _report(graph))


def full(path: Path) -> None:
    """Write a page with all that can be given."""
    graph = stack(3, class_names=("T-shirt", "trouser", "pullover", "dress"))
    samples = _samples(graph)
    counts = counts_of(graph, samples)
    profile = load_profile("45nm")
    constants = {
        name: replace(row, link="https://example.org/paper?a=1&b=2")
        for name, row in profile.constants.items()
    }
    profiles = [replace(profile, constants=constants), *map(load_profile, ("loihi", "loihi2"))]
    cores = CoreLoad("loihi1", 3, "layer1", 120, 60.5)
    report = energy_report(
        graph, counts, profiles, lambda _: ["layer0: no"], target="loihi", accuracy=0.5, cores=cores
    )
    estimates = tuple(replace(row, break_even=0.42) for row in report.estimates)
    write_page(
        path,
        graph,
        replace(report, estimates=estimates),
        verify(graph, samples).to_json(),
        (audit(graph, samples, interpret(graph, samples)), counts),
        confusion_matrix(np.array([0, 1, 2, 3, 0, 1]), np.array([0, 1, 2, 0, 1, 0]), 4),
    )


def layers60(path: Path) -> None:
    """Write the page of a net of 60 layers."""
    graph = stack(60)
    write_page(path, graph, _report(graph))


def steps100(path: Path) -> None:
    """Write the page of a net of 100 steps."""
    graph = stack(3, steps=100)
    write_page(path, graph, _report(graph))


def classes40(path: Path) -> None:
    """Write a page with more classes than a matrix is shown of."""
    graph = stack(2, classes=40)
    confusion = np.zeros((40, 40), np.int64)
    confusion[0, 1] = 6
    write_page(path, graph, _report(graph), confusion=confusion)


def hostile(path: Path) -> None:
    """Write a page of names that are long, or markup."""
    graph = stack(
        3,
        name=lambda number: "W" * (300 + number) + "-onclick",
        origin=HOSTILE,
        class_names=(HOSTILE, '"><svg onload=alert(1)>', "Z" * 100, "ضصثق"),
    )
    report = _report(graph)
    constant = Constant("fp32_add", 1, 1, 1, "pJ", HOSTILE, 2026, Grade.FITTED, HOSTILE)
    links = ("javascript:alert(1)", 'https://x.org/"><script>alert(1)</script>')
    constants = {
        f"constant{at}": replace(constant, source=f"{HOSTILE}{at}", link=link)
        for at, link in enumerate(links)
    }
    profile = replace(
        report.profiles[0], name=HOSTILE, title=HOSTILE, note=HOSTILE, constants=constants
    )
    report = replace(report, profiles=(*report.profiles, profile))
    confusion = np.diag([1, 2, 2, 1])
    write_page(path, graph, report, confusion=confusion)


def silent(path: Path) -> None:
    """Write the page of a run in which nothing happened."""
    graph = stack(2)
    write_page(path, graph, energy_report(graph, counts_of(graph, np.zeros((2, WIDTH), np.int64))))


def no_energy(path: Path) -> None:
    """Write a page without an energy."""
    graph = stack(2)
    write_page(path, graph, energy_report(graph, counts_of(graph, _samples(graph)), ["loihi2"]))


PAGES = {
    page.__name__: page
    for page in (bare, full, layers60, steps100, classes40, hostile, silent, no_energy)
}
"""Functions that write a page into a file, by name."""

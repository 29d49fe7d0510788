"""A certificate for people: the answer first, and never more than fits."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from edgespike.cli.certificate import certificate_facts, print_certificate, print_layers
from edgespike.console import print_facts
from edgespike.verification import Certificate, Difference, TargetResult
from tests.example_graphs import residual_graph

LONG = 2**62


def result(equal: bool, operations: int = 7) -> TargetResult:
    difference = None if equal else Difference("layer" * 100, 10**9, 10**5, LONG, -LONG, LONG)
    return TargetResult("runtime 1.0 " * 10, LONG, 10**5, 10**6, operations, 5, difference)


def printed(certificate: Certificate) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    print_certificate(certificate, console)
    print_facts(console, certificate_facts(certificate), most=2)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def certificate(*equal: bool, name: str = "target", counts: int = 1) -> Certificate:
    targets = {f"{name}{at}": result(each, 10 + at % counts) for at, each in enumerate(equal)}
    return Certificate("a" * 64, "b" * 64, targets)


@pytest.mark.parametrize("number", [1, 2, 6, 7, 40])
@pytest.mark.parametrize("name", ["t", "a-very-long-name-of-a-target-of-a-third-party" * 3])
@pytest.mark.parametrize("which", ["all equal", "none", "every other"])
def test_it_fits(number: int, name: str, which: str) -> None:
    equal = {"all equal": [True] * number, "none": [False] * number}
    mixed = equal.get(which, [at % 2 == 0 for at in range(number)])
    lines = printed(certificate(*mixed, name=name, counts=4))
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 23  # an empty line and what more can be asked for come after it
    assert lines[0].startswith("equal: " if all(mixed) else "DIFFERENT: ")


def test_targets_that_differ_come_first_and_the_rest_is_counted() -> None:
    lines = printed(certificate(*[True] * 8, False))
    rows = [line.split() for line in lines if line.split()[1:2] in (["equal"], ["DIFFERENT"])]
    assert [row[0] for row in rows] == ["target8", *(f"target{at}" for at in range(5))]
    assert "and 3 more; --json has everything" in lines


def test_counts_are_said_once_if_they_are_alike_and_by_target_if_not() -> None:
    alike = dict(certificate_facts(certificate(True, True)))["counted"]
    assert alike == "10 synaptic operations, 5 multiply-accumulates; every target counts the same"
    other = dict(certificate_facts(certificate(True, True, counts=2)))["counted"]
    assert other == (
        "10 synaptic operations, 5 multiply-accumulates on target0; "
        "11 synaptic operations, 5 multiply-accumulates on target1"
    )
    alone = dict(certificate_facts(certificate(True)))["counted"]
    assert alone == "10 synaptic operations, 5 multiply-accumulates"


def test_layers_have_the_number_of_values_compared_and_who_differs_first() -> None:
    """The last layer has 3 classes, over 2 samples of one step."""
    graph = residual_graph()
    at = Difference("out", 0, 0, 0, 1, 2)
    results = {
        "right": TargetResult("r 1", 2, 1, 5, 1, 1, None),
        "wrong": TargetResult("w 1", 2, 1, 5, 1, 1, at),
    }
    console = Console(file=io.StringIO(), width=80)
    print_layers(graph, Certificate(graph.hash, "b" * 64, results), console)
    assert isinstance(console.file, io.StringIO)
    rows = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["out", "readout", "3", "6", "wrong"] in rows
    assert ["spike1", "threshold", "4x6x6", "288", "–"] in rows

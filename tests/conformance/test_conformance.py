"""One suite over all targets: random graphs are computed bit for bit as the interpreter does.

A graph that a target refuses, with its reasons, is replaced by another one; each target must run
the stated number of graphs of each operation mix. The runtimes share the graphs and the
interpreter's results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.counting import tally_trace
from edgespike.graph import Graph
from edgespike.targets import get_target, prepare
from edgespike.targets.base import Runner, TracingRunner
from edgespike.targets.cpu import CpuRunner
from edgespike.trace import Trace, observed_names
from tests.available import available
from tests.random_graphs import MOST_ON_LAVA, Defined, accepted, define, examine, up_to
from tests.strategies import MIXES, PRODUCT_MIXES, Case
from tests.targets.c.programs import BY_GCC, WATCHED, operations, run_networks
from tests.targets.cpu.native_runners import on_every_kernel_set, runs_natively

WITHOUT_NATIVE = "cpu-without-native"
"""The cpu target on the engines that it has besides its native one."""

GRAPHS = {
    "cpu": up_to(1000),
    WITHOUT_NATIVE: up_to(150),
    "tflite": up_to(300),
    "tflite-reference": up_to(100),
    "tflite-runtime": up_to(60),
    "onnx": up_to(60),
    "c": up_to(300),
    "loihi": min(30, MOST_ON_LAVA),
}
"""How many graphs of each mix each target runs; the cpu target, on its native engine."""

ALWAYS_REFUSED = {"loihi": PRODUCT_MIXES}
"""Operation mixes that a target cannot compute at all."""

MARKS = {
    "loihi": [pytest.mark.loihi],
    "tflite-runtime": [pytest.mark.tflite_runtime],
}


def pairs() -> list[object]:
    return [
        pytest.param(name, mix, id=f"{name}-{mix}", marks=MARKS.get(name, []))
        for mix in MIXES
        for name in GRAPHS
        if mix not in ALWAYS_REFUSED.get(name, ())
    ]


@pytest.mark.parametrize(("name", "mix"), pairs())
def test_target_equals_the_interpreter(name: str, mix: str, tmp_path: Path) -> None:
    runtime = "cpu" if name == WITHOUT_NATIVE else name
    available(runtime)
    target = get_target(runtime)
    if name == "c":
        all_in_one_program(mix, tmp_path)
        return

    def refused(graph: Graph) -> bool:
        return bool(target.violations(graph)) or (name == "cpu" and not runs_natively(graph))

    def compare_all(defined: Defined) -> None:
        for runner in runners(name, defined.case.graph):
            compare(runner, defined)

    at_once = GRAPHS[name] if name == "loihi" else max(GRAPHS.values())
    run_all(mix, GRAPHS[name], refused, at_once, compare_all)


def all_in_one_program(mix: str, folder: Path) -> None:
    """Compare graphs in C, those of a mix in one program: a compiler starts slowly."""
    defined = accepted(mix, GRAPHS["c"], lambda graph: False, max(GRAPHS.values()))
    cases = [each.case for each in defined]
    WATCHED.require(folder)
    for each, found in zip(defined, run_networks(WATCHED, cases, folder, count=True), strict=True):
        graph = each.case.graph
        compare(TracingRunner(graph, "c", partial(shown, found.trace)), each)
        assert np.array_equal(found.answers_of_run, each.trace.accumulators(graph)), graph
        assert found.counts.tolist() == operations(graph, each.counts), graph
    # Without observed values, what no one reads is not computed.
    BY_GCC.require(folder)
    for each, found in zip(
        defined[::10], run_networks(BY_GCC, cases[::10], folder, observe=False), strict=True
    ):
        expected = each.trace.accumulators(each.case.graph)
        assert np.array_equal(found.answers, expected), each.case.graph


def shown(trace: Trace, samples: NDArray[Any]) -> Trace:
    """Return what a program showed of these samples."""
    return trace


def run_all(
    mix: str,
    number: int,
    refused: Callable[[Graph], bool],
    at_once: int,
    look: Callable[[Defined], None],
) -> None:
    """Look at a number of graphs that are not refused."""

    def look_again(case: Case) -> None:
        if not refused(case.graph):
            look(define(case))

    ran = 0
    for defined in accepted(mix, number, refused, at_once):
        try:
            look(defined)
        except Exception:
            examine(mix, at_once, look_again)  # draws them again, to show the smallest that fails
            raise
        ran += 1
    assert ran >= number


def runners(name: str, graph: Graph) -> list[Runner]:
    """Prepare a graph on a runtime: on the cpu, on each kernel set of the native engine."""
    if name == "cpu":
        return list(on_every_kernel_set(graph).values())
    if name == WITHOUT_NATIVE:
        return [CpuRunner(graph, native=False)]
    runner = prepare(graph, name)
    return [run_once(runner) if name == "loihi" else runner]


def compare(runner: Runner, defined: Defined) -> None:
    case, expected = defined.case, defined.trace
    found = runner.trace(case.samples)
    for node in observed_names(case.graph):
        assert np.array_equal(found.values[node], expected.values[node]), node
    for tally in (tally_trace(case.graph, case.samples, found), runner.tally(case.samples)):
        assert defined.counter.counts(tally).to_json() == defined.counts
    assert np.array_equal(tally.accumulators, expected.accumulators(case.graph))


def run_once(runner: Runner) -> Runner:
    """Let trace and tally take the same run of some samples: starting Lava again shows no more."""
    assert isinstance(runner, TracingRunner)
    run, traces = runner.run, dict[int, Trace]()

    def kept(samples: NDArray[Any]) -> Trace:
        if id(samples) not in traces:
            traces[id(samples)] = run(samples)
        return traces[id(samples)]

    return replace(runner, run=kept)

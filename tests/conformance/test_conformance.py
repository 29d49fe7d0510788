"""One suite over all targets: random graphs are computed bit for bit as the interpreter does.

A graph that a target refuses, with its reasons, is replaced by another one; each target must run
the stated number of graphs of each operation mix. The runtimes share the graphs and the
interpreter's results.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.counting import Counter, count
from edgespike.targets import get_target, prepare
from edgespike.targets.base import Runner, TracingRunner
from edgespike.trace import Trace, observed_names
from tests.available import available
from tests.random_graphs import MOST_ON_LAVA, Defined, accepted, define, examine, up_to
from tests.strategies import MIXES, PRODUCT_MIXES, Case

GRAPHS = {
    "cpu": up_to(300),
    "tflite": up_to(300),
    "tflite-reference": up_to(100),
    "tflite-runtime": up_to(60),
    "onnx": up_to(60),
    "loihi": min(30, MOST_ON_LAVA),
}
"""How many graphs of each mix each target runs."""

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
def test_target_equals_the_interpreter(name: str, mix: str) -> None:
    available(name)
    target = get_target(name)
    at_once = max(GRAPHS[runtime.name] for runtime in target.runtimes)

    def look(case: Case) -> None:
        if not target.violations(case.graph):
            compare(name, define(case))

    ran = 0
    for defined in accepted(mix, GRAPHS[name], target.violations, at_once):
        try:
            compare(name, defined)
        except Exception:
            examine(mix, at_once, look)  # draws them again, to show the smallest that fails
            raise
        ran += 1
    assert ran >= GRAPHS[name]


def compare(name: str, defined: Defined) -> None:
    case, expected = defined.case, defined.trace
    runner = prepare(case.graph, name)
    if name == "loihi":
        runner = run_once(runner)
    found = runner.trace(case.samples)
    for node in observed_names(case.graph):
        assert np.array_equal(found.values[node], expected.values[node]), node
    assert count(case.graph, case.samples, found).to_json() == defined.counts
    tally = runner.tally(case.samples)
    assert Counter(case.graph).counts(tally).to_json() == defined.counts
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

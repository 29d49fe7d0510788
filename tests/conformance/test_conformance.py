"""One suite over all targets: random graphs are computed bit for bit as the interpreter does.

A graph that a target refuses, with its reasons, is drawn again; each target must still run the
stated number of graphs of each operation mix.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from edgespike.counting import Counter, count
from edgespike.interpreter import interpret
from edgespike.targets import get_target, prepare
from edgespike.trace import observed_names
from tests.available import available
from tests.strategies import MIXES, cases

GRAPHS = {
    "cpu": 300,
    "tflite": 300,
    "tflite-reference": 100,
    "tflite-runtime": 60,
    "loihi": 30,
}
"""How many graphs of each mix each target runs."""

MOST = int(os.environ.get("CONFORMANCE_GRAPHS", "300"))
"""A limit on these numbers, for a shorter run on a second version of Python."""

MARKS = {
    "loihi": [pytest.mark.loihi],
    "tflite-runtime": [pytest.mark.tflite_runtime],
}


def pairs() -> list[object]:
    return [
        pytest.param(name, mix, id=f"{name}-{mix}", marks=MARKS.get(name, []))
        for name in GRAPHS
        for mix in MIXES
    ]


@pytest.mark.parametrize(("name", "mix"), pairs())
def test_target_equals_the_interpreter(name: str, mix: str) -> None:
    available(name)
    target = get_target(name)
    wanted = min(GRAPHS[name], MOST)
    ran = 0

    @given(data=st.data())
    @settings(
        max_examples=wanted,
        suppress_health_check=list(HealthCheck),
    )
    def compare(data: st.DataObject) -> None:
        nonlocal ran
        case = data.draw(cases(mix))
        assume(not target.violations(case.graph))
        expected = interpret(case.graph, case.samples)
        runner = prepare(case.graph, name)
        found = runner.trace(case.samples)
        for node in observed_names(case.graph):
            assert np.array_equal(found.values[node], expected.values[node]), node
        counted = count(case.graph, case.samples, expected).to_json()
        assert count(case.graph, case.samples, found).to_json() == counted
        tally = runner.tally(case.samples)
        assert Counter(case.graph).counts(tally).to_json() == counted
        assert np.array_equal(tally.accumulators, expected.accumulators(case.graph))
        ran += 1

    compare()
    assert ran >= wanted

"""The native engine's tallies against code that shares nothing with it: a walk of each event."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike.counting import Convention, Counter, audit
from edgespike.interpreter import interpret
from tests.random_graphs import up_to
from tests.strategies import MIXES, cases
from tests.targets.cpu.native_runners import on_every_kernel_set


@pytest.mark.parametrize("mix", MIXES)
@given(data=st.data())
@settings(max_examples=up_to(20))
def test_its_counts_equal_a_walk_of_every_event(mix: str, data: st.DataObject) -> None:
    """The walk knows only the graph and the interpreter's values."""
    case = data.draw(cases(mix))
    walked = audit(case.graph, case.samples, interpret(case.graph, case.samples))
    for runner in on_every_kernel_set(case.graph).values():
        counted = Counter(case.graph).counts(runner.tally(case.samples))
        assert walked.agrees(counted)
        for convention in Convention:
            walk = walked.synaptic_operations[convention]
            assert walk == counted.synaptic_operations(convention)

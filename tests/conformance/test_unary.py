"""Unary forms of random graphs on Lava: every spike, the levels they sum up to, the readout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from edgespike.errors import UnsupportedError
from edgespike.interpreter import interpret
from edgespike.passes.unary import unary
from edgespike.targets import get_target
from edgespike.trace import observed_names
from tests.available import available, run_on
from tests.conformance.test_conformance import GRAPHS
from tests.strategies import LEVEL_MIXES, Case, cases
from tests.unary import assert_decodes


@pytest.mark.loihi
@pytest.mark.parametrize("mix", [*LEVEL_MIXES, "recurrent", "delays"])
def test_lava_runs_the_unary_form(mix: str) -> None:
    available("loihi")
    target = get_target("loihi")
    wanted = GRAPHS["loihi"]
    ran = 0

    @given(case=cases(mix))
    @settings(max_examples=wanted, suppress_health_check=list(HealthCheck))
    def compare(case: Case) -> None:
        nonlocal ran
        try:
            coded = unary(case.graph)
        except UnsupportedError:
            assume(False)
        assume(coded != case.graph and not target.violations(coded))
        expected, found = interpret(coded, case.samples), run_on("loihi", coded, case.samples)
        for node in observed_names(coded):
            assert np.array_equal(found.values[node], expected.values[node]), node
        assert_decodes(case.graph, interpret(case.graph, case.samples), found)
        ran += 1

    compare()
    assert ran >= wanted

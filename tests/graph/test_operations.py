"""Every operation occurs in random graphs, and what its class says about it is true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike.graph.ops import OPERATIONS, Op
from edgespike.graph.ops.base import array_kind, field_types
from tests.strategies import MIXES, Case, cases, one_of_each


def test_random_graphs_hold_every_operation() -> None:
    """Most tests run on random graphs: an operation that they do not hold is hardly tested."""
    assert one_of_each().keys() == OPERATIONS.keys()


@pytest.mark.parametrize("kind", OPERATIONS)
def test_operations_compare_their_arrays(kind: str) -> None:
    """A dataclass without ``eq=False`` would replace this comparison by one that arrays break."""
    assert OPERATIONS[kind].__eq__ is Op.__eq__
    assert OPERATIONS[kind].__hash__ is Op.__hash__


@pytest.mark.parametrize("kind", OPERATIONS)
def test_fields_with_channels_are_all_arrays_of_an_operation(kind: str) -> None:
    """One whose array all channels share must first say how an ensemble merges it."""
    op = OPERATIONS[kind]
    arrays = {name for name, declared in field_types(op).items() if array_kind(declared)}
    assert set(op.channel_fields) == arrays


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=100)
def test_the_first_axis_of_fields_with_channels_is_the_output_channel(case: Case) -> None:
    for node in case.graph.nodes:
        for name in node.op.channel_fields:
            array = getattr(node.op, name)
            if isinstance(array, np.ndarray):
                assert array.shape[0] == case.graph.tensors[node.name].shape[0]

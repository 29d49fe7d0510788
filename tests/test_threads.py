"""How many threads a run may use."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import edgespike
from edgespike.errors import InputError
from edgespike.threads import at_most, most_threads
from tests.example_graphs import membrane_graph, samples_for


def test_by_default_every_core_is_used() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert most_threads() == cores


def test_a_limit_holds_inside_and_ends() -> None:
    before = most_threads()
    with at_most(3):
        with at_most(5):
            assert most_threads() == 5
        with at_most(None):
            assert most_threads() == 3
    assert most_threads() == before


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_other_numbers_are_refused(threads: Any) -> None:
    graph = membrane_graph()
    samples = samples_for(graph, 2)
    expected = "threads is .*; give a whole number of at least 1, or None for all cores"
    for function in (edgespike.run, edgespike.count, edgespike.estimate_energy):
        with pytest.raises(InputError, match=expected):
            function(graph, samples, threads=threads)


def test_any_number_gives_the_same_values() -> None:
    graph = membrane_graph()
    samples = samples_for(graph, 2)
    one, two = (edgespike.run(graph, samples, threads=n) for n in (1, 2))
    for name, values in one.values.items():
        np.testing.assert_array_equal(two.values[name], values)

"""The numpy engine: every valid graph, exactly, by matrix products in floating point.

Samples run in blocks that fit into a core's caches. All steps of a block go through a stateless
operation at once; only operations on cycles, and membranes, run step by step. numpy's BLAS library
decides how many threads a matrix product uses; on a busy computer ``OPENBLAS_NUM_THREADS=1`` is
several times faster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting.events import sum_events
from edgespike.graph import Graph
from edgespike.graph.inputs import never_changes
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.blocks import Block, cut, empty_accumulators, zero_sums
from edgespike.targets.cpu.parts import Loop, States, Values, make_parts
from edgespike.targets.cpu.stateless import Array
from edgespike.targets.shared.number_types import narrow_type
from edgespike.trace import observed_names

BLOCK_BYTES = 2**22
"""Approximate maximum memory of one block's values: what caches keep from operation to operation.

This and the constants below cut a batch for speed; how large a batch may be for the memory is
decided in :mod:`edgespike.batches`.
"""

LOOP_SAMPLES = 512
"""Maximum number of samples that go through a loop together; more are not faster."""

LOOP_BYTES = 2**21
"""As :data:`BLOCK_BYTES`, for graphs with loops: less, so that the allocator reuses freed memory
instead of returning it to the system."""


class NumpyEngine:
    """A graph prepared to run.

    Parameters
    ----------
    graph
        Any valid graph.
    block_bytes
        Approximate maximum memory of one block's values; a block has at least one sample and step.
    """

    def __init__(self, graph: Graph, block_bytes: int = BLOCK_BYTES) -> None:
        self._graph = graph
        self._input_type = narrow_type(*graph.tensors[graph.input.name].bounds)
        self._kept = observed_names(graph)
        self._parts = make_parts(graph)
        self._in_loops = any(isinstance(part, Loop) for part in self._parts)
        if self._in_loops:
            block_bytes = min(block_bytes, LOOP_BYTES)
        # Accumulators take 4 or 8 bytes an element, events mostly 1.
        bytes_each = 4 * sum(tensor.size for tensor in graph.tensors.values())
        self._at_once = max(1, block_bytes // bytes_each)

    def blocks(self, samples: NDArray[Any]) -> Iterator[Block]:
        """Run checked samples ``(samples, steps, *shape)``, channels first, block by block."""
        samples_at_once, steps_at_once = self._cuts(len(samples))
        for some in cut(len(samples), samples_at_once):
            state: States = {}
            for steps in cut(self._graph.steps, steps_at_once):
                values = self._run(self._enter(samples[some, steps]), steps, state)
                yield Block(some, steps, values)

    def _cuts(self, samples: int) -> tuple[int, int]:
        """Return how many samples and steps a block has at most."""
        if self._in_loops:  # each step takes a few calls, so each call should serve many samples
            samples_at_once = max(1, min(samples, self._at_once, LOOP_SAMPLES))
            return samples_at_once, max(1, self._at_once // samples_at_once)
        steps_at_once = min(self._graph.steps, self._at_once)
        return max(1, self._at_once // steps_at_once), steps_at_once

    def run_counted(self, samples: NDArray[Any]) -> tuple[Integers, dict[str, NDArray[Any]]]:
        """Run checked samples for their accumulators and the event sums of neurons and pools."""
        readout = self._graph.readout.name
        accumulators = empty_accumulators(self._graph, len(samples))
        sums = {name: zero_sums(self._graph, name) for name in self._kept if name != readout}
        for block in self.blocks(samples):
            for name, total in sums.items():
                # Whole rows of all steps add up several times faster than those of each step.
                values = np.ascontiguousarray(block.values[name].swapaxes(0, 1))
                total[block.steps] += sum_events(values, self._graph.tensors[name])
            accumulators[block.samples] = block.values[readout][-1]
        return accumulators, sums

    def _enter(self, samples: NDArray[Any]) -> Array:
        """Put steps first and channels last; of samples that never change, one step is enough."""
        if never_changes(samples):
            samples = samples[:, :1]
        ordered = np.moveaxis(samples.swapaxes(0, 1), 2, -1)
        return np.ascontiguousarray(ordered, self._input_type)

    def _run(self, sample: Array, steps: slice, state: States) -> Values:
        values = {self._graph.input.name: sample}
        for part in self._parts:
            part.run(values, steps.stop - steps.start, state)
        return {name: values[name] for name in self._kept}

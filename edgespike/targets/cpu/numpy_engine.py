"""The numpy engine: every valid graph, exactly, by matrix products in floating point.

Samples run in blocks that fit into a core's caches. A block has as many samples as fit, since
membranes and operations on cycles run step by step, and each of their calls should serve many; then
as many steps, which go through a stateless operation at once.
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
from edgespike.targets.cpu.blocks import Block, Counted, channels_first, cut
from edgespike.targets.cpu.parts import Loop, States, Values, make_parts, stateless_first
from edgespike.targets.cpu.stateless import Array
from edgespike.targets.shared.number_types import narrow_type
from edgespike.trace import observed_names

BLOCK_BYTES = 2**23
"""Approximate maximum memory of one block's values: what caches keep from operation to operation.

This and the constants below cut a batch for speed; how large a batch may be for the memory is
decided in :mod:`edgespike.batches`.
"""

MOST_SAMPLES = 512
"""Maximum number of samples of a block; more are not faster."""

LOOP_BYTES = 2**21
"""As :data:`BLOCK_BYTES`, for graphs with loops: less, so that the allocator reuses freed memory
instead of returning it to the system."""


class NumpyEngine:
    """A graph prepared to run; threads may share it.

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
        parts = make_parts(graph)
        self._of_input_alone = stateless_first(graph, parts)
        self._others = [part for part in parts if part not in self._of_input_alone]
        if any(isinstance(part, Loop) for part in parts):
            block_bytes = min(block_bytes, LOOP_BYTES)
        # Accumulators take 4 or 8 bytes an element, events mostly 1.
        self._at_once = max(1, block_bytes // (4 * graph.values_per_step))

    def blocks(self, samples: NDArray[Any]) -> Iterator[Block]:
        """Run checked samples ``(samples, steps, *shape)``, channels first, block by block."""
        samples_at_once = min(len(samples), self._at_once, MOST_SAMPLES)
        for some in cut(len(samples), samples_at_once):
            yield from self._run(samples, some, self._at_once // samples_at_once)

    def _run(self, samples: NDArray[Any], some: slice, steps_at_once: int) -> Iterator[Block]:
        """Run all steps of some samples; what is the same at every step is computed once."""
        state: States = {}
        same: Values = {}
        for steps in cut(self._graph.steps, steps_at_once):
            count = steps.stop - steps.start
            values = dict(same) or {self._graph.input.name: self._enter(samples[some, steps])}
            for part in () if same else self._of_input_alone:
                part.run(values, count, state)
            if never_changes(samples):
                same = dict(values)
            for part in self._others:
                part.run(values, count, state)
            yield Block(some, steps, {name: values[name] for name in self._kept})

    def answer(self, samples: NDArray[Any], answers: Integers) -> Iterator[None]:
        """Run checked samples and write the readout after the last step."""
        for block in self.blocks(samples):
            answers[block.samples] = block.values[self._graph.readout.name][-1]
            yield

    def counted(self, samples: NDArray[Any]) -> Iterator[Counted]:
        """Run checked samples and sum the events of every block."""
        readout = self._graph.readout.name
        for block in self.blocks(samples):
            sums = {}
            for name in self._kept:
                if name != readout:
                    # Whole rows of all steps add up several times faster than those of each step.
                    values = np.ascontiguousarray(block.values[name].swapaxes(0, 1))
                    events = sum_events(values, self._graph.tensors[name])
                    sums[name] = channels_first(events, 1)
            yield Counted(block.samples, block.steps, block.values[readout][-1], sums)

    def _enter(self, samples: NDArray[Any]) -> Array:
        """Put steps first and channels last; of samples that never change, one step is enough."""
        if never_changes(samples):
            samples = samples[:, :1]
        ordered = np.moveaxis(samples.swapaxes(0, 1), 2, -1)
        return np.ascontiguousarray(ordered, self._input_type)

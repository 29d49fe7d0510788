"""The numpy engine: every valid graph, exactly, by matrix products in floating point.

Samples run in blocks that fit into memory. All steps of a block go through a stateless operation
at once; membranes go from step to step. How many threads a matrix product takes is for numpy's
BLAS library to say; on a busy computer ``OPENBLAS_NUM_THREADS=1`` is several times faster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting.events import sum_events
from edgespike.graph import Graph, Node
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu import stateful, stateless
from edgespike.targets.cpu.blocks import Block, cut, empty_accumulators, zero_sums
from edgespike.targets.cpu.exactness import narrow_type
from edgespike.trace import observed_names

BLOCK_BYTES = 2**23
"""What the caches keep between one operation and the next."""


class NumpyEngine:
    """A graph made ready to run.

    Parameters
    ----------
    graph
        Any valid graph.
    block_bytes
        Memory that the values of one block may take, about; one sample and step always run.
    """

    def __init__(self, graph: Graph, block_bytes: int = BLOCK_BYTES) -> None:
        self._graph = graph
        self._input_type = narrow_type(*graph.tensors[graph.input.name].bounds)
        self._kept = observed_names(graph)
        self._stateless: dict[str, stateless.Kernel] = {}
        self._stateful: dict[str, stateful.StatefulKernel] = {}
        for node in graph.nodes[1:]:
            inputs, output = graph.input_tensors(node), graph.tensors[node.name]
            if type(node.op) in stateless.PREPARE:
                prepare = stateless.PREPARE[type(node.op)]
                self._stateless[node.name] = prepare(node.op, inputs, output)
            else:
                prepare_stateful = stateful.PREPARE[type(node.op)]
                self._stateful[node.name] = prepare_stateful(
                    node.op, inputs[0], output, graph.steps
                )
        # Accumulators take 4 or 8 bytes an element, events mostly 1.
        bytes_each = 4 * sum(tensor.size for tensor in graph.tensors.values())
        self._steps_at_once = min(graph.steps, max(1, block_bytes // bytes_each))
        self._samples_at_once = max(1, block_bytes // (bytes_each * self._steps_at_once))

    def blocks(self, samples: NDArray[Any]) -> Iterator[Block]:
        """Run checked samples ``(samples, steps, *shape)``, channels first, block by block."""
        for some in cut(len(samples), self._samples_at_once):
            state: dict[str, Any] = {}
            for steps in cut(self._graph.steps, self._steps_at_once):
                values = self._run(self._enter(samples[some, steps]), steps, state)
                yield Block(some, steps, values)

    def run_counted(self, samples: NDArray[Any]) -> tuple[Integers, dict[str, Integers]]:
        """Run checked samples for their accumulators and the event sums of neurons and pools."""
        readout = self._graph.readout.name
        accumulators = empty_accumulators(self._graph, len(samples))
        sums = {name: zero_sums(self._graph, name) for name in self._kept if name != readout}
        for block in self.blocks(samples):
            for name, total in sums.items():
                values = block.values[name].swapaxes(0, 1)
                total[block.steps] += sum_events(values, self._graph.tensors[name])
            accumulators[block.samples] = block.values[readout][-1]
        return accumulators, sums

    def _enter(self, samples: NDArray[Any]) -> stateless.Array:
        """Put steps first and channels last; one step stands for a sample that never changes."""
        if samples.strides[1] == 0:
            samples = samples[:, :1]
        ordered = np.moveaxis(samples.swapaxes(0, 1), 2, -1)
        return np.ascontiguousarray(ordered, self._input_type)

    def _run(
        self, sample: stateless.Array, steps: slice, state: dict[str, Any]
    ) -> dict[str, stateless.Array]:
        values = {self._graph.input.name: sample}
        for node in self._graph.nodes[1:]:
            inputs = [values[name] for name in node.inputs]
            if node.name in self._stateful:
                kernel = self._stateful[node.name]
                values[node.name], state[node.name] = kernel(
                    inputs[0], state.get(node.name), steps.stop - steps.start
                )
            else:
                values[node.name] = self._over_steps(node, inputs)
        return {name: values[name] for name in self._kept}

    def _over_steps(self, node: Node, inputs: Sequence[stateless.Array]) -> stateless.Array:
        """Run a stateless operation with the steps folded into the batch."""
        steps = max(len(array) for array in inputs)
        samples = inputs[0].shape[1]
        folded = [
            np.broadcast_to(array, (steps, *array.shape[1:])).reshape(-1, *array.shape[2:])
            for array in inputs
        ]
        out = self._stateless[node.name](*folded)
        return out.reshape(steps, samples, *out.shape[1:])

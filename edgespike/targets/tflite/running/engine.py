"""A fast engine for graphs of one step with spikes or levels: LiteRT's int8 kernels, one thread.

The model and its interpreter are prepared once for a fixed batch. Events are read in place, in the
interpreter's memory, so counting them needs no copy::

    engine = LiteRtEngine(engine_plan(graph), batch=64)
    accumulators = engine.run(samples)             # (n, classes), n <= batch
    spikes = engine.events["conv1.threshold"]      # int8, (batch, height, width, channels)
    count = np.count_nonzero(spikes[: len(samples)])
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Graph, Reshape
from edgespike.graph.tensor import Integers
from edgespike.targets.tflite.check import violations_of
from edgespike.targets.tflite.lower import lower
from edgespike.targets.tflite.planning.plan import Plan, runs_by_step
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.planning.storage import Form
from edgespike.targets.tflite.running.execute import DEFAULT_KERNELS, make_interpreter, resize
from edgespike.targets.tflite.running.trust import litert_fault

__all__ = ["LiteRtEngine", "Plan", "engine_fault", "engine_plan"]


def engine_plan(graph: Graph) -> Plan | None:
    """Return a plan for :class:`LiteRtEngine`; ``None`` unless every event of the graph is int8."""
    if graph.steps != 1 or runs_by_step(graph):
        return None
    plan = make_plan(graph)
    *others, _ = plan.forms.values()
    exact = all(form is Form.INT8 for form in others) and not violations_of(plan)
    return plan if exact else None


def engine_fault() -> str:
    """Return why the installed LiteRT is not exact, with the way out; empty if it is."""
    return litert_fault(DEFAULT_KERNELS)


class LiteRtEngine:
    """Runs batches of a graph of one step.

    Parameters
    ----------
    plan
        From :func:`engine_plan`.
    batch
        Maximum number of samples of one run. A run of fewer takes as long.

    Attributes
    ----------
    events
        For the input and every node whose output is events, except reshapes (their events are
        those of the node before): the interpreter's own memory as a read-only int8 array, channels
        last, ``(batch, height, width, channels)`` or ``(batch, features)``. Each run overwrites
        it; the rows after the last sample hold leftovers.
    zero_points
        For the same names, the stored integer that stands for 0: subtract it to get the value.
        It is 0 for spikes and up to 127 levels; an input of 0..255 has -128.
    """

    def __init__(self, plan: Plan, batch: int) -> None:
        graph = plan.graph
        event_names = [
            node.name
            for node in graph.nodes[1:]
            if graph.tensors[node.name].signal.is_event and not isinstance(node.op, Reshape)
        ]
        lowered = lower(plan, event_names)
        self._interpreter = make_interpreter(lowered.content, DEFAULT_KERNELS)
        resize(self._interpreter, batch)
        self._interpreter.invoke()
        (source,) = self._interpreter.get_input_details()
        details = self._interpreter.get_output_details()
        self._input = _memory(self._interpreter, source["index"])
        self._final = _memory(self._interpreter, details[lowered.answer]["index"])
        self._channels_last = (0, 2, 3, 1) if self._input.ndim == 4 else (0, 1)
        self._offset = np.uint8(lowered.input.zero_point % 256)
        arrays = {graph.input.name: self._input}
        self.zero_points = {graph.input.name: lowered.input.zero_point}
        for name in event_names:
            place = lowered.observed[name]
            arrays[name] = _memory(self._interpreter, details[place]["index"])
            self.zero_points[name] = lowered.outputs[place].zero_point
        self.events: dict[str, NDArray[np.int8]] = {}
        for name, array in arrays.items():
            self.events[name] = array.view()
            self.events[name].flags.writeable = False

    def run(self, samples: NDArray[Any]) -> Integers:
        """Run samples and return their readout's accumulators.

        Parameters
        ----------
        samples
            Integers within the input's range, which is not checked here, channels first:
            ``(n, *shape)``, ``n`` at most the batch.

        Returns
        -------
        accumulators
            ``(n, classes)``, a copy.
        """
        count = len(samples)
        # Bytes wrap around, so this adds any zero point, for any integer dtype.
        np.add(
            samples.transpose(self._channels_last),
            self._offset,
            out=self._input[:count].view(np.uint8),
            casting="unsafe",
        )
        self._interpreter.invoke()
        return self._final[:count].astype(np.int64)


class _Memory:
    """A tensor's memory. It keeps the interpreter alive without a reference that forbids runs."""

    def __init__(self, interpreter: Any, index: int) -> None:
        self._interpreter = interpreter
        self.__array_interface__ = interpreter.tensor(index)().__array_interface__


def _memory(interpreter: Any, index: int) -> NDArray[Any]:
    return np.asarray(_Memory(interpreter, index))

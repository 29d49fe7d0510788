# mypy: ignore-errors
"""Membranes with more options than Lava's LIF, and readouts of their potentials."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

DECAY_BITS = 12


class Membrane(AbstractProcess):
    """Integrate-and-fire neurons with synaptic currents, in fixed point as Lava's LIF.

    Currents and potentials are in units of ``2**-fraction_bits`` of the accumulator's. Parameters
    are one number for all neurons, or an array ``(size,)``.

    Parameters
    ----------
    membrane
        ``bias``: added to the input, in the accumulator's unit; ``theta``: threshold, in the same;
        ``decay``, ``current_decay``: what potentials and currents forget in a step, in 1/4096, the
        latter ``None`` if the input is the current; ``potential_bias``: added to potentials;
        ``least``, ``saturation``: least and largest potential, and largest magnitude of a current,
        at most 2**23 - 1; ``fraction_bits``; ``reset``: "zero", "subtract" or "none";
        ``reset_time``: "same_step", "next_step" or "same_step_raised"; ``comparison``: ">" or
        ">="; ``max_spikes``: largest number of spikes of one step, sent as a graded spike;
        ``answer``: ``None``, or what a readout sends instead of spikes, the "last", "sum" or "max"
        of the potentials that were compared since the start.
    size
        Number of neurons.
    interval, offset
        Neurons start at zero at steps ``offset`` modulo ``interval``.
    """

    def __init__(self, membrane, *, size, interval, offset):
        super().__init__(membrane=membrane, size=size, interval=interval, offset=offset)
        self.a_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))


@implements(proc=Membrane, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyMembraneModel(PyLoihiProcessModel):
    """Sums in 64 bits; what is kept for the next step has 24."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.membrane = proc_params["membrane"]
        self.interval, self.offset = proc_params["interval"], proc_params["offset"]
        self.shift = self.membrane["fraction_bits"]
        self.saturation = self.membrane["saturation"]
        self.theta = self._parameter("theta") << self.shift
        self.bias, self.potential_bias = self._parameter("bias"), self._parameter("potential_bias")
        self.kept = (1 << DECAY_BITS) - self._parameter("decay")
        self.kept_current = None
        if self.membrane["current_decay"] is not None:
            self.kept_current = (1 << DECAY_BITS) - self._parameter("current_decay")
        self.least = self._parameter("least")
        self._start()

    def _parameter(self, name):
        return np.asarray(self.membrane[name], np.int64)

    def _start(self):
        size = self.proc_params["size"]
        self.v, self.i, self.fired = (np.zeros(size, np.int64) for _ in range(3))
        self.total = None

    def run_spk(self):
        """Integrate one step's input and send the number of spikes, or the answer so far."""
        accumulator = self.a_in.recv().astype(np.int64) + self.bias
        if self.time_step % self.interval == self.offset:
            self._start()
        time, answer = self.membrane["reset_time"], self.membrane["answer"]
        raised = time == "same_step_raised"
        above = np.minimum(self._exceeded(self.v), 1) if raised else 0
        v = _decayed(self.v, self.kept) + self._current(accumulator) + self.potential_bias
        if time == "next_step":
            v = self._reset(v, self.fired)
        v = np.clip(v, self.least, self.saturation)
        self.fired = np.clip(self._exceeded(v) - above, 0, self.membrane["max_spikes"])
        self.v = v if time == "next_step" else self._reset(v, self.fired)
        sent = self.fired if answer is None else self._answered(v, answer)
        self.s_out.send(sent.astype(np.int32))

    def _current(self, accumulator):
        current = accumulator << self.shift
        if self.kept_current is None:
            return current
        current = _decayed(self.i, self.kept_current) + current
        self.i = np.clip(current, -self.saturation, self.saturation)
        return self.i

    def _exceeded(self, v):
        """Return how many of theta, 2 theta, ... potentials reach or exceed."""
        return np.maximum((v - (self.membrane["comparison"] == ">")) // self.theta, 0)

    def _reset(self, v, spikes):
        match self.membrane["reset"]:
            case "zero":
                return np.where(spikes > 0, 0, v)
            case "subtract":
                return v - spikes * self.theta
            case _:
                return v

    def _answered(self, v, answer):
        if self.total is None or answer == "last":
            self.total = v
        elif answer == "sum":
            self.total = self.total + v
        else:
            self.total = np.maximum(self.total, v)
        return self.total


def _decayed(state, kept):
    """Multiply by ``kept / 4096``, towards zero."""
    return np.sign(state) * (np.abs(state) * kept >> DECAY_BITS)

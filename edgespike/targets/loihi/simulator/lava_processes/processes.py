# mypy: ignore-errors
"""Processes that Lava does not have: levels, maxima, delays and recorders."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Levels(AbstractProcess):
    """Neurons without memory that send, as a graded spike, how many thresholds their sum reaches.

    Parameters
    ----------
    theta
        ``(neurons, levels)``, in the accumulator's unit and any order; a sum ``x`` reaches
        ``theta`` when ``x >= theta``.
    offset, unit
        What a neuron sends if its sum reaches no threshold, and what each one adds.
    """

    def __init__(self, theta, offset, unit):
        super().__init__(theta=theta, offset=offset, unit=unit)
        self.a_in = InPort(shape=theta.shape[:1])
        self.s_out = OutPort(shape=theta.shape[:1])


@implements(proc=Levels, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyLevelsModel(PyLoihiProcessModel):
    """One comparison per level."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.theta = np.ascontiguousarray(proc_params["theta"].T)
        self.offset, self.unit = proc_params["offset"], proc_params["unit"]

    def run_spk(self):
        """Send this step's levels."""
        sums = self.a_in.recv()
        levels = np.zeros(sums.shape, np.int32)
        for theta in self.theta:
            levels += sums >= theta
        self.s_out.send(self.offset + self.unit * levels)


class Maximum(AbstractProcess):
    """Neurons without memory that send, as a graded spike, the largest of several sums.

    Parameters
    ----------
    inputs
        Number of sums.
    elements, starts
        Neuron ``i`` takes the largest of the sums ``elements[starts[i]:starts[i + 1]]``.
    """

    def __init__(self, inputs, elements, starts):
        super().__init__(elements=elements, starts=starts)
        self.a_in = InPort(shape=(inputs,))
        self.s_out = OutPort(shape=starts.shape)


@implements(proc=Maximum, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyMaximumModel(PyLoihiProcessModel):
    """All windows in one pass over their elements."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.elements, self.starts = proc_params["elements"], proc_params["starts"]

    def run_spk(self):
        """Send this step's largest sums."""
        sums = self.a_in.recv()
        self.s_out.send(np.maximum.reduceat(sums[self.elements], self.starts))


class Delay(AbstractProcess):
    """Passes spikes on a number of steps later, like an axonal delay.

    Parameters
    ----------
    size, steps
        How many neurons, and how many steps; 0 passes spikes on at the same step.
    initial, interval, offset
        What all neurons send at steps ``offset`` modulo ``interval`` instead of their spikes;
        ``None`` if they always send their spikes.
    """

    def __init__(self, *, size, steps, initial=None, interval=1, offset=0):
        super().__init__(size=size, steps=steps, initial=initial, interval=interval, offset=offset)
        self.s_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))


@implements(proc=Delay, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDelayModel(PyLoihiProcessModel):
    """A ring of the last steps' spikes and this step's."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.kept = np.zeros((proc_params["steps"] + 1, proc_params["size"]), np.int32)
        self.initial = proc_params["initial"]
        self.interval, self.offset = proc_params["interval"], proc_params["offset"]

    def run_spk(self):
        """Keep the newest spikes, send the oldest."""
        self.kept[self.time_step % len(self.kept)] = self.s_in.recv()
        oldest = self.kept[(self.time_step + 1) % len(self.kept)]
        begins = self.initial is not None and self.time_step % self.interval == self.offset
        self.s_out.send(np.full_like(oldest, self.initial) if begins else oldest)


class SpikeRecorder(AbstractProcess):
    """Writes all spikes of each step into rows of a ``.npy`` file, which must exist."""

    def __init__(self, *, size, file):
        super().__init__(file=str(file))
        self.s_in = InPort(shape=(size,))


@implements(proc=SpikeRecorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySpikeRecorderModel(PyLoihiProcessModel):
    """Row ``t`` holds step ``t``, counted from 0."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.rows = np.load(proc_params["file"], mmap_mode="r+")

    def run_spk(self):
        """Write one row."""
        self.rows[self.time_step - 1] = self.s_in.recv()


class StateRecorder(AbstractProcess):
    """Writes a variable after each step into rows of a ``.npy`` file, which must exist."""

    def __init__(self, *, size, file):
        super().__init__(file=str(file))
        self.state = RefPort(shape=(size,))


@implements(proc=StateRecorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyStateRecorderModel(PyLoihiProcessModel):
    """Row ``t`` holds the variable after step ``t``, counted from 0."""

    state: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.rows = np.load(proc_params["file"], mmap_mode="r+")

    def post_guard(self):
        """Read after every step."""
        return True

    def run_post_mgmt(self):
        """Write one row."""
        self.rows[self.time_step - 1] = self.state.read()

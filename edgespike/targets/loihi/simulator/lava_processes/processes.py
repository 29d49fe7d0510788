# mypy: ignore-errors
"""Processes that Lava does not have: membranes, levels, maxima, delays and recorders."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import AbstractPyLifModelFixed
from lava.proc.lif.process import LIF


class Membrane(LIF):
    """Integrate-and-fire neurons with more options than Lava's, in Lava's own fixed point.

    Parameters
    ----------
    membrane
        ``theta``: threshold of each neuron, in the accumulator's unit; ``reset``: "zero",
        "subtract" or "none"; ``reset_time``: "same_step" or "next_step"; ``comparison``: ">" or
        ">="; ``max_spikes``: largest number of spikes of one step, sent as a graded spike;
        ``saturation``: largest magnitude of a potential, at most Lava's own, 2**23 - 1;
        ``interval`` and ``offset``: the potential starts at zero at steps ``offset`` modulo
        ``interval``.
    """

    def __init__(self, *, membrane, **lif):
        super().__init__(membrane=membrane, **lif)


@implements(proc=Membrane, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyMembraneModelFixed(AbstractPyLifModelFixed):
    """Lava's decay and integration, with its own saturation, firing and reset."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    vth: int = LavaPyType(int, np.int32, precision=17)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.membrane = proc_params["membrane"]
        self.theta = np.asarray(self.membrane["theta"], np.int64) << self.vth_shift
        self.fired = np.zeros_like(self.theta)

    def run_spk(self):
        """Integrate one step's input and send the number of spikes."""
        accumulator = self.a_in.recv()
        if self.time_step % self.membrane["interval"] == self.membrane["offset"]:
            self.v[:] = 0
            self.fired[:] = 0
        self.scale_bias()
        reset, late = self.membrane["reset"], self.membrane["reset_time"] == "next_step"
        if late and reset == "subtract":
            # Together with the input, since Lava saturates as soon as it has added that.
            self.effective_bias = self.effective_bias - self.fired * self.theta
        self.subthr_dynamics(activation_in=accumulator)
        if late and reset == "zero":
            self.v[self.fired > 0] = 0
        self.v[:] = np.clip(self.v, -self.membrane["saturation"], self.membrane["saturation"])
        enough = self.v.astype(np.int64) - (self.membrane["comparison"] == ">")
        self.fired = np.clip(enough // self.theta, 0, self.membrane["max_spikes"])
        if not late and reset == "zero":
            self.v[self.fired > 0] = 0
        elif not late and reset == "subtract":
            self.v[:] = self.v - self.fired * self.theta
        self.s_out.send(self.fired)


class Levels(AbstractProcess):
    """Neurons without memory that send, as a graded spike, how many thresholds their sum reaches.

    Parameters
    ----------
    theta
        ``(neurons, levels)``, in the accumulator's unit and any order; a sum ``x`` reaches
        ``theta`` when ``x >= theta``.
    """

    def __init__(self, *, theta):
        super().__init__(theta=theta)
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

    def run_spk(self):
        """Send this step's levels."""
        sums = self.a_in.recv()
        levels = np.zeros(sums.shape, np.int32)
        for theta in self.theta:
            levels += sums >= theta
        self.s_out.send(levels)


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

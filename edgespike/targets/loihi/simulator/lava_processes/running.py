# mypy: ignore-errors
"""Compile and run connected processes, which takes Lava long if it is left to itself."""

import gc
import logging
import queue

import lava.magma.runtime.runtime as lava_runtime
from lava.magma.compiler.compiler_graphs import find_processes
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.process.process import ProcessServer
from lava.magma.core.process.variable import VarServer
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.source import PySendModelFixed, RingBuffer
from lava.proc.lif.models import PyLifResetModelBitAcc
from lava.proc.lif.process import LIFReset
from lava.proc.sparse.models import PySparseModelBitAcc
from lava.proc.sparse.process import Sparse

from lava_processes.membranes import Membrane, PyMembraneModel
from lava_processes.processes import (
    Delay,
    Levels,
    Maximum,
    PyDelayModel,
    PyLevelsModel,
    PyMaximumModel,
    PySpikeRecorderModel,
    PyStateRecorderModel,
    SpikeRecorder,
    StateRecorder,
)
from lava_processes.threads import Threads

TAG = "fixed_pt"
"""Lava's name for process models that compute as the chip does."""

MODELS = {
    RingBuffer: PySendModelFixed,
    LIFReset: PyLifResetModelBitAcc,
    Sparse: PySparseModelBitAcc,
    Membrane: PyMembraneModel,
    Levels: PyLevelsModel,
    Maximum: PyMaximumModel,
    Delay: PyDelayModel,
    SpikeRecorder: PySpikeRecorderModel,
    StateRecorder: PyStateRecorderModel,
}
"""The model that Lava chooses for each process by :data:`TAG`. To find it, Lava would import all
modules in the process's folder anew, once for each process of each run."""


class ThreadRuntime(lava_runtime.Runtime):
    """Lava's runtime with threads in place of processes, see :mod:`lava_processes.threads`."""

    def _build_message_infrastructure(self):
        # On these queues processes tell that they have started: no pipes and semaphores for that.
        lava_runtime.Queue = queue.SimpleQueue
        self._messaging_infrastructure = Threads()
        self._messaging_infrastructure.start()


LOGGERS = (None, "lava.magma.compiler.compiler")
"""Loggers that get another handler from each process (the root) and from each compilation."""


def forget():
    """Free everything that Lava keeps of earlier runs, in its registries and in cycles."""
    ProcessServer().processes.clear()
    VarServer().vars.clear()
    for name in LOGGERS:
        logging.getLogger(name).handlers.clear()
    gc.collect()


def run(process, steps):
    """Run a process and all that are connected to it.

    Raises
    ------
    RuntimeError
        A process failed; the message holds what each of them raised.
    """
    models = {found: MODELS[type(found)] for found in find_processes(process)}
    executable = process.compile(Loihi2SimCfg(select_tag=TAG, exception_proc_model_map=models))
    runtime = ThreadRuntime(executable, ActorType.MultiProcessing)
    executable.assign_runtime_to_all_processes(runtime)
    runtime.initialize()
    try:
        runtime.start(RunSteps(num_steps=steps))
    except RuntimeError as error:
        # Lava's own message says only how many exceptions there were.
        actors = runtime._messaging_infrastructure.actors
        found = [actor.exception for actor in actors if actor.exception]
        raise RuntimeError(f"{error} {found}") from error
    runtime.stop()

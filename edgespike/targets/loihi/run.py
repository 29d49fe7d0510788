"""Run a graph on Lava's fixed-point simulator, in a worker."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.targets.base import TracingRunner
from edgespike.targets.loihi.environment import lava_path, version
from edgespike.targets.loihi.lower import lower
from edgespike.targets.loihi.network import Network
from edgespike.trace import Trace, observed_names
from edgespike.workers.worker import Worker

SIMULATOR = Path(__file__).parent / "simulator" / "run_lava.py"

_START_S, _PROCESS_S, _STEP_S, _SYNAPSE_S = 60.0, 2.0, 0.01, 1e-7
"""Seconds that the time limit allows, at least 50 times what an idle machine takes: to start, to
start each of Lava's processes, and at each step for each process and for each synapse."""


def prepare(graph: Graph) -> TracingRunner:
    """Lower a graph without violations once, for all of its runs.

    Samples run back to back, one step of one sample at each of Lava's steps. A trace holds, for
    each population, the spikes that Lava's simulator itself sent at each step (their payload, where
    a neuron may emit several); for the readout, its potential.

    Raises
    ------
    EnvironmentMissingError
        Lava is not installed.
    """
    network = lower(graph)
    path = lava_path()

    def run(samples: NDArray[Any]) -> Trace:
        samples = as_samples(graph, samples)
        values = _run(network, path, samples)
        return Trace(
            {
                name: values[name].reshape(len(samples), graph.steps, *graph.tensors[name].shape)
                for name in observed_names(graph)
            }
        )

    return TracingRunner(graph, version(), run)


def _run(network: Network, path: list[str], samples: NDArray[Any]) -> dict[str, NDArray[Any]]:
    arrays = {**network.arrays(), "samples": samples.reshape(*samples.shape[:2], -1)}
    parameters = {"network": network.describe(), "path": path}
    values, _ = _worker().call(arrays, parameters, timeout_s=_time_limit(network, len(samples)))
    return values


@cache
def _worker() -> Worker:
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    what = "Lava's simulator"
    return Worker(sys.executable, SIMULATOR, what=what, environment=one_thread)


def _time_limit(network: Network, samples: int) -> float:
    steps = samples * network.steps + network.depth
    processes = 2 * len(network.populations) + 2 * len(network.connections)
    each = processes * _STEP_S + network.synapses * _SYNAPSE_S
    return _START_S + processes * _PROCESS_S + steps * each

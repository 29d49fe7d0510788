"""Lava as edgespike runs it, with threads and known models, is Lava as it comes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgespike.graph import Graph, Input, MaxPool2d, Membrane, Node, Reset, Reshape
from edgespike.targets.loihi.environment import lava_path
from edgespike.targets.loihi.lower import lower
from edgespike.targets.loihi.run import SIMULATOR
from edgespike.workers.worker import Worker
from tests.targets.loihi.graphs import conv, dense, ended, levels, loop, run, samples, threshold

STOCK = """
# The simulator with Lava's own processes, channels and search for process models.
import sys
sys.path.insert(0, {folder!r})
import run_lava

def handle(arrays, parameters):
    sys.path[:0] = parameters["path"]
    run_lava._import_lava()
    from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs, find_processes
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava_processes import running

    unused = set(running.MODELS)

    def run(process, steps):
        choice = Loihi2SimCfg(select_tag=running.TAG)
        for found in find_processes(process):
            model = choice.select(found, ProcGroupDiGraphs._find_proc_models(found))
            assert model is running.MODELS[type(found)], model
            unused.discard(type(found))
        process.run(condition=RunSteps(num_steps=steps), run_cfg=choice)
        process.stop()

    running.run = run
    values, _ = run_lava.handle(arrays, parameters)
    return values, {{"unused": [process.__name__ for process in unused]}}
"""


def with_all_processes() -> Graph:
    """Return a graph that needs each of the simulator's processes."""
    nodes = [
        Node("input", Input((2, 4, 4), 0, 9, 1.0)),
        Node("conv", conv(3, 2), ("input",)),
        Node("levels", levels(3, 5), ("conv",)),
        Node("pool", MaxPool2d((2, 2), (1, 1)), ("levels",)),
        Node("row", Reshape((3,)), ("pool",)),
        *loop("state", "row", 3, Membrane(np.array([4, 5, 6]), 20, Reset.SUBTRACT)),
        Node("hidden", dense(5, 3), ("state",)),
        Node("threshold", threshold([1, 2, 3, 4, 5], flipped=[2]), ("hidden",)),
    ]
    return ended(nodes, steps=3)


@pytest.mark.loihi
@pytest.mark.usefixtures("lava")
def test_threads_and_known_models_change_nothing(tmp_path: Path) -> None:
    graph = with_all_processes()
    x = samples(graph, 3)
    script = tmp_path / "script.py"
    script.write_text(STOCK.format(folder=str(SIMULATOR.parent)))
    network = lower(graph)
    arrays = {**network.arrays(), "samples": x.reshape(3, graph.steps, -1)}
    parameters = {"network": network.describe(), "path": lava_path()}
    with Worker(sys.executable, script, what="Lava as it comes") as worker:
        values, answers = worker.call(arrays, parameters, timeout_s=120)
    assert answers == {"unused": []}
    found = run(graph, x)
    assert found.values.keys() == values.keys()
    for name, expected in values.items():
        np.testing.assert_array_equal(
            found.values[name].reshape(expected.shape), expected, err_msg=name
        )


@pytest.mark.loihi
@pytest.mark.usefixtures("lava")
def test_runs_leave_nothing_in_memory(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"""
import gc, sys, threading
sys.path.insert(0, {str(SIMULATOR.parent)!r})
import run_lava

def handle(arrays, parameters):
    values, _ = run_lava.handle(arrays, parameters)
    return values, {{"objects": len(gc.get_objects()), "threads": threading.active_count()}}
""")
    graph = with_all_processes()
    network = lower(graph)
    arrays = {**network.arrays(), "samples": samples(graph, 1).reshape(1, graph.steps, -1)}
    parameters = {"network": network.describe(), "path": lava_path()}
    with Worker(sys.executable, script, what="Lava") as worker:
        answers = [worker.call(arrays, parameters, timeout_s=120)[1] for _ in range(6)]
    assert len({answer["threads"] for answer in answers}) == 1
    second, *later = (answer["objects"] for answer in answers[1:])
    assert max(later) < second + 20, "a run has some 1,700 objects"

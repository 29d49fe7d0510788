"""netx of lava-dl in an environment of its own, which has numpy 1 as Lava declares.

python -m tests.targets.loihi.lava_dl    installs it, unless it is there and whole
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from platformdirs import user_cache_path

from edgespike.errors import EnvironmentMissingError
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.targets.loihi.network import message_bits
from edgespike.targets.loihi.netx import netx_bytes
from edgespike.targets.loihi.rules import leak_of
from edgespike.targets.loihi.run import SIMULATOR
from edgespike.targets.shared.installing import (
    damage,
    find_python,
    locked,
    make_environment,
    pinned,
    replaced,
    site_packages,
)
from edgespike.workers.worker import Worker

REQUIREMENTS = Path(__file__).parent / "lava_dl_requirements.txt"
NAME = f"lava-dl {pinned(REQUIREMENTS)['lava-dl']}"
PYTHONS = ((3, 11), (3, 10))
TIMEOUT_S = 300.0


def folder() -> Path:
    """Return the environment's folder, whether it exists or not."""
    return user_cache_path("edgespike") / NAME.replace(" ", "-")


def problem(*, thorough: bool = False) -> str:
    """Return what keeps the environment from being used; empty if nothing does."""
    if not (folder() / "bin" / "python").exists():
        return "missing"
    return damage(site_packages(folder()), REQUIREMENTS, thorough=thorough)


def setup() -> str:
    """Install netx unless it is there and whole, and say what happened."""
    with locked(folder()):
        if problem(thorough=True):
            try:
                python = find_python(PYTHONS, NAME)
            except EnvironmentMissingError as missing:
                return f"its tests are left out: {missing}"
            with replaced(folder()) as new:
                # Lava runs on Python 3.11, too, see run_lava.py.
                failure = make_environment(new, python, REQUIREMENTS, "--ignore-requires-python")
                if failure:
                    raise EnvironmentMissingError(f"cannot install {NAME}: {failure}")
    return f"{NAME} is ready"


@contextmanager
def netx_worker() -> Iterator[Worker]:
    """Yield a process that runs files in netx."""
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    script = Path(__file__).parent / "netx_on_lava.py"
    python = str(folder() / "bin" / "python")
    with Worker(python, script, what="netx", environment=one_thread) as worker:
        yield worker


def run_netx(worker: Worker, graph: Graph, samples: NDArray[Any]) -> list[NDArray[Any]]:
    """Run a graph's ``.net`` file.

    Returns
    -------
    values
        For each layer the spikes of each sample and step, channels first; for the last layer the
        potentials in the readout's unit.
    """
    op = graph.input_op
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "graph.net"
        file.write_bytes(netx_bytes(graph))
        bits = message_bits(op.low, op.high)
        layers, _ = run_file(worker, file, as_samples(graph, samples), bits)
    leaky = leak_of(graph, graph.readout) is not None
    return [*layers[:-1], layers[-1] if leaky else layers[-1] >> 6]


def run_file(
    worker: Worker, file: Path, samples: NDArray[Any], bits: int = 0, *, direct: bool = False
) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    """Run a ``.net`` file.

    Parameters
    ----------
    samples
        ``(samples, steps, *shape)``, channels first.
    bits
        Of the input's messages; 0 for spikes.
    direct
        Whether the first layer of the file is one of input neurons.

    Returns
    -------
    layers
        As for `run_netx`, but the potentials of the last layer in 1/64; its spikes if it is a
        convolution.
    spikes
        Those of the last layer.
    """
    with tempfile.TemporaryDirectory() as name:
        parameters = {
            "path": [str(SIMULATOR.parent)],
            "file": str(file),
            "folder": name,
            "bits": bits,
            "direct": direct,
        }
        values, _ = worker.call({"samples": samples}, parameters, timeout_s=TIMEOUT_S)
    count = len(values) - ("spikes" in values)
    layers = [values[str(index)] for index in range(count)]
    return layers, values.get("spikes", layers[-1])


if __name__ == "__main__":
    print(setup())

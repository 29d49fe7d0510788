"""The folder that ``edgespike export --target loihi`` writes."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike import __version__
from edgespike.graph import Graph
from edgespike.storage.files import write_atomically
from edgespike.targets.loihi.lower import lower
from edgespike.targets.loihi.network import Network
from edgespike.targets.loihi.netx import NetxError, netx_bytes
from edgespike.targets.loihi.resources import as_text, summary
from edgespike.targets.loihi.run import SIMULATOR
from edgespike.targets.shared.bundles import labels, write_reader
from edgespike.targets.shared.check_samples import CheckSamples, check_samples

_README = """\
# {name} for Loihi

Integers only: spikes, 8-bit weights, neurons in Lava's fixed point. Written by edgespike
{version}; the SHA-256 of the graph is {hash}.

| File | Content |
|---|---|
| network.json, network.npz | populations, and synapses as compressed sparse rows |
| run_lava.py, lava_processes/ | runs them on Lava; edgespike runs the same files |
| samples_and_answers.py | reads samples for it |
| sample_input.npy, expected_output.npy | {samples} samples and the accumulators of each |
| SHA256SUMS | the hash of each file |
| resources.txt, resources.json | neurons, synapses and cores against Loihi 1's and 2's limits |
| {netx_file} | {netx_text} |

To run it you need lava-nc 0.10, numpy and scipy. `edgespike targets --setup loihi` puts Lava into
`~/.cache/edgespike/lava-nc-0.10.0`; add this folder to PYTHONPATH:

    python run_lava.py
    python run_lava.py samples.npy results.npz

The first line checks the installation. `run_lava.py` compares each file that it loads with its hash
in `SHA256SUMS` and refuses a damaged one; `sha256sum -c SHA256SUMS` checks all files. The samples
were chosen so that many values are close to thresholds. They check the network's layers as far as
an error there reaches the output: {coverage}.

`samples.npy` holds integers ({shape}): samples, steps, and the input's elements in row-major
order, each in {low}..{high}; one unit is {scale:g}. `results.npz` holds each population's spikes or
levels, and as `{readout}` the readout's accumulators after each step. The last one, multiplied by
the scale of its class, is the logit.
{own_data}
`network.npz` holds the weights of a connection as 8-bit mantissas; `network.json` names the
exponent of 2 that all of them share.

Intel archived Lava in May 2026: lava-nc 0.10.0 is its last release and declares Python 3.10 only.
`edgespike targets --setup loihi` installs exactly this release on 3.10 to 3.13. The graph is
defined by edgespike's interpreter, not by Lava, which is one way to check it.

To compare every layer on Lava with its definition, on your own samples:

    edgespike verify GRAPH --targets loihi --input SAMPLES
{netx_use}"""

_SCALED = """
The network is meant for measured numbers. Floating-point numbers in `samples.npy` are scaled with
the offset and step in `network.json`, `floor((x - offset) / step + 1/2)` in float64, and clipped
to {low}..{high}. `samples.csv` instead of it holds rows of {size} such numbers{rows}.
"""

_NAMED = """
The class of each sample is printed with its name, which `network.json` holds too.
"""

_NETX_USE = """
Load the netx file with lava-dl 0.6.0, which needs Python 3.10 and numpy below 2. All neurons are
reset before each sample; the first sample comes from a RingBuffer at Lava's first step:

    from lava.lib.dl import netx
    net = netx.hdf5.Network(
        net_config="{file}", input_message_bits={bits}, reset_interval={steps}, reset_offset=1
    )
"""


def write(graph: Graph, folder: Path, samples: NDArray[Any] | None = None) -> None:
    """Write the artefact's files into an existing empty folder.

    Its check samples are chosen among ``samples``, if given.

    Raises
    ------
    WriteError
        The folder cannot be written.
    """
    checks = check_samples(graph, samples)
    network = lower(graph)
    _write_network(graph, network, folder)
    _write_samples(graph, checks, folder)
    _write_simulator(folder)
    figures = summary(network)
    write_atomically(folder / "resources.json", _json(figures))
    write_atomically(folder / "resources.txt", as_text(figures).encode())
    name = f"{graph.name}.net"
    try:
        write_atomically(folder / name, netx_bytes(graph))
        reason = ""
    except NetxError as error:
        reason = str(error)
    write_atomically(folder / "README.md", _readme(graph, network, checks, name, reason).encode())


def _write_network(graph: Graph, network: Network, folder: Path) -> None:
    arrays: dict[str, Any] = {**network.arrays()}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_atomically(folder / "network.npz", content.getvalue())
    source = graph.input_op
    described = {
        **network.describe(),
        "low": source.low,
        "high": source.high,
        **_labels(graph),
    }
    write_atomically(folder / "network.json", _json(described))


def _labels(graph: Graph) -> dict[str, Any]:
    """Return names and scaling, and, so that the names can be printed, what makes logits."""
    readout, found = graph.readout_op, labels(graph)
    if graph.class_names:
        found |= {"scale": readout.scale.tolist(), "members": readout.members}
    return found


def _write_samples(graph: Graph, checks: CheckSamples, folder: Path) -> None:
    stepped = checks.samples.reshape(len(checks), graph.steps, -1)
    np.save(folder / "sample_input.npy", stepped)
    np.save(folder / "expected_output.npy", checks.expected)


def _write_simulator(folder: Path) -> None:
    write_atomically(folder / SIMULATOR.name, SIMULATOR.read_bytes())
    write_reader(folder)
    processes = SIMULATOR.parent / "lava_processes"
    shutil.copytree(
        processes, folder / processes.name, ignore=shutil.ignore_patterns("__pycache__")
    )


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1).encode() + b"\n"


def _readme(
    graph: Graph, network: Network, checks: CheckSamples, netx_file: str, reason: str
) -> str:
    op = graph.input_op
    use = _NETX_USE.format(
        file=netx_file, bits=network.populations[0].message_bits, steps=graph.steps
    )
    size, steps = network.populations[0].size, graph.steps
    rows = f"; {steps} rows are one sample" if steps > 1 else ""
    own_data = _NAMED if graph.class_names else ""
    if graph.scaling is not None:
        own_data = _SCALED.format(low=op.low, high=op.high, size=size, rows=rows) + own_data
    return _README.format(
        own_data=own_data,
        name=graph.name,
        version=__version__,
        hash=graph.hash,
        netx_file="(no .net file)" if reason else netx_file,
        netx_text=reason or "the same network in Intel's exchange format",
        shape=f"samples, {graph.steps}, {network.populations[0].size}",
        low=op.low,
        high=op.high,
        scale=op.scale,
        readout=graph.readout.name,
        samples=len(checks),
        coverage=checks.coverage,
        netx_use="" if reason else use,
    )

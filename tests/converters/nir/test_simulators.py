"""Files that simulators write themselves: the float net read from them gives the same spikes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edgespike
from edgespike.converters.base import ConvertOptions
from edgespike.converters.nir.convert import float_net, quantised
from edgespike.floats.net import FloatNeurons
from edgespike.floats.run import run_steps
from tests.converters.nir.simulators import needs, simulate

pytestmark = [pytest.mark.torch, pytest.mark.slow]

STEPS = 25
FEW = 8
"""Steps for which the potentials of dyadic neurons fit into a graph."""

VECTOR = (8,)
IMAGE = (2, 6, 6)

SNNTORCH = [
    ({"net": "leaky", "reset": "zero"}, {}),
    ({"net": "leaky", "reset": "subtract"}, {"reset": "subtract"}),
    ({"net": "leaky", "reset": "none"}, {"reset": "none"}),
    ({"net": "synaptic", "reset": "subtract"}, {"reset": "subtract"}),
    ({"net": "synaptic", "reset": "zero", "no_delay": True}, {}),
    ({"net": "rleaky", "reset": "subtract"}, {"reset": "subtract"}),
    ({"net": "rleaky", "reset": "zero", "no_delay": True}, {}),
    ({"net": "rsynaptic", "reset": "subtract"}, {"reset": "subtract"}),
]
NORSE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"net": net}, {"producer": "norse"})
    for net in ("box box", "cell box", "iaf li", "box cell", "box li")
]


def check(
    name: str,
    shape: tuple[int, ...],
    task: dict[str, Any],
    options: dict[str, Any],
    folder: Path,
    *,
    exact: bool = True,
) -> None:
    """Compare all neurons' values of a file with those of the net that the simulator wrote.

    Compare those of the graph, too, if the net's numbers are dyadic.
    """
    samples = np.random.default_rng(1).integers(0, 2, (10, STEPS, *shape))
    file = folder / "net.nir"
    expected = simulate(name, "write", file, samples, **task)
    net = float_net(file, ConvertOptions(steps=STEPS, **options))
    found = values_of(net, samples)
    assert len(expected) == 2
    for layer, values in expected.items():
        assert values.any()
        np.testing.assert_array_equal(found[layer], values.reshape(found[layer].shape))
    graph = quantised(file, ConvertOptions(steps=FEW, input_range=(0, 1), **options))
    assert graph.exact == exact
    if exact:  # else ties, of which nets like these are full, are broken by any rounding
        trace = edgespike.prepare(graph.graph).trace(samples[:, :FEW])
        for layer, node in graph.nodes.items():
            if layer not in expected or node not in trace.values:
                continue
            spikes = trace.values[node]
            np.testing.assert_array_equal(spikes, expected[layer][:, :FEW].reshape(spikes.shape))


def values_of(net: Any, samples: NDArray[Any]) -> dict[str, NDArray[Any]]:
    names = [node.name for node in net.of_type(FloatNeurons)]
    steps = [{name: values[name] for name in names} for values in run_steps(net, samples)]
    return {name: np.stack([values[name] for values in steps], 1) for name in names}


@needs("snntorch")
@pytest.mark.parametrize(
    ("task", "options"), SNNTORCH, ids=lambda x: "-".join(map(str, x.values()))
)
def test_snntorch(task: dict[str, Any], options: dict[str, Any], tmp_path: Path) -> None:
    check("snntorch", VECTOR, task, options, tmp_path)


@needs("norse")
@pytest.mark.parametrize(("task", "options"), NORSE, ids=lambda x: "-".join(map(str, x.values())))
def test_norse(task: dict[str, Any], options: dict[str, Any], tmp_path: Path) -> None:
    check("norse", VECTOR, task, options, tmp_path)


@needs("sinabs")
def test_sinabs(tmp_path: Path) -> None:
    check("sinabs", IMAGE, {}, {}, tmp_path, exact=False)


@needs("spikingjelly")
@pytest.mark.parametrize("v_reset", [0.0, -0.5])
def test_spikingjelly(v_reset: float, tmp_path: Path) -> None:
    check("spikingjelly", VECTOR, {"net": "dense", "v_reset": v_reset}, {}, tmp_path)


@needs("spikingjelly")
def test_spikingjelly_conv(tmp_path: Path) -> None:
    check("spikingjelly", IMAGE, {"net": "conv"}, {}, tmp_path)


@needs("rockpool")
@pytest.mark.parametrize("net", ["cuba", "lif"])
def test_rockpool(net: str, tmp_path: Path) -> None:
    check("rockpool", VECTOR, {"net": net}, {}, tmp_path, exact=False)

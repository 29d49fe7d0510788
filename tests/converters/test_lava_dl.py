"""Files of lava-dl: their graphs compute what Lava's arithmetic makes of them, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import edgespike
from edgespike.converters.base import ConvertOptions
from edgespike.converters.lava_dl.agreement import check_file
from edgespike.converters.lava_dl.reading import FoundNet, read_graph
from edgespike.graph import Add, Comparison, Delay, Membrane, ReadoutMode
from edgespike.interpreter import interpret
from edgespike.models import shipped_images, shipped_model
from edgespike.targets.loihi.netx import netx_bytes
from tests.converters.netx_files import FLATTEN, MODELS, conv, dense, neurons, source, write

SHIPPED: dict[str, tuple[dict[str, Any], str]] = {
    "oxford": ({"steps": 10}, "2 layers, 456 neurons, 10 steps"),
    "tiny": ({}, "3 layers, 1668 neurons, 64 steps"),
    "pilotnet_lif": ({}, "11 layers, 158509 neurons, 16 steps"),
}


def samples_of(net: FoundNet, count: int, seed: int = 0) -> NDArray[np.int64]:
    op = net.graph.input_op
    size = (count, net.graph.steps, *op.shape)
    return np.random.default_rng(seed).integers(op.low, op.high + 1, size)


def check(path: Path, count: int = 3, **given: Any) -> FoundNet:
    """Compare a file's layers with its graph's on random samples."""
    options = ConvertOptions(**given)
    net = read_graph(path, options)
    for layer in check_file(path, samples_of(net, count), options):
        assert layer.different == 0, layer
    return net


@pytest.mark.parametrize("name", SHIPPED)
def test_public_files(name: str) -> None:
    path = MODELS / f"{name}.net"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    options, summary = SHIPPED[name]
    net = check(path, count=1, **options)
    assert net.summary == f"a network of lava-dl (netx): {summary}"
    assert edgespike.convert(path, **options).hash == net.graph.hash


WEIGHT = np.array([[4, -6, 8, 2], [-2, 8, 6, -8], [6, 6, -4, 2]])
OWN = np.array([[-4, 6, 2], [8, -2, -6], [4, 4, 4]])
KERNEL = np.arange(2 * 2 * 3 * 2).reshape(2, 2, 3, 2) % 9 - 3
DELAYS = np.arange(12).reshape(3, 4) % 5

NETS: dict[str, list[dict[str, Any]]] = {
    "one layer": [dense(WEIGHT, neurons())],
    "biases": [dense(WEIGHT, neurons(), bias=np.array([3.0, -2.0, 1.0]))],
    "one bias for all": [dense(WEIGHT, neurons(), bias=np.float32(2))],
    "a current": [dense(WEIGHT, neurons(9, 410, 300))],
    "a current and biases": [dense(WEIGHT, neurons(9, 1024, 77), bias=np.array([3, -2, 1]))],
    "a current that forgets nothing": [dense(WEIGHT, neurons(60, 0, 4096))],
    "a potential that forgets all": [dense(WEIGHT, neurons(3, 4096, 4096))],
    "threshold 0": [dense(WEIGHT, neurons(0))],
    "threshold 0, leaky": [dense(WEIGHT, neurons(0, 4096, 500), bias=np.array([-1, 0, 1]))],
    "threshold 0, a current": [dense(WEIGHT, neurons(0, 300, 500), bias=np.array([-1, 0, 1]))],
    "two layers": [dense(WEIGHT, neurons(3)), dense(WEIGHT.T, neurons(4, 2000, 9))],
    "its own spikes": [dense(WEIGHT, neurons(6, 4096, 99), weight_rec=OWN)],
    "its own spikes, a current": [
        dense(WEIGHT, neurons(12, 1500, 99), weight_rec=OWN, bias=np.array([1, 0, 2])),
        dense(OWN, neurons(2)),
    ],
    "a silent loop": [dense(WEIGHT, weight_rec=OWN)],
    "a delay": [dense(WEIGHT, neurons(), delay=2)],
    "delays of synapses": [dense(WEIGHT, neurons(), delay=DELAYS, bias=np.array([1, 2, 3]))],
    "delays of outputs": [dense(WEIGHT, neurons(), delay=np.array([0, 3, 1]))],
    "delays of inputs": [dense(WEIGHT, neurons(6, 900), delay=np.array([0, 3, 1, 1]))],
    "an answer": [dense(WEIGHT, neurons(2**17 - 1), bias=np.array([3, -2, 1]))],
    "a leaky answer": [dense(WEIGHT, neurons(2**17 - 1, 4096, 100), bias=np.array([3, -2, 1]))],
    "a current as answer": [dense(WEIGHT, neurons(2**17 - 1, 99, 9), bias=np.array([3, 2, 1]))],
    "no neurons": [dense(WEIGHT)],
    "no neurons, biases": [dense(WEIGHT, bias=np.array([3, -2, 1]))],
    "a row": [source([4], neurons(20, 4096, 9), weight=30.0, bias=12.0), dense(WEIGHT, neurons())],
    "the default drive": [source([4], neurons(50)), dense(WEIGHT, neurons())],
    "an image": [
        source([2, 5, 6]),
        conv(KERNEL, [2, 3, 5], neurons(4, 4096, 30), bias=np.array([1.0, -1.0])),
        FLATTEN,
        dense(np.arange(90).reshape(3, 30) % 7 * 2 - 6, neurons(4)),
    ],
    "a driven image": [
        source([2, 5, 6], neurons(25, 4096, 1024), weight=[36.0], bias=[34.0]),
        conv(KERNEL[..., None], [2, 5, 3], neurons(4), stride=[1, 2], padding=[1, 0]),
    ],
    "groups and dilation": [
        source([2, 5, 6]),
        conv(KERNEL[:, :1], [2, 3, 4], neurons(2, 800, 8), groups=2, dilation=[1, 2]),
    ],
    "geometry of one number": [
        source([2, 5, 6]),
        conv(KERNEL, [2, 3, 4], neurons(2), stride=2, padding=1),
    ],
    "an image, flattened and delayed": [
        source([1, 2, 2]),
        FLATTEN,
        dense(WEIGHT, neurons(), delay=DELAYS),
    ],
    "an image, flattened first": [source([1, 2, 2]), FLATTEN, dense(WEIGHT, neurons())],
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_graphs_compute_lava_s_arithmetic(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "net.net", NETS[name], steps=9)
    net = check(path, count=20)
    check(path, input_range=(-3, 9))
    names = [layer.node for layer in net.layers if layer.node]
    values = interpret(net.graph, samples_of(net, 20)).values
    assert all(values[node].any() for node in names), "some layer is silent"


def test_the_answer(tmp_path: Path) -> None:
    path = write(tmp_path / "net.net", [dense(WEIGHT, neurons(3))], steps=5)
    net = read_graph(path, ConvertOptions())
    values = interpret(net.graph, samples_of(net, 4)).values
    spikes = values["spikes1"].sum(axis=1)
    np.testing.assert_array_equal(values["readout1"][:, -1], spikes)
    assert net.assumed == (
        "a sample has 5 steps, the file's simulation/tSample / Ts",
        "the input is spikes, 0..1",
        "the answer is the number of spikes of each neuron of the last layer",
    )
    assert read_graph(path, ConvertOptions(steps=7)).graph.steps == 7


@pytest.mark.parametrize(
    ("layer", "mode", "scale"),
    [
        (dense(WEIGHT, neurons(2**17 - 1)), ReadoutMode.SUM, 1.0),
        (dense(WEIGHT, neurons(2**17 - 1, 4096, 5)), ReadoutMode.LAST, 1 / 64),
        (dense(WEIGHT), ReadoutMode.LAST, 1 / 64),
    ],
)
def test_potentials_are_the_answer_where_no_neuron_can_fire(
    layer: dict[str, Any], mode: ReadoutMode, scale: float, tmp_path: Path
) -> None:
    path = write(tmp_path / "net.net", [layer], steps=5)
    net = read_graph(path, ConvertOptions())
    assert (net.graph.readout_op.mode, net.graph.readout_op.scale[0]) == (mode, scale)
    assert net.assumed[-1].startswith("the answer is the potential")


@pytest.mark.parametrize("current", [4096, 4000])
def test_an_image_answers_in_a_row(current: int, tmp_path: Path) -> None:
    last = conv(KERNEL, [2, 3, 5], neurons(2**17 - 1, current), bias=np.array([3, -2]))
    net = check(write(tmp_path / "net.net", [source([2, 5, 6]), last], steps=5))
    assert net.graph.readout_op.scale.shape == (30,)


def test_many_neurons_are_counted_without_a_matrix(tmp_path: Path) -> None:
    weight = np.ones((2000, 2)) * 6
    net = check(write(tmp_path / "net.net", [dense(weight, neurons())], steps=2), count=1)
    assert net.graph["count1"].op.kind == "conv2d"
    driven = [source([2000], neurons(20), weight=30.0), dense(weight.T, neurons())]
    check(write(tmp_path / "net.net", driven, steps=2), count=1)


def test_delays_and_loops_are_those_of_the_file(tmp_path: Path) -> None:
    net = read_graph(write(tmp_path / "a.net", NETS["delays of synapses"], 5), ConvertOptions())
    assert len(list(net.graph.of_type(Delay))) == DELAYS.max()
    net = read_graph(write(tmp_path / "b.net", NETS["its own spikes"], 5), ConvertOptions())
    assert (len(list(net.graph.of_type(Delay))), len(list(net.graph.of_type(Add)))) == (1, 1)


@pytest.mark.parametrize(
    ("name", "theta", "comparison", "bits"),
    [
        ("one layer", 5, Comparison.GREATER, 6),
        ("threshold 0", 1, Comparison.GREATER_EQUAL, 6),
        ("threshold 0, leaky", 1, Comparison.GREATER_EQUAL, 0),
    ],
)
def test_thresholds(
    name: str, theta: int, comparison: Comparison, bits: int, tmp_path: Path
) -> None:
    net = read_graph(write(tmp_path / "net.net", NETS[name], 5), ConvertOptions())
    ((_, op),) = net.graph.of_type(Membrane)
    assert (op.theta[0], op.comparison, op.fraction_bits) == (theta, comparison, bits)


def random_neurons(draw: st.DrawFn) -> dict[str, Any]:
    decays = st.sampled_from([0, 1, 99, 410, 1024, 4000, 4095, 4096])
    return neurons(draw(st.integers(0, 40)), draw(decays), draw(decays))


@st.composite
def random_net(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return dense layers of small even weights, some with delays, some with loops."""
    layers, inputs = [], draw(st.integers(1, 5))
    for _ in range(draw(st.integers(1, 3))):
        outputs, rng = draw(st.integers(1, 5)), np.random.default_rng(draw(st.integers(0, 99)))
        fields: dict[str, Any] = {"bias": rng.integers(-5, 6, outputs)}
        match draw(st.sampled_from(["plain", "delay", "loop"])):
            case "delay":
                fields["delay"] = rng.integers(0, 4, (outputs, inputs))
            case "loop":
                fields["weight_rec"] = rng.integers(-8, 9, (outputs, outputs))
        weight = rng.integers(-8, 12, (outputs, inputs))
        weight[0, 0] = 9  # netx needs one above 0
        layers.append(dense(weight, random_neurons(draw), **fields))
        inputs = outputs
    return layers


@given(random_net(), st.integers(1, 12))
def test_random_nets(tmp_path_factory: Any, layers: list[dict[str, Any]], steps: int) -> None:
    path = write(tmp_path_factory.getbasetemp() / "random.net", layers, steps)
    check(path, count=2)


@pytest.mark.parametrize("name", ["fashion_s3nn"])
def test_a_shipped_graph_written_for_netx_comes_back(name: str, tmp_path: Path) -> None:
    graph, images = shipped_model(name), shipped_images(name)[0][:5]
    path = tmp_path / "net.net"
    path.write_bytes(netx_bytes(graph))
    op = graph.input_op
    net = read_graph(path, ConvertOptions(input_range=(op.low, op.high), input_scale=op.scale))
    before, after = interpret(graph, images), interpret(net.graph, images)
    spiking = [node.name for node in graph.nodes[1:] if node.op.emits_events]
    spiking = [name for name in spiking if graph[name].op.kind != "reshape"]
    found = [layer.node for layer in net.layers if layer.node][:-1]
    for one, other in zip(spiking, found, strict=True):
        np.testing.assert_array_equal(before.values[one], after.values[other])
    np.testing.assert_array_equal(before.accumulators(graph), after.accumulators(net.graph))

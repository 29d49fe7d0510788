"""Graphs as files: what is lost is refused, and what is written comes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import edgespike
from edgespike.converters.nir.write import write_nir
from edgespike.errors import FileFormatError, InputError, UnsupportedError
from edgespike.graph import (
    Add,
    Comparison,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Node,
    Readout,
    ReadoutMode,
    Reset,
    ResetTime,
    Reshape,
    Signal,
    SumPool2d,
)
from tests.converters.nir.simulators import needs, simulate

RNG = np.random.default_rng(3)
STEPS, INPUTS, HIDDEN, CLASSES = 20, 12, 8, 6

Fields = dict[str, Any]
ZERO: Fields = {"reset": Reset.ZERO, "reset_time": ResetTime.SAME_STEP}
ABOVE: Fields = {"comparison": Comparison.GREATER}
FINE: Fields = {"fraction_bits": 38, "saturation": 2**53}
LEAKY: Fields = {**ZERO, **FINE, "decay": 2048}
SYNAPTIC: Fields = {**ZERO, **ABOVE, "decay": 0, "decay_syn": 2048, **FINE}
MANY: Fields = {"max_spikes": 50, "saturation": 2**40}


def net(theta: Any = 17, floor: bool = False, **fields: Any) -> Graph:
    """Return two layers of neurons whose 6 outputs over 20 steps are 120 bits."""

    def membrane(neurons: int) -> Membrane:
        thetas = np.resize(theta, neurons)
        return Membrane(thetas, **fields, floor=-(thetas << 6) if floor else None)

    rng = np.random.default_rng(7)
    first, second = (
        rng.integers(-14, 19, (HIDDEN, INPUTS)),
        rng.integers(-14, 19, (CLASSES, HIDDEN)),
    )
    nodes = (
        Node("x", Input((INPUTS,), 0, 1, 1.0), ()),
        Node("fc1", Dense(first, rng.integers(-3, 4, HIDDEN)), ("x",)),
        Node("lif.1", membrane(HIDDEN), ("fc1",)),
        Node("fc2", Dense(second, np.zeros(CLASSES, int)), ("lif.1",)),
        Node("lif.2", membrane(CLASSES), ("fc2",)),
        Node("sums", Dense(np.eye(CLASSES, dtype=int), np.zeros(CLASSES, int)), ("lif.2",)),
        Node("readout", Readout(np.ones(CLASSES)), ("sums",)),
    )
    return Graph("net", nodes, STEPS)


def spikes(graph: Graph, x: Any, name: str = "lif.2") -> Any:
    return edgespike.prepare(graph).trace(x).values[name]


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize(
    ("receiver", "graph"),
    [
        pytest.param(name, graph, marks=needs(name), id=f"{name}-{kind}")
        for name, kind, graph in (
            ("snntorch", "if", net(**ZERO)),
            ("snntorch", "lif", net(**LEAKY, **ABOVE)),
            ("snntorch", "synaptic", net(**SYNAPTIC)),
            ("snntorch", "thresholds", net(range(9, 30), **ZERO)),
            ("norse", "if", net(**ZERO)),
            ("norse", "lif", net(**LEAKY, **ABOVE)),
            ("norse", "thresholds", net(range(9, 30), **LEAKY, **ABOVE)),
            ("spikingjelly", "if", net(**ZERO, **ABOVE)),
            ("spikingjelly", "lif", net(**LEAKY)),
            (
                "spikingjelly",
                "synaptic",
                net(**{**SYNAPTIC, "comparison": Comparison.GREATER_EQUAL}),
            ),
            ("spikingjelly", "thresholds", net(range(9, 30), **ZERO)),
            ("sinabs", "if", net(floor=True, **MANY)),
            ("sinabs", "thresholds", net(range(9, 30), floor=True, **MANY)),
        )
    ],
)
def test_a_simulator_gives_all_120_bits_and_so_does_the_file_read_back(
    receiver: str, graph: Graph, tmp_path: Path
) -> None:
    path = tmp_path / "net.nir"
    assert write_nir(graph, path, receiver) == []
    x = RNG.integers(0, 2, (1, STEPS, INPUTS))
    expected = spikes(graph, x)
    assert expected.sum() > 10
    assert (simulate(receiver, "read", path, x)["output"] == expected).all()
    back = edgespike.convert(path, steps=STEPS, input_range=(0, 1), bits=24)
    assert (spikes(back, x, "lif_2") == expected).all()


def test_written_for_nir_itself(tmp_path: Path) -> None:
    graph = net(**LEAKY, **ABOVE)
    write_nir(graph, tmp_path / "net.nir", dt=1e-3)
    back = edgespike.convert(tmp_path / "net.nir", steps=STEPS, input_range=(0, 1))
    x = RNG.integers(0, 2, (5, STEPS, INPUTS))
    assert (spikes(back, x, "lif_2") == spikes(graph, x)).all()


def test_a_convolution_its_pool_and_its_loop(tmp_path: Path) -> None:
    x = RNG.integers(0, 2, (3, 4, 2, 6, 6))
    nodes = (
        Node("x", Input((2, 6, 6), 0, 1, 1.0), ()),
        Node(
            "conv", Conv2d(RNG.integers(-3, 5, (3, 2, 3, 3)), np.arange(3), padding=(1, 1)), ("x",)
        ),
        Node("lif", Membrane(np.full(3, 4), **ZERO, **ABOVE), ("conv",)),
        Node("pool", SumPool2d((2, 2), (2, 2)), ("lif",)),
        Node("flat", Reshape((27,)), ("pool",)),
        Node("fc", Dense(RNG.integers(-3, 5, (4, 27)), np.zeros(4, int)), ("flat",)),
        Node("readout", Readout(np.ones(4)), ("fc",)),
    )
    graph = Graph("conv", nodes, 4)
    write_nir(graph, tmp_path / "net.nir")
    back = edgespike.convert(tmp_path / "net.nir", steps=4, input_range=(0, 1))
    a, b = (edgespike.run(g, x).accumulators(g) * g.readout_op.scale for g in (graph, back))
    assert (a == b).all()
    with pytest.raises(UnsupportedError, match="pool would be SumPool2d, which snntorch does not"):
        write_nir(graph, tmp_path / "net.nir", "snntorch")


def lost(graph: Graph, receiver: str = "nir") -> str:
    with pytest.raises(UnsupportedError) as caught:
        write_nir(graph, Path("/nonexistent"), receiver)
    return "\n".join(caught.value.violations)


@pytest.mark.parametrize(
    ("graph", "receiver", "message"),
    [
        (net(), "snntorch", "lif.1 resets by 'subtract', but snntorch reads every neuron with 'ze"),
        (net(**ZERO), "sinabs", "lif.1 resets by 'zero', but sinabs reads every neuron with 'subt"),
        (net(reset=Reset.ZERO, reset_time=ResetTime.NEXT_STEP), "nir", "lif.1 resets at next_step"),
        (net(floor=True, **ABOVE, **MANY), "sinabs", "fires at v > theta, but sinabs at v >= thet"),
        (net(**MANY), "sinabs", "has no floor, but sinabs reads every IF with one at minus its"),
        (net(floor=True), "sinabs", "emits one spike where its potential suffices for more"),
        (net(**ZERO, **MANY), "norse", "spikes in a step, and norse one"),
        (net(**ZERO, floor=True), "nir", "lif.1 has floor -1088, which NIR has not"),
        (net(**ZERO, decay=410), "nir", r"lif.1 rounds potentials towards zero to 2\^-6"),
        (net(**ZERO, saturation=2000), "nir", "lif.1 may saturate at 2000"),
        (net(**ZERO, bias=64), "snntorch", "lif.1 has a bias, which NIR carries as v_leak of leak"),
        (net(**LEAKY), "snntorch", "lif.1 fires at v >= theta, but snntorch at v > theta, and no "),
        (net(range(9, 30), **LEAKY), "spikingjelly", "lif.1 has thresholds that differ, and spiki"),
        (net(**LEAKY), "sinabs", "lif.1 would be LIF, which sinabs does not read, or otherwise"),
    ],
    ids=lambda x: x[:30] if isinstance(x, str) else "",
)  # fmt: skip
def test_what_a_simulator_computes_otherwise_is_refused(
    graph: Graph, receiver: str, message: str
) -> None:
    found = lost(graph, receiver)
    assert message.replace("\\", "") in found
    assert message.replace("\\", "").replace("lif.1", "lif.2") in found


def with_node(op: Any, shape: tuple[int, ...] = (2, 4, 4)) -> Graph:
    inputs: tuple[str, ...] = ("x",)
    size = 8
    if isinstance(op, Concatenate):
        inputs, size = ("x", "x", "x"), 2 * 3 * 16
    if isinstance(op, Multiply):
        inputs, size = ("x", "x"), 2 * 16
    nodes = (
        Node("x", Input(shape, 0, 1, 1.0), ()),
        Node("odd", op, inputs),
        Node("flat", Reshape((size,)), ("odd",)),
        Node("fc", Dense(np.ones((2, size), int), np.zeros(2, int)), ("flat",)),
        Node("readout", Readout(np.ones(2)), ("fc",)),
    )
    return Graph("odd", nodes, 1)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (with_node(MaxPool2d((2, 2), (2, 2))), "odd is a max_pool2d, which NIR has not"),
        (with_node(Concatenate()), "odd is a concatenate, which NIR has not"),
        (with_node(Multiply()), "odd is a multiply, which NIR has not"),
        (
            with_node(SumPool2d((2, 2), (2, 2), (0, 1, 0, 1))),
            r"odd has padding \(0, 1, 0, 1\); NIR",
        ),
    ],
)
def test_what_has_no_form_is_refused_even_with_metadata(
    graph: Graph, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        write_nir(graph, tmp_path / "net.nir", metadata=True)
    assert not (tmp_path / "net.nir").exists()


def recurrent(decay: int = 410) -> Graph:
    """Return a net whose first layer is fed back."""
    graph = net(**ZERO, decay=decay)
    nodes = {node.name: node for node in graph.nodes}
    nodes["lif.1"] = replace(nodes["lif.1"], inputs=("add",))
    delay = Delay((HIDDEN,), 0, 1, Signal.SPIKES)
    back = Dense(RNG.integers(-9, 9, (HIDDEN, HIDDEN)), np.zeros(HIDDEN, int))
    more = (
        Node("delay", delay, ("lif.1",)),
        Node("back", back, ("delay",)),
        Node("add", Add(), ("fc1", "back")),
    )
    ordered = (nodes["x"], nodes["fc1"], *more, *list(nodes.values())[2:])
    return Graph("recurrent", ordered, STEPS)


def test_a_loop_comes_back(tmp_path: Path) -> None:
    graph = recurrent(decay=0)
    write_nir(graph, tmp_path / "net.nir")
    back = edgespike.convert(tmp_path / "net.nir", steps=STEPS, input_range=(0, 1))
    x = RNG.integers(0, 2, (5, STEPS, INPUTS))
    assert (spikes(back, x, "lif_2") == spikes(graph, x)).all()
    assert "the graph is recurrent; snntorch does not read loops" in lost(graph, "snntorch")


HARD = [
    net(range(9, 30), decay=410),
    net(**ZERO, decay=410, decay_syn=300, floor=True, bias=5),
    net(reset=Reset.SUBTRACT, reset_time=ResetTime.SAME_STEP_RAISED, **ABOVE),
    recurrent(),
]


@pytest.mark.parametrize("graph", HARD, ids=lambda graph: graph.hash[:6])
@pytest.mark.parametrize("receiver", ["nir", "snntorch"])
def test_metadata_give_the_graph_back(graph: Graph, receiver: str, tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    with pytest.raises(UnsupportedError):
        write_nir(graph, path, receiver)
    assert write_nir(graph, path, receiver, metadata=True)
    assert edgespike.load(path).hash == graph.hash
    assert edgespike.convert(path, name="other").name == "other"


def test_changed_weights_come_back_and_broken_ones_do_not(tmp_path: Path) -> None:
    path, graph = tmp_path / "net.nir", net(decay=410)
    write_nir(graph, path, metadata=True)
    with h5py.File(path, "r+") as file:
        file["node/nodes/fc1/weight"][0, 0] = 3
    weight = edgespike.load(path)["fc1"].op.weight  # type: ignore[union-attr]
    assert weight[0, 0] == 3
    with h5py.File(path, "r+") as file:
        file["node/nodes/fc1/weight"][0, 0] = 3.5
    with pytest.raises(FileFormatError, match="holds values that are not whole numbers"):
        edgespike.load(path)


def test_options_beside_metadata_are_refused_unless_a_producer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    write_nir(net(decay=410), path, metadata=True)
    with pytest.raises(
        UnsupportedError, match="steps is given, but the file holds edgespike's own"
    ):
        edgespike.convert(path, steps=5)
    options = {"steps": 5, "producer": "snntorch", "input_range": (0, 1)}
    assert edgespike.convert(path, **options).steps == 5  # type: ignore[arg-type]


def test_readouts_that_nir_does_not_say(tmp_path: Path) -> None:
    graph = net(**ZERO)
    readout = Readout(np.arange(1.0, 7), ReadoutMode.LAST)
    nodes = (*graph.nodes[:-1], replace(graph.nodes[-1], op=readout))
    found = lost(Graph("net", nodes, STEPS))
    assert "readout has scales that differ from class to class" in found
    assert "readout takes the last of the steps" in found


@pytest.mark.parametrize(("receiver", "dt"), [("brian", None), ("nir", 0.0), ("nir", float("nan"))])
def test_wrong_arguments(receiver: str, dt: float | None, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"receiver is 'brian'; files are|dt is"):
        write_nir(net(**ZERO), tmp_path / "net.nir", receiver, dt)

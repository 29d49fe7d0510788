"""Files for netx, run in netx of lava-dl: every layer is the graph's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgespike.graph import (
    Comparison,
    Conv2d,
    Dense,
    Emits,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Operation,
    Readout,
    ReadoutMode,
    Reset,
    Reshape,
)
from edgespike.interpreter import interpret
from edgespike.models import shipped_images, shipped_model
from edgespike.passes.unary import unary
from edgespike.targets.loihi.netx import NetxError, netx_bytes, netx_layers, obstacle
from edgespike.targets.shared.installing import site_packages
from edgespike.workers.worker import Worker
from tests.targets.loihi import lava_dl
from tests.targets.loihi.graphs import chain, conv, dense, ended, loop, samples, threshold

IMAGE = Input((2, 5, 4), 0, 255, 1 / 255)
EVENTS = Input((12,), 0, 1, 1.0)


@pytest.fixture(scope="module")
def netx() -> Iterator[Worker]:
    """Yield a process that runs files, or skip the test where netx is not installed."""
    problem = lava_dl.problem()
    if problem:
        pytest.skip(f"{lava_dl.NAME}: {problem}; run: python -m tests.targets.loihi.lava_dl")
    with lava_dl.netx_worker() as worker:
        yield worker


def lasting(channels: int, theta: int = 60, **fields: Any) -> Membrane:
    """Return neurons of one threshold that Lava's stock neurons compute."""
    fields = {"reset": Reset.ZERO, "comparison": Comparison.GREATER, **fields}
    return Membrane(np.full(channels, theta), **fields)


def of_one_layer(weight: Any, readout: bool = False) -> Graph:
    """Return a graph whose first dense layer, or its only one, has these weights."""
    layer = Dense(np.array(weight), np.arange(len(weight)))
    source = Input((layer.weight.shape[1],), 0, 255, 1.0)
    if not readout:
        return chain(source, layer, threshold([1] * len(weight)))
    nodes = (
        Node("input", source),
        Node("dense0", layer, ("input",)),
        Node("readout", Readout(np.ones(len(weight))), ("dense0",)),
    )
    return Graph("test", nodes)


def check(netx: Worker, graph: Graph, x: Any) -> None:
    """Compare every layer's values in netx with the definition."""
    expected = interpret(graph, x).values
    found = lava_dl.run_netx(netx, graph, x)
    for (name, values), layer in zip(expected.items(), found, strict=True):
        np.testing.assert_array_equal(layer.reshape(values.shape), values, err_msg=name)


def ways(name: str) -> dict[str, Graph]:
    """Return a shipped graph as it is and in unary coding, if that is another one."""
    graph = shipped_model(name)
    coded = unary(graph)
    return {"graded": graph} if coded.hash == graph.hash else {"graded": graph, "unary": coded}


@pytest.mark.loihi
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "coding"), [("fashion_s3nn", "graded"), ("fashion_maqd", "unary")]
)
def test_shipped_nets_run_in_netx(netx: Worker, name: str, coding: str) -> None:
    check(netx, ways(name)[coding], shipped_images(name)[0][:1])


def test_the_other_shipped_nets_say_why_they_have_no_file() -> None:
    """What is not among the graphs of the test above has a reason."""
    reasons = {
        f"{name} {coding}": obstacle(graph)
        for name in ("fashion_s3nn", "fashion_maqd", "fashion_rnn")
        for coding, graph in ways(name).items()
    }
    levels = "levels1 has several levels, which stock neurons cannot send; export with --coding"
    loops = (
        "delay1 is a delay; netx reads loops (dense_rec), but lava-dl 0.6.0 has no process model"
    )
    starts = {
        "fashion_s3nn graded": "",
        "fashion_maqd graded": levels,
        "fashion_maqd unary": "",
        "fashion_rnn graded": loops,
        "fashion_rnn unary": loops,
    }
    assert {name: reason[: len(starts[name])] for name, reason in reasons.items()} == starts
    assert not reasons["fashion_s3nn graded"]
    assert not reasons["fashion_maqd unary"]


def wide(channels: int, groups: int) -> list[Operation]:
    """Return a layer of many channels, a max pool, and a convolution in groups."""
    fires, again = threshold([1] * channels), threshold([0] * channels)
    grouped = conv(channels, channels // groups, kernel=2, groups=groups)
    return [conv(channels, 2, kernel=2), fires, MaxPool2d((2, 2), (1, 1)), grouped, again]


@pytest.mark.loihi
@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "groups"), [(128, 128), (131, 131), (260, 130), (6, 2), (144, 16)]
)
def test_groups_beyond_what_lava_counts(netx: Worker, channels: int, groups: int) -> None:
    graph = chain(IMAGE, *wide(channels, groups))
    check(netx, graph, samples(graph, 2))


@pytest.mark.parametrize(
    ("channels", "groups", "written"), [(128, 128, 64), (131, 131, 1), (260, 130, 65), (6, 2, 2)]
)
def test_groups_are_joined_only_where_there_are_too_many(
    channels: int, groups: int, written: int
) -> None:
    graph = chain(IMAGE, *wide(channels, groups))
    layer = netx_layers(graph)[3]
    assert layer.fields["groups"] == written
    op = next(op for node, op in graph.of_type(Conv2d) if op.groups > 1)
    assert layer.fields["weight"].shape == (channels, channels // written, 2, 2)
    assert np.count_nonzero(layer.fields["weight"]) == np.count_nonzero(op.weight)


DENSE = {
    "mixed": [[-128, 127, 3], [1, 0, -1]],
    "even": [[-256, 254, 6], [2, 0, -2]],
    "all above 0": [[1, 100, 127], [3, 5, 0]],
    "all below 0": [[-1, -100, -127], [-3, -5, -7]],
    "none above 0": [[-1, 0, -127], [0, -5, 0]],
    "of one value": [[2, 2, 2], [2, 2, 2]],
    "powers of 2": [[64, -64, 32], [-64, 64, 0]],
    "small": [[-1, 1, 0], [1, 0, 1]],
}


@pytest.mark.loihi
@pytest.mark.slow
@pytest.mark.parametrize("readout", [False, True])
@pytest.mark.parametrize("weight", DENSE.values(), ids=DENSE)
def test_netx_keeps_dense_weights(netx: Worker, weight: list[list[int]], readout: bool) -> None:
    graph = of_one_layer(weight, readout)
    check(netx, graph, samples(graph, 5))


@pytest.mark.loihi
@pytest.mark.slow
@pytest.mark.usefixtures("netx")
def test_netx_has_no_process_model_of_loops() -> None:
    """What a graph with a loop is told, see the test below."""
    blocks = site_packages(lava_dl.folder()) / "lava/lib/dl/netx/blocks"
    assert "class RecurrentDense(" in (blocks / "process.py").read_text()
    assert "RecurrentDense" not in (blocks / "models.py").read_text()


@pytest.mark.loihi
@pytest.mark.slow
def test_samples_of_several_steps(netx: Worker) -> None:
    graph = chain(
        IMAGE, conv(4, 2, padding=(1, 0)), lasting(4, 400, decay=20), MaxPool2d((2, 1), (2, 1)),
        conv(6, 2, kernel=1, groups=2), lasting(6, 5), steps=4,
    )  # fmt: skip
    check(netx, graph, samples(graph, 3))


def unbiased(op: Dense | Conv2d) -> Any:
    return replace(op, bias=np.zeros_like(op.bias))


def with_currents(bias: int) -> Graph:
    """Return two layers of neurons with currents, and a readout of leaky integrators."""
    nodes = (
        Node("input", IMAGE),
        Node("conv", unbiased(conv(4, 2, padding=(1, 0))), ("input",)),
        Node("spike1", lasting(4, 900, decay=20, decay_syn=700, bias=bias), ("conv",)),
        Node("flat", Reshape((40,)), ("spike1",)),
        Node("dense", unbiased(dense(6, 40)), ("flat",)),
        Node("spike2", lasting(6, 5, decay=99, decay_syn=1), ("dense",)),
        Node("last", dense(3, 6), ("spike2",)),
        Node("leak", Membrane(np.ones(3, int), 300, Reset.NONE, emits=Emits.POTENTIAL), ("last",)),
        Node("readout", Readout(np.ones(3), ReadoutMode.LAST), ("leak",)),
    )
    return Graph("test", nodes, 5)


@pytest.mark.loihi
@pytest.mark.slow
def test_currents_and_leaky_readouts(netx: Worker) -> None:
    graph = with_currents(bias=-640)
    check(netx, graph, samples(graph, 4))


def test_currents_are_written_as_netx_counts_them() -> None:
    layers = [layer for layer in netx_layers(with_currents(bias=-640)) if layer.neuron]
    assert [layer.neuron["iDecay"] for layer in layers] == [700, 1, 4096]
    assert [layer.neuron["vDecay"] for layer in layers] == [20, 99, 300]
    assert layers[0].fields["bias"].tolist() == [-10.0] * 4


def test_currents_of_layers_with_biases_are_refused() -> None:
    graph = chain(IMAGE, conv(4, 2), lasting(4, decay_syn=9), steps=3)
    with pytest.raises(NetxError, match="membrane1 has currents, and the layer before it has bias"):
        netx_bytes(graph)


def test_biases_in_parts_of_the_accumulator_s_unit_are_refused() -> None:
    with pytest.raises(NetxError, match="spike1 has biases of its own that are no multiples of 64"):
        netx_bytes(with_currents(bias=65))


LONG = Input((1, 1, 140), 0, 255, 1.0)


def long(kernel: int, dilation: int = 1, stride: int = 1, padding: int = 0) -> Graph:
    """Return a graph whose first layer is a convolution along one axis."""
    weight = np.arange(2 * kernel).reshape(2, 1, 1, kernel) % 7 - 3
    geometry: Any = {"stride": (1, stride), "padding": (0, padding), "dilation": (1, dilation)}
    return chain(LONG, Conv2d(weight, np.array([1, -1]), None, **geometry), threshold([9, 0]))


@pytest.mark.loihi
@pytest.mark.slow
@pytest.mark.parametrize(
    "geometry",
    [
        {"kernel": 127},
        {"kernel": 2, "dilation": 126},
        {"kernel": 2, "stride": 127},
        {"kernel": 3, "padding": 63},
    ],
    ids=str,
)
def test_geometry_at_the_limit_of_lava_s_convolutions(
    netx: Worker, geometry: dict[str, int]
) -> None:
    graph = long(**geometry)
    check(netx, graph, samples(graph, 2))


@pytest.mark.parametrize(
    ("geometry", "named"),
    [
        ({"kernel": 128}, "windows of 1 x 128"),
        ({"kernel": 2, "dilation": 127}, "windows of 1 x 128"),
        ({"kernel": 2, "stride": 128}, r"stride \(1, 128\)"),
        ({"kernel": 3, "padding": 64}, r"padding \(0, 64\)"),
    ],
)
def test_geometry_beyond_lava_s_convolutions(geometry: dict[str, int], named: str) -> None:
    with pytest.raises(NetxError, match=f"conv2d0 has .*{named}.* is 127, use smaller"):
        netx_bytes(long(**geometry))


@pytest.mark.parametrize(
    ("weight", "reason"),
    [
        ([[0, 0], [0, 0]], "all weights of dense0 are 0, and netx divides by the largest"),
        ([[-3, -128], [0, -1]], "dense0 has no weight above 0 and the lowest is -128, a power"),
        ([[-1, -1], [-1, -1]], "dense0 has no weight above 0 and the lowest is -1, a power"),
        ([[508, -4], [0, 8]], r"dense0 are -4\.\.508; the limit of netx is -256\.\.254"),
    ],
)
def test_dense_weights_that_netx_would_change(weight: list[list[int]], reason: str) -> None:
    with pytest.raises(NetxError, match=reason):
        netx_bytes(of_one_layer(weight))


def test_loops_are_refused_for_the_true_reason() -> None:
    nodes = [Node("input", EVENTS), *loop("state", "input", 12, lasting(6))]
    reason = r"state.before is a delay; netx reads loops .* no process model .*run_lava\.py"
    with pytest.raises(NetxError, match=reason):
        netx_bytes(ended(nodes, steps=3))


@pytest.mark.parametrize(
    ("membrane", "reason"),
    [
        (lasting(4, reset=Reset.SUBTRACT), "its reset is 'subtract', .*: train it with"),
        (
            lasting(4, decay=20, comparison=Comparison.GREATER_EQUAL),
            "it decays and fires at '>=' its threshold, .* without decay",
        ),
        (
            Membrane(np.array([1, 2, 3, 9]), reset=Reset.ZERO),
            r"its thresholds are 1\.\.9, stock neurons of a layer share one: scale",
        ),
        (
            lasting(4, saturation=4000),
            r"its potential can saturate at \+-4000 .*, that of stock neurons at \+-8388607",
        ),
        (lasting(4, decay=np.arange(4)), r"its decays are 0\.\.3, stock neurons of a layer share"),
        (lasting(4, decay_syn=np.arange(4)), r"its currents' decays are 0\.\.3, stock neurons of"),
        (lasting(4, decay_syn=0), "its current does not decay, that of stock neurons by 1"),
        (lasting(4, floor=-9), r"its potential has a floor of -9 \(in 1/64\) and can reach -"),
        (lasting(4, fraction_bits=5), "its potentials have 5 fraction bits, those of stock neuron"),
        (lasting(4, decay_syn=9, saturation=4000), r"its current can reach .* wraps around at \+-"),
        (lasting(4, bias=np.array([1, 9999, 0, 0])), r"its biases \(in 1/64\) are no multiples of"),
        (
            lasting(4, 9, bias=64, decay_syn=9, comparison=Comparison.GREATER_EQUAL),
            "it has fractional currents or biases and fires at '>=' its threshold",
        ),
    ],
)
def test_what_stock_neurons_cannot_do_is_named(membrane: Membrane, reason: str) -> None:
    graph = chain(IMAGE, conv(4, 2), membrane, steps=3)
    whole = f"membrane1 is a membrane that stock neurons cannot compute: (.*; )?{reason}"
    with pytest.raises(NetxError, match=whole):
        netx_bytes(graph)


def test_a_bias_for_each_neuron_is_refused() -> None:
    bias = 64 * np.arange(4 * 3 * 2).reshape(4, 3, 2)
    graph = chain(IMAGE, conv(4, 2), lasting(4, bias=bias), steps=3)
    with pytest.raises(NetxError, match="membrane1 has a bias for each neuron of a channel, netx"):
        netx_bytes(graph)


@pytest.mark.parametrize(
    ("mode", "fields", "reason"),
    [
        (ReadoutMode.SUM, {}, "the sum of its potentials is read, stock neurons keep the last one"),
        (ReadoutMode.LAST, {"reset": Reset.ZERO}, "its reset is 'zero': read a leaky integrator"),
        (ReadoutMode.LAST, {"floor": -1}, "its potential has a floor of -1 "),
        (ReadoutMode.MAX, None, "it keeps the largest accumulators, stock neurons their sum"),
    ],
)
def test_readouts_that_stock_neurons_cannot_compute(
    mode: ReadoutMode, fields: dict[str, Any] | None, reason: str
) -> None:
    leak = Membrane(
        np.ones(3, int), **{"reset": Reset.NONE, **(fields or {})}, emits=Emits.POTENTIAL
    )
    between = [] if fields is None else [Node("leak", leak, ("last",))]
    nodes = (
        Node("input", EVENTS),
        Node("last", dense(3, 12), ("input",)),
        *between,
        Node("readout", Readout(np.ones(3), mode), (between[0].name if between else "last",)),
    )
    whole = f"readout is a readout that stock neurons cannot compute: {reason}"
    with pytest.raises(NetxError, match=whole):
        netx_bytes(Graph("test", nodes, 3))

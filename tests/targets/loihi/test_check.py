"""What is over a limit is refused, all at once, with value, limit and way out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgespike.errors import UnsupportedError
from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
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
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.models import shipped_model
from edgespike.passes.unary import unary
from edgespike.targets.loihi import TARGET, size
from edgespike.targets.loihi.lower import lower
from tests.targets.loihi.graphs import chain, conv, delayed, ended, threshold

EVENTS = Input((12,), 0, 1, 1.0)
IMAGE = Input((2, 6, 5), 0, 255, 1.0)


def weighted(value: int, outputs: int = 1, inputs: int = 12) -> Dense:
    return Dense(np.full((outputs, inputs), value), np.zeros(outputs, int))


@pytest.mark.parametrize("low", [-128, -127])
def test_what_is_at_the_limit_passes(low: int) -> None:
    ops: tuple[Operation, ...] = (weighted(low, inputs=4), threshold([1], flipped=[0][: low + 128]))
    assert TARGET.violations(chain(Input((4,), 0, 255, 1.0), *ops)) == []


@pytest.mark.parametrize(
    ("source", "ops", "message"),
    [
        (
            EVENTS,
            (weighted(129), threshold([1])),
            "dense0 (dense): weights are 129..129; the limit is -128..127, quantise to 8 bits or "
            "fewer, or to multiples of 2 (a weight exponent of 1), which 12 of 12 are not",
        ),
        (
            Input((1,), 0, 1, 1.0),
            (weighted(2**14, inputs=1), threshold([1])),
            "dense0 (dense): weights are 16384..16384; the limit is -128..127, or -16384..16256 "
            "for multiples of 128, quantise to 8 bits or fewer",
        ),
        (
            Input((12,), 0, 255, 1.0),
            (weighted(43), threshold([1])),
            "threshold1 (threshold): its accumulator can reach 0..131580; the limit is +-131071, "
            "use smaller weights, fewer inputs or a smaller input range",
        ),
        (
            EVENTS,
            (weighted(-257), Threshold(np.array([[1, 2]]), np.array([True]))),
            "dense0 (dense): weights are -257..-257; the limit is -128..127, quantise to 8 bits or "
            "fewer, or to multiples of 4 (a weight exponent of 2), which 12 of 12 are not",
        ),
        (
            Input((12,), 0, 255, 1.0),
            (weighted(43), Threshold(np.array([[1, 2]]), np.array([False]))),
            "threshold1 (threshold): its accumulator can reach 0..131580; the limit is +-131071, "
            "use smaller weights, fewer inputs or a smaller input range",
        ),
        (
            EVENTS,
            (weighted(1), Threshold(np.arange(2**23)[None] + 20, np.array([False]))),
            "threshold1 (threshold): it has 8388608 levels; the limit is 8388607, what a graded "
            "spike holds, train it with fewer",
        ),
        (
            IMAGE,
            (conv(1, 2), SumPool2d((2, 2), (2, 2)), threshold([1])),
            "sum_pool2d1 (sum_pool2d): its input is an accumulator, which no synapse carries; pool "
            "the spikes instead",
        ),
        (
            Input((2, 6, 5), 0, 2**17, 1.0),
            (MaxPool2d((2, 2), (2, 2)), conv(1, 2, kernel=1), threshold([1])),
            "max_pool2d0 (max_pool2d): its accumulator can reach 0..131072; the limit is "
            "+-131071, use smaller weights, fewer inputs or a smaller input range",
        ),
        (
            Input((12,), -(2**23) - 1, 0, 1.0),
            (weighted(0), threshold([1])),
            "input (input): range -8388609..0 needs 25 bits; a graded spike has 24, so scale the "
            "input down",
        ),
    ],
    ids=[
        "weight",
        "negated",
        "accumulator",
        "levels, negated",
        "levels, accumulator",
        "levels",
        "sum pool",
        "max pool",
        "input",
    ],
)
def test_each_limit(source: Input, ops: tuple[Operation, ...], message: str) -> None:
    assert TARGET.violations(chain(source, *ops)) == [message]


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (
            Membrane(np.array([131072]), reset=Reset.ZERO, saturation=2**24),
            "theta goes up to 131072; the limit is 131071, scale it down",
        ),
        (
            Membrane(np.array([1]), max_spikes=2**23, saturation=2**29),
            "max_spikes is 8388608; the limit is 8388607, what a graded spike holds",
        ),
    ],
)
def test_membrane_limits(op: Membrane, message: str) -> None:
    graph = chain(EVENTS, weighted(1), op, steps=2)
    (found,) = (line for line in TARGET.violations(graph) if "membrane1" in line)
    assert found == f"membrane1 (membrane): {message}"


def test_a_potential_that_would_saturate_too_late() -> None:
    """12 inputs of weight 100 for 110 steps, which no reset takes away."""
    op = Membrane(np.array([9]), reset=Reset.NONE, saturation=2**23)
    graph = chain(EVENTS, weighted(100), op, steps=110)
    assert TARGET.violations(graph) == [
        "membrane1 (membrane): its potential can reach 0..8448000 (in 1/64) and saturates at "
        "8388608; the limit is +-8388607, use a saturation of 8388607, smaller weights, more decay "
        "or fewer steps"
    ]


@pytest.mark.parametrize("saturation", [2**23 - 1, 1000])
def test_a_potential_that_saturates_in_time(saturation: int) -> None:
    op = Membrane(np.array([9]), reset=Reset.NONE, saturation=saturation)
    assert TARGET.violations(chain(EVENTS, weighted(100), op, steps=110)) == []


def test_a_saturation_that_nothing_reaches() -> None:
    op = Membrane(np.array([9]), reset=Reset.ZERO, saturation=2**53)
    assert TARGET.violations(chain(EVENTS, weighted(100), op, steps=110)) == []


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        (
            {"decay": 17, "decay_bits": 16, "decay_syn": np.array([16, 40])},
            [
                "decay is 17 in units of 2**-16; Loihi's decays have 12 bits, multiples of 16 "
                "here: round it to these, which decay_bits=12 does",
                "decay_syn is 16..40 in units of 2**-16; Loihi's decays have 12 bits, multiples of "
                "16 here: round it to these, which decay_bits=12 does",
            ],
        ),
        (
            {"theta": np.array([2049, 1]), "fraction_bits": 12, "saturation": 2**30},
            [
                "theta goes up to 2049; the limit is 2047, scale it down",
                "its potential can reach 0..540225536 (in 1/4096) and saturates at 1073741824; the "
                "limit is +-8388607, use a saturation of 8388607, smaller weights, more decay or "
                "fewer steps",
            ],
        ),
        (
            {"decay_syn": 0, "decay": 4096, "saturation": 2**40},
            [
                "its potential can reach 0..8448000 (in 1/64) and saturates at 1099511627776; the "
                "limit is +-8388607, use a saturation of 8388607, smaller weights, more decay or "
                "fewer steps",
                "its current can reach 0..8448000 (in 1/64) and saturates at 1099511627776; the "
                "limit is +-8388607, use a saturation of 8388607, smaller weights, more decay or "
                "fewer steps",
            ],
        ),
        (
            {"fraction_bits": 13},
            [
                "its accumulator can reach 0..1200; the limit is +-1023, use smaller weights, "
                "fewer inputs or a smaller input range, or fewer than 13 fraction bits"
            ],
        ),
    ],
    ids=["decays", "theta", "current", "fraction"],
)
def test_membranes_beyond_states_of_24_bits(fields: dict[str, Any], messages: list[str]) -> None:
    op = Membrane(**{"theta": np.array([9, 9]), **fields})
    graph = chain(EVENTS, weighted(100, outputs=2), op, steps=110)
    assert TARGET.violations(graph) == [f"membrane1 (membrane): {line}" for line in messages]


def test_decays_of_more_bits_that_12_bits_hold_pass() -> None:
    op = Membrane(np.array([9]), decay=1600, decay_syn=160, decay_bits=16)
    assert TARGET.violations(chain(EVENTS, weighted(1), op, steps=9)) == []


def leaky(channels: int, **fields: Any) -> Membrane:
    ones = np.ones(channels, int)
    return Membrane(ones, reset=Reset.NONE, emits=Emits.POTENTIAL, **fields)


def test_potentials_go_to_the_readout_alone() -> None:
    nodes = (
        Node("input", EVENTS),
        Node("dense", weighted(1, 2), ("input",)),
        Node("leak", leaky(2, decay=9, decay_bits=16), ("dense",)),
        Node("flat", Reshape((2,)), ("leak",)),
        Node("sum", Add(), ("flat", "dense")),
        Node("spike", threshold([9, 9]), ("leak",)),
        Node("more", weighted(1, 2, 2), ("spike",)),
        Node("all", Concatenate(), ("sum", "flat", "more")),
        Node("readout", Readout(np.ones(6)), ("all",)),
    )
    way = "on Loihi a potential is read, not sent: let it go to the readout alone, or let it emit"
    found = TARGET.violations(Graph("test", nodes, steps=3))
    assert [line.removesuffix(f"{way} spikes") for line in found] == [
        "leak (membrane): its potential goes to sum (add); ",
        "leak (membrane): its potential goes to all (concatenate); ",
        "leak (membrane): its potential goes to spike (threshold); ",
        "leak (membrane): decay is 9 in units of 2**-16; Loihi's decays have 12 bits, multiples of "
        "16 here: round it to these, which decay_bits=12 does",
    ]


def test_potentials_that_add_up_to_more_than_a_state_holds() -> None:
    nodes = (
        Node("input", EVENTS),
        Node("dense", weighted(100), ("input",)),
        Node("leak", leaky(1), ("dense",)),
        Node("readout", Readout(np.ones(1)), ("leak",)),
    )
    assert TARGET.violations(Graph("test", nodes, steps=15)) == [
        "readout (readout): its accumulator can reach 0..17280000 over 15 steps; the limit is "
        "+-8388607, use smaller weights or fewer steps, or read the last or the largest potential"
    ]
    for mode in (ReadoutMode.LAST, ReadoutMode.MAX):
        others = (*nodes[:-1], Node("readout", Readout(np.ones(1), mode), ("leak",)))
        assert TARGET.violations(Graph("test", others, steps=15)) == []


def test_levels_that_no_graded_spike_holds() -> None:
    op = Threshold(np.array([[1, 2]]), np.array([False]), -(2**23), 2**22)
    nothing = Dense(np.zeros((1, 1), int), np.zeros(1, int))
    assert TARGET.violations(chain(EVENTS, weighted(1), op, nothing, threshold([1]))) == [
        "threshold1 (threshold): its levels are -8388608..0; the limit is +-8388607, what a graded "
        "spike holds, use a smaller offset and unit, and larger weights after it"
    ]


def test_a_readout_that_would_saturate() -> None:
    nodes = (
        Node("input", EVENTS),
        Node("dense", weighted(100), ("input",)),
        Node("readout", Readout(np.ones(1)), ("dense",)),
    )
    assert TARGET.violations(Graph("test", nodes, steps=110)) == [
        "readout (readout): its accumulator can reach 0..132000 over 110 steps; the limit is "
        "+-131071, use smaller weights or fewer steps"
    ]


def test_a_readout_of_the_last_step_does_not_saturate() -> None:
    nodes = (
        Node("input", EVENTS),
        Node("dense", weighted(100), ("input",)),
        Node("readout", Readout(np.ones(1), ReadoutMode.LAST), ("dense",)),
    )
    assert TARGET.violations(Graph("test", nodes, steps=110)) == []


def two_layers(delays: int) -> Graph:
    """Two layers in a loop, with one delay or with two."""
    op = threshold([1] * 12)
    between = [Node("between", delayed(op), ("first",))] if delays > 1 else []
    nodes = [
        Node("input", EVENTS),
        Node("before", delayed(op), ("second",)),
        Node("sum", Add(), ("input", "before")),
        Node("first", op, ("sum",)),
        *between,
        Node("second", op, (between[0].name if between else "first",)),
    ]
    return ended(nodes, steps=3)


def test_a_loop_that_takes_longer_than_its_delays() -> None:
    assert TARGET.violations(two_layers(delays=2)) == []
    assert TARGET.violations(two_layers(delays=1)) == [
        "second (threshold): it takes from first at once, and they are in a loop of 2 populations "
        "(second, first), each of which takes one of Lava's steps; put a delay between each two, "
        "or leave one population in the loop"
    ]


def test_a_loop_that_nothing_reaches() -> None:
    op = threshold([1] * 12)
    lonely = [Node("before", delayed(op, 1), ("again",)), Node("again", op, ("before",))]
    graph = ended([Node("input", EVENTS), *lonely, Node("spike", op, ("input",))], steps=3)
    assert TARGET.violations(graph) == [
        "again (threshold): no connection joins it to the input, so Lava would not run it; "
        "remove it"
    ]


def test_a_delay_that_begins_with_more_than_a_spike_holds() -> None:
    op = Delay((12,), 0, 2**23, Signal.SPIKES, initial=2**23)
    nodes = [
        Node("input", EVENTS),
        Node("before", op, ("input",)),
        Node("none", weighted(0), ("before",)),
    ]
    graph = ended([*nodes, Node("spike", threshold([1]), ("none",))], steps=3)
    assert TARGET.violations(graph) == [
        "before (delay): initial is 8388608; the limit is +-8388607, what a graded spike holds, "
        "begin nearer to 0"
    ]


def test_biases_and_thresholds_too_far_apart_are_refused() -> None:
    op = Dense(np.ones((2, 12), int), np.array([0, 600_000]))
    lines = TARGET.violations(chain(EVENTS, op, Membrane(np.array([9, 9])), steps=2))
    assert any("biases and thresholds differ by up to" in line for line in lines)


def test_a_skip_connection_that_is_too_long() -> None:
    nodes = [Node("input", EVENTS), Node("first", threshold([1] * 12), ("input",))]
    for index in range(64):
        nodes.append(Node(f"spike{index}", threshold([1] * 12), (nodes[-1].name,)))
    nodes.append(Node("sum", Add(), (nodes[-1].name, "first")))
    assert TARGET.violations(ended(nodes)) == [
        "readout (readout): spikes of first must wait 64 steps for the other inputs; the limit is "
        "62, shorten the skip connection"
    ]


def test_all_violations_come_at_once() -> None:
    graph = chain(EVENTS, weighted(301), threshold([1]), weighted(-301, 2, 1), threshold([1, 1]))
    assert [line.split()[0] for line in TARGET.violations(graph)] == ["dense0", "dense2"]
    with pytest.raises(UnsupportedError, match="dense0") as caught:
        TARGET.check(graph)
    assert "dense2" in str(caught.value)


def test_unpooled_accumulators_are_still_checked_beside_a_refused_pool() -> None:
    """A refused node does not hide what is wrong elsewhere, nor break the check behind it."""
    wide = Conv2d(np.full((1, 2, 3, 3), 201), np.zeros(1, int))
    pool = SumPool2d((2, 2), (2, 2))
    lines = TARGET.violations(chain(IMAGE, wide, pool, threshold([1])))
    assert [line.split()[0] for line in lines] == ["conv2d0", "sum_pool2d1"]


def test_a_graph_that_is_too_large_is_refused_before_memory_is_taken() -> None:
    """A window of 100 x 100 at each of 1,901 x 1,901 places."""
    weight, zero = np.ones((1, 1, 100, 100), np.int64), np.zeros(1, np.int64)
    large = chain(Input((1, 2000, 2000), 0, 1, 1.0), Conv2d(weight, zero), threshold([1]))
    first, *rest = TARGET.violations(large)
    assert first.endswith("elements; the limit is 4,194,304, use smaller layers")
    assert rest[0] == (
        "conv2d0 (conv2d) has up to 36,138,010,000 synapses; the limit is 67,108,864, use "
        "a smaller layer or smaller windows"
    )


@pytest.mark.parametrize("name", ["fashion_rnn", "fashion_maqd"])
def test_shipped_models_of_levels_are_accepted_in_unary_coding(name: str) -> None:
    assert TARGET.violations(unary(shipped_model(name))) == []


@pytest.mark.parametrize("name", ["fashion_s3nn", "fashion_rnn", "fashion_maqd"])
def test_synapses_are_bounded_from_above(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = shipped_model(name)
    network = lower(graph)
    monkeypatch.setattr(size, "SYNAPSES_LIMIT", network.synapses // 2)
    (line,) = size.too_large(graph)
    bound = int(line.split()[4].replace(",", ""))
    made = sum(len(part.weights) for part in network.connections if not part.is_constant)
    assert made <= bound < 1.5 * made

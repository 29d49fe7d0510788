"""What the cpu target offers: values, answers and counts, with its native engine and without it.

Without it, LiteRT runs what it computes exactly, and numpy all else.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from edgespike import api
from edgespike.counting import Counter, count
from edgespike.counting.tally import stored_events
from edgespike.errors import InputError
from edgespike.graph import (
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Reset,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.interpreter import interpret
from edgespike.targets import get_runtime, get_target
from edgespike.targets.cpu import CpuRunner, engines, run
from edgespike.targets.cpu.litert_engine import CountingLiteRtEngine, plan_for
from edgespike.targets.cpu.native.library import kernel_sets
from edgespike.threads import at_most
from tests.example_graphs import recurrent_graph
from tests.targets.cpu.graphs import chain, dense_spikes, random_samples, run_counted
from tests.targets.cpu.native_runners import assert_equal_tallies

IMAGE = Input((1, 8, 8), 0, 255, 1 / 255)


def spiking_net(pool: SumPool2d | MaxPool2d) -> Graph:
    rng = np.random.default_rng(5)
    weight = rng.integers(-31, 32, (6, 1, 3, 3))
    convolution = Conv2d(weight, np.zeros(6, np.int64), padding=(1, 1))
    threshold = Threshold(rng.integers(-500, 500, (6, 1)), rng.random(6) < 0.5)
    last = Dense(rng.integers(-9, 10, (3, 96)), np.zeros(3, np.int64))
    return chain(IMAGE, convolution, threshold, pool, Reshape((96,)), last)


def levels_net(levels: int, pool: SumPool2d | MaxPool2d) -> Graph:
    """Two layers of evenly spaced levels, more than 127 of them stored with a zero point."""
    start = 9 * np.arange(1, levels + 1)[None] - np.arange(6)[:, None] - 4 * levels
    flipped = np.arange(6) % 2 == 1
    rng = np.random.default_rng(6)
    return chain(
        IMAGE,
        Conv2d(rng.integers(-9, 10, (6, 1, 1, 1)), np.zeros(6, np.int64)),
        Threshold(start, flipped),
        pool,
        Conv2d(rng.integers(-1, 2, (6, 6, 3, 3)), np.zeros(6, np.int64), padding=(1, 1)),
        Threshold(np.array([[-7, -1, 5]] * 6), flipped),
        Reshape((96,)),
        Dense(rng.integers(-9, 10, (3, 96)), np.zeros(3, np.int64)),
    )


LEVELS = levels_net(3, MaxPool2d((2, 2), (2, 2)))
SUMS_OF_LEVELS = levels_net(7, SumPool2d((2, 2), (2, 2)))
LEVELS_WITH_ZERO_POINT = levels_net(200, MaxPool2d((2, 2), (2, 2)))
OR_POOLED = spiking_net(MaxPool2d((2, 2), (2, 2)))
SUM_POOLED = spiking_net(SumPool2d((2, 2), (2, 2)))
MEMBRANE = chain(
    Input((6,), 0, 1, 1.0), dense_spikes(6, 8)[0], Membrane(np.full(8, 5), decay=99), steps=5
)
RECURRENT = recurrent_graph()

with_and_without_the_native_engine = pytest.mark.parametrize(
    "native", [True, False], ids=["native", "without"]
)


@pytest.mark.parametrize(
    "graph", [OR_POOLED, SUM_POOLED, LEVELS, SUMS_OF_LEVELS, LEVELS_WITH_ZERO_POINT]
)
def test_spikes_and_levels_of_one_step_run_on_litert(graph: Graph) -> None:
    assert plan_for(graph) is not None


@pytest.mark.parametrize("graph", [MEMBRANE, RECURRENT, recurrent_graph(steps=1)])
def test_membranes_and_loops_do_not_run_on_litert(graph: Graph) -> None:
    assert plan_for(graph) is None


@pytest.mark.parametrize(
    "graph",
    [OR_POOLED, SUM_POOLED, LEVELS, SUMS_OF_LEVELS, LEVELS_WITH_ZERO_POINT, MEMBRANE, RECURRENT],
    ids=["or", "sum", "levels", "sums of levels", "with a zero point", "membrane", "recurrent"],
)
@pytest.mark.parametrize("samples", [1, 2, 63, 64, 65, 254, 255, 256, 257, 400])
@with_and_without_the_native_engine
def test_everything_equals_the_interpreter(graph: Graph, samples: int, native: bool) -> None:
    op = graph.input.op
    assert isinstance(op, Input)
    batch = random_samples(op, samples)
    expected = interpret(graph, batch)
    runner = CpuRunner(graph, native=native)
    trace = runner.trace(batch)
    assert list(trace.values) == list(expected.values)
    for name, values in expected.values.items():
        np.testing.assert_array_equal(trace.values[name], values, err_msg=name)
    tally = runner.tally(batch)
    np.testing.assert_array_equal(tally.accumulators, expected.accumulators(graph))
    np.testing.assert_array_equal(runner.answers(batch), tally.accumulators)
    counts = count(graph, batch, expected).to_json()
    assert Counter(graph).counts(tally).to_json() == counts
    assert api.count(graph, batch).to_json() == counts


@pytest.mark.parametrize("samples", [600, 2**16 + 600])
@with_and_without_the_native_engine
def test_a_neuron_that_always_fires_fills_its_bytes_and_no_others(
    samples: int, native: bool
) -> None:
    """Thresholds at and above the range: one neuron spikes always, its neighbour never.

    The sums outgrow a byte, then 16 bits.
    """
    fire = Threshold(np.array([[-1], [9]] * 4), np.zeros(8, bool))
    graph = chain(Input((8,), 0, 1, 1.0), dense_spikes(8, 8)[0], fire, dense_spikes(8, 2)[0])
    assert plan_for(graph) is not None
    tally = CpuRunner(graph, native=native).tally(np.zeros((samples, 8), np.uint8))
    assert tally.events["threshold1"].tolist() == [[samples, 0] * 4]


@pytest.mark.parametrize("batch", [1, 64])
def test_a_run_starts_counting_from_zero(batch: int) -> None:
    plan = plan_for(OR_POOLED)
    assert plan is not None
    engine = CountingLiteRtEngine(plan, batch)
    samples = random_samples(IMAGE, 70)[:, None]
    _, first = run_counted(engine, samples)
    _, second = run_counted(engine, samples)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("steps", [1, 300])
@with_and_without_the_native_engine
def test_a_tally_keeps_its_numbers_in_64_bits_for_its_reader(steps: int, native: bool) -> None:
    """The sums are stored in fewer bits; arithmetic with them must not wrap around."""
    fire = Threshold(np.array([[-1], [9]] * 4), np.zeros(8, bool))
    layers = dense_spikes(8, 8)[0], fire, dense_spikes(8, 2)[0]
    graph = chain(Input((8,), 0, 1, 1.0), *layers, steps=steps)
    events = CpuRunner(graph, native=native).tally(np.zeros((1, 8), np.uint8)).events
    for each in events.values():
        assert each.dtype == np.int64
        assert each.flags.c_contiguous
    assert (1000 * events["threshold1"]).tolist() == [[1000, 0] * 4] * steps


@with_and_without_the_native_engine
def test_a_later_run_leaves_a_tally_and_a_trace_alone(native: bool) -> None:
    """Both are copies, though a single sample's events are read where LiteRT wrote them."""
    runner = CpuRunner(OR_POOLED, native=native)
    one, other = random_samples(IMAGE, 2)[:1], random_samples(IMAGE, 2)[1:]
    tally, trace = runner.tally(one), runner.trace(one)
    runner.tally(other)
    runner.trace(other)
    expected = interpret(OR_POOLED, one)
    assert tally.events["input"].tolist() == (one != 0).tolist()
    for name, values in expected.values.items():
        np.testing.assert_array_equal(trace.values[name], values)
        if name in tally.events:
            np.testing.assert_array_equal(tally.events[name], values[0])


@pytest.mark.parametrize("samples", [1, 127, 128, 129])
@with_and_without_the_native_engine
def test_sums_of_many_blocks_and_parts_outgrow_a_byte(
    samples: int, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A neuron that fires at each of 40 steps, whose sum is stored in as few bits as hold it."""
    monkeypatch.setattr("edgespike.targets.cpu.run.PART_SAMPLES", 50)
    monkeypatch.setattr("edgespike.targets.cpu.numpy_engine.BLOCK_BYTES", 4096)
    fire = Membrane(np.ones(2, np.int64), reset=Reset.ZERO)
    dense = Dense(np.array([[1], [-1]]), np.zeros(2, np.int64))
    graph = chain(Input((1,), 0, 1, 1.0), dense, fire, dense_spikes(2, 2)[0], steps=40)
    tally = CpuRunner(graph, native=native).tally(np.ones((samples, 1), np.uint8))
    assert tally.events["membrane1"].tolist() == [[samples, 0]] * 40


@with_and_without_the_native_engine
def test_values_are_narrow(native: bool) -> None:
    trace = CpuRunner(OR_POOLED, native=native).trace(random_samples(IMAGE, 3))
    assert trace.values["threshold1"].dtype == np.int8


@pytest.mark.parametrize(
    "graph", [OR_POOLED, MEMBRANE, RECURRENT], ids=["or", "membrane", "recurrent"]
)
@with_and_without_the_native_engine
def test_threads_may_share_a_runner(graph: Graph, native: bool) -> None:
    """Each thread runs samples of its own, over and over, on the engine that all share."""
    runner, counter = CpuRunner(graph, native=native), Counter(graph)
    op = graph.input.op
    assert isinstance(op, Input)
    samples = random_samples(op, 8 * 20).reshape(8, 20, *op.shape)
    expected = [interpret(graph, each).accumulators(graph) for each in samples]
    counts = [count(graph, each, interpret(graph, each)).to_json() for each in samples]

    def check(index: int) -> None:
        each = samples[index % 8]
        np.testing.assert_array_equal(
            runner.trace(each).accumulators(graph), expected[index % 8], str(index)
        )
        np.testing.assert_array_equal(runner.answers(each), expected[index % 8])
        assert counter.counts(runner.tally(each)).to_json() == counts[index % 8]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(check, range(400)))


@pytest.mark.parametrize("samples", [1, 3, 70])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("graph", [OR_POOLED, MEMBRANE], ids=["or", "membrane"])
@with_and_without_the_native_engine
def test_what_a_caller_holds_is_its_own(
    graph: Graph, threads: int, samples: int, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same runner's later answers and sums are elsewhere in memory."""
    monkeypatch.setattr(run, "THREAD_VALUES", 1)
    runner = CpuRunner(graph, native=native)
    batch = random_samples(graph.input_op, 2 * samples)
    first, second = batch[:samples], batch[samples:]
    with at_most(threads):
        answers, tally = runner.answers(first), runner.tally(first)
        held = [answers, tally.accumulators, *dict(stored_events(tally.events)).values()]
        before = [each.copy() for each in held]
        other = runner.tally(second)
        runner.answers(second)[...] = other.accumulators[...] = 99
    for each, copy in zip(held, before, strict=True):
        np.testing.assert_array_equal(each, copy)
    assert_equal_tallies(runner.tally(first), tally)


@with_and_without_the_native_engine
def test_samples_are_checked(native: bool) -> None:
    runner = CpuRunner(OR_POOLED, native=native)
    for function in (runner.trace, runner.tally, runner.answers):
        with pytest.raises(InputError, match=r"0\.\.255"):
            function(np.full((1, 1, 8, 8), 256))


@pytest.mark.parametrize(
    "graph", [OR_POOLED, MEMBRANE, RECURRENT], ids=["or", "membrane", "recurrent"]
)
def test_artefact_holds_a_graph_and_samples_that_check_it(graph: Graph, tmp_path: Path) -> None:
    folder = api.export(graph, "cpu", tmp_path / "out")
    loaded = api.load(folder / "graph.safetensors")
    assert loaded.hash == graph.hash
    samples = np.load(folder / "sample_input.npy", allow_pickle=False)
    expected = np.load(folder / "expected_output.npy", allow_pickle=False)
    np.testing.assert_array_equal(interpret(loaded, samples).accumulators(loaded), expected)
    assert graph.hash in (folder / "README.md").read_text()


def test_what_an_artefact_expects_comes_from_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine's error would otherwise be what the artefact checks for."""

    def refuse(*_: object) -> None:
        raise AssertionError("an engine was asked for")

    monkeypatch.setattr(run, "engines_of", refuse)
    api.export(OR_POOLED, "cpu", tmp_path / "out")


def test_the_certificate_names_what_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the native engine, membranes run on numpy alone."""
    numpy = f"numpy {np.__version__}"
    native = f"native engine ({kernel_sets()[0]})"
    assert runtimes_in_certificates() == [f"{native}, {numpy}"] * 2
    monkeypatch.setattr(engines, "native_engine", lambda graph: None)
    litert = metadata.version("ai-edge-litert")
    assert runtimes_in_certificates() == [f"{numpy}, ai-edge-litert {litert}", numpy]


def runtimes_in_certificates() -> list[str]:
    found = []
    for graph, shape in ((OR_POOLED, (2, 1, 8, 8)), (MEMBRANE, (2, 6))):
        unknown = replace(graph)  # no runner of it is kept
        certificate = api.verify(unknown, np.zeros(shape, np.int64), ["cpu"])
        found.append(certificate.targets["cpu"].runtime)
    return found


def test_the_runtime_names_its_engines_and_refuses_no_graph() -> None:
    target = get_target("cpu")
    native, numpy, litert = get_runtime("cpu").version().split(", ")
    assert native == f"native engine ({kernel_sets()[0]})"
    assert numpy == f"numpy {np.__version__}"
    assert litert == f"ai-edge-litert {metadata.version('ai-edge-litert')}"
    assert target.violations(MEMBRANE) == target.violations(RECURRENT) == []


def test_the_runtime_names_what_is_left_without_the_native_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "kernel_sets", lambda: ())
    assert get_runtime("cpu").version().startswith(f"no native engine, numpy {np.__version__}, ")

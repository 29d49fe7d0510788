"""What enters the native engine: samples in any memory, and programs that nobody should trust."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from cffi import FFI
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgespike.errors import InputError
from edgespike.graph import (
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Operation,
    Reset,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.graph.tensor import ACCUMULATOR_LIMIT
from edgespike.targets.cpu.native.codes import ALIGNED, ERROR_BYTES, Product
from edgespike.targets.cpu.native.library import kernel_sets, library
from edgespike.targets.cpu.native.plan import plan_of
from edgespike.targets.cpu.native.products import has_wide_sums, product_of, weight_bits
from edgespike.targets.cpu.native.program import program_of
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph, weights
from tests.targets.cpu.graphs import chain, random_samples
from tests.targets.cpu.native_runners import assert_native, on_every_kernel_set
from tests.targets.cpu.test_levels import rounded_twice
from tests.targets.cpu.test_native_graphs import one_source_of_many, planes, products


def image_net(high: int, steps: int) -> Graph:
    layer = Conv2d(weights(1, 4, 2, 3, 3), weights(2, 4), padding=(1, 1))
    return chain(
        Input((2, 5, 7), 0, high, 1.0),
        layer,
        Membrane(np.full(4, 5), decay=99),
        SumPool2d((2, 2), (2, 2)),
        Conv2d(weights(3, 3, 4, 2, 2), weights(4, 3)),
        Threshold(np.arange(6).reshape(3, 2), np.zeros(3, bool)),
        steps=steps,
    )


# ---- samples ----

TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i2", ">u2", ">i4", ">u4", ">i8", ">u8"]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("high", [1, 100])
@pytest.mark.parametrize("steps", [1, 3])
def test_samples_of_any_integer_type(kind: str, high: int, steps: int) -> None:
    graph = image_net(high, steps)
    assert_native(graph, random_samples(graph.input_op, 4, steps).astype(kind))
    assert_native(graph, random_samples(graph.input_op, 4).astype(kind))


@pytest.mark.parametrize("steps", [1, 3])
def test_booleans_are_single_events(steps: int) -> None:
    graph = image_net(1, steps)
    assert_native(graph, random_samples(graph.input_op, 4, steps).astype(bool))


def unaligned(samples: NDArray[Any]) -> NDArray[Any]:
    memory = np.empty(samples.nbytes + 1, np.uint8)
    moved = memory[1:].view(samples.dtype).reshape(samples.shape)
    moved[...] = samples
    assert samples.itemsize == 1 or not moved.flags.aligned
    return moved


def read_only(samples: NDArray[Any]) -> NDArray[Any]:
    samples.flags.writeable = False
    return samples


LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "unaligned": unaligned,
    "read-only": read_only,
    "Fortran order": np.asfortranarray,
    "backwards": lambda samples: np.flip(np.flip(samples).copy()),
    "every other": lambda samples: samples.repeat(2, axis=0).repeat(2, axis=-1)[::2, ..., ::2],
    "the same sample": lambda samples: np.broadcast_to(samples[:1], samples.shape),
    "channels last": lambda samples: np.moveaxis(np.moveaxis(samples, -3, -1).copy(), -1, -3),
    "one sample": lambda samples: samples[1:2],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["u1", "i2", "i8"])
@pytest.mark.parametrize("changing", [False, True])
def test_samples_in_any_memory(layout: str, kind: str, changing: bool) -> None:
    for steps in (1, 3):
        graph = image_net(100, steps)
        samples = random_samples(graph.input_op, 4, steps if changing else None).astype(kind)
        assert_native(graph, LAYOUTS[layout](samples))


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((0, 2, 5, 7), np.uint8),
        np.zeros((1, 2, 5, 8), np.uint8),
        np.zeros((1, 70), np.uint8),
        np.zeros((1, 4, 2, 5, 7), np.uint8),
        np.full((1, 2, 5, 7), 101),
        np.full((1, 2, 5, 7), -1),
        np.zeros((1, 2, 5, 7)),
    ],
    ids=["none", "shape", "flat", "steps", "too high", "too low", "reals"],
)
def test_other_samples_are_refused_before_it_is_entered(samples: NDArray[Any]) -> None:
    for runner in on_every_kernel_set(image_net(100, 3)).values():
        for call in (runner.trace, runner.answers, runner.tally):
            with pytest.raises(InputError):
                call(samples)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_no_events_and_all_events(rate: float) -> None:
    for steps in (1, 3):
        graph = image_net(1, steps)
        assert_native(graph, np.full((4, 2, 5, 7), rate, np.uint8))


FORK = """
import os, sys
import numpy as np
from edgespike.targets.cpu import CpuRunner
from tests.targets.cpu.test_native_border import image_net
graph = image_net(1, 3)
runner = CpuRunner(graph)
samples = np.ones((9, 2, 5, 7), np.uint8)
before = runner.answers(samples)
child = os.fork()
same = np.array_equal(runner.answers(samples), before)
if not child:
    os._exit(0 if same else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or not same)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")
def test_a_process_that_was_forked_goes_on_with_a_runner() -> None:
    assert subprocess.run([sys.executable, "-c", FORK], check=False).returncode == 0


# ---- programs ----


def wide_potentials() -> Graph:
    neurons = Membrane(
        np.full(3, 9), decay=77, decay_bits=20, decay_syn=5, bias=3, saturation=ACCUMULATOR_LIMIT
    )
    layer = Conv2d(weights(1, 3, 2, 2, 2), weights(2, 3))
    return chain(Input((2, 3, 4), 0, 9, 1.0), layer, neurons, steps=3)


def sums_of_products() -> Graph:
    layer = Conv2d(weights(1, 3, 2, 2, 2) * 40, weights(2, 3), padding=(1, 1))
    many = np.tile(np.arange(0, 700, 7), (3, 1))
    line = Threshold(many, np.array([False, True, False]))
    return chain(Input((2, 3, 4), 0, 255, 1.0), layer, line, steps=1)


def channels_by_themselves() -> Graph:
    layer = Conv2d(weights(1, 3, 1, 2, 2), weights(2, 3), groups=3, padding=(1, 0))
    near = Threshold(rounded_twice(1.7, 3, 99)[:, :40], np.array([False, True, False]))
    again = Conv2d(weights(3, 3, 1, 1, 2), weights(4, 3), groups=3)
    return chain(Input((3, 3, 4), 0, 9, 1.0), layer, near, again, steps=2)


def bits() -> Graph:
    """Return layers that read bits: tile by tile, for one position, and to count spikes."""
    ones = np.ones(600, np.int64)
    ops: list[Operation] = [
        Conv2d(weights(1, 3, 2, 3, 3), weights(2, 3), stride=(2, 1), padding=(1, 1)),
        Membrane(ones[:3] * 9),
        Conv2d(weights(3, 2, 3, 2, 2), 0 * ones[:2]),
        Membrane(ones[:2] * 5, decay=1 << 11, reset=Reset.ZERO),
        Reshape((6,)),
        Dense(weights(4, 5, 6), 0 * ones[:5]),
        Membrane(ones[:5]),
        Dense(weights(5, 4, 5), ones[:4]),
    ]
    return chain(Input((2, 4, 4), 0, 1, 1.0), *ops, steps=3)


def levels() -> Graph:
    """Return small windows, levels as events, and maxima of sums."""
    none = np.zeros(40, bool)
    theta = np.sort(weights(9, 40, 3), axis=1)
    ops: list[Operation] = [
        Conv2d(weights(1, 40, 1, 2, 2), weights(2, 40), padding=(0, 1)),
        Threshold(theta, none),
        MaxPool2d((2, 2), (2, 2)),
        Conv2d(np.sign(weights(3, 40, 40, 2, 2)), weights(4, 40), padding=(1, 0)),
        Threshold(theta, none),
        MaxPool2d((1, 2), (1, 2)),
    ]
    return chain(Input((1, 5, 8), 0, 9, 1.0), *ops)


PROGRAMS: tuple[Callable[[], Graph], ...] = (
    residual_graph,
    recurrent_graph,
    membrane_graph,
    planes,
    products,
    one_source_of_many,
    wide_potentials,
    sums_of_products,
    channels_by_themselves,
    bits,
    levels,
    lambda: image_net(1, 2),
)


@cache
def words_of(place: int) -> NDArray[np.int64]:
    program = program_of(PROGRAMS[place]())
    assert program is not None
    return np.frombuffer(program.words, np.int64)


def load(words: bytes, kernels: str) -> Any:
    """Return a network that is freed with its last reference, or why there is none."""
    ffi, lib = library()
    error = ffi.new("char[]", ERROR_BYTES)
    memory = ffi.new("char[]", words)  # ends in a byte of its own
    net = lib.es_load(memory, len(words), kernels.encode(), error)
    if net == ffi.NULL:
        return ffi.string(error).decode("ascii")
    return ffi.gc(net, lib.es_free)


def test_programs_that_are_not_damaged_are_loaded() -> None:
    for place in range(len(PROGRAMS)):
        for kernels in kernel_sets():
            assert not isinstance(load(words_of(place).tobytes(), kernels), str)


@pytest.mark.parametrize("place", range(len(PROGRAMS)))
def test_a_program_that_is_cut_off_or_goes_on_is_refused(place: int) -> None:
    whole = words_of(place).tobytes()
    lengths = [*range(0, len(whole), 8), *range(3, len(whole), 200), len(whole) - 1]
    for length in lengths:
        reason = load(whole[:length], kernel_sets()[0])
        assert isinstance(reason, str), length
        assert reason
    assert load(whole + whole[:8], kernel_sets()[0]) == "end"


@pytest.mark.parametrize("place", range(len(PROGRAMS)))
def test_sums_of_other_bits_than_a_product_has_are_refused(place: int) -> None:
    """Rows of sums would be longer than their memory."""
    graph = PROGRAMS[place]()
    for name, window in plan_of(graph).windows.items():
        product = product_of(graph, window, graph.tensors[name], as_events=False)
        if product is Product.EVENTS:  # in 16 bits or 32
            continue
        wide = has_wide_sums(window, product, graph.tensors[name])
        begin = [product, wide, weight_bits(window, product), *window.covered, *window.output]
        words = words_of(place).copy()
        found = np.flatnonzero((sliding_window_view(words, len(begin)) == begin).all(axis=1))
        assert len(found)
        words[found + 1] = not wide
        assert load(words.tobytes(), kernel_sets()[0]) == "wide"


def test_unknown_kernels_are_refused() -> None:
    assert load(words_of(0).tobytes(), "of the future") == "kernels"


def other_words(word: int, rng: np.random.Generator) -> int:
    ends = [2**power - less for power in (8, 15, 16, 20, 24, 27, 31, 32, 60, 62) for less in (0, 1)]
    near = [word + 1, word - 1, 2 * word, -word, 0, 1, 2, 3, 5, 255]
    near += [int(rng.integers(-(2**62), 2**62)), -(2**63), 2**63 - 1]
    choices = [*near, *near, *ends, *[-end for end in ends]]
    return int(np.clip(choices[rng.integers(len(choices))], -(2**63), 2**63 - 1))


def damaged(number: int) -> Iterator[tuple[bytes, str]]:
    """Yield programs in which one word is another; words of the structure as often as weights."""
    rng = np.random.default_rng(7)
    for _ in range(number):
        words = words_of(int(rng.integers(len(PROGRAMS)))).copy()
        first = rng.random() < 0.5
        place = int(rng.integers(min(150, len(words)) if first else len(words)))
        words[place] = other_words(int(words[place]), rng)
        yield words.tobytes(), kernel_sets()[int(rng.integers(len(kernel_sets())))]


MOST_SCRATCH, MOST_STEPS, SAMPLES = 2**17, 8, 2


def test_a_program_with_one_wrong_word_is_refused_or_stays_in_its_memory() -> None:
    """Sanitizers watch this test: the scratch memory ends where it ends."""
    libc = FFI()
    libc.cdef("void *aligned_alloc(size_t, size_t); void free(void *);")
    memory = libc.dlopen(None)
    ffi, lib = library()
    samples = np.random.default_rng(1).integers(0, 2, (SAMPLES, MOST_SCRATCH))
    answers = np.zeros((SAMPLES, MOST_SCRATCH), np.int64)
    kept = np.zeros((SAMPLES, MOST_STEPS, MOST_SCRATCH), np.uint8)
    events = np.zeros((16, MOST_STEPS, MOST_SCRATCH), np.uint32)
    pointers = ffi.new("void *[]", [ffi.from_buffer(kept)] * 1000)
    refused = ran = 0
    for words, kernels in damaged(2000):
        net = load(words, kernels)
        if isinstance(net, str):
            assert net
            refused += 1
            continue
        size, steps = lib.es_scratch(net), int(np.frombuffer(words, np.int64)[1])
        if size > MOST_SCRATCH or steps > MOST_STEPS:
            continue
        scratch = memory.aligned_alloc(ALIGNED, size)
        where = ffi.cast("void *", int(libc.cast("uintptr_t", scratch)))
        sums = ffi.from_buffer("uint32_t[]", events)
        for counted, keep, step_stride in product((ffi.NULL, sums), (ffi.NULL, pointers), (0, 8)):
            arguments = (ffi.from_buffer(samples), 4, SAMPLES, samples.strides[0], step_stride)
            given = ffi.from_buffer("int64_t[]", answers), counted
            assert lib.es_run(net, where, *arguments, *given, keep) == 0
        memory.free(scratch)
        ran += 1
    assert refused > 500
    assert ran > 300


def test_wrong_arguments_are_refused() -> None:
    ffi, lib = library()
    net = load(words_of(0).tobytes(), kernel_sets()[0])
    memory = np.zeros(lib.es_scratch(net) + ALIGNED, np.uint8)
    start = -memory.ctypes.data % ALIGNED
    scratch = ffi.from_buffer(memory[start:])
    samples = ffi.from_buffer(np.zeros(36, np.uint8))
    nothing = ffi.NULL

    def run(net: Any, scratch: Any, samples: Any, kind: int, count: int) -> int:
        found = lib.es_run(net, scratch, samples, kind, count, 36, 0, nothing, nothing, nothing)
        return int(found)

    assert run(net, scratch, samples, 0, 1) == run(net, scratch, samples, 0, 0) == 0
    assert run(nothing, scratch, samples, 0, 1) == -1
    assert run(net, nothing, samples, 0, 1) == -1
    assert run(net, scratch + 8, samples, 0, 1) == -1
    assert run(net, scratch, nothing, 0, 1) == -1
    assert run(net, scratch, samples, -1, 1) == run(net, scratch, samples, 7, 1) == -1
    assert run(net, scratch, samples, 0, -1) == -1

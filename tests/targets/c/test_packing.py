"""How weights are packed, against the kernels in C that take them apart, and sums in halves."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.targets.c.build import compile_library, load
from edgespike.targets.c.kernels import Kernels
from edgespike.targets.c.packing import CHUNK, field_bits, halves, packed, places
from tests.available import is_installed

pytestmark = pytest.mark.skipif(not is_installed("c"), reason="no C compiler")

WIDEST = {2: (1, 2, 3), 4: (15,), 8: (255,)}
"""Bits of a field, and the widest weights, shifted to begin at 0, for which a kernel is written."""

LENGTHS = (0, 1, 4, 5, 6, 7, 15, 16, 17, 18, 34, 80, 85, 86, 300)
"""Numbers of rows around those after which fields are added to wider ones."""


@cache
def library(widest: int) -> ctypes.CDLL:
    """Return the kernels that add fields of weights up to a number, with names outside."""
    kernels, bits = Kernels(), field_bits(0, widest)
    for each in (8, 4):
        kernels.use(f"gather{each}")
    few = 15 // widest
    unrolled = "\n".join(f"ADD_FIELDS(weights[row[{k}]]);" for k in range(max(few, 1)))
    kernels.use("gather2", few=max(few, 1), times=255 // (max(few, 1) * widest), unrolled=unrolled)
    kernels.use("halves")
    names = {8: "gather8", 4: "gather4", 2: f"gather2_{max(few, 1)}"}
    calls = "".join(f"    if (bits == {each}) {names[each]}(ARGUMENTS);\n" for each in names)
    text = (
        "#include <stddef.h>\n#include <stdint.h>\n" + kernels.text() + "\n"
        "#define ARGUMENTS weights, row, ends, levels, start, sums\n"
        "void gather(unsigned bits, const uint32_t *weights, const uint16_t *row,\n"
        "            const uint16_t *ends, unsigned levels, uint32_t start, uint32_t *sums)\n"
        f"{{\n{calls}}}\n"
        "void halves(const uint32_t *words, const uint32_t *bias, int16_t *sums)\n"
        "{\n    take_halves(words, bias, sums);\n}\n"
    )
    folder = Path(mkdtemp())
    (folder / "kernels.c").write_text(text)
    compile_library(folder / "kernels.c", folder / "kernels.so", "-fwrapv")
    assert bits in WIDEST
    return load(folder / "kernels.so")


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def taken_apart(widest: int, words: NDArray[np.uint32], bias: NDArray[np.uint32]) -> list[int]:
    sums = np.zeros(CHUNK, np.int16)
    library(widest).halves(pointer(words), pointer(bias), pointer(sums))
    return [int(each) for each in sums]


def test_places_are_all_outputs_once() -> None:
    for bits in (2, 4, 8):
        assert sorted(places(bits)) == list(range(CHUNK))


@given(st.integers(-300, 300), st.integers(0, 300))
def test_fields_are_the_narrowest_that_hold_a_range(low: int, span: int) -> None:
    bits = field_bits(low, low + span)
    assert bits in (0, 2, 4, 8)
    assert (span < 1 << bits) if bits else span > 255
    assert all(span >= 1 << fewer for fewer in (2, 4, 8) if fewer < bits)


@pytest.mark.parametrize("widest", [1, 2, 3, 15, 255])
def test_kernels_add_the_rows_that_were_packed(widest: int) -> None:
    bits = field_bits(0, widest)
    add: Callable[..., None] = library(widest).gather

    @given(
        seed=st.integers(0, 2**32 - 1),
        outputs=st.integers(1, 40),
        low=st.integers(-widest, 0),  # zeros fill a chunk up
        counts=st.lists(st.sampled_from(LENGTHS), min_size=1, max_size=7),
    )
    def check(seed: int, outputs: int, low: int, counts: list[int]) -> None:
        rng = np.random.default_rng(seed)
        rows = rng.integers(low, low + widest, (50, outputs), endpoint=True)
        if seed % 2:
            rows[rng.random(rows.shape) < 0.8] = low + widest
        words = packed(rows, bits, -low)
        listed = rng.integers(0, 50, sum(counts)).astype(np.uint16)
        ends = np.cumsum(counts).astype(np.uint16)
        level = np.repeat(np.arange(len(counts), 0, -1), counts)
        expected = (rows[listed] * level[:, None]).sum(axis=0)
        less = -low * int(level.sum())
        for chunk in range(words.shape[0]):
            sums = np.zeros(8, np.uint32)
            add(
                bits,
                pointer(np.ascontiguousarray(words[chunk])),
                pointer(listed),
                pointer(ends),
                len(counts),
                ctypes.c_uint32(-less * 0x10001 & 0xFFFFFFFF),
                pointer(sums),
            )
            wanted = np.zeros(CHUNK, np.int64)
            part = expected[chunk * CHUNK : (chunk + 1) * CHUNK]
            wanted[: len(part)] = part
            assert sums.tolist() == halves(wanted[None])[0].tolist()
            if np.abs(wanted).max() < 2**15:
                assert taken_apart(widest, sums, np.zeros(8, np.uint32)) == wanted.tolist()

    check()


@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=CHUNK, max_size=CHUNK), st.integers())
def test_halves_are_taken_apart(values: list[int], seed: int) -> None:
    sums = np.array(values)
    bias = np.random.default_rng(abs(seed)).integers(-(2**20), 2**20, CHUNK)
    words = halves((sums - bias)[None])[0]
    assert taken_apart(1, words, halves(bias[None])[0]) == values

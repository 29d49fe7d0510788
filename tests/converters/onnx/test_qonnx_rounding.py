"""Rounding as sets of real numbers equals rounding of numbers, and both equal qonnx's."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.bits import Bits
from edgespike.converters.onnx.qonnx.quantisers import Quantiser, quant
from edgespike.converters.onnx.qonnx.rounding import MODES, Rounding, function_of, start_of

QUARTERS = np.arange(-40, 41) / 4


@pytest.mark.parametrize("mode", Rounding)
def test_a_number_is_rounded_to_at_least_those_whose_sets_hold_it(mode: Rounding) -> None:
    for number in QUARTERS:
        rounded = int(function_of(mode)(np.array(number)))
        for whole in range(-11, 12):
            bound, above = start_of(mode, whole)
            reached = number > bound if above else number >= bound
            assert reached == (rounded >= whole), (number, whole)


@pytest.mark.parametrize("name", MODES)
def test_arrays_are_rounded_as_qonnx_does(name: str) -> None:
    intquant = pytest.importorskip("qonnx.custom_op.general.intquant")
    theirs = intquant.resolve_rounding_mode(name)(QUARTERS.astype(np.float32))
    assert np.array_equal(function_of(MODES[name])(QUARTERS.astype(np.float32)), theirs)


@given(
    bits=st.integers(1, 9),
    signed=st.booleans(),
    narrow=st.booleans(),
    name=st.sampled_from(sorted(MODES)),
    exponent=st.integers(-3, 3),
    zero=st.integers(-8, 8),
    numbers=st.lists(st.integers(-5000, 5000), min_size=1, max_size=20),
)
def test_codes_and_sets_equal_qonnx_where_float32_is_exact(
    bits: int,
    signed: bool,
    narrow: bool,
    name: str,
    exponent: int,
    zero: int,
    numbers: list[int],
) -> None:
    intquant = pytest.importorskip("qonnx.custom_op.general.intquant")
    scale, offset, width = (np.float32(x) for x in (2.0**exponent, zero / 2, bits))
    x = np.array(numbers, np.float32) / 16
    theirs = intquant.int_quant(x, scale, offset, width, signed, narrow, name)
    attributes = {"signed": signed, "narrow": narrow, "rounding_mode": name}
    node = OnnxNode("q", "Quant", "d", 1, ("x", "s", "z", "b"), ("y",), attributes)
    ours = quant(node, Bits.of(node, width), np.asarray(scale), np.asarray(offset))
    assert np.array_equal(_real(ours, ours.codes(x[None])[0]), theirs)
    assert [_real(ours, _by_sets(ours, Fraction(float(value)))) for value in x] == list(theirs)


def _real(quantiser: Quantiser, code: Any) -> Any:
    return float(quantiser.factor[0]) * (code - float(quantiser.zero))


def _by_sets(quantiser: Quantiser, number: Fraction) -> int:
    assert quantiser.low is not None
    assert quantiser.high is not None
    code = quantiser.low
    while code < quantiser.high:
        bound, above = quantiser.start(code + 1, 0)
        if not (number > bound if above else number >= bound):
            break
        code += 1
    return code

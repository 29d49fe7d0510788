"""How many windows there are, and the padding for a wanted number of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgespike.graph.ops.windows import total_same_padding, window_count

SIZES = st.integers(1, 20)


@given(size=SIZES, kernel=SIZES, stride=SIZES, dilation=st.integers(1, 4))
def test_padding_gives_one_window_for_each_stride_begun_and_no_more_than_needed(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    padding = total_same_padding(size, kernel, stride, dilation)
    wanted = len(range(0, size, stride))
    assert window_count(size + padding, kernel, stride, dilation) == wanted
    assert window_count(size + padding - 1, kernel, stride, dilation) < wanted

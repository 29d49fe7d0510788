"""Windows of any geometry: kernel, stride, dilation, pads by numbers or by a word, ceil_mode."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgespike.errors import UnsupportedError
from tests.converters.onnx.nets import compare, model, numbers, reading, saved

WORDS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@st.composite
def geometry(draw: st.DrawFn, *, padded_by_less: bool) -> dict[str, Any]:
    """Draw the size of an image and the attributes of windows over it."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    word = draw(st.sampled_from(WORDS))
    pads = [draw(st.integers(0, kernel[n % 2] - 1 if padded_by_less else 3)) for n in range(4)]
    return {
        "size": draw(st.tuples(st.integers(1, 9), st.integers(1, 9))),
        "kernel_shape": kernel,
        "strides": draw(st.tuples(st.integers(1, 4), st.integers(1, 4))),
        **({"pads": pads} if word == "NOTSET" else {"auto_pad": word}),
    }


def attributes(found: dict[str, Any]) -> str:
    """Return attributes in onnx's language."""
    words = [
        f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}"
        for name, value in (
            (name, list(value) if isinstance(value, tuple) else value)
            for name, value in found.items()
            if name != "size"
        )
    ]
    return f"<{', '.join(words)}>"


def fits(found: dict[str, Any], dilation: tuple[int, int] = (1, 1)) -> bool:
    """Return whether a window fits into the padded image."""
    if found.get("auto_pad", "").startswith("SAME"):
        return True
    pads = found.get("pads", [0, 0, 0, 0])
    return all(
        (window - 1) * gap + 1 <= size + pads[axis] + pads[axis + 2]
        for axis, (window, gap, size) in enumerate(
            zip(found["kernel_shape"], dilation, found["size"], strict=True)
        )
    )


def skips_values(found: dict[str, Any]) -> bool:
    """Return whether windows that must cover an image by word leave out its last values."""
    return "SAME" in found.get("auto_pad", "") and any(
        (size - 1) // step * step + window < size
        for size, step, window in zip(
            found["size"], found["strides"], found["kernel_shape"], strict=True
        )
    )


@given(found=geometry(padded_by_less=False), data=st.data())
@settings(max_examples=150, deadline=None)
def test_convolutions(
    found: dict[str, Any], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dilation = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    groups = data.draw(st.sampled_from([1, 2, 4]))
    if "auto_pad" in found:  # ONNX Runtime has no words for padding with gaps
        dilation = (1, 1)
    assume(fits(found, dilation))
    written = attributes({**found, "dilations": dilation, "group": groups})
    kernel = numbers(8, 4 // groups, *found["kernel_shape"])
    nodes = f"c = Conv {written} (x, w) y = GlobalMaxPool (c)"
    path = saved(
        model((1, 4, *found["size"]), nodes, {"w": kernel}), tmp_path_factory.mktemp("net")
    )
    if skips_values(found):
        with pytest.raises(UnsupportedError, match="leaves out values between its windows"):
            reading(path)
    else:
        assert len(compare(reading(path))) == 3


@given(found=geometry(padded_by_less=True), ceil=st.integers(0, 1), average=st.booleans())
@settings(max_examples=200, deadline=None)
def test_pools(
    found: dict[str, Any], ceil: int, average: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What is refused is so for its divisors, or since ceil_mode leaves the image."""
    assume(fits(found))
    if "auto_pad" not in found:
        found = {**found, "ceil_mode": ceil}
    kind = "AveragePool" if average else "MaxPool"
    nodes = f"p = {kind} {attributes(found)} (x) y = GlobalMaxPool (p)"
    made = model((1, 3, *found["size"]), nodes)
    path = saved(made, tmp_path_factory.mktemp("net"))
    refused: tuple[str, ...] = ()
    try:
        read = reading(path)
    except UnsupportedError as error:
        refused = error.violations
    if not refused:
        assert len(compare(read)) == 3
    else:
        assert average or ceil or skips_values(found)
        assert "border" in refused[0] or skips_values(found)

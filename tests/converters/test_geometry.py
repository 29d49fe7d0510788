"""What torch's arguments mean, against torch itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from edgespike.converters.names import Names, plain_name  # noqa: E402
from edgespike.converters.torch.constants import (  # noqa: E402
    ConstantError,
    normalisation,
    per_channel,
)
from edgespike.converters.torch.geometry import (  # noqa: E402
    adaptive_window,
    convolution_sides,
    pair,
)


@pytest.mark.parametrize("size", range(1, 13))
@pytest.mark.parametrize("count", range(1, 13))
def test_windows_of_adaptive_pools(size: int, count: int) -> None:
    x = torch.randn(1, 1, size, dtype=torch.float64, generator=torch.Generator().manual_seed(size))
    expected = F.adaptive_avg_pool1d(x, count)
    window = adaptive_window(size, count)
    starts = [i * size // count for i in range(count)]
    ends = [-(-(i + 1) * size // count) for i in range(count)]
    sizes = {end - start for start, end in zip(starts, ends, strict=True)}
    apart = {b - a for a, b in pairwise(starts)}
    assert (window is None) == (len(sizes) > 1 or len(apart) > 1 or 0 in apart)
    if window is not None:
        found = F.avg_pool1d(x, *window)
        assert found.shape == expected.shape
        assert torch.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("padding", ["same", "valid", 2, (1, 2), [1]])
@pytest.mark.parametrize(("kernel", "dilation"), [((3, 3), (1, 1)), ((2, 4), (1, 3))])
def test_the_padding_of_a_convolution(
    padding: object, kernel: tuple[int, int], dilation: tuple[int, int]
) -> None:
    x, weight = torch.randn(1, 1, 12, 12).double(), torch.randn(1, 1, *kernel).double()
    given = padding if isinstance(padding, str) else list(pair(padding))
    expected = F.conv2d(x, weight, padding=given, dilation=dilation)
    (top, bottom), (left, right) = convolution_sides(padding, kernel, dilation)
    found = F.conv2d(F.pad(x, (left, right, top, bottom)), weight, dilation=dilation)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("affine", [True, False])
def test_a_batch_normalisation(affine: bool) -> None:
    layer = nn.BatchNorm1d(4, affine=affine).double()
    layer(torch.randn(50, 4).double() * 3 + 1)
    x = torch.randn(5, 4).double()
    weight, bias = (np.full(4, 0.3), np.full(4, -2.0)) if affine else (None, None)
    if affine:
        layer.weight.data.fill_(0.3)
        layer.bias.data.fill_(-2.0)
    state = layer.state_dict()
    mean, variance = (state[f"running_{name}"].numpy() for name in ("mean", "var"))
    scale, offset = normalisation(mean, variance, layer.eps, weight, bias)
    expected = layer.eval()(x).detach().numpy()
    np.testing.assert_allclose(x.numpy() * scale + offset, expected, rtol=0, atol=1e-12)


def test_constants_of_channels() -> None:
    shape = (3, 2, 2)
    assert per_channel(np.array(4.0), shape, 3).tolist() == [4, 4, 4]
    assert per_channel(np.arange(3.0)[:, None, None], shape, 3).tolist() == [0, 1, 2]
    assert per_channel(np.arange(3.0)[None, :, None, None], shape, 3).tolist() == [0, 1, 2]
    with pytest.raises(ConstantError, match="constants of shape \\(3,\\)"):
        per_channel(np.arange(3.0), shape, 3)
    with pytest.raises(ConstantError, match="differ within a channel"):
        per_channel(np.arange(2.0), shape, 3)


def test_names_are_plain_and_different() -> None:
    names = Names("input")
    assert [names.new(path) for path in ("input", "a b", "a_b", "-x", "")] == [
        "input_2", "a_b", "a_b_2", "_-x", "_",
    ]  # fmt: skip
    assert plain_name("net.0/fc") == "net.0_fc"

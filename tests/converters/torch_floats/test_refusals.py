"""What cannot be read is refused, all at once, with its place and the nearest supported pattern."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812 - torch's own name
from torch import Tensor, nn  # noqa: E402

from edgespike.converters import conversion  # noqa: E402
from edgespike.converters.base import ConvertOptions  # noqa: E402
from edgespike.converters.torch.floats.reading import read_module  # noqa: E402
from edgespike.errors import UnsupportedError  # noqa: E402
from tests.converters.torch_floats.nets import Functional  # noqa: E402

Function = Callable[[Tensor], Any]


class Calling(nn.Module):
    """A module that calls a function of its input."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def refused(module: nn.Module, shape: tuple[int, ...], message: str) -> str:
    with pytest.raises(UnsupportedError) as caught:
        read_module(module, shape)
    assert re.search(message, str(caught.value)), str(caught.value)
    return str(caught.value)


class Row(nn.Module):
    """Adds other numbers to each of two samples."""

    def forward(self, x: Tensor) -> Any:
        return torch.addmm(torch.ones(2, 3), x, torch.ones(4, 3))


IMAGE = (2, 4, 6)
SIZES = torch.ones(3, 2, 2, 2)

FUNCTIONS: dict[str, tuple[Function, str]] = {
    "gelu": (F.gelu, "gelu, test_refusals.py:.* calls gelu: use ReLU"),
    "leaky": (F.leaky_relu, "use ReLU or ReLU6"),
    "tanh": (torch.tanh, "use ReLU or ReLU6"),
    "clamp": (lambda x: x.clamp(-1, 1), r"limits values to -1..1; use ReLU, ReLU6"),
    "transposed": (lambda x: F.conv_transpose2d(x, SIZES[:2]), "makes no image larger|spreads"),
    "upsampled": (lambda x: F.interpolate(x, scale_factor=2.0), "makes no image larger"),
    "shuffled": (lambda x: F.pixel_unshuffle(x, 2), "makes no image larger"),
    "gate": (lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)), "multiplies two values"),
    "inside": (lambda x: torch.softmax(x, 1) + 1, "takes a constant|follows softmax"),
    "square": (lambda x: x**2, "use ReLU, pools, sums"),
    "layer norm": (lambda x: F.layer_norm(x, x.shape[1:]), "use BatchNorm"),
    "split": (lambda x: torch.split(x, 1, 1)[0], "join them by cat or"),
    "chunk": (lambda x: x[:, :1], "takes a part of the values"),
    "transpose": (lambda x: x.transpose(2, 3), "moves elements"),
    "repeat": (lambda x: x.repeat(1, 2, 1, 1), "a graph passes on all"),
    "expand": (lambda x: x.mean((2, 3), keepdim=True).expand(-1, -1, 4, 6), "repeats values"),
    "batch": (lambda x: x - x.mean(), "goes over axes|mixes the samples"),
    "batch mean": (lambda x: x.mean(0), "goes over axes"),
    "first": (lambda x: x[0], "a graph passes on all of a value"),
    "flat": (lambda x: x.view(-1, 6), "mixes the samples of a batch"),
    "channels": (lambda x: x.mean(1), "a graph pools height and width"),
    "places": (lambda x: x + torch.arange(6.0), "differ within a channel"),
    "larger": (lambda x: x.mean((2, 3), keepdim=True) + torch.ones(4, 6), "do not enlarge"),
    "zero": (lambda x: x / torch.zeros(1), "divides by 0"),
    "reciprocal": (lambda x: 1 / x, "divides by a value|no graph computes it"),
    "unequal": (lambda x: F.adaptive_avg_pool2d(x, (4, 4)), "windows that differ in size"),
    "ceil": (lambda x: F.avg_pool2d(x, (3, 4), ceil_mode=True), "set ceil_mode=False"),
    "border": (
        lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
        "set count_include_pad=True",
    ),
    "gaps": (lambda x: F.max_pool2d(x, 2, dilation=2), "use dilation 1"),
    "padded max": (lambda x: F.max_pool2d(F.pad(x, (1, 1)), 2), "give the pool the padding"),
    "padded relu": (lambda x: F.relu(F.pad(x, (1, 1))), "pad only before a convolution"),
    "reflected": (lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), "with other values than zeros"),
    "ones": (lambda x: F.conv2d(F.pad(x, (1, 1), value=1.0), SIZES), "use zeros"),
    "places of a dense layer": (lambda x: x @ torch.ones(6, 3), "place by place; flatten"),
    "half": (lambda x: x.half(), "casts to float16"),
    "dynamic weights": (
        lambda x: F.linear(x.flatten(1), x.flatten(1)),
        "has weight that depends on the sample",
    ),
    "attention": (
        lambda x: F.scaled_dot_product_attention(x, x, x),
        "multiplies values element by element at most",
    ),
    "dropout": (F.dropout, "give F.dropout training=self.training"),
    "noise": (lambda x: x + torch.rand(1), "draws random numbers"),
    "mask": (lambda x: x[x > 0], "decides by values of the sample"),
    "branch": (lambda x: x if x.sum() > 0 else -x, "decides by values of the sample"),
    "loop": (lambda x: sum(x for _ in range(int(x.flatten()[0]))), "decides by values"),
    "numpy": (lambda x: x.numpy(), "does not run on 2 samples.*numpy"),
    "two answers": (lambda x: (x.amax((2, 3)), x), "forward returns 2 values"),
    "constant": (lambda x: torch.ones(2, 3), "forward returns a constant"),
    "image": (F.relu, "pool or flatten before the last layer"),
    "five axes": (lambda x: F.relu(x.reshape(2, 2, 2, 2, 6)), "a graph has"),
    "error": (lambda x: F.conv2d(x, torch.ones(3, 5, 2, 2)), "test_refusals.py:.*raises Runtime"),
    "batch of one": (lambda x: x.reshape(1, 2, 4, 6), "does not run on 2 samples"),
}


def counted(net: Any, x: Tensor) -> Any:
    net.calls = getattr(net, "calls", 0) + 1
    return net.head(x) * net.calls


HEADS: dict[str, tuple[Callable[[Any, Tensor], Any], str]] = {
    "size": (lambda net, x: net.head(x) * (2 if len(x) == 2 else 1), "otherwise than the net"),
    "mean over samples": (lambda net, x: net.head(x) / len(x), "on 5 samples than on 3"),
    "counter": (counted, "on 5 samples than on 3 of them: it depends"),
    "numpy": (lambda net, x: net.head(x) * np.random.default_rng().random(), "on chance"),
    "two samples": (lambda net, x: net.head(x[:2]), "must give .samples, classes. for any"),
    "two at most": (lambda net, x: net.head(x.reshape(2, -1)), "but not on 3"),
    "no number": (lambda net, x: net.head(x) if len(x) == 2 else net.tail(x), "but not on 3"),
    "no answer": (lambda net, x: net.head(x) * net.nothing, "constants that are not finite"),
}


@pytest.mark.parametrize("what", HEADS)
def test_what_tracing_does_not_see_is_seen_when_the_module_runs(what: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 3)
            self.nothing = float("nan")

        def forward(self, x: Tensor) -> Any:
            return compute(self, x)

    compute, message = HEADS[what]
    options = ConvertOptions(input_shape=(4,), calibrate=np.eye(4))
    with pytest.raises(UnsupportedError, match=message):
        conversion(Net(), options)


def test_answers_in_a_tuple_or_under_a_name_are_taken() -> None:
    for wrap in (lambda x: (x,), lambda x: {"logits": x}):
        module = nn.Sequential(nn.Linear(4, 3), Calling(wrap))
        options = ConvertOptions(input_shape=(4,), calibrate=np.eye(4))
        assert conversion(module, options).graph.readout_op.classes == 3


@pytest.mark.parametrize("what", FUNCTIONS)
def test_a_call_without_a_meaning_is_refused(what: str) -> None:
    function, message = FUNCTIONS[what]
    refused(Calling(function), IMAGE, message)


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (nn.LSTM(6, 4, batch_first=True), (4, 6), "calls lstm: its states.*QuantRNN"),
        (nn.GRU(6, 4, batch_first=True), (4, 6), "calls gru"),
        (nn.Embedding(5, 4), (6,), "Embedding|does not run"),
        (nn.MultiheadAttention(6, 1), (4, 6), "forward takes 3 inputs"),
        (nn.BatchNorm2d(2, track_running_stats=False), IMAGE, "track_running_stats=True"),
        (nn.Conv3d(1, 2, 1), (1, 2, 4, 6), "input_shape is .*; a graph has"),
        (nn.ConvTranspose2d(2, 2, 2), IMAGE, r"the model \(ConvTranspose2d\) calls"),
        (nn.MaxPool2d(2, return_indices=True), IMAGE, "forward returns 2 values"),
        (nn.Bilinear(6, 6, 2), (6,), "forward takes 2 inputs"),
        (nn.LazyLinear(3), (4,), "weight has no shape before the first call"),
        (nn.Linear(4, 3, dtype=torch.complex64), (4,), "weight holds complex numbers"),
        (Row(), (4,), r"has a bias of shape \(2, 3\); give \(3,\)"),
        (Calling(lambda x: torch.zeros(10**15)), (4,), "zeros, .* cannot be computed"),
        (Calling(lambda x: exit(3)), (4,), "raises SystemExit: 3"),
        (nn.Linear(4, 3), (-1,), "each size must be positive"),
        (nn.Linear(4, 3), (10**15,), "cannot be held in memory"),
        (nn.Linear(4, 3), (10**25,), "cannot be held in memory"),
        (Calling(lambda x: x @ torch.ones(4, 0)), (4,), "each size must be positive"),
        (nn.Sequential(nn.Linear(3, 2, device="meta")), (3,), r"0.weight is on the meta device"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_a_module_without_a_meaning_is_refused(
    module: nn.Module, shape: tuple[int, ...], message: str
) -> None:
    refused(module, shape, message)


def test_everything_is_refused_at_once_by_its_path() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(2, 3, 1), nn.GELU(), nn.GroupNorm(1, 3))
            self.up = nn.Upsample(scale_factor=2)
            self.head = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Any:
            x = torch.tanh(self.up(self.body(x)))
            return self.head(x.mean((2, 3)).cos())

    message = refused(Net(), IMAGE, r"body\.1 \(GELU\) calls gelu: use ReLU")
    for part in (
        r"body\.2 \(GroupNorm\) calls (native_)?group_norm: its factor",
        r"up \(Upsample\) calls upsample_nearest2d: a graph makes no image larger",
        r"tanh, test_refusals.py:\d+ calls tanh",
        r"cos, test_refusals.py:\d+ calls cos: no graph computes it",
        r"supported are Linear",
    ):
        assert re.search(part, message), part


def test_hooks_are_refused() -> None:
    module = Functional()
    module.first.register_forward_hook(lambda *_: None)
    module.last.register_forward_pre_hook(lambda *_: None)
    message = refused(module, (2, 8, 8), "first has forward hooks")
    assert "last has forward hooks" in message
    around = nn.DataParallel(Functional())
    around.register_forward_hook(lambda *_: None)
    refused(around, (2, 8, 8), "the DataParallel around the model has forward hooks")
    hook = nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        refused(Functional(), (2, 8, 8), "hooks for all modules")
    finally:
        hook.remove()


def test_weights_that_are_not_finite_are_refused() -> None:
    module = Functional()
    with torch.no_grad():
        module.first.weight[0, 0, 0, :2] = torch.nan
        module.std[0] = torch.inf
    message = refused(module, (2, 8, 8), "first.weight has 2 values that are not finite")
    assert "std has 1 values" in message


def test_script_modules_are_refused() -> None:
    with pytest.warns(DeprecationWarning, match="torch.jit.trace"):
        script = torch.jit.trace(nn.Linear(3, 2), torch.zeros(1, 3))
    refused(script, (3,), "is a TorchScript module")


def test_a_net_that_keeps_something_from_sample_to_sample_is_refused() -> None:
    class Counting(nn.Module):
        seen: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x: Tensor) -> Any:
            self.seen += 1
            return x.amax((2, 3)) * self.seen

    refused(Counting(), IMAGE, "forward changes the buffer seen")


def test_what_forward_prints_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def speaking(x: Tensor) -> Tensor:
        print("shape", x.shape)
        return x.amax((2, 3))

    read_module(Calling(speaking), IMAGE)
    assert capsys.readouterr() == ("", "")

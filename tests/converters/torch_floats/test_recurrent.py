"""torch.nn.RNN, tanh and sigmoid: read as torch computes them, quantised, and refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import edgespike

torch = pytest.importorskip("torch", reason="torch modules need torch: pip install -e '.[train]'")
pytestmark = pytest.mark.torch

from torch import Tensor, nn  # noqa: E402

from edgespike.converters import conversion  # noqa: E402
from edgespike.converters.base import ConvertOptions  # noqa: E402
from edgespike.converters.checking import check_source  # noqa: E402
from edgespike.converters.torch.floats.reading import read_module  # noqa: E402
from edgespike.errors import UnsupportedError  # noqa: E402
from edgespike.floats.net import FloatDelay, FloatTanh  # noqa: E402
from edgespike.floats.run import answers  # noqa: E402
from edgespike.quantise.inputs import as_integers  # noqa: E402
from tests.available import available  # noqa: E402

STEPS, FEATURES, HIDDEN = 6, 5, 8
SHAPE = (STEPS, FEATURES)


class Net(nn.Module):
    """A recurrent net whose end is a function of the steps' values and the last states."""

    def __init__(self, end: Callable[[Tensor, Tensor], Tensor], **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rnn = nn.RNN(FEATURES, HIDDEN, **{"batch_first": True, **options})
        self.end = end
        self.fc = nn.Linear(HIDDEN, 4)

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.end(*self.rnn(x)))


class Stacked(nn.Module):
    """Two modules of their own, dropout between them, and a sigmoid behind them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.RNN(FEATURES, HIDDEN, batch_first=True)
        self.drop = nn.Dropout()
        self.second = nn.RNN(HIDDEN, 7, batch_first=True, nonlinearity="relu", bias=False)
        self.fc = nn.Linear(7, 4)

    def forward(self, x: Tensor) -> Any:
        values, _ = self.second(self.drop(self.first(x)[0]))
        return self.fc(torch.sigmoid(values[:, -1, :])).softmax(1)


def last(values: Tensor, states: Tensor) -> Tensor:
    return values[:, -1]


NETS: dict[str, Callable[[], nn.Module]] = {
    "the last step": lambda: Net(last),
    "relu": lambda: Net(last, nonlinearity="relu"),
    "its number": lambda: Net(lambda x, h: x[:, STEPS - 1]),
    "the last state": lambda: Net(lambda x, h: h[-1]),
    "the last state of one layer": lambda: Net(lambda x, h: h.squeeze(0)),
    "two layers": lambda: Net(lambda x, h: h[-1], num_layers=2, dropout=0.2),
    "both states": lambda: Net(lambda x, h: h[0] + h[1], num_layers=2),
    "stacked": Stacked,
}


def samples(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(count, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize("name", NETS)
def test_a_recurrent_net_is_read_as_torch_computes_it(name: str) -> None:
    module = NETS[name]().double().eval()
    read = read_module(module, SHAPE)
    x = samples(20).astype(np.float64)
    with torch.no_grad():
        right = module(torch.tensor(x)).numpy()
    found = answers(read.net, x)
    if read.left_out:
        found = np.exp(found) / np.exp(found).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, right, rtol=1e-9)
    assert read.net.steps == STEPS
    assert len(list(read.net.of_type(FloatDelay))) == (2 if name in MORE_LAYERS else 1)


MORE_LAYERS = ("two layers", "both states", "stacked")


@pytest.mark.parametrize("name", ["the last step", "relu", "stacked"])
def test_a_recurrent_net_is_quantised(name: str) -> None:
    module, x = NETS[name](), samples(200)
    options = ConvertOptions(input_shape=SHAPE, calibrate=x, levels=256)
    found = conversion(module, options).quantised
    assert found is not None
    check = check_source(found, samples(60, 1))
    assert not check.failed
    assert check.flipped <= 3
    check = check_source(found, samples(60, 1)[:, 0])  # the same at every step
    assert not check.failed
    paths = {"first (RNN)", "second (RNN)"} if name == "stacked" else {"rnn (RNN)"}
    assert paths <= {layer.path for layer in found.layers}
    for target in ("cpu", "tflite"):
        available(target)
        assert edgespike.verify(found.graph, as_integers(x[:20], found.graph), [target]).equal


def test_tanh_and_sigmoid_in_a_net_of_images() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 6, 3), nn.Sigmoid(),
        nn.Flatten(), nn.Linear(24, 4), nn.Tanh(),
    )  # fmt: skip
    x = np.random.default_rng(0).normal(size=(200, 2, 8, 8)).astype(np.float32)
    read = read_module(module.double(), (2, 8, 8))
    assert read.left_out == ("tanh",)
    assert len(list(read.net.of_type(FloatTanh))) == 2
    with torch.no_grad():
        right = module(torch.tensor(x).double()).numpy()
    np.testing.assert_allclose(np.tanh(answers(read.net, x)), right, rtol=1e-9)
    options = ConvertOptions(input_shape=(2, 8, 8), calibrate=x, levels=256)
    found = conversion(module, options).quantised
    assert found is not None
    check = check_source(found, x[:60])
    assert not check.failed
    assert check.flipped <= 3
    assert any("Tanh" in part.path for part in check.parts)


def first_state(x: Tensor, rnn: nn.RNN) -> Any:
    values, _ = rnn(x, torch.ones(1, len(x), HIDDEN))
    return values[:, -1]


class Given(nn.Module):
    """A net whose layer is called in a way of the test's."""

    def __init__(self, call: Callable[[Tensor, nn.RNN], Any], **options: Any) -> None:
        super().__init__()
        self.rnn = nn.RNN(FEATURES, HIDDEN, **{"batch_first": True, **options})
        self.call = call

    def forward(self, x: Tensor) -> Any:
        return self.call(x, self.rnn)


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "both directions": (
        Given(lambda x, rnn: rnn(x)[0][:, -1], bidirectional=True),
        r"rnn \(RNN\) runs in both directions",
    ),
    "steps first": (
        Given(lambda x, rnn: rnn(x)[0][:, -1], batch_first=False),
        "takes the steps first; create it with batch_first=True",
    ),
    "turned around": (
        Given(lambda x, rnn: rnn(x.transpose(0, 1))[0][-1], batch_first=False),
        "nothing may stand between the input and an RNN",
    ),
    "a first state": (Given(first_state), r"rnn \(RNN\) has a first state"),
    "an average": (
        Given(lambda x, rnn: rnn(x)[0].mean(1)),
        "receives all 6 steps of a sequence",
    ),
    "another step": (
        Given(lambda x, rnn: rnn(x)[0][:, -2]),
        "takes a part of the values",
    ),
    "all steps": (Given(lambda x, rnn: rnn(x)[0]), "the answer receives all 6 steps"),
    "all states": (
        Given(lambda x, rnn: torch.relu(rnn(x)[1]), num_layers=2),
        "receives the states of all layers",
    ),
    "a layer before": (
        Given(lambda x, rnn: rnn(torch.relu(x))[0][:, -1]),
        "receives all 6 steps of a sequence",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_graph_computes_is_refused(name: str) -> None:
    module, message = REFUSED[name]
    with pytest.raises(UnsupportedError, match=message):
        read_module(module, SHAPE)


def test_an_image_is_no_sequence() -> None:
    module = Given(lambda x, rnn: rnn(x.squeeze(1))[0][:, -1])
    with pytest.raises(UnsupportedError, match=r"give samples \(steps, features\)"):
        read_module(module, (1, *SHAPE))

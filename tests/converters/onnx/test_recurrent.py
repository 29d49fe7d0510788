"""Recurrent layers: their values beside ONNX Runtime, what is refused, and graphs of them."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgespike
from edgespike.converters import conversion
from edgespike.converters.base import ConvertOptions
from edgespike.converters.checking import check_source
from edgespike.errors import UnsupportedError
from edgespike.floats.run import answers
from edgespike.quantise.inputs import as_integers
from tests.available import available
from tests.converters.onnx.nets import compare, model, numbers, reading, samples_for, saved, whole

STEPS, FEATURES, HIDDEN = 5, 3, 4
SHAPE = ("N", STEPS, FEATURES)

WEIGHTS = {
    "w": numbers(1, HIDDEN, FEATURES),
    "r": numbers(1, HIDDEN, HIDDEN, seed=2),
    "b": numbers(1, 2 * HIDDEN, seed=3),
    "w2": numbers(1, HIDDEN, HIDDEN, seed=4),
    "r2": numbers(1, HIDDEN, HIDDEN, seed=5),
    "out": numbers(HIDDEN, 3, seed=6),
    "none": np.zeros((1, 1, HIDDEN), np.float32),
    "some": np.ones((1, 1, HIDDEN), np.float32),
    "last": np.int64(-1),
    "one": whole(1),
    "zero": whole(0),
    "first": whole(0),
    "from": whole(STEPS - 1),
    "to": whole(99),
    "other": whole(STEPS - 2),
    "lengths": np.full(1, STEPS, np.int32),
    "ww": numbers(2, HIDDEN, FEATURES),
    "rr": numbers(2, HIDDEN, HIDDEN),
    "flat": whole(1, HIDDEN),
}
TURN = "t = Transpose <perm = [1, 0, 2]> (x) "
LAST = "s = Squeeze (a, one) l = Gather <axis = 0> (s, last) y = MatMul (l, out)"
RNN = f"a = RNN <hidden_size = {HIDDEN}"


def made(nodes: str, shape: tuple[Any, ...] = SHAPE, opset: int = 17) -> Any:
    """Return a model; a value named _ is left out."""
    found = model(shape, nodes, WEIGHTS, opset=opset)
    for node in found.graph.node:
        node.output[:] = ["" if name == "_" else name for name in node.output]
    return found


NETS = {
    "tanh": TURN + RNN + "> (t, w, r, b) " + LAST,
    "relu": TURN + RNN + ', activations = ["Relu"]> (t, w, r, b) ' + LAST,
    "without biases": TURN + RNN + "> (t, w, r) " + LAST,
    "a first state of zeros": TURN + RNN + "> (t, w, r, b, , none) " + LAST,
    "a direction that is said": TURN + RNN + ', direction = "forward"> (t, w, r, b) ' + LAST,
    "the last state": TURN
    + f"a, h = RNN <hidden_size = {HIDDEN}> (t, w, r, b) f = Reshape (h, flat) "
    "y = MatMul (f, out)",
    "the last state alone": TURN
    + f"_, h = RNN <hidden_size = {HIDDEN}> (t, w, r, b) f = Reshape (h, flat) "
    "y = MatMul (f, out)",
    "the batch first again": TURN
    + RNN
    + "> (t, w, r, b) s = Squeeze (a, one) u = Transpose <perm = [1, 0, 2]> (s) "
    "l = Gather <axis = 1> (u, last) y = MatMul (l, out)",
    "a slice": TURN
    + RNN
    + "> (t, w, r, b) s = Squeeze (a, one) l = Slice (s, from, to, first) f = Reshape (l, flat) "
    "y = MatMul (f, out)",
    "two layers": TURN
    + f"c = RNN <hidden_size = {HIDDEN}> (t, w, r, b) d = Squeeze (c, one) "
    + RNN
    + "> (d, w2, r2) "
    + LAST,
    "the last of two states": TURN
    + f"c, h = RNN <hidden_size = {HIDDEN}> (t, w, r, b) d = Squeeze (c, one) "
    + f"_, g = RNN <hidden_size = {HIDDEN}> (d, w2, r2) "
    "j = Concat <axis = 0> (h, g) l = Gather <axis = 0> (j, last) y = MatMul (l, out)",
    "both states": TURN
    + f"c, h = RNN <hidden_size = {HIDDEN}> (t, w, r, b) d = Squeeze (c, one) "
    + f"_, g = RNN <hidden_size = {HIDDEN}> (d, w2, r2) e = Add (h, g) f = Reshape (e, flat) "
    "z = Sigmoid (f) y = MatMul (z, out)",
}


@pytest.mark.parametrize("opset", [13, 17, 22])
@pytest.mark.parametrize("name", NETS)
def test_values_are_those_of_onnx_runtime(name: str, opset: int, tmp_path: Path) -> None:
    read = reading(saved(made(NETS[name], opset=opset), tmp_path))
    assert read.net.steps == STEPS
    shown = compare(read)
    states_alone = NETS[name].count("_")
    assert len(shown) >= 1 + NETS[name].count("RNN") - states_alone


def test_the_batch_first_in_the_node_too(tmp_path: Path) -> None:
    """ONNX Runtime does not run it, so it is compared with the other layout."""
    plain = reading(saved(made(NETS["tanh"]), tmp_path))
    by_batch = RNN + (
        ", layout = 1> (x, w, r, b) l = Gather <axis = 1> (a, last) f = Reshape (l, flat) "
        "y = MatMul (f, out)"
    )
    other = reading(saved(made(by_batch), tmp_path))
    x = samples_for(plain)
    assert np.array_equal(answers(plain.net, x), answers(other.net, x))


def test_one_step(tmp_path: Path) -> None:
    read = reading(saved(made(NETS["the last state"], (1, 1, FEATURES)), tmp_path))
    compare(read)


REFUSED = {
    "both directions": (
        TURN + f'a = RNN <hidden_size = {HIDDEN}, direction = "bidirectional", '
        'activations = ["Tanh", "Tanh"]> (t, ww, rr) y = Flatten (a)',
        "runs in the direction 'bidirectional'; a graph knows no later step",
    ),
    "backwards": (
        TURN + RNN + ', direction = "reverse"> (t, w, r, b) ' + LAST,
        "runs in the direction 'reverse'",
    ),
    "clipped": (TURN + RNN + ", clip = 3.0> (t, w, r, b) " + LAST, "clips what its activation"),
    "another activation": (
        TURN + RNN + ', activations = ["Sigmoid"]> (t, w, r, b) ' + LAST,
        "has the activations ['sigmoid']; use Tanh or Relu",
    ),
    "weights for other features": (
        TURN + RNN + "> (t, w2, r, b) " + LAST,
        "has weights of shapes ((1, 4, 4), (1, 4, 4), (1, 8)); expected ((1, 4, 3), ",
    ),
    "recurrent weights of another size": (
        TURN + RNN + "> (t, w, w, b) " + LAST,
        "has weights of shapes ((1, 4, 3), (1, 4, 3), (1, 8)); expected",
    ),
    "another hidden_size": (
        TURN + RNN.replace("= 4", "= 5") + "> (t, w, r) y = Flatten (a)",
        "has weights of shapes ((1, 4, 3), (1, 4, 4), (1, 10)); expected ((1, 5, 3), ",
    ),
    "biases of another size": (
        TURN + RNN + "> (t, w, r, lengths) " + LAST,
        "has weights of shapes ((1, 4, 3), (1, 4, 4), (1,)); expected",
    ),
    "lengths": (TURN + RNN + "> (t, w, r, b, lengths) " + LAST, "has sequence_lens"),
    "a first state": (TURN + RNN + "> (t, w, r, b, , some) " + LAST, "has a first state"),
    "all at once": (
        TURN + RNN + ", clip = 3.0> (t, w, r, b, lengths, some) " + LAST,
        "clips what its activation takes to 3.0; leave it out; it has sequence_lens; all samples "
        "have the same number of steps, so leave it out; it has a first state",
    ),
    "the steps as a batch": (
        RNN + "> (x, w, r, b) z = Squeeze (a, one) " + LAST.replace("(a, one)", "(z, zero)"),
        "receives values of shape (1, 5, 3), which are not the input's steps",
    ),
    "a layer before": (
        "c = Relu (x) t = Transpose <perm = [1, 0, 2]> (c) " + RNN + "> (t, w, r, b) " + LAST,
        "receives all 5 steps of a sequence, (1, 5, 3)",
    ),
    "a layer between": (
        TURN + RNN + "> (t, w, r, b) c = Relu (a) y = Flatten (c)",
        "receives all 5 steps of a sequence, (5, 1, 1, 4)",
    ),
    "another step": (
        TURN + RNN + "> (t, w, r, b) s = Squeeze (a, one) y = Gather <axis = 0> (s, other)",
        "takes a part of a value",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, tmp_path: Path) -> None:
    nodes, message = REFUSED[name]
    with pytest.raises(UnsupportedError) as caught:
        reading(saved(made(nodes), tmp_path))
    first = caught.value.violations[0]
    assert first.split(", ", 2)[2].startswith(message), first


def test_an_answer_at_each_step_is_refused(tmp_path: Path) -> None:
    path = saved(made(TURN + RNN.replace("a =", "y =") + "> (t, w, r, b)"), tmp_path)
    with pytest.raises(UnsupportedError, match="the net answers at each of 5 steps"):
        reading(path)


@pytest.mark.parametrize("name", ["tanh", "relu", "two layers", "both states"])
def test_a_graph_is_near_its_file_and_exact_on_targets(name: str, tmp_path: Path) -> None:
    path = saved(made(NETS[name]), tmp_path)
    draw = np.random.default_rng(0)
    x = draw.normal(size=(200, STEPS, FEATURES)).astype(np.float32)
    found = conversion(path, ConvertOptions(calibrate=x, levels=256)).quantised
    assert found is not None
    check = check_source(found, x[:80])
    assert not check.failed
    assert check.flipped <= 4
    assert len(found.layers) == NETS[name].count("RNN") + ("Sigmoid" in NETS[name])
    for target in ("cpu", "tflite"):
        available(target)
        assert edgespike.verify(found.graph, as_integers(x[:20], found.graph), [target]).equal


@pytest.mark.torch
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
def test_exports_of_torch(
    layers: int, dynamo: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The older exporter writes nodes RNN, the newer one each step by itself."""
    torch = pytest.importorskip("torch", reason="exports need torch: pip install -e '.[train]'")
    pytest.importorskip("onnxscript", reason="torch's exporter needs onnxscript")

    class Net(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.rnn = torch.nn.RNN(FEATURES, HIDDEN, layers, batch_first=True)
            self.fc = torch.nn.Linear(HIDDEN, 3)

        def forward(self, x: Any) -> Any:
            """Return the classes' logits."""
            values, states = self.rnn(x)
            return self.fc(values[:, -1]) + self.fc(states[-1])

    path = tmp_path / "net.onnx"
    caplog.set_level(logging.ERROR)  # the exporter lists what it has no packages for
    example = (torch.zeros(1, STEPS, FEATURES),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # and deprecates parts of itself
        torch.onnx.export(Net().eval(), example, path, dynamo=dynamo, verbose=False)
    if not dynamo:
        assert len(compare(reading(path))) >= 1 + layers
        return
    with pytest.raises(UnsupportedError) as caught:
        reading(path)
    assert "give it dynamo=False" in caught.value.violations[-2]


def test_too_many_steps(tmp_path: Path) -> None:
    path = saved(made(NETS["tanh"], (1, 100_001, FEATURES)), tmp_path)
    with pytest.raises(UnsupportedError, match="input x has 100001 steps; the limit is 100000"):
        reading(path)

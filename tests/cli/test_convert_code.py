"""``edgespike convert mynet.py:Net``: from a user's code and parameters to a graph file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from edgespike.graph import load_graph
from edgespike.graph.inputs import as_samples
from tests.cli.conftest import Cli, Result
from tests.cli.test_bad_input import refused

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

pytestmark = pytest.mark.torch

CODE = """
import torch
import torch.nn.functional as F
from torch import nn

from neighbour import WIDTH

print("imported")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, WIDTH, 3)
        self.norm = nn.BatchNorm2d(WIDTH)
        self.head = nn.Linear(WIDTH * 4, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        return F.log_softmax(self.head(x.flatten(1)), dim=1)


class Sized(Net):
    def __init__(self, width, *, depth=3, rate):
        super().__init__()


class Broken(Net):
    def __init__(self):
        raise ValueError("no luck")


def made():
    return Net()


def nothing():
    pass


def ends():
    raise SystemExit(0)


NUMBER = 3
ready = Net()
"""
SHAPE = (1, 6, 6)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a net, its parameters, samples and labels."""
    monkeypatch.chdir(tmp_path)
    Path("neighbour.py").write_text("WIDTH = 4\n")
    Path("mynet.py").write_text(CODE)
    torch.manual_seed(0)
    state = net().state_dict()
    torch.save(state, "net.pt")
    x = np.random.default_rng(0).random((40, *SHAPE)).astype(np.float32)
    np.save("x.npy", x)
    module = net()
    module.load_state_dict(state)
    with torch.no_grad():
        np.save("y.npy", forward(module.eval(), torch.from_numpy(x)).argmax(1).numpy())
    return tmp_path


def net() -> nn.Module:
    """The parts of the net in CODE, which has the same names of parameters."""
    return nn.ModuleDict(
        {"conv": nn.Conv2d(1, 4, 3), "norm": nn.BatchNorm2d(4), "head": nn.Linear(16, 3)}
    )


def forward(module: Any, x: Any) -> Any:
    x = nn.functional.max_pool2d(module["norm"](module["conv"](x)).relu(), 2)
    return module["head"](x.flatten(1))


def convert(cli: Cli, model: str, *more: object) -> Result:
    arguments = ("--input-shape", "1,6,6", "--calibrate", "x.npy", "-o", "g.safetensors")
    return cli("convert", model, *arguments, *more, "--force")


@pytest.mark.parametrize("model", ["mynet.py:Net", "mynet.py:made", "mynet.py:ready"])
def test_a_class_a_function_or_an_instance_is_converted(cli: Cli, folder: Path, model: str) -> None:
    result = convert(cli, model, "--weights", "net.pt", "--labels", "y.npy", "--json")
    assert result.code == 0, result.stderr
    assert "imported" in result.stderr
    found = result.json["found"]
    assert (found["converter"], found["classes"], found["samples"]) == ("torch-floats", 3, 40)
    assert found["accuracy_before"] >= 0.9  # the input is rounded to 256 values
    assert [layer["path"] for layer in found["lost"]] == [found["worst"]]
    assert load_graph("g.safetensors").hash == result.json["graph"]


def test_what_was_found_and_lost_is_printed_first(cli: Cli, folder: Path) -> None:
    result = convert(cli, "mynet.py:Net", "--weights", "net.pt", "--labels", "y.npy")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("mynet.py:Net: torch-floats, any torch module")
    assert "1 step" in lines[1]
    assert lines[2].startswith("  input (1, 6, 6), whole numbers 0..255 in units of ")
    assert any("log_softmax at the end is left out" in line for line in lines)
    assert any("relu, mynet.py:19" in line for line in lines)
    assert any("of 40 answers differ from the source's" in line for line in lines)
    assert any(line.startswith("accuracy ") for line in lines)
    assert lines[-1].startswith("g.safetensors: graph ")


def test_the_source_itself_is_compared_with_the_graph(cli: Cli, folder: Path) -> None:
    options = ("--weights", "net.pt", "--check", "x.npy", "--samples", 30)
    result = convert(cli, "mynet.py:Net", *options, "--json")
    check = result.json["check"]
    assert (result.code, check["failed"], check["samples"]) == (0, False, 30)
    assert [part["path"] for part in check["parts"]] == [
        "conv (Conv2d)",
        "norm (BatchNorm2d)",
        "head (Linear)",
    ]
    assert all(part["distance"] < 1e-5 for part in check["parts"])
    assert "answers differ between the source itself and the graph" in (
        convert(cli, "mynet.py:Net", *options).stdout
    )


def test_samples_are_written_as_the_graph_takes_them(cli: Cli, folder: Path) -> None:
    result = convert(cli, "mynet.py:Net", "--save-inputs", "whole.npy", "--json")
    assert result.json["inputs"] == "whole.npy"
    graph, whole = load_graph("g.safetensors"), np.load("whole.npy")
    assert whole.dtype == np.uint8
    assert as_samples(graph, whole).shape == (40, 1, *SHAPE)
    real = whole * graph.input_op.scale
    assert abs(real - np.load("x.npy")).max() <= graph.input_op.scale / 2 * 1.001
    verified = cli("verify", "g.safetensors", "-i", "whole.npy", "--targets", "cpu")
    assert verified.code == 0


WEIGHTS = {
    "DataParallel": lambda state: {f"module.{name}": x for name, x in state.items()},
    "compile": lambda state: {f"_orig_mod.{name}": x for name, x in state.items()},
    "checkpoint": lambda state: {"epoch": 3, "model_state_dict": state, "optimiser": {"lr": 1}},
}


def test_parameters_that_are_no_plain_numbers_are_listed(cli: Cli, folder: Path) -> None:
    state = torch.load("net.pt")
    state["conv.weight"] = state["conv.weight"].to(torch.complex64)
    state["head.weight"] = state["head.weight"].to_sparse()
    torch.save(state, "odd.pt")
    result = convert(cli, "mynet.py:Net", "--weights", "odd.pt")
    assert result.code == 2
    for part in ("conv.weight is complex; save plain real numbers", "head.weight is sparse"):
        assert part in result.stderr


@pytest.mark.parametrize("kind", WEIGHTS)
def test_parameters_are_found_where_frameworks_put_them(cli: Cli, folder: Path, kind: str) -> None:
    plain = convert(cli, "mynet.py:Net", "--weights", "net.pt", "--json").json
    torch.save(WEIGHTS[kind](torch.load("net.pt")), "other.pt")
    other = convert(cli, "mynet.py:Net", "--weights", "other.pt", "--json").json
    assert other["graph"] == plain["graph"]
    assert len(other["found"]["assumed"]) == len(plain["found"]["assumed"]) + 1


def test_parameters_may_be_a_safetensors_file(cli: Cli, folder: Path) -> None:
    plain = convert(cli, "mynet.py:Net", "--weights", "net.pt", "--json").json
    save_file({name: x.numpy() for name, x in torch.load("net.pt").items()}, "net.safetensors")
    other = convert(cli, "mynet.py:Net", "--weights", "net.safetensors", "--json").json
    assert other["graph"] == plain["graph"]


CODE_FAULTS = {
    "missing.py:Net": "cannot read missing.py: No such file",
    "mynet.py": "name the model in it: mynet.py:Net, Sized, Broken, ready",
    "mynet.py:Nest": "has no 'Nest'; it has Net, Sized",
    "mynet.py:Sized": "needs width, rate; add a function without arguments",
    "mynet.py:Broken": "cannot be made: ValueError in line 30: no luck",
    "mynet.py:nothing": "returns nothing; let it return the model",
    "mynet.py:ends": "cannot be made: SystemExit",
    "mynet.py:NUMBER": "no converter takes a int",
    "bad.py:Net": "bad.py cannot be imported: ZeroDivisionError in line 2",
    "ends.py:Net": "ends the program when it is imported",
}


@pytest.mark.parametrize("model", CODE_FAULTS)
def test_code_without_such_a_model_is_refused(cli: Cli, folder: Path, model: str) -> None:
    Path("bad.py").write_text("x = 0\n1 / x\n")
    Path("ends.py").write_text("import sys\nsys.exit(3)\n")
    result = convert(cli, model)
    assert (result.code, result.stdout) == (2, "")
    assert CODE_FAULTS[model] in result.stderr
    assert "Traceback" not in result.stderr
    assert not Path("g.safetensors").exists()


def test_parameters_that_do_not_fit_are_listed_at_once(cli: Cli, folder: Path) -> None:
    state = torch.load("net.pt")
    del state["conv.bias"]
    state |= {"conv.weight": torch.zeros(5, 1, 3, 3), "tail.weight": torch.zeros(2)}
    torch.save(state, "other.pt")
    result = convert(cli, "mynet.py:Net", "--weights", "other.pt")
    assert result.code == 2
    for part in (
        "missing are conv.bias",
        "not expected are tail.weight",
        "conv.weight has shape (5, 1, 3, 3), the model's (4, 1, 3, 3)",
    ):
        assert part in result.stderr


def weight_files() -> dict[str, str]:
    """Write files that hold no parameters; return what is wrong with each."""
    torch.save(nn.Linear(2, 2), "model.pt")
    np.save("array.npy", np.zeros(3))
    Path("cut.pt").write_bytes(Path("net.pt").read_bytes()[:-200])
    Path("none.pt").write_bytes(b"")
    torch.save([1, 2], "list.pt")
    torch.save({"a": {"w": torch.zeros(1)}, "b": {"w": torch.zeros(1)}}, "two.pt")
    import zipfile

    with zipfile.ZipFile("bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(10**6))
    return {
        "model.pt": "holds more than tensors: a pickled model",
        "array.npy": "is a numpy array (.npy), and no parameters can be read from it",
        "cut.pt": "no parameters can be read from it",
        "none.pt": "no file that torch wrote",
        "list.pt": "holds a list, no state_dict",
        "two.pt": "holds several sets of parameters: 'a', 'b'",
        "bomb.pt": "torch compresses nothing",
        "absent.pt": "cannot read absent.pt",
    }


def test_files_without_parameters_are_refused(cli: Cli, folder: Path) -> None:
    for name, message in weight_files().items():
        result = convert(cli, "mynet.py:Net", "--weights", name)
        assert (result.code, result.stdout) == (2, ""), name
        assert message in result.stderr, result.stderr
        assert "Traceback" not in result.stderr


def test_parameters_without_their_net_are_refused_with_the_way_out(cli: Cli, folder: Path) -> None:
    refused(convert(cli, "net.pt"), "is a PyTorch file", "mynet.py:Net --weights FILE")
    save_file({"conv.weight": np.zeros(3)}, "net.safetensors")
    refused(convert(cli, "net.safetensors"), "tensors alone", "mynet.py:Net --weights FILE")


SAMPLES = {
    "shape": (np.zeros((4, 1, 5, 5)), "calibrate has shape (4, 1, 5, 5)"),
    "nan": (np.where(np.eye(6) > 0, np.nan, 1.0)[None, None].repeat(4, 0), "are not finite"),
    "equal": (np.ones((4, *SHAPE)), "calibrate has one value alone"),
    "empty": (np.zeros((0, *SHAPE)), "give numbers (samples, *input_shape)"),
    "flat": (np.zeros(4), "give numbers (samples, *input_shape)"),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_samples_that_calibrate_nothing_are_refused(cli: Cli, folder: Path, kind: str) -> None:
    array, message = SAMPLES[kind]
    np.save("x.npy", array)
    result = convert(cli, "mynet.py:Net")
    assert (result.code, result.stdout) == (2, "")
    assert message in result.stderr
    assert not Path("g.safetensors").exists()


def test_labels_that_are_no_classes_are_refused(cli: Cli, folder: Path) -> None:
    np.save("y.npy", np.load("y.npy") + 3)
    result = convert(cli, "mynet.py:Net", "--labels", "y.npy")
    assert (result.code, result.stdout) == (2, "")
    assert "the model's classes are 0..2" in result.stderr


def test_a_layer_that_never_fires_is_named(cli: Cli, folder: Path) -> None:
    code = CODE.replace("F.relu(self.norm(self.conv(x)))", "F.relu(self.conv(x) - 1000)")
    Path("mynet.py").write_text(code)
    result = convert(cli, "mynet.py:Net")
    assert result.code == 0
    assert "warning: relu, mynet.py:19 never fires on the samples" in result.stderr


def test_a_net_of_whole_numbers_is_converted_exactly_and_compared(cli: Cli, folder: Path) -> None:
    Path("exact.py").write_text(
        "from torch import nn\n"
        "from edgespike.nn.layers.spike import SpikeActivation\n"
        "from edgespike.nn.layers.weighted import InputScale, QuantLinear\n"
        "net = nn.Sequential(InputScale(15), nn.Flatten(), QuantLinear(36, 5, bits=4),\n"
        "    SpikeActivation(), QuantLinear(5, 3, bits=4))\n"
    )
    np.save("whole.npy", np.random.default_rng(0).integers(0, 16, (9, *SHAPE)))
    arguments = ("--input-shape", "1,6,6", "--check", "whole.npy", "-o", "g.safetensors", "--json")
    result = cli("convert", "exact.py:net", *arguments)
    assert (result.code, result.json["found"]["converter"]) == (0, "torch"), result.stderr
    assert [layer["unexplained"] for layer in result.json["check"]] == [0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--save-inputs", "whole.npy"), "--save-inputs writes the samples of --calibrate"),
        (("--calibrate", "x.npy", "--save-inputs", "x.npy"), "it is the input x.npy"),
        (("--calibrate", "x.npy", "-o", "net.pt", "--weights", "net.pt"), "it is the input net.pt"),
        (("--calibrate", "x.npy", "-o", "mynet.py"), "it is the input mynet.py"),
        (("--calibrate", "x.npy"), "input_shape is missing, and a torch module does not state it"),
        (("--calibrate", "x.npy", "--reset", "zero"), "'torch-floats' does not use it"),
        (("--reset", "gently"), "reset is 'gently'; give one of zero, subtract, none"),
        (("--levels", "1"), "levels is 1; give a whole number in 2..256"),
    ],
)
def test_options_that_cannot_be_used_are_refused(
    cli: Cli, folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = cli("convert", "mynet.py:Net", "-o", "g.safetensors", *arguments)
    assert (result.code, result.stdout) == (2, "")
    assert message in result.stderr
    assert not Path("g.safetensors").exists()

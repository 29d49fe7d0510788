"""``edgespike convert net.py:Net --check`` for modules with neurons of snnTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.cli.conftest import Cli, Result

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch", reason="needs snntorch: pip install snntorch")

pytestmark = pytest.mark.torch

CODE = """
import snntorch
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(12, 16), nn.Linear(16, 4)
        self.lif1, self.lif2 = snntorch.Leaky(beta=0.5), snntorch.Leaky(beta=0.5)

    def forward(self, x):
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes = []
        for _ in range(6):
            spk1, mem1 = self.lif1(self.fc1(x), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
        return torch.stack(spikes)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a net and samples; parameters come with `weights`."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(CODE)
    np.save("x.npy", np.random.default_rng(0).integers(0, 2, (50, 12)).astype(np.float32))
    return tmp_path


def weights(unit: float | None) -> dict[str, Any]:
    """Return parameters under the names of the net: multiples of a unit, or of no unit."""
    rng = np.random.default_rng(1)
    shapes = {"fc1.weight": (16, 12), "fc1.bias": (16,), "fc2.weight": (4, 16), "fc2.bias": (4,)}
    made = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    if unit is not None:
        made = {name: np.rint(values / unit) * unit for name, values in made.items()}
    neurons = {"beta": 0.5, "threshold": 1.0, "graded_spikes_factor": 1.0}
    made |= {f"lif{i}.{name}": np.array(value) for i in (1, 2) for name, value in neurons.items()}
    return {
        **{name: values.astype(np.float32) for name, values in made.items()},
        **{f"lif{i}.reset_mechanism_val": np.array(0) for i in (1, 2)},
    }


def saved(kind: str, unit: float | None = None) -> Path:
    """Write the parameters of a net as a file of one kind."""
    found = weights(unit)
    if kind == "safetensors":
        save_file(found, "net.safetensors")
        return Path("net.safetensors")
    tensors = {name: torch.from_numpy(values) for name, values in found.items()}
    torch.save(tensors, "net.pt")
    return Path("net.pt")


def convert(cli: Cli, *more: object) -> Result:
    arguments = ("--input-shape", "12", "--calibrate", "x.npy", "-o", "g.safetensors")
    return cli("convert", "net.py:Net", *arguments, *more, "--force")


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_an_exact_net_has_no_spike_that_differs(cli: Cli, folder: Path, kind: str) -> None:
    weights = saved(kind, 0.25)
    result = convert(cli, "--weights", weights, "--check", "x.npy", "--json")
    assert result.code == 0, result.stderr
    found, check = result.json["found"], result.json["check"]
    assert (found["converter"], found["exact"], found["steps"]) == ("snntorch", True, 6)
    parts = {part["path"]: part["different"] for part in check["parts"]}
    assert parts == {"lif1": 0, "lif2": 0, "readout": None}
    assert (check["failed"], check["flipped"], check["samples"]) == (False, 0, 50)


def test_the_distance_of_a_quantised_net_is_printed(cli: Cli, folder: Path) -> None:
    weights = saved("safetensors")
    result = convert(cli, "--weights", weights, "--bits", 4, "--check", "x.npy", "--samples", 30)
    assert result.code == 0, result.stderr
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.split()}
    at = result.stdout.index("spikes different")
    lines = result.stdout[at:].splitlines()
    (lif1,) = (line for line in lines if "lif1" in line)
    assert "2,880" in lif1  # 30 samples, 6 steps, 16 neurons
    assert "readout" in rows
    assert "answers differ between the source itself and the graph" in result.stdout


def test_a_net_that_must_be_exact_and_differs_exits_with_1(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import snntorch

    from edgespike.converters.spiking import activity

    run = activity.run_module

    def other(*given: Any) -> Any:
        values = dict(run(*given))
        return {**values, "lif1": 1 - values["lif1"]}

    monkeypatch.setattr(activity, "run_module", other)
    assert snntorch.Leaky
    result = convert(cli, "--weights", saved("pt", 0.25), "--check", "x.npy")
    assert result.code == 1
    assert "nothing written" in result.stdout
    assert not Path("g.safetensors").exists()


def test_parameters_of_another_net_are_refused(cli: Cli, folder: Path) -> None:
    given = weights(None)
    del given["lif1.beta"]
    save_file({**given, "fc1.weight": np.zeros((3, 3), np.float32)}, "net.safetensors")
    result = convert(cli, "--weights", "net.safetensors")
    assert result.code == 2
    assert "lif1.beta" in result.stderr
    assert "fc1.weight" in result.stderr

"""Movements of people with a smartwatch, as windows of steps, and a snnTorch net for them.

The recordings are those of seglearn (PyPI, 1.2.5, BSD-3): 140 of 10 people, 7 exercises of the
shoulder, acceleration and turning on three axes each at 50 Hz (Burns et al., arXiv 1802.01489).
"""

from __future__ import annotations

import pickle
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import snntorch
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray
from torch import nn

STEPS = 25
PER_STEP = 4
"""Moments of a recording that are shown at one step; a window is two seconds."""

CHANNELS, CLASSES = 6, 7
LEVELS, UNIT = 7, 0.4
"""Inputs are whole numbers from -7 to 7, in units of so many standard deviations."""

VALIDATION, TEST = (1, 2), (8, 9, 10)
"""People whose windows are kept for choosing, and for testing."""

_NAMES = {
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),
}


@dataclass(frozen=True)
class Windows:
    """Whole numbers ``(windows, steps, features)``, and the class of each window."""

    x: NDArray[np.int64]
    labels: NDArray[np.int64]


def load(sdist: Path) -> dict[str, Windows]:
    """Return the windows for "train", "validation" and "test", split by people.

    Parameters
    ----------
    sdist
        seglearn's source distribution, ``seglearn-1.2.5.tar.gz``.
    """
    with tarfile.open(sdist) as archive:
        member = next(name for name in archive.getnames() if name.endswith("watch_dataset.npy"))
        content = archive.extractfile(member)
        assert content is not None
        data = _read(content)
    people = np.asarray(data["subject"])
    split = {"validation": np.isin(people, VALIDATION), "test": np.isin(people, TEST)}
    split["train"] = ~(split["validation"] | split["test"])
    seen = np.concatenate([x for x, used in zip(data["X"], split["train"], strict=True) if used])
    mean, deviation = seen.mean(axis=0), seen.std(axis=0)

    def windows(used: NDArray[np.bool_]) -> Windows:
        found, labels = [], []
        for recording, label, wanted in zip(data["X"], data["y"], used, strict=True):
            if wanted:
                count = len(recording) // (STEPS * PER_STEP)
                whole = np.rint((recording - mean) / deviation / UNIT).clip(-LEVELS, LEVELS)
                whole = whole[: count * STEPS * PER_STEP].astype(np.int64)
                found.append(whole.reshape(count, STEPS, PER_STEP * CHANNELS))
                labels.append(np.full(count, label, np.int64))
        return Windows(np.concatenate(found), np.concatenate(labels))

    return {name: windows(used) for name, used in split.items()}


def _read(file: IO[bytes]) -> Any:
    """Read a pickled array of one object, which may hold numpy arrays and nothing else."""

    class Numpy(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) not in _NAMES:
                raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)

    version = npy.read_magic(file)
    assert version == (1, 0)
    npy.read_array_header_1_0(file)
    return Numpy(file, encoding="latin1").load().item()


class Net(nn.Module):
    """Three layers of Leaky, in a loop over the steps of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(PER_STEP * CHANNELS, 96), nn.Linear(96, 64)
        self.fc3 = nn.Linear(64, CLASSES)
        self.lif1, self.lif2 = snntorch.Leaky(beta=0.8), snntorch.Leaky(beta=0.9)
        self.lif3 = snntorch.Leaky(beta=0.95)

    def forward(self, x: Any) -> Any:
        """Return the spikes of the last layer, ``(steps, windows, classes)``."""
        mem1, mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        mem3 = self.lif3.reset_mem()
        spikes = []
        for step in range(STEPS):
            spk1, mem1 = self.lif1(self.fc1(x[:, step]), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spk3, mem3 = self.lif3(self.fc3(spk2), mem3)
            spikes.append(spk3)
        return torch.stack(spikes)


def train(data: dict[str, Windows], epochs: int) -> Net:
    """Train a net, and return it as it was after the epoch that validated best."""
    torch.manual_seed(0)
    net = Net()
    x, labels = as_real(data["train"].x), torch.tensor(data["train"].labels)
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    best, state = -1.0, net.state_dict()
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(x)), 64):
            loss = nn.functional.cross_entropy(net(x[chosen]).sum(0) / 4, labels[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        right = float((classes(net, data["validation"].x) == data["validation"].labels).mean())
        if right > best:
            best = right
            state = {name: values.clone() for name, values in net.state_dict().items()}
    net.load_state_dict(state)
    return net.eval()


def as_real(x: NDArray[np.int64]) -> Any:
    """Return windows as the net takes them."""
    return torch.tensor(x * UNIT, dtype=torch.float32)


def classes(net: nn.Module, x: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class of each window."""
    with torch.no_grad():
        return np.asarray(net(as_real(x)).sum(0).argmax(1).numpy(), np.int64)

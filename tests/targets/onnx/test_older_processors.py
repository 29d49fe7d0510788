"""Models on an emulated x86 processor without VNNI, where pairs of products saturate.

A processor with VNNI, which most machines have, cannot show that. QEMU emulates a Haswell: it has
AVX2, and ONNX Runtime chooses the kernels that it has for it.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph import Graph, Input
from edgespike.graph.inputs import as_samples
from edgespike.interpreter import interpret
from edgespike.models import shipped_images, shipped_model
from edgespike.targets.onnx import bytes as digits
from edgespike.targets.onnx.lower import lower
from edgespike.targets.onnx.run import encode_input
from edgespike.trace import observed_names
from tests.available import available
from tests.random_graphs import accepted
from tests.strategies import MIXES
from tests.targets.onnx import run_models
from tests.targets.onnx.graphs import chain, conv, dense, random_samples, thresholds

QEMU = shutil.which("qemu-x86_64")

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="emulates x86 for x86 programs"),
    pytest.mark.skipif(QEMU is None, reason="needs qemu-x86_64: apt-get install qemu-user"),
]

RNG = np.random.default_rng(2013)


def weights(*shape: int, largest: int = 127) -> NDArray[Any]:
    drawn = RNG.integers(-largest, largest + 1, shape)
    return np.where(RNG.random(shape) < 0.5, largest, drawn)  # neighbours add up


BYTES, IMAGE = Input((64,), 0, 255, 1.0), Input((8, 6, 6), 0, 255, 1.0)
NETS = {
    "dense": chain(BYTES, dense(weights(10, 64))),
    "dense of signed bytes": chain(Input((64,), -128, 127, 1.0), dense(weights(10, 64))),
    "dense of 16 bits": chain(Input((64,), 0, 65_535, 1.0), dense(weights(10, 64, largest=9999))),
    "patches": chain(IMAGE, conv(weights(10, 8, 3, 3), padding=(1, 1))),
    "merged": chain(IMAGE, conv(weights(10, 8, 3, 3)), thresholds(np.full((10, 1), 200_000))),
    "merged, levels": chain(
        IMAGE, conv(weights(9, 8, 3, 3)), thresholds([[100_000, 200_000, 300_000]] * 9)
    ),
    "merged, depthwise": chain(
        IMAGE, conv(weights(16, 1, 3, 3), groups=8), thresholds(np.full((16, 1), 99_999))
    ),
    "depthwise": chain(IMAGE, conv(weights(16, 1, 3, 3), groups=8)),
    "just within": chain(Input((64,), 0, 129, 1.0), dense(weights(10, 64))),
    "just beyond": chain(Input((64,), 0, 130, 1.0), dense(weights(10, 64))),
    "-128": chain(Input((64,), 0, 128, 1.0), dense(weights(10, 64) - 1)),
    "more than int32 in stored bytes": chain(
        Input((40_000,), 0, 255, 1.0), dense(np.where(np.arange(40_000) % 2, 127, -127)[None])
    ),
}


def write(folder: Path, name: str, graph: Graph, samples: NDArray[Any]) -> None:
    """Write a model that shows every layer, samples, and what each output should be."""
    lowered = lower(graph, observed_names(graph))
    (folder / f"{name}.onnx").write_bytes(lowered.model.SerializeToString())
    expected = interpret(graph, samples).values
    arrays: dict[str, Any] = {"input": encode_input(graph, as_samples(graph, samples))}
    for node, value in lowered.observed.items():
        shown = expected[node] if graph.steps > 1 else expected[node][:, 0]
        arrays[value.name] = shown + value.storage.zero_point
    np.savez(folder / f"{name}.npz", **arrays)


def emulate(folder: Path) -> dict[str, int]:
    """Run all models of a folder, and return how many values of each are wrong."""
    assert QEMU
    command = [QEMU, "-cpu", "Haswell", sys.executable, run_models.__file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.rsplit(" ", 1) for line in done.stdout.splitlines()]
    return {name: int(wrong) for name, wrong in lines}


@pytest.fixture(autouse=True)
def _installed() -> None:
    available("onnx")


def test_models_are_exact(tmp_path: Path) -> None:
    for name, graph in NETS.items():
        write(tmp_path, name, graph, random_samples(graph, 10))
    for name in ("fashion_s3nn", "fashion_maqd", "fashion_rnn"):
        write(tmp_path, name, shipped_model(name), shipped_images(name)[0][:4])
    assert set(emulate(tmp_path).items()) == {
        (name, 0) for name in (*NETS, "fashion_s3nn", "fashion_maqd", "fashion_rnn")
    }


def test_random_graphs_are_exact(tmp_path: Path) -> None:
    for mix in MIXES:
        for index, defined in enumerate(accepted(mix, 3, lambda graph: False, 3)):
            write(tmp_path, f"{mix}-{index}", defined.case.graph, defined.case.samples)
    found = emulate(tmp_path)
    assert len(found) == 3 * len(MIXES)
    assert not any(found.values())


def test_without_the_rule_they_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the tests above would show nothing."""
    monkeypatch.setattr(digits, "PAIR_LIMIT", 2**40)
    names = ("dense", "patches", "merged", "dense of 16 bits", "just beyond")
    for name in names:
        write(tmp_path, name, NETS[name], random_samples(NETS[name], 10))
    found = emulate(tmp_path)
    assert all(found[name] > 0 for name in names), found

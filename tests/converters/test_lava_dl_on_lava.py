"""Files of lava-dl in its own netx, on Lava: every layer and step is the graph's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.converters.base import ConvertOptions
from edgespike.converters.lava_dl.dense_weights import changed_weights
from edgespike.converters.lava_dl.hdf5 import read_net
from edgespike.converters.lava_dl.layers import layers_of
from edgespike.converters.lava_dl.reading import read_graph
from edgespike.converters.lava_dl.records import InputLayer
from edgespike.interpreter import interpret
from edgespike.targets.loihi.network import message_bits
from edgespike.targets.shared.installing import site_packages
from edgespike.workers.worker import Worker
from tests.converters.netx_files import MODELS, write
from tests.converters.test_lava_dl import NETS, samples_of
from tests.targets.loihi import lava_dl

pytestmark = [pytest.mark.loihi, pytest.mark.slow]

PYTHON = lava_dl.folder() / "bin" / "python"


@pytest.fixture(scope="module")
def netx() -> Iterator[Worker]:
    """Yield a process that runs files, or skip the test where netx is not installed."""
    problem = lava_dl.problem()
    if problem:
        pytest.skip(f"{lava_dl.NAME}: {problem}; run: python -m tests.targets.loihi.lava_dl")
    with lava_dl.netx_worker() as worker:
        yield worker


def check(netx: Worker, path: Path, x: Any, **given: Any) -> None:
    """Compare every layer of a file on Lava with the graph's definition."""
    net = read_graph(path, ConvertOptions(**given))
    first, op = layers_of(read_net(path), [])[0], net.graph.input_op
    expected = interpret(net.graph, x).values
    driven = isinstance(first, InputLayer) and first.neurons is not None
    drive = first.bias if isinstance(first, InputLayer) and driven else 0
    bits = message_bits(op.low, op.high)
    found, spikes = lava_dl.run_file(netx, path, x + drive, bits, direct=driven)
    nodes = [layer.node for layer in net.layers if layer.node]
    for node, values in zip(nodes, [*found[:-1], spikes], strict=True):
        if node == net.graph.readout.name:
            scale = net.graph.readout_op.scale
            np.testing.assert_array_equal(found[-1] / 64, expected[node] * scale, err_msg=node)
            assert not spikes.any()
        else:
            ours = expected[node]
            np.testing.assert_array_equal(values.reshape(ours.shape), ours, err_msg=node)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("oxford", {"steps": 10}),
        ("tiny", {}),
        ("pilotnet_lif", {"steps": 4}),
        ("pilotnet_lif", {"steps": 2, "input_range": (0, 255)}),
    ],
)
def test_public_files(netx: Worker, name: str, given: dict[str, Any]) -> None:
    path = MODELS / f"{name}.net"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    net = read_graph(path, ConvertOptions(**given))
    frames = samples_of(net, 1 if name == "pilotnet_lif" else 2)
    if net.graph.input_op.high > 1:  # a picture stands still
        frames[:] = frames[:, :1]
    check(netx, path, frames, **given)


@pytest.mark.parametrize("name", NETS)
def test_nets(netx: Worker, name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "net.net", NETS[name], steps=9)
    # What still travels through delays and loops reaches netx's next sample.
    travels = any("delay" in layer or "weight_rec" in layer for layer in NETS[name])
    for seed in range(3):
        net = read_graph(path, ConvertOptions())
        check(netx, path, samples_of(net, 1 if travels else 4, seed))
        if not travels:
            break


@pytest.mark.parametrize("name", ["one layer", "a current", "an image", "delays of synapses"])
def test_graded_inputs(netx: Worker, name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "net.net", NETS[name], steps=6)
    limits: dict[str, Any] = {"input_range": (0, 9)}
    check(netx, path, samples_of(read_graph(path, ConvertOptions(**limits)), 1), **limits)


KEPT_BY_LAVA = """
import importlib.util, sys, numpy as np

def module(path):
    spec = importlib.util.spec_from_file_location("loaded", path)
    found = importlib.util.module_from_spec(spec)
    sys.modules["loaded"] = found
    spec.loader.exec_module(found)
    return found

optimize_weight_bits = module(sys.argv[3]).optimize_weight_bits
lava = module(sys.argv[4])
found = []
for weight in np.load(sys.argv[1]):
    try:
        mantissa, bits, exponent, _ = optimize_weight_bits(weight)
    except (OverflowError, ValueError):
        found.append(False)
        continue
    sign = lava.determine_sign_mode(mantissa)
    mantissa = lava.truncate_weights(lava.clip_weights(mantissa, sign, num_bits=8), sign, bits)
    found.append(exponent <= 0 and (mantissa == weight.astype(np.int32) << -exponent).all())
np.save(sys.argv[2], found)
"""


def matrices() -> Iterator[Any]:
    """Yield pairs of weights: every range's ends, and random ones."""
    ends = [-257, -256, -255, -254, -129, -128, -127, -64, -3, -2, -1, 0, 1, 2, 3, 64, 127, 128]
    ends += [254, 255, 256, 300]
    yield from ([[low, high]] for low in ends for high in ends)
    rng = np.random.default_rng(0)
    for _ in range(300):
        low, high = np.sort(rng.integers(-260, 260, 2))
        yield [[low * 2 // 2, high]]


@pytest.mark.usefixtures("netx")
def test_netx_changes_the_weights_that_are_refused(tmp_path: Path) -> None:
    weights = np.array(list(matrices()))
    np.save(tmp_path / "weights.npy", weights)
    lava = site_packages(lava_dl.folder()) / "lava"
    files = (tmp_path / "weights.npy", tmp_path / "kept.npy")
    code = (lava / "lib/dl/netx/utils.py", lava / "utils/weightutils.py")
    line: list[str | Path] = [PYTHON, "-W", "ignore", "-c", KEPT_BY_LAVA, *files, *code]
    done = subprocess.run(line, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    refused = [any(changed_weights("w", weight)) for weight in weights]
    kept = np.load(tmp_path / "kept.npy")
    for weight, ours, netx_keeps in zip(weights, refused, kept, strict=True):
        assert ours is not bool(netx_keeps), weight

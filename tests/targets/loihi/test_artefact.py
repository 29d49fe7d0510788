"""The exported folder: it runs without edgespike, its netx file and resource table are true."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.api import export
from edgespike.graph import (
    Comparison,
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Operation,
    Reset,
    ResetTime,
    SumPool2d,
)
from edgespike.interpreter import conv2d, dense, interpret
from edgespike.passes.unary import unary
from edgespike.storage.checksums import write_checksums
from edgespike.targets.loihi.environment import lava_path
from edgespike.targets.loihi.lower import lower
from edgespike.targets.loihi.netx import NetxError, netx_bytes
from edgespike.targets.loihi.resources import as_text, summary
from tests.targets.loihi import graphs
from tests.targets.loihi.graphs import chain, conv, ended, levels, loop, samples, threshold

IMAGE = Input((2, 7, 6), 0, 255, 1 / 255)
STRIDED = conv(4, 2, kernel=2, padding=(1, 0), stride=(2, 1))
WIDE = Conv2d(20 * STRIDED.weight, STRIDED.bias, None, STRIDED.stride, STRIDED.padding)
GROUPED = conv(6, 2, kernel=2, dilation=(1, 2), groups=2)


EVENTS = Input((12,), 0, 1, 1.0)
LOOP = ended([Node("input", EVENTS), *loop("state", "input", 12, levels(6, 4), 2)], steps=3)


POOLED = chain(IMAGE, STRIDED, threshold([1] * 4), MaxPool2d((2, 2), (2, 2)))


def with_name(graph: Graph, old: str, new: str) -> Graph:
    """Return a node another name."""
    nodes = [
        Node(
            new if node.name == old else node.name,
            node.op,
            tuple(new if source == old else source for source in node.inputs),
        )
        for node in graph.nodes
    ]
    return Graph(graph.name, tuple(nodes), graph.steps)


def sequential(steps: int = 1) -> Graph:
    first: Operation = threshold([-100, 0, 100, 200], flipped=[1, 2])
    second: Operation = threshold([-1, 0, 1, 2, 3, 4], flipped=[5])
    if steps > 1:
        first = Membrane(np.full(4, 300), 20, Reset.ZERO, comparison=Comparison.GREATER)
        second = Membrane(np.full(6, 9), reset=Reset.ZERO)
    return chain(IMAGE, STRIDED, first, GROUPED, second, steps=steps)


def read_netx(file: h5py.File, x: Any, steps: int) -> Any:
    """Compute the last layer's potentials over samples ``(samples, steps, ...)`` from a file."""
    layers = [file["layer"][str(index)] for index in range(len(file["layer"]))]
    potentials: dict[int, Any] = {}
    for t in range(steps):
        values = x[:, t]
        for index, layer in enumerate(layers[1:]):
            values = _apply(layer, values, potentials, index)
    return potentials[len(layers) - 2] >> 6


def _apply(layer: Any, values: Any, potentials: dict[int, Any], index: int) -> Any:
    kind = layer["type"][0].decode()
    if kind == "flatten":
        return values.reshape(len(values), -1)
    weight, bias = layer["weight"][()].astype(int), layer["bias"][()].astype(int)
    if kind == "conv":
        geometry: Any = {name: tuple(layer[name][()]) for name in ("stride", "padding", "dilation")}
        groups = int(layer["groups"][()])
        sums = conv2d(Conv2d(weight, bias, groups=groups, **geometry), values)
    else:
        sums = dense(Dense(weight, bias), values)
    assert sums.shape[1:] == tuple(layer["shape"][()])
    v = potentials.get(index, np.zeros_like(sums))
    v = np.sign(v) * (np.abs(v) * (4096 - layer["neuron/vDecay"][()]) >> 12) + (sums << 6)
    spikes = v > layer["neuron/vThMant"][()] << 6
    potentials[index] = np.where(spikes, 0, v)
    return spikes.astype(int)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_netx_file_holds_the_network(steps: int, tmp_path: Path) -> None:
    graph = sequential(steps)
    path = tmp_path / "test.net"
    path.write_bytes(netx_bytes(graph))
    x = samples(graph, 5)
    with h5py.File(path) as file:
        assert [file[f"layer/{i}/type"][0] for i in range(5)] == [
            b"input", b"conv", b"conv", b"flatten", b"dense",
        ]  # fmt: skip
        found = read_netx(file, x, steps)
    np.testing.assert_array_equal(found, interpret(graph, x).accumulators(graph))


@pytest.mark.parametrize(
    ("geometry", "kernel", "padding"),
    [
        ({"padding": (0, 1, 0, 1), "stride": (2, 2)}, (3, 3), (1, 1)),
        ({"padding": (2, 0, 1, 1), "stride": (1, 2)}, (4, 2), (2, 1)),
        ({"padding": (0, 4, 3, 0), "dilation": (2, 3)}, (4, 3), (4, 3)),
        ({"padding": (0, 3, 0, 0), "stride": (3, 1)}, (5, 2), (3, 0)),
    ],
)
def test_padding_of_one_side_is_written_as_zero_weights(
    geometry: dict[str, Any], kernel: tuple[int, int], padding: tuple[int, int], tmp_path: Path
) -> None:
    op = conv(4, 2, kernel=2, **geometry)
    graph = chain(IMAGE, op, threshold([-100, 0, 100, 200], flipped=[1]))
    (tmp_path / "padded.net").write_bytes(netx_bytes(graph))
    x = samples(graph, 20)
    with h5py.File(tmp_path / "padded.net") as file:
        layer = file["layer/1"]
        assert layer["weight"].shape[2:] == tuple(layer["kernelSize"][()]) == kernel
        assert tuple(layer["padding"][()]) == padding
        found = read_netx(file, x, 1)
    np.testing.assert_array_equal(found, interpret(graph, x).accumulators(graph))


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(
    "pool",
    [
        MaxPool2d((2, 2), (2, 2)),
        MaxPool2d((3, 2), (2, 1), (1, 1)),
        MaxPool2d((2, 2), (2, 2), (0, 1, 1, 0)),
    ],
)
def test_a_max_pool_is_written_as_the_convolution_that_computes_it(
    pool: MaxPool2d, steps: int, tmp_path: Path
) -> None:
    fires: Operation = threshold([-100, 0, 100, 200])
    if steps > 1:
        fires = Membrane(np.full(4, 300), 20, Reset.ZERO, comparison=Comparison.GREATER)
    graph = chain(IMAGE, STRIDED, fires, pool, steps=steps)
    (tmp_path / "pool.net").write_bytes(netx_bytes(graph))
    x = samples(graph, 5)
    with h5py.File(tmp_path / "pool.net") as file:
        assert file["layer/2/type"][0] == b"conv"
        found = read_netx(file, x, steps)
    np.testing.assert_array_equal(found, interpret(graph, x).accumulators(graph))


@pytest.mark.parametrize(
    ("ops", "steps", "reason"),
    [
        ((STRIDED, threshold([1] * 4), SumPool2d((2, 2), (2, 2))), 1, "sum_pool2d2 is a sum_pool"),
        ((STRIDED, Membrane(np.full(4, 9))), 3, "membrane1 is a membrane that stock neurons"),
        ((STRIDED, threshold([1] * 4)), 3, "threshold1 forgets at each step"),
        ((WIDE, threshold([-9000, 0, 0, 9000])), 1, "threshold1 has biases or thresholds"),
        ((STRIDED, levels(4, 3)), 1, "threshold1 has several levels.* --coding unary"),
        (
            (conv(4, 2, kernel=2, padding=(0, 1, 0, 0), dilation=(2, 1)), threshold([1] * 4)),
            1,
            r"conv2d0 has padding \(0, 1, 0, 0\) and dilation \(2, 1\); netx pads opposite sides "
            "alike, so their difference must be a multiple of the dilation",
        ),
        ((MaxPool2d((2, 2), (2, 2)),), 1, "max_pool2d0 takes the largest of graded spikes"),
    ],
)
def test_what_netx_cannot_hold(ops: tuple[Operation, ...], steps: int, reason: str) -> None:
    with pytest.raises(NetxError, match=reason):
        netx_bytes(chain(IMAGE, *ops, steps=steps))


def test_the_folder_says_what_is_in_it(tmp_path: Path) -> None:
    export(sequential(), "loihi", tmp_path / "row")
    assert sorted(path.name for path in (tmp_path / "row").iterdir()) == [
        "README.md",
        "SHA256SUMS",
        "expected_output.npy",
        "lava_processes",
        "network.json",
        "network.npz",
        "resources.json",
        "resources.txt",
        "run_lava.py",
        "sample_input.npy",
        "samples_and_answers.py",
        "test.net",
    ]
    pooled = chain(IMAGE, STRIDED, threshold([1] * 4), SumPool2d((2, 2), (2, 2)))
    export(pooled, "loihi", tmp_path / "pooled")
    assert not list((tmp_path / "pooled").glob("*.net"))
    readme = (tmp_path / "pooled" / "README.md").read_text()
    assert "sum_pool2d2 is a sum_pool2d, which netx does not offer" in readme
    assert "Intel archived Lava in May 2026" in readme
    assert "defined by edgespike's interpreter, not by Lava" in readme


def test_loops_are_exported_without_a_netx_file(tmp_path: Path) -> None:
    export(LOOP, "loihi", tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.net"))
    readme = (tmp_path / "out" / "README.md").read_text()
    assert (
        "state.before is a delay; netx reads loops (dense_rec), but lava-dl 0.6.0 has no" in readme
    )


def test_levels_are_exported_without_a_netx_file(tmp_path: Path) -> None:
    export(chain(IMAGE, STRIDED, levels(4, 3)), "loihi", tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.net"))
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "threshold1 has several levels, which stock neurons cannot send" in readme
    table = (tmp_path / "out" / "resources.txt").read_text()
    assert (
        "threshold1: graded spikes of 2 bits, which the chip does not have; levels need --coding"
        in table
    )


@pytest.mark.loihi
@pytest.mark.usefixtures("lava")
@pytest.mark.parametrize(
    "graph",
    [POOLED, LOOP, with_name(POOLED, "threshold1", "file")],
    ids=["pooling", "loop", "a layer called file"],
)
def test_the_folder_runs_on_lava_without_edgespike(graph: Graph, tmp_path: Path) -> None:
    export(graph, "loihi", tmp_path / "out")
    x = samples(graph, 3)
    np.save(tmp_path / "samples.npy", x.reshape(3, graph.steps, -1))
    folders = lava_path() or [str(Path(np.__file__).parents[1])]
    script = tmp_path / "out" / "run_lava.py"
    start = "import runpy, sys; sys.modules['edgespike'] = None; del sys.argv[0]; "
    start += "runpy.run_path(sys.argv[0], run_name='__main__')"
    subprocess.run(
        [sys.executable, "-c", start, str(script), "samples.npy", "results.npz"],
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": ":".join([str(script.parent), *folders])},
        check=True,
        start_new_session=True,
        timeout=120,
    )
    expected = interpret(graph, x)
    with np.load(tmp_path / "results.npz") as results:
        assert set(results.files) == set(expected.values)
        for name, values in expected.values.items():
            np.testing.assert_array_equal(results[name], values.reshape(3, graph.steps, -1))


def test_a_missing_lava_is_told_with_the_way_out(tmp_path: Path) -> None:
    export(POOLED, "loihi", tmp_path / "out")
    run = "import runpy, sys; sys.path = [p for p in sys.path if 'lava-nc' not in p]; "
    run += "del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    script = tmp_path / "out" / "run_lava.py"
    done = subprocess.run(
        [sys.executable, "-c", run, str(script), "samples.npy", "results.npz"],
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Lava is not on Python's path; install lava-nc 0.10, or set")


def run_by_itself(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an exported folder's runner with Lava on its path."""
    paths = [*(lava_path() or [str(Path(np.__file__).parents[1])])]
    return subprocess.run(
        [sys.executable, "run_lava.py", *arguments],
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": ":".join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        timeout=120,
    )


@pytest.mark.loihi
@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.full((1, 3, 84), 256), "samples have values 256..256; give 0..255"),
        (np.zeros((1, 3, 84)), "samples have dtype float64; give whole numbers 0..255"),
        (np.zeros((3, 84), int), "samples have shape (3, 84); give (samples, 3, 84)"),
        (np.zeros((6, 1, 84), int), "samples have shape (6, 1, 84); give (samples, 3, 84)"),
        (np.zeros((0, 3, 84), int), "samples have shape (0, 3, 84); give (samples, 3, 84)"),
        (None, "cannot read samples.npy: "),
    ],
)
def test_samples_that_do_not_fit_are_refused(
    tmp_path: Path, samples: NDArray[Any] | None, message: str
) -> None:
    folder = export(sequential(3), "loihi", tmp_path / "out")
    if samples is not None:
        np.save(folder / "samples.npy", samples)
    done = run_by_itself(folder, "samples.npy", "results.npz")
    assert done.stderr.startswith(message)
    assert done.returncode == 1
    assert not (folder / "results.npz").exists()


@pytest.mark.loihi
def test_the_folder_checks_itself(tmp_path: Path) -> None:
    folder = export(sequential(3), "loihi", tmp_path / "out")
    expected = np.load(folder / "expected_output.npy")
    done = run_by_itself(folder)
    assert done.stdout == f"{len(expected)} of {len(expected)} samples are exactly as expected\n"
    assert done.returncode == 0
    expected[2, -1] += 1
    np.save(folder / "expected_output.npy", expected)
    write_checksums(folder)
    done = run_by_itself(folder)
    assert done.stdout.startswith(f"{len(expected) - 1} of {len(expected)} samples are exactly")
    assert done.returncode == 1


@pytest.mark.parametrize(
    "name",
    [
        "network.npz",
        "network.json",
        "sample_input.npy",
        "expected_output.npy",
        "lava_processes/processes.py",
    ],
)
def test_a_file_with_a_flipped_bit_is_refused(name: str, tmp_path: Path) -> None:
    folder = export(POOLED, "loihi", tmp_path / "out")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    done = run_by_itself(folder)
    assert done.returncode == 1
    assert done.stderr == (
        f"{name} and SHA256SUMS differ: one was damaged; copy the folder again\n"
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = export(POOLED, "loihi", tmp_path / "out")
    (folder / "network.npz").unlink()
    done = run_by_itself(folder)
    assert done.returncode == 1
    assert "network.npz cannot be read: No such file or directory" in done.stderr


def test_resources_counted_by_hand() -> None:
    """2 inputs fully connected to 3 neurons, 3 to 3 classes, and an always-on source to one."""
    layer = Dense(np.array([[100, -100], [100, 0], [-128, 127]]), np.zeros(3, int))
    graph = chain(Input((2,), 0, 255, 1.0), layer, threshold([0, 12000, 0]))
    figures = summary(lower(graph))
    hidden, readout = figures["populations"]
    assert hidden == {
        "population": "threshold1",
        "neurons": 3,
        "synapses": 5 + 3,
        "constant_synapses": 3,
        "largest_fan_in": 3,
        "weight_bits": 8,
        "message_bits": 0,
        "states": 0,
        "own_process": False,
        "cores": {"Loihi 1": 1, "Loihi 2": 1},
    }
    assert readout["synapses"] == int((graphs.dense(3, 3, seed=99).weight != 0).sum())
    assert figures["neurons"] == 6
    assert [chip["obstacles"] for chip in figures["chips"]] == [
        [
            "input: graded spikes of 8 bits, which the chip does not have",
            ":constant: graded spikes of 13 bits, which the chip does not have",
        ],
        [],
    ]


def test_the_synapses_of_a_loop_are_the_loop_s_neurons_own() -> None:
    figures = summary(lower(LOOP))
    (state, _), (first, second) = figures["populations"], figures["chips"]
    forward, back = (LOOP[f"state.{name}"].op for name in ("forward", "back"))
    assert isinstance(forward, Dense)
    assert isinstance(back, Dense)
    used = np.concatenate([forward.weight != 0, back.weight != 0], axis=1)
    assert (state["neurons"], state["synapses"]) == (6, used.sum())
    assert state["largest_fan_in"] == used.sum(axis=1).max()
    for chip in (first, second):
        assert chip["obstacles"][-1] == (
            "state: its delayed spikes start each sample at 2, which the program that "
            "sends the samples must provide"
        )


@pytest.mark.parametrize(
    ("op", "states"),
    [
        (Membrane(np.full(4, 9), decay=4096), 0),
        (Membrane(np.full(4, 9), reset=Reset.ZERO), 1),
        (Membrane(np.full(4, 9), decay_syn=9, reset=Reset.ZERO, comparison=Comparison.GREATER), 2),
        (Membrane(np.full(4, 9)), 1),
        (Membrane(np.full(4, 9), decay_syn=9), 2),
        (Membrane(np.full(4, 9), decay_syn=9, reset_time=ResetTime.NEXT_STEP), 3),
        (Membrane(np.full(4, 9), decay=4096, decay_syn=9), 1),
        (Membrane(np.full(4, 9), decay=4096, reset_time=ResetTime.SAME_STEP_RAISED), 1),
    ],
)
def test_a_current_is_a_state_of_its_own(op: Membrane, states: int) -> None:
    layer = Dense(graphs.dense(4, 12).weight, np.zeros(4, int))
    graph = chain(Input((12,), 0, 1, 1.0), layer, op, steps=3)
    hidden, readout = summary(lower(graph))["populations"]
    assert (hidden["states"], readout["states"]) == (states, 1)


def test_loihi_1_is_told_to_use_unary_spikes_where_these_help() -> None:
    pool = MaxPool2d((2, 2), (2, 2))
    graph = chain(Input((2, 7, 6), 0, 1, 1.0), STRIDED, levels(4, 4), pool)
    first, second = summary(lower(graph))["chips"]
    unary_helps = "levels need --coding unary"
    assert first["obstacles"] == [
        f"{name}: {what}; {unary_helps}"
        for name in ("threshold1", "max_pool2d2")
        for what in (
            "graded spikes of 3 bits, which the chip does not have",
            "a custom neuron model, which the chip cannot be given",
        )
    ]
    assert second["obstacles"] == [
        "threshold1: a custom neuron model, which must be written as microcode",
        "max_pool2d2: it takes the largest of its inputs; the chip's synapses only add them up",
    ]
    coded = summary(lower(unary(graph)))["chips"]
    assert [chip["obstacles"] for chip in coded] == [[], []]


def test_cores_are_filled_by_neurons_or_by_synapses() -> None:
    """Loihi 1: 1,024 neurons or 2**20 // 18 = 58,254 synapses a core."""
    ones = Dense(np.ones((1025, 100), int), np.zeros(1025, int))
    figures = summary(lower(chain(Input((100,), 0, 1, 1.0), ones, threshold([1] * 1025))))
    assert figures["populations"][0]["cores"] == {"Loihi 1": 2, "Loihi 2": 1}
    few = Dense(np.ones((1025, 10), int), np.zeros(1025, int))
    figures = summary(lower(chain(Input((10,), 0, 1, 1.0), few, threshold([1] * 1025))))
    assert figures["populations"][0]["cores"] == {"Loihi 1": 2, "Loihi 2": 1}
    assert json.loads(json.dumps(figures)) == figures
    assert "Loihi 1: 3 of 128 cores, 1 chip(s)" in as_text(figures)

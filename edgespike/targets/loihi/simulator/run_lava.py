# mypy: disable-error-code="import-not-found, import-untyped"
"""Run a lowered network on Lava's fixed-point simulator. Needs only Lava, numpy and scipy.

    python run_lava.py                           checks this installation
    python run_lava.py samples.npy results.npz   runs your samples; prints classes that have names

``samples.npy`` holds integers ``(samples, steps, neurons)`` for the network of ``network.json``
and ``network.npz`` beside this file. The results are each population's spikes
or levels ``(samples, steps, neurons)``, and the accumulators of the readout. Without arguments it
runs the samples beside this file and compares the last accumulators with the expected ones.

Where ``network.json`` has a scaling, floating-point numbers are measured ones and are scaled; they
may be in a table, ``samples.csv``, whose rows are steps.
"""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import json
import sys
import tempfile
import zipfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

FRACTION_BITS = 6
"""Lava's fixed-point LIF shifts its inputs left by 6: it keeps potentials in 1/64 of the
accumulator's unit. A graph's membranes do the same; this file runs where edgespike is not
installed, so the number stands here as well."""

WHOLE_DECAY = 4096
"""With this decay the current is the present step's input alone. Of Lava's LIF, ``du + 1`` in 4096
decays, so its ``du`` is lower by 1."""

READOUTS = ("readout", "total")
"""Kinds of populations whose values are the answer."""


HERE = Path(__file__).parent


def main(arguments: list[str]) -> None:
    """Run the network beside this file, or check the installation."""
    if len(arguments) not in (0, 2) or any(each.startswith("-") for each in arguments):
        sys.exit(__doc__)
    processes = (path.relative_to(HERE) for path in HERE.glob("lava_processes/*.py"))
    code = [Path(__file__).name, "samples_and_answers.py", *(path.as_posix() for path in processes)]
    samples_here = () if arguments else ("sample_input.npy", "expected_output.npy")
    check_files(*code, "network.json", "network.npz", *samples_here)
    network = json.loads((HERE / "network.json").read_text())
    if find_spec("lava") is None:
        sys.exit(
            "Lava is not on Python's path; install lava-nc 0.10, or set PYTHONPATH to where "
            "'edgespike targets --setup loihi' put it: ~/.cache/edgespike/lava-nc-0.10.0"
        )
    samples = read(Path(arguments[0]) if arguments else HERE / "sample_input.npy", network)
    check_samples(samples, network)
    with np.load(HERE / "network.npz") as file:
        arrays = {"samples": samples, **file}
    values, _ = handle(arrays, {"network": network})
    if arguments:
        _save(Path(arguments[1]), values)
        _show_names(network, values)
    else:
        _compare(network, values, np.load(HERE / "expected_output.npy"))


def check_files(*names: str) -> None:
    """Stop if a file is not as it was exported."""
    try:
        lines = (HERE / "SHA256SUMS").read_bytes().splitlines()
        for name in names:
            digest = hashlib.sha256((HERE / name).read_bytes()).hexdigest()
            if f"{digest}  {name}".encode() not in lines:
                sys.exit(f"{name} and SHA256SUMS differ: one was damaged; copy the folder again")
    except OSError as error:
        sys.exit(f"{error.filename} cannot be read: {error.strerror}; copy the folder again")


def read(path: Path, network: dict[str, Any]) -> Any:
    """Read samples; scale measured numbers, and group a table's rows into samples."""
    from samples_and_answers import read_samples

    size = network["populations"][0]["size"]
    about = {key: network.get(key) for key in ("steps", "low", "high", "scaling")}
    samples = read_samples(path, {"shape": (size,), **about})
    return samples.reshape(-1, network["steps"], size) if path.suffix.lower() == ".csv" else samples


def check_samples(samples: Any, network: dict[str, Any]) -> None:
    """Stop if samples do not fit a network."""
    low, high = network["low"], network["high"]
    steps, size = network["steps"], network["populations"][0]["size"]
    if samples.dtype.kind not in "iu":
        sys.exit(f"samples have dtype {samples.dtype}; give whole numbers {low}..{high}")
    if samples.shape[1:] != (steps, size) or not len(samples):
        sys.exit(f"samples have shape {samples.shape}; give (samples, {steps}, {size})")
    if samples.min() < low or samples.max() > high:
        sys.exit(f"samples have values {samples.min()}..{samples.max()}; give {low}..{high}")


def _answers(network: dict[str, Any], values: dict[str, Any]) -> Any:
    """Return the accumulators after the last step."""
    readout = next(each["name"] for each in network["populations"] if each["kind"] in READOUTS)
    return values[readout][:, -1]


def _show_names(network: dict[str, Any], values: dict[str, Any]) -> None:
    if "class_names" in network:
        from samples_and_answers import show

        logits = _answers(network, values) * network["scale"]
        show(logits, network["members"], network["class_names"])


def _compare(network: dict[str, Any], values: dict[str, Any], expected: Any) -> None:
    wrong = int((_answers(network, values) != expected).any(axis=1).sum())
    print(f"{len(expected) - wrong} of {len(expected)} samples are exactly as expected")
    if wrong:
        sys.exit(1)


def _save(results: Path, values: dict[str, Any]) -> None:
    with zipfile.ZipFile(results, "w") as archive:  # np.savez takes no array called "file"
        for name, array in values.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def handle(
    arrays: dict[str, Any], parameters: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run samples through a network, back to back, one step of one sample at each step of Lava.

    Parameters
    ----------
    arrays
        ``samples`` and the network's own, named ``<population>.bias``,
        ``<connection>.weights`` and so on.
    parameters
        ``network`` as in ``network.json``; ``path``: folders to search for Lava.
    """
    sys.path[:0] = [path for path in parameters.get("path", []) if path not in sys.path]
    network = parameters["network"]
    samples = arrays.pop("samples")
    length = len(samples) * network["steps"]
    steps = length + max(population["depth"] for population in network["populations"])
    _import_lava()
    from lava_processes.running import forget
    from lava_processes.running import run as run_connected

    with tempfile.TemporaryDirectory() as name:
        files = _create_files(Path(name), network, steps)
        spikes = samples.reshape(length, -1).T.astype(np.int32)
        run_connected(build(network, arrays, spikes, files), steps)
        forget()
        return _read(network, files, length), {}


@cache
def _import_lava() -> None:
    # In Lava 0.10, a dataclass has a default value that Python 3.11 and later take for mutable
    # unless its class can be hashed.
    original = dataclasses.dataclass

    def hashable(cls: Any = None, **options: Any) -> Any:
        if cls is None:
            return lambda later: hashable(later, **options)
        if cls.__module__ == "lava.magma.compiler.var_model":
            options["unsafe_hash"] = True
        return original(cls, **options)

    dataclasses.dataclass = hashable
    try:
        import lava.magma.compiler.var_model  # noqa: F401
    finally:
        dataclasses.dataclass = original
    import lava_processes.running  # noqa: F401

    gc.freeze()  # what is imported need not be searched for garbage after each run


def build(network: dict[str, Any], arrays: dict[str, Any], spikes: Any, files: Any) -> Any:
    """Create and connect all processes, and return one of them."""
    from lava_processes.processes import SpikeRecorder, StateRecorder

    populations: dict[str, Any] = {}
    for entry in network["populations"]:
        name, size = entry["name"], entry["size"]
        process = populations[name] = _population(entry, arrays, spikes)
        if entry["kind"] == "readout":
            StateRecorder(size=size, file=files[name]).state.connect_var(process.v)
        elif name in files:
            process.s_out.connect(SpikeRecorder(size=size, file=files[name]).s_in)
    depths = {entry["name"]: entry["depth"] for entry in network["populations"]}
    axons = {(name, 0, None): process.s_out for name, process in populations.items()}
    for entry in network["connections"]:
        source, target = populations[entry["source"]], populations[entry["target"]]
        key = entry["source"], entry["delay"], entry["initial"]
        if key not in axons:
            # A sample's first spikes leave here one step before the target's first step.
            first = depths[entry["target"]] % network["steps"]
            axons[key] = _delay(source, entry["delay"], entry["initial"], network["steps"], first)
        synapses = _synapses(entry, arrays, (target.a_in.size, source.s_out.size))
        axons[key].connect(synapses.s_in)
        synapses.a_out.connect(target.a_in)
    return next(iter(populations.values()))


def _delay(source: Any, steps: int, initial: int | None, interval: int, offset: int) -> Any:
    from lava_processes.processes import Delay

    delay = Delay(
        size=source.s_out.size, steps=steps, initial=initial, interval=interval, offset=offset
    )
    source.s_out.connect(delay.s_in)
    return delay.s_out


def _synapses(entry: dict[str, Any], arrays: dict[str, Any], shape: tuple[int, int]) -> Any:
    from lava.proc.sparse.process import Sparse
    from lava.utils.weightutils import SignMode
    from scipy.sparse import csr_matrix

    weights, indices, indptr = (
        arrays[f"{entry['name']}.{part}"] for part in ("weights", "indices", "indptr")
    )
    # Twice the weight and an exponent lower by 1: with mixed signs Lava drops the lowest bit. Plain
    # spikes are sent as messages of one bit: for 0 bits Lava copies the whole matrix at each step.
    return Sparse(
        weights=csr_matrix((2 * weights.astype(np.int32), indices, indptr), shape=shape),
        weight_exp=entry["exponent"] - 1,
        sign_mode=SignMode.MIXED,
        num_message_bits=max(1, entry["message_bits"]),
    )


def _population(entry: dict[str, Any], arrays: dict[str, Any], spikes: Any) -> Any:
    from lava.proc.io.source import RingBuffer
    from lava.proc.lif.process import LIFReset
    from lava_processes.processes import Levels, Maximum

    if entry["kind"] == "input":
        return RingBuffer(data=spikes)
    if entry["kind"] == "constant":
        return RingBuffer(data=np.full((entry["size"], 1), entry["value"], np.int32))
    if entry["kind"] == "levels":
        scale = entry.get("offset", 0), entry.get("unit", 1)
        return Levels(arrays[f"{entry['name']}.theta"], *scale)
    if entry["kind"] == "maximum":
        windows = (arrays[f"{entry['name']}.{part}"] for part in ("elements", "starts"))
        return Maximum(entry["inputs"], *windows)
    offset = (1 + entry["depth"]) % entry["interval"]
    if "membrane" in entry:
        return _membrane(entry, arrays, offset)
    return LIFReset(
        shape=(entry["size"],),
        du=entry.get("current_decay", WHOLE_DECAY) - 1,
        dv=entry["decay"],
        bias_mant=arrays[f"{entry['name']}.bias"],
        bias_exp=entry.get("bias_exponent", FRACTION_BITS),
        name=entry["name"],
        vth=entry["vth"],
        reset_interval=entry["interval"],
        reset_offset=offset,
    )


def _membrane(entry: dict[str, Any], arrays: dict[str, Any], offset: int) -> Any:
    from lava_processes.membranes import Membrane

    membrane = {"current_decay": None, **entry["membrane"]}
    for name in ("bias", "theta", "decay", "current_decay", "potential_bias", "least"):
        if f"{entry['name']}.{name}" in arrays:  # else all neurons share a number
            membrane[name] = arrays[f"{entry['name']}.{name}"]
    return Membrane(membrane, size=entry["size"], interval=entry["interval"], offset=offset)


def _create_files(folder: Path, network: dict[str, Any], steps: int) -> dict[str, Path]:
    files = {}
    for index, entry in enumerate(network["populations"]):
        if entry["record"]:
            path = files[entry["name"]] = folder / f"{index}.npy"
            shape = (steps, entry["size"])
            np.lib.format.open_memmap(path, mode="w+", dtype=entry["record"], shape=shape)
    return files


def _read(network: dict[str, Any], files: dict[str, Path], length: int) -> dict[str, Any]:
    values = {}
    for entry in network["populations"]:
        if entry["name"] in files:
            rows = np.load(files[entry["name"]])[entry["depth"] :][:length]
            if entry["kind"] == "readout":
                rows = rows >> entry.get("fraction_bits", FRACTION_BITS)
            values[entry["name"]] = rows.reshape(-1, network["steps"], entry["size"])
    return values


if __name__ == "__main__":
    main(sys.argv[1:])

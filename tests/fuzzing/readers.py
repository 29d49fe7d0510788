"""What reads each kind of file: the commands that a user would give it to."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from edgespike.api import export
from edgespike.converters import convert
from edgespike.converters.base import CHOICES
from edgespike.converters.nir.write import write_nir
from edgespike.errors import EdgespikeError
from edgespike.graph import save_graph
from edgespike.models import shipped_model
from edgespike.nn import NetSpec, build, save_model, train
from edgespike.nn.training.run_folder import Log, RunFolder
from tests.converters.netx_files import FLATTEN, conv, dense, neurons, source, write
from tests.converters.nir import files as nir_files
from tests.converters.nir.test_writing import recurrent
from tests.converters.onnx import nets as onnx_nets
from tests.converters.tflite.test_bad_files import INTACT
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph, samples_for
from tests.fuzzing.mutations import (
    Mutation,
    damaged,
    damaged_head,
    forged_arrays,
    forged_checkpoint,
    forged_graph,
    forged_hdf5,
    forged_numbers,
    forged_words,
)
from tests.fuzzing.protobufs import forged_onnx
from tests.nn.small import NET, RECIPE, striped_task

Reader = Callable[[Path], "list[str] | None"]
"""Return the command line that reads a file; ``None`` if the function read it itself."""


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Parameters
    ----------
    originals
        Intact files; a name with more than one part is changed in a copy of its whole folder.
    mutations
        How they are changed.
    readers
        What reads them.
    exits
        Exit codes that are right; a runner of a bundle ends with 1.
    """

    originals: tuple[Path, ...]
    mutations: tuple[Mutation, ...]
    readers: tuple[Reader, ...]
    exits: frozenset[int] = frozenset({0, 2})


def kinds(folder: Path) -> dict[str, Kind]:
    """Write one intact file or more of every kind into a folder."""
    return {
        "graphs": _graphs(folder / "graphs"),
        "checkpoints": _checkpoints(folder / "checkpoints"),
        "training checkpoints": _training(folder / "training"),
        "mixtures": _mixtures(folder / "mixtures"),
        "bundles": _bundles(folder / "bundles"),
        "lava-dl files": _lava_dl(folder / "lava-dl"),
        "nir files": _nir(folder / "nir"),
        "onnx": _onnx(folder / "onnx"),
        "tflite files": _tflite(folder / "tflite"),
    }


def _graphs(folder: Path) -> Kind:
    folder.mkdir()
    graphs = (residual_graph(), membrane_graph(), recurrent_graph(), shipped_model("fashion_rnn"))
    paths = []
    for graph in graphs:
        path = folder / f"{graph.name}.safetensors"
        save_graph(graph, path)
        np.save(path.with_suffix(".npy"), samples_for(graph, 2))
        paths.append(path)

    def samples(path: Path) -> str:
        return str(folder / f"{path.name.partition('.')[0]}.npy")

    def command(*words: str, given: bool = True, out: bool = False) -> Reader:
        def line(path: Path) -> list[str]:
            more = ["-i", samples(path)] if given else []
            more += ["-o", str(path.parent / "out")] if out else []
            return [words[0], str(path), *words[1:], *more]

        return line

    readers = (
        command("show", given=False),
        command("show", "--json", given=False),
        command("run"),
        command("energy", "--audit", "1"),
        command("verify", "--targets", "cpu,tflite"),
        command("convert", given=False, out=True),
        command("convert", "--coding", "unary", given=False, out=True),
        command("export", "-t", "cpu", given=False, out=True),
        command("export", "-t", "tflite", given=False, out=True),
        command("export", "-t", "loihi", given=False, out=True),
        lambda path: ["ensemble", str(path), str(path), "-o", str(path.parent / "out")],
    )
    return Kind(tuple(paths), (damaged, damaged_head, forged_graph, forged_graph), readers)


def _checkpoints(folder: Path) -> Kind:
    folder.mkdir()
    path = folder / "model.safetensors"
    torch.manual_seed(0)
    spec = NetSpec(NET.input_shape, NET.classes, NET.layers)
    save_model(path, build(spec).eval(), spec, {"name": "small"})
    readers: tuple[Reader, ...] = (
        lambda path: ["convert", str(path), "-o", str(path.parent / "out")],
        lambda path: ["show", str(path)],
        lambda path: ["export", "-t", "tflite", str(path), "-o", str(path.parent / "out")],
    )
    return Kind((path,), (damaged, damaged_head, forged_checkpoint, forged_checkpoint), readers)


class _Stopped(Exception):  # noqa: N818
    """Ends a run after its first epoch."""


def _training(folder: Path) -> Kind:
    """Return a run that ended after its first epoch; another run resumes its checkpoint."""
    torch.set_num_threads(1)  # forks of a process with threads may hang
    save = RunFolder.save

    def save_and_stop(self: RunFolder, tensors: Mapping[str, torch.Tensor], log: Log) -> None:
        save(self, tensors, log)
        raise _Stopped

    RunFolder.save = save_and_stop  # type: ignore[method-assign]
    try:
        train(RECIPE, folder, task=striped_task(), quiet=True)
    except _Stopped:
        pass
    finally:
        RunFolder.save = save  # type: ignore[method-assign]

    def resume(path: Path) -> None:
        train(RECIPE, path.parent, task=striped_task(), resume=True, quiet=True)

    original = next(folder.glob("*checkpoint.safetensors"))
    return Kind((original,), (damaged, damaged_head, forged_checkpoint), (resume,))


def _mixtures(folder: Path) -> Kind:
    folder.mkdir()
    rng, paths = np.random.default_rng(0), []
    for name, covariances in (
        ("spherical", np.ones(3)),
        ("diagonal", np.ones((3, 4))),
        ("full", np.eye(4) + np.zeros((3, 1, 1))),
    ):
        paths.append(folder / f"{name}.npz")
        weights = np.array([0.2, 0.3, 0.5])
        np.savez(paths[-1], weights=weights, means=rng.normal(size=(3, 4)), covariances=covariances)
    line: Reader = lambda path: ["entropy", str(path), "--samples", "50"]  # noqa: E731
    return Kind(tuple(paths), (damaged, damaged_head, forged_arrays, forged_arrays), (line,))


def _nir(folder: Path) -> Kind:
    """Return a NIR file as a simulator writes it, and one with edgespike's metadata."""
    folder.mkdir()
    affine, lif = nir_files.affine, nir_files.lif
    layers = (affine([[1, 0.5, -1], [0.5, 1, 2]]), lif(2), affine([[1, -1]]), lif(1))
    nodes, edges = nir_files.row((3,), *layers)
    nodes["back"] = affine([[0.5, -0.5], [1, 0]])
    plain = nir_files.write(folder / "plain.nir", nodes, [*edges, ("n1", "back"), ("back", "n1")])
    write_nir(recurrent(), folder / "own.nir", metadata=True)
    line: Reader = lambda path: ["convert", str(path), "-o", str(path.parent / "out")]  # noqa: E731

    def convert_with_options(path: Path) -> None:
        convert(path, steps=3, producer="snntorch", input_range=(0, 1))

    mutations = (damaged, damaged_head, forged_hdf5, forged_hdf5)
    return Kind((plain, folder / "own.nir"), mutations, (line, convert_with_options))


def _onnx(folder: Path) -> Kind:
    """Return a net of images, and one that computes sizes and quantises its weights."""
    folder.mkdir()
    shape, nodes, constants = onnx_nets.SMALL
    image = onnx_nets.saved(onnx_nets.model(shape, nodes, constants), folder, "image.onnx")
    shape, nodes, constants = onnx_nets.WITH_SIZES
    sizes = onnx_nets.saved(onnx_nets.model(shape, nodes, constants), folder, "sizes.onnx")
    samples = np.random.default_rng(0).normal(size=(20, 2, 6, 5)).astype(np.float32)
    np.save(folder / "samples.npy", samples)

    def command(*, check: bool) -> Reader:
        def line(path: Path) -> list[str]:
            given = str(path.parent / "samples.npy")
            more = ["--check", given] if check else []
            out = str(path.parent / "out")
            return ["convert", str(path), "--calibrate", given, *more, "-o", out]

        return line

    mutations = (damaged, damaged_head, forged_onnx, forged_onnx)
    return Kind((image, sizes), mutations, (command(check=True), command(check=False)))


def _bundles(folder: Path) -> Kind:
    export(residual_graph(), "tflite", folder)
    bundle = folder / "raspberry-pi"

    def run(path: Path) -> list[str]:
        return ["run.py", str(path.parent / "run.py")]

    names = ("model.tflite", "network.json", "sample_input.npy", "expected_output.npy")
    paths = tuple(bundle / name for name in names)
    return Kind(paths, (damaged, damaged_head), (run,), frozenset({0, 1}))


def _lava_dl(folder: Path) -> Kind:
    folder.mkdir()
    image = source([2, 5, 6], neurons(25), weight=[36.0], bias=[34.0])
    kernel, matrix = np.arange(24).reshape(2, 2, 3, 2) - 9, np.arange(90).reshape(3, 30) % 7 - 3
    layers = [image, conv(kernel, [2, 3, 5], neurons()), FLATTEN, dense(matrix, neurons(3, 99, 9))]
    paths = [write(folder / "image.net", layers, 4)]
    loops = {"weight_rec": matrix[:, :3], "bias": np.array([1.0, 2.0, 3.0])}
    paths.append(write(folder / "loop.net", [dense(matrix, neurons(9, 99), **loops)], 4))
    line: Reader = lambda path: ["convert", str(path), "-o", str(path.parent / "out")]  # noqa: E731
    mutations = (damaged, damaged_head, forged_numbers, forged_numbers)
    return Kind(tuple(paths), mutations, (line,))


def _tflite(folder: Path) -> Kind:
    folder.mkdir()
    path = folder / "net.tflite"
    path.write_bytes(INTACT)

    def rounded(rounding: str) -> Reader:
        options = ["--rounding", rounding]
        return lambda path: ["convert", str(path), "-o", str(path.parent / "out"), *options]

    readers = tuple(map(rounded, CHOICES["rounding"]))
    return Kind((path,), (damaged, damaged_head, forged_words, forged_words), readers)


def draw_case(kind: Kind, draw: random.Random) -> tuple[Path, bytes, Reader]:
    """Return an original, changed content, and what reads it."""
    original = draw.choice(kind.originals)
    content = original.read_bytes()
    try:
        content = draw.choice(kind.mutations)(content, draw)
    except (ValueError, TypeError, OverflowError, RecursionError, UnicodeError, EdgespikeError):
        content = damaged(content, draw)  # the change cannot be written in this format
    return original, content, draw.choice(kind.readers)

"""Valid .npy files are read exactly; invalid ones give an error that says what to do."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib import format as npy
from numpy.typing import ArrayLike, NDArray

from edgespike import samples
from edgespike.errors import EdgespikeError, FileFormatError, InputError
from edgespike.graph import Graph
from edgespike.interpreter import interpret
from edgespike.samples import read_array, read_labels, read_samples
from tests.example_graphs import membrane_graph, recurrent_graph


def saved(path: Path, array: NDArray[Any]) -> Path:
    np.save(path, array, allow_pickle=True)
    return path


def with_header(path: Path, header: str, data: bytes = b"", length: int | None = None) -> Path:
    size = len(header) if length is None else length
    path.write_bytes(b"\x93NUMPY\x01\x00" + size.to_bytes(2, "little") + header.encode() + data)
    return path


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        np.arange(-6, 6, dtype=">i4").reshape(3, 4),
        np.asfortranarray(np.arange(12, dtype=np.int64).reshape(3, 4)),
        np.array([[True, False]]),
        np.array([0.5, np.nan]),
        np.array(7),
        np.empty((0, 3), np.int8),
    ],
    ids=["bytes", "big endian", "Fortran order", "booleans", "floats", "no axis", "empty"],
)
@pytest.mark.parametrize("limit", [samples.READ_LIMIT, 0], ids=["read", "mapped"])
def test_arrays_come_back_as_they_were_saved(
    tmp_path: Path, array: NDArray[Any], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "READ_LIMIT", limit)
    found = read_array(saved(tmp_path / "x.npy", array))
    assert found.dtype == array.dtype
    assert not found.flags.writeable
    np.testing.assert_array_equal(found, array)


SHRINKS = """
import os, sys
from edgespike.samples import read_array

array = read_array(sys.argv[1])
os.truncate(sys.argv[1], 0)
print(int(array.sum()))
"""


def test_a_file_that_shrinks_after_it_was_opened_kills_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.npy", np.ones(100_000, np.uint8))
    process = subprocess.run(
        [sys.executable, "-c", SHRINKS, path], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout) == (0, "100000\n")


def test_a_file_that_shrinks_while_it_is_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "x.npy", np.ones(100_000, np.uint8))
    monkeypatch.setattr(samples, "check_size", lambda *_: path.write_bytes(path.read_bytes()[:500]))
    with pytest.raises(FileFormatError, match=r"x\.npy was changed while it was read .*run again"):
        read_array(path)


def test_long_headers_of_the_second_version_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        npy.write_array(file, np.arange(5), version=(2, 0))
    assert read_array(path).tolist() == [0, 1, 2, 3, 4]


class Pickled:
    """Leaves a file behind if it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("unpickled"),)


def test_a_pickle_in_an_array_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "x.npy", np.array([Pickled()], dtype=object))
    with pytest.raises(FileFormatError, match="pickle"):
        read_array(path)
    assert not Path("unpickled").exists()


def header_of(shape: str) -> str:
    return f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}}}"


@pytest.mark.parametrize(
    ("header", "data", "reason"),
    [
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (10**9, 10**9)}", b"", "damaged"),
        (
            "{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000, 1000000000)}",
            bytes(8),
            "8000000000000000000 bytes, but holds 8",
        ),
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (-1,)}", b"", "declares"),
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (2,)}", bytes(15), "16 bytes.* 15"),
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (2,)}", bytes(17), "16 bytes.* 17"),
        ("{'descr': '<U4', 'fortran_order': False, 'shape': (1,)}", bytes(16), "type <U4"),
        ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", bytes(8), "type complex64"),
        ("{'descr': [('a', '<i8')], 'fortran_order': False, 'shape': (1,)}", bytes(8), "holds"),
        ("{'shape': (1,)}", bytes(8), "damaged"),
        (header_of("(4294967296, 4294967296, 0)"), b"", "which no array can have"),
        (header_of("(9223372036854775807, 0, 3)"), b"", "which no array can have"),
        (header_of("(99999999999999999999, 0)"), b"", "which no array can have"),
        (header_of(f"({'1, ' * 100}0)"), b"", "which no array can have"),
        (header_of(f"({'1, ' * 65})"), bytes(8), "which no array can have"),
        ("__import__('os').abort()", b"", "damaged"),
        ("{" * 9000, b"", "damaged"),
    ],
)
def test_hostile_headers_are_refused(tmp_path: Path, header: str, data: bytes, reason: str) -> None:
    with pytest.raises(FileFormatError, match=reason) as caught:
        read_array(with_header(tmp_path / "x.npy", header, data))
    assert "numpy.save" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x93NUM", b"\x93NUMPY\x09\x09aa", b"P5 1 1 255 x", pickle.dumps([1, 2])],
    ids=["empty", "cut magic", "unknown version", "an image", "a pickle"],
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"x\.npy is not a \.npy file"):
        read_array(path)


def test_an_archive_of_arrays_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.arange(3))
    with pytest.raises(FileFormatError, match="archive"):
        read_array(path)


@pytest.mark.parametrize("name", ["missing.npy", "."])
def test_files_that_cannot_be_read_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_array(tmp_path / name)


@given(st.data())
def test_damaged_files_give_an_error_or_an_array(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = saved(tmp_path_factory.mktemp("damaged") / "x.npy", np.arange(6).reshape(2, 3))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(EdgespikeError):
        assert read_array(path).nbytes <= len(content)


def test_labels_are_one_integer_per_sample(tmp_path: Path) -> None:
    path = saved(tmp_path / "y.npy", np.array([3, 1], np.uint8))
    labels = read_labels(path, 2, classes=4)
    assert labels.dtype == np.int64
    assert labels.tolist() == [3, 1]


@pytest.mark.parametrize("labels", [np.zeros(3, int), np.zeros((2, 1), int), np.zeros(2)])
def test_other_labels_are_refused(tmp_path: Path, labels: NDArray[Any]) -> None:
    with pytest.raises(InputError, match=r"integers of shape \(2,\)"):
        read_labels(saved(tmp_path / "y.npy", labels), 2, classes=4)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3, 4], r"1 are not classes of the model, 0\.\.3; the first, of sample 2, is 4"),
        ([0, -1, -2], r"2 are not classes of the model, 0\.\.3; the first, of sample 1, is -1"),
        (np.array([2**64 - 1, 0, 0], np.uint64), "of sample 0, is 18446744073709551615"),
    ],
)
def test_labels_outside_the_classes_are_refused(
    tmp_path: Path, labels: ArrayLike, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_labels(saved(tmp_path / "y.npy", np.array(labels)), 3, classes=4)


@pytest.mark.parametrize("graph", [recurrent_graph(steps=4), membrane_graph()])
def test_one_sequence_alone_is_not_taken_for_samples(tmp_path: Path, graph: Graph) -> None:
    """Loops and membranes both remember: still samples would get other answers."""
    shape = (graph.steps, *graph.input_op.shape)
    sequence = np.random.default_rng(0).integers(0, graph.input_op.high + 1, shape)
    message = rf"one sample of {graph.steps} steps .* array\[None\]"
    with pytest.raises(InputError, match=message):
        read_samples(graph, saved(tmp_path / "x.npy", sequence))
    with pytest.raises(InputError, match=message):
        interpret(graph, sequence)
    samples = read_samples(graph, saved(tmp_path / "y.npy", sequence[None]))
    assert np.array_equal(samples, sequence[None])

"""Damaged, hostile and odd files end with an error that says everything that is wrong."""

from __future__ import annotations

import contextlib
import random
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import edgespike
from edgespike.converters.nir import hdf5
from edgespike.converters.nir.hdf5 import read_tree
from edgespike.errors import (
    EdgespikeError,
    EnvironmentMissingError,
    FileFormatError,
    UnsupportedError,
)
from edgespike.storage import hdf5 as storage_hdf5
from tests.converters.nir.files import affine, lif, read, row, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return an intact file."""
    return write(tmp_path / "net.nir", *row((3,), affine(np.ones((2, 3))), lif(2)))


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def set_to(name: str, value: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]
        if value is not None:
            file[name] = value

    return change


N = "node/nodes/"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_to(f"{N}n0/bias", None), r"n0 \(Affine\) lacks bias; it needs weight, bias"),
        (set_to(f"{N}n1/tau", None), r"n1 \(LIF\) lacks tau; it needs tau, r, v_leak, v_threshold"),
        (set_to(f"{N}n1/type", "LIFF"), "n1 is of type 'LIFF'; the nearest that is read is LIF"),
        (set_to(f"{N}n1/type", np.ones(2)), r"n1 is of type array\(\[1., 1.\]\); those read are"),
        (set_to(f"{N}n0/weight", "ones"), "n0.weight is 'ones'; it must be numbers"),
        (set_to(f"{N}n0/weight", np.full((2, 3), np.nan)), "n0.weight holds values that are not f"),
        (set_to(f"{N}n0/weight", np.ones((2, 4))), "n0 .Affine. has 4 inputs and gets values of s"),
        (set_to(f"{N}n0/weight", np.ones(6)), r"n0 \(Affine\) has weights of shape \(6,\)"),
        (set_to(f"{N}n0/weight", np.ones((0, 3))), r"n0.weight has shape \(0, 3\), without any"),
        (set_to(f"{N}n0/bias", np.ones(5)), r"n0 \(Affine\) has a bias of shape \(5,\) for 2"),
        (set_to(f"{N}n1/tau", np.ones(3)), r"n1.tau has shape \(3,\), but n1 gets \(2,\)"),
        (set_to(f"{N}n1/tau", np.array([1e-3, -1])), "a time constant of 0 or less"),
        (set_to(f"{N}n1/v_threshold", np.zeros(2)), "has v_threshold 0 for v_reset 0; a threshold"),
        (set_to(f"{N}input/shape", [0]), r"input.shape is \[0.0\]; it must be positive"),
        (set_to(f"{N}input/shape", [2, 3, 4, 5]), "values have at most three axes"),
        (set_to("node/edges", None), "edges is None; it must be pairs of names"),
        (set_to("node/edges", np.ones((2, 2))), "edges holds float64; it must hold names"),
        (set_to("node/edges", [["input", "n0"], ["n0", "n2"]]), "'n2', which is no node; the near"),
        (set_to("node/nodes", None), "the graph has no group 'nodes'"),
        (set_to(f"{N}output", None), "'output', which is no node"),
    ],
    ids=lambda x: x[:40] if isinstance(x, str) else "",
)  # fmt: skip
def test_what_is_wrong_is_named(change: Callable[[Any], None], message: str, path: Path) -> None:
    with pytest.raises(UnsupportedError, match=message):
        read(changed(path, change))


def test_all_unknown_types_are_told_at_once(path: Path) -> None:
    def change(file: Any) -> None:
        for name, kind in (("n0", "Afine"), ("n1", "LIFRefractory"), ("output", "Out")):
            set_to(f"{N}{name}/type", kind)(file)

    with pytest.raises(UnsupportedError) as caught:
        read(changed(path, change))
    told = [fault for fault in caught.value.violations if "is of type" in fault]
    assert [fault.partition(" is")[0] for fault in told] == ["n0", "n1", "output"]
    assert [fault.partition("nearest that is read is ")[2].split(";")[0] for fault in told] == [
        "Affine",
        "LIF",
        "Output",
    ]


def _soft(file: Any) -> None:
    set_to(f"{N}n0/weight", h5py.SoftLink(f"/{N}n0/bias"))(file)


def _external(file: Any) -> None:
    set_to(f"{N}n0/weight", h5py.ExternalLink("/etc/passwd", "/x"))(file)


def _external_storage(file: Any) -> None:
    del file[f"{N}n0/weight"]
    file.create_dataset(f"{N}n0/weight", (2, 3), "f4", external=[("/etc/passwd", 0, 24)])


def _virtual(file: Any) -> None:
    del file[f"{N}n0/weight"]
    layout = h5py.VirtualLayout((2, 3), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (2, 3))
    file.create_virtual_dataset(f"{N}n0/weight", layout)


def _reference(file: Any) -> None:
    set_to(f"{N}n0/weight", None)(file)
    file.create_dataset(f"{N}n0/weight", data=file["node"].ref, dtype=h5py.ref_dtype)


def _compound(file: Any) -> None:
    set_to(f"{N}n0/weight", np.zeros(2, [("a", "f4"), ("b", "i4")]))(file)


def _empty(file: Any) -> None:
    set_to(f"{N}n0/weight", h5py.Empty("f4"))(file)


def _huge(file: Any) -> None:
    del file[f"{N}n0/weight"]
    file.create_dataset(f"{N}n0/weight", (2**20, 2**20), "f4", chunks=(1024, 1024))


def _huge_compressed(file: Any) -> None:
    del file[f"{N}n0/weight"]
    file.create_dataset(f"{N}n0/weight", (2**31,), "f8", chunks=(2**20,), compression="gzip")


def _loop(file: Any) -> None:
    file[f"{N}n0/inner"] = file["node"]


def _many(file: Any) -> None:
    inner = file["node"]
    for level in range(12):
        group = file.create_group(f"level{level}")
        for link in range(4):
            group[f"link{link}"] = inner
        inner = group
    file[f"{N}n0/inner"] = inner


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_soft, "is a SoftLink, which is not followed"),
        (_external, "is a ExternalLink, which is not followed"),
        (_external_storage, "keeps its values in other files"),
        (_virtual, "is put together from other data sets"),
        (_reference, r"has the type dtype\('O'\)"),
        (_compound, "numbers and texts are read"),
        (_empty, "is empty, without a shape"),
        (_huge, r"of shape \(1048576, 1048576\) makes 4398046511\d+ bytes of arrays; the limit is"),
        (_huge_compressed, "makes 171798\\d+ bytes of arrays"),
        (_loop, "is nested more than 16 groups deep"),
        (_many, "is one of more than 50000 objects|nested more than"),
    ],
)  # fmt: skip
def test_what_leads_out_of_the_file_or_is_too_large_is_refused(
    change: Callable[[Any], None], message: str, path: Path
) -> None:
    with pytest.raises(FileFormatError, match=message):
        read(changed(path, change))


def test_a_chunk_that_inflates_to_more_than_it_declares(path: Path, tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)

    def change(file: Any) -> None:
        del file[f"{N}n0/weight"]
        data = file.create_dataset(f"{N}n0/weight", (2, 3), "f4", chunks=(2, 3), compression="gzip")
        data.id.write_direct_chunk((0, 0), bomb)

    with pytest.raises(FileFormatError, match="a chunk that inflates beyond its 24 bytes"):
        read(changed(path, change))


def test_compressed_files_of_nir_are_read(path: Path) -> None:
    def change(file: Any) -> None:
        for name, options in (
            ("weight", {"compression": "gzip", "shuffle": True, "fletcher32": True}),
            ("bias", {"compression": "gzip"}),
        ):
            value = file[f"{N}n0/{name}"][()]
            del file[f"{N}n0/{name}"]
            file.create_dataset(f"{N}n0/{name}", data=value, **options)

    assert read(changed(path, change)).nodes[1].op.weight.tolist() == [[1, 1, 1], [1, 1, 1]]  # type: ignore[union-attr]


def test_filters_of_others_are_refused(path: Path) -> None:
    def change(file: Any) -> None:
        del file[f"{N}n0/weight"]
        file.create_dataset(f"{N}n0/weight", data=np.ones((2, 3)), chunks=True, scaleoffset=2)

    with pytest.raises(FileFormatError, match=r"is packed by the filters \[6\]"):
        read(changed(path, change))


@pytest.mark.parametrize("length", [8, 9, 100, 600, 2000, -8])
def test_truncated_files(length: int, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(FileFormatError, match=r"HDF5 file.* again"):
        edgespike.convert(path, steps=2)


def test_damaged_files_end_with_an_error_of_ours(path: Path) -> None:
    intact, draw = path.read_bytes(), random.Random(0)
    for _ in range(100):
        content = bytearray(intact)
        for _ in range(draw.choice((1, 4, 32))):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content)
        with contextlib.suppress(EdgespikeError):
            read(path)


def test_an_hdf5_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["model/0"] = 1
    with pytest.raises(FileFormatError, match="which no installed converter reads"):
        edgespike.convert(path, steps=2)
    with pytest.raises(FileFormatError, match="without the group 'node' of NIR; it has 'model'"):
        read(path)


def test_without_h5py_the_extra_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        EnvironmentMissingError, match=r"an HDF5 file needs the package 'h5py'.*\[hdf5\]"
    ):
        read(path)


def test_limits_count_all_arrays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "ARRAYS_LIMIT", 100)
    with pytest.raises(FileFormatError, match="bytes of arrays; the limit is 100"):
        read_tree(path)
    monkeypatch.setattr(storage_hdf5, "FILE_LIMIT", 100)
    with pytest.raises(FileFormatError, match="bytes; the limit is 100"):
        read_tree(path)


def test_too_many_nodes(tmp_path: Path) -> None:
    nodes, edges = row((2,), *({"type": "Scale", "scale": 1.0} for _ in range(2001)))
    with pytest.raises(FileFormatError, match="has 2003 nodes; the limit is 2000"):
        read(write(tmp_path / "net.nir", nodes, edges))

"""Files of other formats are told apart by their first bytes, and by nothing else."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.storage.file_kinds import FileKind, kind_of_file


def array() -> bytes:
    content = io.BytesIO()
    np.save(content, np.zeros(3))
    return content.getvalue()


def arrays() -> bytes:
    content = io.BytesIO()
    np.savez(content, x=np.zeros(3))
    return content.getvalue()


def archive(name: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(name, b"content")
    return content.getvalue()


HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(16)


@pytest.mark.parametrize(
    ("content", "name", "holds_model"),
    [
        (HDF5, "an HDF5 file, the format of NIR (.nir), Lava (.net) and Keras (.h5)", True),
        (b"\x08\x08\x12\x07pytorch", "an ONNX model (.onnx)", True),
        (b"\x08\x03:\x05graph", "an ONNX model (.onnx)", True),
        (b"\x1c\0\0\0TFL3" + bytes(8), "a TFLite model (.tflite)", True),
        (archive("variables.txt"), "a zip archive", True),
        (array(), "a numpy array (.npy)", False),
        (arrays(), "an archive of numpy arrays (.npz)", False),
        (gzip.compress(b"images", mtime=0), "a file compressed with gzip", False),
    ],
)
def test_each_format_is_named(content: bytes, name: str, holds_model: bool) -> None:
    assert kind_of_file(content[:300]) == FileKind(name, holds_model)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (archive("archive/data.pkl"), "a PyTorch file (.pt, .pth)"),
        (archive("model/.format_version"), "a PyTorch file (.pt, .pth)"),
        (
            pickle.dumps({"weight": 1}, protocol=2),
            "a Python pickle, the format of older PyTorch files (.pt, .pth)",
        ),
    ],
)
def test_a_file_of_pytorch_may_hold_the_parameters_of_a_net(content: bytes, name: str) -> None:
    found = kind_of_file(content[:300])
    assert found == FileKind(name, holds_model=True, may_hold_parameters=True)


@pytest.mark.torch
@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_pytorch(zipped: bool) -> None:
    torch = pytest.importorskip("torch")
    content = io.BytesIO()
    tensors = {"weight": torch.zeros(3)}
    torch.save(tensors, content, _use_new_zipfile_serialization=zipped)
    kind = kind_of_file(content.getvalue()[:300])
    assert kind is not None
    assert "PyTorch file" in kind.name


@pytest.mark.parametrize("content", [b"", b"{}", b"TFL3", b"\x08", b"\x08\x08", b"OTHER", b"\x80"])
def test_anything_else_is_unknown(content: bytes) -> None:
    assert kind_of_file(content) is None


@given(st.sampled_from([b"", HDF5, arrays(), b"PK\x03\x04", b"\x08\x08"]), st.binary(max_size=64))
def test_no_bytes_are_an_error(start: bytes, rest: bytes) -> None:
    kind_of_file(start + rest)

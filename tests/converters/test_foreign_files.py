"""A file of another format, where a model is wanted: the error says what it is and what to do."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from edgespike.converters import convert, load
from edgespike.errors import FileFormatError
from edgespike.graph import load_graph


def hdf5() -> bytes:
    """Return a file of Keras, say."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["model_weights/dense/kernel"] = np.zeros((3, 2))
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (hdf5(), "an HDF5 file, the format of NIR"),
    ],
)
@pytest.mark.parametrize("name", ["model", "model.safetensors"])
def test_a_model_of_another_format(content: bytes, kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is {kind}")
    assert "no installed converter reads" in message
    assert "graph (graph files of edgespike), checkpoint (trained checkpoints of edg" in message
    assert "install a converter for it" in message
    assert "edgespike.convert" in message
    assert "truncated" not in message
    with pytest.raises(FileFormatError, match="graphs and checkpoints of edgespike are safetens"):
        load_graph(path)


def test_a_tflite_model_is_no_graph_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(8))
    with pytest.raises(FileFormatError, match=r"is a TFLite model .*graphs and checkpoints of edg"):
        load_graph(path)
    with pytest.raises(FileFormatError, match="is damaged or truncated: it refers to byte 28"):
        load(path)


def test_a_damaged_hdf5_file(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(hdf5()[:100])
    with pytest.raises(FileFormatError, match=r", and truncated or damaged .* again"):
        load(path)


def test_samples_in_place_of_a_model(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(FileFormatError, match=r"x.npy is a numpy array .*name the file of a model"):
        load(tmp_path / "x.npy")


@pytest.mark.parametrize("read", [load, load_graph, convert])
def test_tensors_without_a_net(read: object, tmp_path: Path) -> None:
    assert callable(read)
    path = tmp_path / "state_dict.safetensors"
    names = ["fc1.bias", "fc1.weight", "fc2.bias", "fc2.weight", "lif\x1b[2J"]
    save_file({name: np.zeros(2) for name in names}, path)
    with pytest.raises(FileFormatError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path} is neither an edgespike graph nor a trained model of edgespike: it is a "
        "safetensors file of tensors alone (fc1.bias, fc1.weight, fc2.bias and 2 more), such as a "
        "state_dict, without a description of the net that computes with them; name the code "
        "that defines the net, and give the file as its weights: mynet.py:Net --weights FILE; or "
        "build the net in Python, load the tensors into it (load_state_dict), and give the module "
        "to edgespike.convert; or name a file that 'edgespike train' wrote"
    )


def test_a_file_of_nothing_and_hostile_names(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    save_file({}, path)
    with pytest.raises(FileFormatError, match=r"tensors alone \(none\)"):
        load(path)
    save_file({"\x1b[2J": np.zeros(1)}, path)
    with pytest.raises(FileFormatError, match=r"tensors alone \('\\x1b\[2J'\)"):
        load(path)

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from edgespike.converters import convert
from edgespike.errors import FileFormatError
from edgespike.graph import save_graph
from edgespike.graph.files import CHECKPOINT_KEY
from edgespike.nn import load_model, save_model
from edgespike.nn.nets.checkpoint import (
    MODEL,
    TRAINING,
    load_float32_model,
    read_checkpoint,
    write_checkpoint,
)
from edgespike.storage.files import WriteError
from tests.nn.small import NET, random_images, random_net


def described(text: str) -> str:
    """Return the header of a checkpoint with this description and no tensors."""
    sha256 = hashlib.sha256(f"{MODEL}\n{text}\n".encode(errors="replace")).hexdigest()
    return json.dumps({"format": MODEL, "description": text, "sha256": sha256})


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, random_net(), NET, {"accuracy": 0.5, "recipe": {"seed": 1}})
    return path


def test_a_loaded_model_is_the_saved_one(model_file: Path) -> None:
    model, spec, metadata = load_model(model_file)
    assert spec == NET
    assert metadata == {"accuracy": 0.5, "recipe": {"seed": 1}}
    assert not model.training
    assert torch.equal(model(random_images(5)), random_net()(random_images(5)))


def test_the_same_model_gives_the_same_file(model_file: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    save_model(again, random_net(), NET, {"recipe": {"seed": 1}, "accuracy": 0.5})
    assert again.read_bytes() == model_file.read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused(model_file: Path, tmp_path: Path, share: float) -> None:
    content = model_file.read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FileFormatError, match="cut is not a safetensors file, or is truncated"):
        load_model(cut)


@settings(max_examples=150)
@given(data=st.data())
def test_a_file_with_a_flipped_bit_is_refused(
    model_file: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(model_file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = tmp_path_factory.mktemp("changed") / "model.safetensors"
    changed.write_bytes(content)
    with pytest.raises(FileFormatError):
        load_model(changed)


class Dangerous:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('a pickle was run')",)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pickle.dumps(Dangerous()), id="pickle"),
        pytest.param(b"\x89HDF\r\n\x1a\n" + bytes(100), id="hdf5"),
        pytest.param((2**60).to_bytes(8, "little") + b"{}", id="absurd header size"),
        pytest.param(save({"a": torch.ones(2)}), id="safetensors of somebody else"),
        pytest.param(
            save({"a": torch.ones(2)}, {"edgespike": f'{{"format": "{MODEL}"}}'}), id="no checksum"
        ),
        pytest.param(save({"a": torch.ones(2)}, {"edgespike": "[]"}), id="header is a list"),
        pytest.param(save({"a": torch.ones(2)}, {"edgespike": "{"}), id="header is no JSON"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="foreign"):
        load_model(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"cannot read .*nowhere"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("[" * 100_000, "has format None"),
        (json.dumps({"format": "x" * 100_000}), r"has format 'xxx.*\(100002 characters\)"),
        (described("no JSON"), "description that is not a table"),
        (described("[" * 100_000), "description that is not a table"),
        (described("\ud800"), "was changed after it was written"),
    ],
    ids=["deep header", "long format", "no JSON", "deep description", "half a letter"],
)
def test_a_header_that_describes_nothing_is_refused(
    tmp_path: Path, header: str, message: str
) -> None:
    (tmp_path / "model").write_bytes(save({}, {CHECKPOINT_KEY: header}))
    with pytest.raises(FileFormatError, match=message) as caught:
        read_checkpoint(tmp_path / "model", MODEL)
    assert len(str(caught.value)) < 300


def test_a_training_checkpoint_is_no_model(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "state", TRAINING, {"a": torch.ones(1)}, {})
    with pytest.raises(FileFormatError, match="format 'edgespike-training-1', expected"):
        load_model(tmp_path / "state")


@pytest.mark.parametrize("kind", [MODEL, TRAINING])
def test_a_state_dict_is_named_as_one(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save({"0.weight": torch.zeros(3)}))
    with pytest.raises(
        FileFormatError,
        match=r"tensors alone \(0.weight\), such as a state_dict.*; or name a file that 'edgespike",
    ):
        read_checkpoint(path, kind)


def test_a_graph_is_no_checkpoint(tmp_path: Path) -> None:
    save_graph(convert(random_net(), (1, 8, 8)), tmp_path / "graph")
    with pytest.raises(FileFormatError, match="graph is already a graph, but the checkpoint"):
        load_model(tmp_path / "graph")


def test_tensors_that_do_not_fit_the_description_are_refused(tmp_path: Path) -> None:
    state = random_net().state_dict()
    state["1.weight"] = torch.ones(4, 1, 5, 5)
    write_checkpoint(tmp_path / "model", MODEL, state, {"spec": NET.to_table()})
    with pytest.raises(FileFormatError, match=r"do not fit[\s\S]*1\.weight"):
        load_model(tmp_path / "model")


def test_a_description_of_an_absurdly_large_net_takes_no_memory(tmp_path: Path) -> None:
    table = json.loads(json.dumps(NET.to_table()))
    table["layers"][2]["features"] = 2 * 10**6
    state = random_net().state_dict()
    write_checkpoint(tmp_path / "model", MODEL, state, {"spec": table})
    with pytest.raises(FileFormatError, match="do not fit"):
        load_model(tmp_path / "model")


def test_a_description_of_no_net_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "model", MODEL, {}, {"spec": {"layers": []}})
    with pytest.raises(FileFormatError, match=r"input_shape is missing; spec\.classes is missing"):
        load_model(tmp_path / "model")


def test_a_checkpoint_keeps_tensors_of_every_layout_and_dtype(tmp_path: Path) -> None:
    tensors = {
        "last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "scalar": torch.tensor(3.0),
        "count": torch.tensor([1, 2], dtype=torch.int64),
    }
    write_checkpoint(tmp_path / "file", TRAINING, tensors, {"epoch": 3})
    read = read_checkpoint(tmp_path / "file", TRAINING)
    assert read.description == {"epoch": 3}
    assert all(torch.equal(read.tensors[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("metadata", [None, 3, {"recipe": None}, {"recipe": "fashion_s3nn"}])
def test_metadata_that_is_no_table_is_refused(tmp_path: Path, metadata: object) -> None:
    description = {"spec": NET.to_table(), "metadata": metadata}
    write_checkpoint(tmp_path / "model", MODEL, random_net().state_dict(), description)
    with pytest.raises(FileFormatError, match="metadata, or a recipe in it, that is not a table"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_a_net_that_is_to_run_on_float32_is_of_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    save_model(tmp_path / "model", random_net().to(dtype), NET)
    load_model(tmp_path / "model")
    with pytest.raises(FileFormatError, match=rf"{dtype}, expected torch\.float32"):
        load_float32_model(tmp_path / "model")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_net_that_is_to_run_is_finite(tmp_path: Path, value: float) -> None:
    net = random_net()
    with torch.no_grad():
        next(net.parameters())[0] = value
    save_model(tmp_path / "model", net, NET)
    with pytest.raises(FileFormatError, match="that are not finite; train again"):
        load_float32_model(tmp_path / "model")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="cannot write"):
        save_model(tmp_path / "no" / "model", random_net(), NET)

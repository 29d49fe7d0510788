"""Training checkpoints whose digest is right and whose content is not are refused by name."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from edgespike.errors import EdgespikeError, FileFormatError
from edgespike.graph.files import CHECKPOINT_KEY
from edgespike.nn import load_model, train
from edgespike.nn.nets.checkpoint import TRAINING, _digest, read_checkpoint, write_checkpoint
from edgespike.nn.training.recipe import Recipe
from edgespike.nn.training.resuming import DEPTH_LIMIT
from edgespike.nn.training.run_folder import Log, RunFolder
from tests.nn.small import RECIPE, striped_task

TWO = replace(RECIPE, epochs=2, averaging=0.9)
WAY_OUT = "train again in a new folder"


@dataclass
class Content:
    """What a checkpoint holds, to be changed in place."""

    tensors: dict[str, Tensor]
    description: dict[str, Any]


@dataclass(frozen=True)
class Halfway:
    """A run of two epochs that ended after its first, and the weights that it would have had."""

    content: Content
    weights: dict[str, Tensor]

    def resume(self, folder: Path, change: Callable[[Content], object]) -> dict[str, Tensor]:
        """Resume the run from a changed checkpoint, and return the trained weights."""
        content = copy.deepcopy(self.content)
        change(content)
        folder.mkdir(exist_ok=True)
        path = folder / "checkpoint.safetensors"
        write_checkpoint(path, TRAINING, content.tensors, content.description)
        return resumed(folder)


def resumed(folder: Path, recipe: Recipe = TWO) -> dict[str, Tensor]:
    result = train(recipe, folder, task=striped_task(), resume=True, quiet=True)
    return load_model(result.model)[0].state_dict()


class Stopped(Exception):  # noqa: N818
    """Ends a run after its first epoch."""


def save_and_stop(folder: RunFolder, tensors: dict[str, Tensor], log: Log) -> None:
    description = {"recipe": folder.table, "history": log.epochs}
    write_checkpoint(folder.checkpoint, TRAINING, tensors, description)
    raise Stopped


@pytest.fixture(scope="module")
def halfway(tmp_path_factory: pytest.TempPathFactory) -> Halfway:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    whole = train(TWO, folder / "whole", task=striped_task(), quiet=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RunFolder, "save", save_and_stop)
        with pytest.raises(Stopped):
            train(TWO, folder / "half", task=striped_task(), quiet=True)
    found = read_checkpoint(folder / "half" / "checkpoint.safetensors", TRAINING)
    return Halfway(
        Content(found.tensors, found.description), load_model(whole.model)[0].state_dict()
    )


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_an_unchanged_checkpoint_is_resumed(halfway: Halfway, tmp_path: Path) -> None:
    assert same(halfway.resume(tmp_path, lambda content: None), halfway.weights)


def entry(name: str, value: object) -> Callable[[Content], object]:
    return lambda content: content.description["history"][0].update({name: value})


def described(name: str, value: object) -> Callable[[Content], object]:
    return lambda content: content.description.update({name: value})


def tensor(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[Content], object]:
    return lambda content: content.tensors.update({name: change(content.tensors[name])})


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def first(content: Content) -> Any:
    return content.description["history"][0]


FORGED: dict[str, tuple[Callable[[Content], object], str]] = {
    "no recipe": (lambda c: c.description.pop("recipe"), "its recipe is None, expected a table"),
    "recipe a list": (described("recipe", []), r"its recipe is \[\], expected a table"),
    "no history": (lambda c: c.description.pop("history"), "history is None, expected a list"),
    "history empty": (described("history", []), "history is 0 epochs, expected a list of 1 to 2"),
    "history a table": (described("history", {}), r"history is \{\}, expected a list of 1 to 2"),
    "history too long": (
        lambda c: c.description.update(history=[first(c)] * 3),
        "history is 3 epochs, expected a list of 1 to 2",
    ),
    "epoch a number": (described("history", [1]), "epoch 1 of its history is 1, expected a table"),
    "epoch twice": (
        lambda c: c.description.update(history=[first(c)] * 2),
        "epoch 2 of its history has the number 1",
    ),
    "epoch too many": (
        lambda c: c.description.update(history=[first(c), {**first(c), "epoch": 2}]),
        "average.n_averaged is 6 steps, but its history has 12",
    ),
    "no accuracy": (lambda c: first(c).pop("test_accuracy"), "has test_accuracy None, expected"),
    "accuracy a text": (entry("test_accuracy", "all"), "has test_accuracy 'all', expected a fin"),
    "accuracy true": (entry("test_accuracy", True), "has test_accuracy True, expected a finite"),
    "loss NaN": (entry("train_loss", float("nan")), "has train_loss nan, expected a finite"),
    "loss huge": (entry("train_loss", 10**400), "has train_loss 1000.*, expected a finite"),
    "unknown entry": (entry("of another", 1), "has an unknown entry 'of another'"),
    "divergence NaN": (entry("divergence", float("nan")), "has divergence nan, expected a number"),
    "start null": (described("start", None), "its start is not a table with a table of metadata"),
    "start without metadata": (described("start", {}), "its start is not a table with a table"),
    "start without loss": (described("start", {"metadata": {}}), "test_loss of its start is None"),
    "deep": (described("start", nested(DEPTH_LIMIT + 1)), f"nested more than {DEPTH_LIMIT} deep"),
    "deeper": (described("start", nested(900)), f"nested more than {DEPTH_LIMIT} deep"),
    "tensor missing": (lambda c: c.tensors.pop("model.12.weight"), "it lacks model.12.weight"),
    "moment missing": (lambda c: c.tensors.pop("optimiser.2.exp_avg"), "it lacks optimiser.2.exp"),
    "no moments": (
        lambda c: [c.tensors.pop(name) for name in list(c.tensors) if "optimiser" in name],
        "it lacks optimiser.0.exp_avg, .* and .* more tensors",
    ),
    "no average": (
        lambda c: [c.tensors.pop(name) for name in list(c.tensors) if "average" in name],
        "it lacks average.module",
    ),
    "tensor unknown": (lambda c: c.tensors.update({"x": torch.ones(1)}), "it holds x, which this"),
    "moment unknown": (
        lambda c: c.tensors.update({"optimiser.x.y": torch.ones(1)}),
        "it holds optimiser.x.y, which this run does not have",
    ),
    "shape": (
        tensor("model.12.weight", lambda t: t[:1]),
        r"model.12.weight is torch.float32 of sh",
    ),
    "moment's shape": (tensor("optimiser.0.exp_avg", lambda t: t[:1]), "optimiser.0.exp_avg is"),
    "dtype": (tensor("model.12.weight", Tensor.double), "is torch.float64 of shape .*, expected"),
    "NaN": (
        tensor("model.12.weight", lambda t: t * torch.nan),
        "model.12.weight holds values that",
    ),
    "infinite": (tensor("optimiser.0.exp_avg", lambda t: t / 0), "holds values that are not fin"),
    "negative": (tensor("optimiser.0.exp_avg_sq", lambda t: t - 1), "holds negative values"),
    "steps": (tensor("optimiser.0.step", lambda t: t - 1), "optimiser.0.step is 5 steps, but its"),
    "averaged": (tensor("average.n_averaged", lambda t: t * 0), "n_averaged is 0 steps, but its"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_checkpoint_is_refused(halfway: Halfway, tmp_path: Path, name: str) -> None:
    change, message = FORGED[name]
    path = "checkpoint.safetensors does not hold the state of this run"
    with pytest.raises(FileFormatError, match=f"{path}: .*{message}.*; {WAY_OUT}"):
        halfway.resume(tmp_path, change)
    assert [place.name for place in tmp_path.glob("*.*") if "lock" not in place.name] == [
        "checkpoint.safetensors"
    ]


def test_a_recipe_with_an_unknown_entry_is_another(halfway: Halfway, tmp_path: Path) -> None:
    def change(content: Content) -> None:
        content.description["recipe"]["of another"] = 1

    with pytest.raises(EdgespikeError, match=r"another recipe \(different: 'of another'\)"):
        halfway.resume(tmp_path, change)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "U16", "C64"])
def test_tensors_of_every_type_are_refused(halfway: Halfway, tmp_path: Path, dtype: str) -> None:
    arrays = {name: value.numpy() for name, value in halfway.content.tensors.items()}
    name, sizes = "model.12.bias", {"BF16": 2, "F8_E4M3": 1, "U16": 2, "C64": 8}
    arrays[name] = np.zeros(16, np.uint8)
    text = json.dumps(halfway.content.description, sort_keys=True)

    def content(digest: str) -> bytes:
        header = {"format": TRAINING, "description": text, "sha256": digest}
        whole = safetensors.numpy.save(arrays, {CHECKPOINT_KEY: json.dumps(header)})
        length = int.from_bytes(whole[:8], "little")
        table = json.loads(whole[8 : 8 + length])
        table[name] |= {"dtype": dtype, "shape": [16 // sizes[dtype]]}
        new = json.dumps(table).encode()
        return len(new).to_bytes(8, "little") + new + whole[8 + length :]

    digest = ""
    try:
        digest = _digest(TRAINING, text, safetensors.numpy.load(content("")))
    except Exception as error:
        print(f"safetensors reads no {dtype}: {error}")
    (tmp_path / "checkpoint.safetensors").write_bytes(content(digest))
    with pytest.raises(FileFormatError):
        resumed(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=5), parts),
    max_leaves=5,
)


def mutate(content: Content, data: st.DataObject) -> None:
    """Change one thing that decides how the run continues."""
    where = data.draw(st.sampled_from(["description", "recipe", "epoch", "name", "tensor"]))
    if where == "name":
        name = data.draw(st.sampled_from(sorted(content.tensors)))
        other = data.draw(st.text(max_size=9) | st.sampled_from(sorted(content.tensors)))
        content.tensors[other] = content.tensors.pop(name)
    elif where == "tensor":
        name = data.draw(st.sampled_from(sorted(content.tensors)))
        shape = data.draw(st.lists(st.integers(0, 3), max_size=5))
        dtypes = [torch.float32, torch.float16, torch.int64, torch.uint8, torch.bool]
        dtype = data.draw(st.sampled_from(dtypes))
        content.tensors[name] = torch.zeros(shape, dtype=dtype)
    else:
        table = {
            "description": content.description,
            "recipe": content.description["recipe"],
            "epoch": first(content),
        }[where]
        key = data.draw(st.sampled_from([*sorted(table), "start"]) | st.text(max_size=5))
        if data.draw(st.booleans()):
            table.pop(key, None)
        else:
            table[key] = data.draw(JSON)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_checkpoint_is_refused_or_gives_the_same_weights(
    halfway: Halfway, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("run")
    weights, message = halfway.weights, str(folder)
    try:
        weights = halfway.resume(folder, lambda content: mutate(content, data))
    except EdgespikeError as error:
        message = str(error)
    assert str(folder) in message
    assert same(weights, halfway.weights)

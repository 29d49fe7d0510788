from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgespike.data import DATA_SETS, cifar10, fashion_mnist, mnist
from edgespike.errors import FileFormatError, InputError
from edgespike.nn import NetSpec, Recipe, RecurrentSpec, Task, load_model, train
from edgespike.nn.nets.checkpoint import TRAINING, read_checkpoint
from edgespike.nn.nets.spec import AnySpec
from edgespike.nn.training.optimiser import learning_rate
from edgespike.nn.training.trainer import TrainingError
from edgespike.storage.files import WriteError, write_atomically
from edgespike.storage.temporaries import PREFIX
from tests.nn.small import NET, RECIPE, striped_task


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_model(path)[0].state_dict()


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_net_learns_and_its_run_is_logged(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=12)
    result = train(recipe, tmp_path / "run", task=striped_task(), quiet=True)
    assert result.history[-1]["test_accuracy"] > 0.9
    lines = [json.loads(line) for line in result.log.read_text().splitlines()]
    assert lines[0]["recipe"]["seed"] == recipe.seed
    assert lines[0]["versions"]["torch"] == str(torch.__version__)
    assert [line["epoch"] for line in lines[1:]] == list(range(1, 13))
    assert tuple(lines[1:]) == result.history
    _, spec, metadata = load_model(result.model)
    assert spec == NET
    assert metadata["test_accuracy"] == result.history[-1]["test_accuracy"]


def test_the_penalty_saves_synaptic_operations(tmp_path: Path) -> None:
    used = []
    for penalty in (0.0, 3e-2):
        recipe = replace(RECIPE, epochs=6, lambda_=penalty)
        result = train(recipe, tmp_path / str(penalty), task=striped_task(), quiet=True)
        used.append(result.history[-1]["test_synaptic_operations"])
    assert used[1] < used[0] / 2


@pytest.mark.parametrize(
    "net", [replace(NET, activation="relu"), replace(NET, layers=())], ids=["relu", "readout only"]
)
def test_a_net_without_spikes_has_no_synaptic_operations(tmp_path: Path, net: NetSpec) -> None:
    recipe = replace(RECIPE, net=net, lambda_=0.0, epochs=1)
    result = train(recipe, tmp_path / "run", task=striped_task(), quiet=True)
    assert result.history[-1]["test_synaptic_operations"] is None


def test_the_same_recipe_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    runs = {
        name: weights(train(recipe, tmp_path / name, task=striped_task(), quiet=True).model)
        for name, recipe in (("a", RECIPE), ("b", RECIPE), ("c", RECIPE.override(seed=7)))
    }
    assert equal(runs["a"], runs["b"])
    assert not equal(runs["a"], runs["c"])


@pytest.mark.parametrize("seed", [20240101, 2**63 - 1])
def test_every_seed_that_a_recipe_takes_can_be_trained_with(tmp_path: Path, seed: int) -> None:
    recipe = RECIPE.override(seed=seed, epochs=1)
    assert train(recipe, tmp_path / "run", task=striped_task(), quiet=True).history


def test_training_leaves_the_global_random_generator_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train(RECIPE.override(epochs=1), tmp_path / "run", task=striped_task(), quiet=True)
    assert torch.equal(torch.rand(1), expected)


TRAIN = """
import os, signal, sys
from pathlib import Path
import torch
from edgespike.nn import train
from edgespike.nn.training.run_folder import RunFolder
from tests.nn.small import RECIPE, striped_task

torch.set_num_threads(1)
whole_save, killed_at = RunFolder.save, int(sys.argv[2])

def save(folder, tensors, log):
    if len(log.epochs) == killed_at:
        os.kill(os.getpid(), signal.SIGKILL)
    whole_save(folder, tensors, log)

RunFolder.save = save
train(RECIPE, Path(sys.argv[1]), task=striped_task(), quiet=True)
"""


def test_a_killed_run_resumes_to_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    """The run is killed after its second epoch, before that is saved."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.run([sys.executable, "-c", TRAIN, str(killed), "2"], check=False)
    assert process.returncode == -signal.SIGKILL
    assert len((killed / "training.jsonl").read_text().splitlines()) == 1 + 1
    resumed = train(RECIPE, killed, task=striped_task(), resume=True, quiet=True)
    expected = train(RECIPE, whole, task=striped_task(), quiet=True)
    assert [line["epoch"] for line in resumed.history] == [1, 2, 3]
    assert resumed.model.read_bytes() == expected.model.read_bytes()


class Killed(BaseException):
    """Ends a run at once, and what it was writing is not written."""


def killed_at(write: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next run end as if killed in its write of this number, from 0."""
    left = [write]

    def counted(path: Path, content: bytes) -> None:
        if left[0] == 0:
            (path.parent / f"{PREFIX}{'a' * 8}").write_bytes(content[: len(content) // 2])
            raise Killed
        left[0] -= 1
        write_atomically(path, content)

    for module in ("edgespike.nn.nets.checkpoint", "edgespike.nn.training.run_folder"):
        monkeypatch.setattr(f"{module}.write_atomically", counted)


def lines_of(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def without_times(log: Path) -> list[dict[str, object]]:
    return [{name: line[name] for name in line if name != "seconds"} for line in lines_of(log)]


@pytest.mark.parametrize("started", [False, True], ids=["random weights", "a net"])
def test_a_run_killed_at_any_write_resumes_to_the_files_of_one_that_was_not(
    started: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoint and log of each of three epochs, then the net."""
    task, start = striped_task(), None
    if started:
        start = train(RECIPE.override(epochs=1), tmp_path / "start", task=task, quiet=True).model
    whole = train(RECIPE, tmp_path / "whole", task=task, start=start, quiet=True)
    for write in range(2 * RECIPE.epochs + 1):
        out = tmp_path / str(write)
        with monkeypatch.context() as patched:
            killed_at(write, patched)
            with pytest.raises(Killed):
                train(RECIPE, out, task=task, start=start, quiet=True)
        resumed = train(RECIPE, out, task=task, start=start, resume=True, quiet=True)
        assert resumed.model.read_bytes() == whole.model.read_bytes()
        assert without_times(resumed.log) == without_times(whole.log)
        assert resumed.history == tuple(lines_of(resumed.log)[1:])


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_an_interrupted_run_resumes_to_the_weights_of_one_that_was_not(
    averaging: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C arrives in the middle of the third epoch."""
    recipe = replace(RECIPE, averaging=averaging)

    def interrupted(recipe: Recipe, step: int, steps: int) -> float:
        if step == 2 * steps + steps // 2:
            raise KeyboardInterrupt
        return learning_rate(recipe, step, steps)

    monkeypatch.setattr("edgespike.nn.training.trainer.learning_rate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", task=striped_task(), quiet=True)
    monkeypatch.undo()
    resumed = train(recipe, tmp_path / "run", task=striped_task(), resume=True, quiet=True)
    expected = train(recipe, tmp_path / "whole", task=striped_task(), quiet=True)
    assert resumed.model.read_bytes() == expected.model.read_bytes()


def test_a_run_that_was_trained_already_resumes_to_the_same_model(tmp_path: Path) -> None:
    first = train(RECIPE, tmp_path / "run", task=striped_task(), quiet=True)
    content = first.model.read_bytes()
    assert train(RECIPE, tmp_path / "run", task=striped_task(), resume=True, quiet=True) == first
    assert first.model.read_bytes() == content


def test_to_resume_what_was_never_begun_is_to_begin(tmp_path: Path) -> None:
    result = train(RECIPE, tmp_path / "new", task=striped_task(), resume=True, quiet=True)
    assert len(result.history) == RECIPE.epochs


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    train(RECIPE, tmp_path / "run", task=striped_task(), quiet=True)
    with pytest.raises(InputError, match="run holds a training run; resume it"):
        train(RECIPE, tmp_path / "run", task=striped_task(), quiet=True)


WAITS = """
import sys
from pathlib import Path
import torch
from edgespike.nn import train
from edgespike.nn.training.run_folder import RunFolder
from tests.nn.small import RECIPE, striped_task

torch.set_num_threads(1)
whole_save = RunFolder.save

def save(folder, tensors, log):
    whole_save(folder, tensors, log)
    print("saved", flush=True)
    sys.stdin.readline()

RunFolder.save = save
train(RECIPE, Path(sys.argv[1]), task=striped_task(), quiet=True)
"""


def test_a_folder_takes_one_run_at_a_time_and_the_next_once_that_was_killed(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    command, pipe = [sys.executable, "-c", WAITS, str(out)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as first:
        assert first.stdout
        assert first.stdout.readline() == b"saved\n"
        before = {path: path.read_bytes() for path in out.iterdir()}
        for resume in (False, True):
            with pytest.raises(InputError, match=r"folder .*run is in use by another training run"):
                train(RECIPE, out, task=striped_task(), resume=resume, quiet=True)
        assert {path: path.read_bytes() for path in out.iterdir()} == before
        first.kill()
    resumed = train(RECIPE, out, task=striped_task(), resume=True, quiet=True)
    expected = train(RECIPE, tmp_path / "whole", task=striped_task(), quiet=True)
    assert resumed.model.read_bytes() == expected.model.read_bytes()


def test_a_run_that_ended_while_another_read_its_data_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*_: object) -> Task:
        train(RECIPE, tmp_path / "run", task=striped_task(), quiet=True)
        return striped_task()

    monkeypatch.setattr(import_module("edgespike.nn.training.train"), "load_task", meanwhile)
    with pytest.raises(InputError, match="run holds a training run; resume it"):
        train(RECIPE.override(seed=5), tmp_path / "run", quiet=True)
    train(RECIPE, tmp_path / "run", task=striped_task(), resume=True, quiet=True)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", ["model.safetensors", "member0.safetensors", "training.jsonl"])
def test_files_that_no_run_wrote_are_not_written_over(
    tmp_path: Path, name: str, resume: bool
) -> None:
    (tmp_path / name).write_text("of another")
    (tmp_path / "more").touch()
    with pytest.raises(InputError, match=f"holds no training run, but {name}, which a run would"):
        train(RECIPE, tmp_path, task=striped_task(), resume=resume, quiet=True)
    assert (tmp_path / name).read_text() == "of another"


@pytest.mark.parametrize("more", [0, 1, 2])
def test_averaging_does_without_samples_that_fill_no_batch(tmp_path: Path, more: int) -> None:
    recipe = replace(RECIPE, averaging=0.9, epochs=1, limit=2 * RECIPE.batch_size + more)
    result = train(recipe, tmp_path / "run", task=striped_task(), quiet=True)
    assert len(result.history) == 1


def test_a_run_is_not_resumed_with_another_recipe(tmp_path: Path) -> None:
    train(RECIPE, tmp_path / "run", task=striped_task(), quiet=True)
    other = replace(RECIPE, seed=9, shift=0)
    with pytest.raises(InputError, match="another recipe \\(different: seed, shift\\)"):
        train(other, tmp_path / "run", task=striped_task(), resume=True, quiet=True)


def test_a_damaged_checkpoint_is_not_resumed(tmp_path: Path) -> None:
    train(RECIPE, tmp_path / "run", task=striped_task(), quiet=True)
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-10])
    with pytest.raises(FileFormatError, match="truncated"):
        train(RECIPE, tmp_path / "run", task=striped_task(), resume=True, quiet=True)


def test_a_loss_that_is_no_number_ends_training_with_the_way_out(tmp_path: Path) -> None:
    recipe = replace(RECIPE, learning_rate=1e30, epochs=4)
    with pytest.raises(TrainingError, match=r"loss became .* lower the recipe's learning_rate"):
        train(recipe, tmp_path / "run", task=striped_task(), quiet=True)
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"cannot write .*run: Not a directory"):
        train(RECIPE, tmp_path / "file" / "run", task=striped_task(), quiet=True)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"train_images": np.zeros((4, 1, 9, 8), np.uint8)}, r"uint8 of shape \(4, 1, 9, 8\)"),
        ({"test_images": np.zeros((4, 1, 8, 8), np.float32)}, "images are float32"),
        ({"test_images": np.zeros((0, 1, 8, 8), np.uint8)}, r"shape \(0, 1, 8, 8\)"),
        ({"train_labels": np.zeros(3, np.int64)}, r"labels have shape \(3,\)"),
        ({"train_labels": np.full(96, 3)}, "to 3; expected 96 from 0 to 2"),
    ],
)
def test_a_task_that_does_not_fit_the_net_is_refused(
    tmp_path: Path, change: dict[str, Any], fault: str
) -> None:
    task: Task = replace(striped_task(), **change)
    with pytest.raises(InputError, match=fault):
        train(RECIPE, tmp_path / "run", task=task, quiet=True)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("fashion_mnist", r"fashion_mnist has samples of shape \(1, 28, 28\) and 10 classes"),
        ("cifar10", r"cifar10 has samples of shape \(3, 32, 32\) and 10 classes"),
    ],
)
def test_a_recipe_whose_net_does_not_fit_its_data_is_refused(
    tmp_path: Path, data: str, found: str
) -> None:
    recipe = replace(RECIPE, data=data)
    with pytest.raises(InputError, match=rf"{found}; .* \(1, 8, 8\) and 3 classes: change"):
        train(recipe, tmp_path / "run", quiet=True)


def test_data_that_was_given_is_recorded_instead_of_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RECIPE.override(epochs=1)
    result = train(recipe, tmp_path / "run", task=striped_task(), quiet=True)
    checkpoint = read_checkpoint(tmp_path / "run" / "checkpoint.safetensors", TRAINING)
    recorded = [
        json.loads(result.log.read_text().splitlines()[0])["recipe"],
        load_model(result.model)[2]["recipe"],
        checkpoint.description["recipe"],
    ]
    expected = {**json.loads(json.dumps(recipe.to_table())), "data": "given"}
    assert recorded == [expected] * 3
    monkeypatch.setattr(
        import_module("edgespike.nn.training.train"), "load_task", lambda *_: striped_task()
    )
    with pytest.raises(InputError, match=r"another recipe \(different: data\)"):
        train(recipe, tmp_path / "run", resume=True, quiet=True)


@pytest.mark.parametrize("data", DATA_SETS)
def test_a_recipe_is_trained_on_the_data_it_names(
    tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape, classes = DATA_SETS[data].SHAPE, len(DATA_SETS[data].CLASSES)
    for module in (fashion_mnist, mnist, cifar10):
        images = np.zeros((20, *module.SHAPE), np.uint8)
        labels = np.arange(20) % len(module.CLASSES)
        loaded = (images, labels)
        monkeypatch.setattr(module, "load", lambda split, loaded=loaded: loaded)
    if len(shape) == 2:
        net: AnySpec = RecurrentSpec((shape[0], shape[1]), classes, hidden=4)
    else:
        net = replace(NET, input_shape=(shape[0], shape[1], shape[2]), classes=classes)
    recipe = Recipe(net, data=data, epochs=1, batch_size=16)
    result = train(recipe, tmp_path / "run", quiet=True)
    assert result.history[-1]["test_accuracy"] == 0.1  # black images are all of one class


def test_the_limit_takes_the_first_samples(tmp_path: Path) -> None:
    task = striped_task()
    limited = train(RECIPE.override(limit=40), tmp_path / "limited", task=task, quiet=True)
    first = train(RECIPE, tmp_path / "first", task=task.first(40), quiet=True)
    assert equal(weights(limited.model), weights(first.model))


def test_the_learning_rate_may_end_above_zero() -> None:
    recipe = replace(RECIPE, epochs=5, learning_rate=1.0, final_learning_rate=0.25)
    assert learning_rate(recipe, 50, 10) == 0.25


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    recipe = replace(RECIPE, epochs=5, warmup_epochs=1.0, learning_rate=1.0)
    rates = [learning_rate(recipe, step, 10) for step in range(51)]
    assert rates[:10] == pytest.approx([(i + 1) / 11 for i in range(10)])
    assert rates[10] == 1.0
    assert rates[30] == pytest.approx(0.5)
    assert rates[50] == 0.0
    assert all(a > b for a, b in pairwise(rates[10:]))


@pytest.mark.parametrize("terminal", [False, True], ids=["file", "terminal"])
def test_progress_is_shown_where_it_is_no_answer(
    tmp_path: Path,
    terminal: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    train(RECIPE.override(epochs=1), tmp_path / "run", task=striped_task())
    shown = capsys.readouterr()
    assert "epoch 1/1" in shown.err
    assert ("test accuracy" in shown.err) is not terminal
    assert shown.out == ""


def test_several_processes_share_each_batch(tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = tmp_path / "script.py"
    script.write_text(TRAIN)
    out = tmp_path / "run"
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
    subprocess.run([*launch, str(script), str(out), "0"], check=True, env=environment)
    assert len((out / "training.jsonl").read_text().splitlines()) == RECIPE.epochs + 1
    load_model(out / "model.safetensors")

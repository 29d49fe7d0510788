"""The pruning experiment: an interrupted run ends like an uninterrupted one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.experiments.running import run_experiment

pytest.importorskip("torch")


def experiment(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run_experiment("pruning", *arguments)


@pytest.mark.torch
def test_results_do_not_depend_on_interruptions(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert experiment("--out", first, "--seeds", "1").returncode == 0
    # As if killed while the spectrally pruned network was tuned.
    tuned = first / "runs" / "rows" / "seed0" / "spectral.safetensors"
    before = tuned.read_bytes()
    tuned.unlink()
    again = experiment("--out", second, "--runs", first / "runs", "--seeds", "1")
    assert again.returncode == 0, again.stderr
    assert tuned.read_bytes() == before
    for name in ("results.md", "results.json", "results.svg"):
        assert (second / name).read_bytes() == (first / name).read_bytes()


@pytest.mark.torch
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "0"], "--seeds is 0; it must be at least 1"),
        (["--out", "/dev/null"], "File exists: '/dev/null'"),
    ],
)
def test_wrong_use_gets_a_clear_error(arguments: list[str], message: str) -> None:
    result = experiment(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.torch
def test_training_goes_on_where_it_was(tmp_path: Path) -> None:
    import torch

    from edgespike.errors import InputError
    from experiments.pruning.tasks import rehearsal
    from experiments.pruning.training import Schedule, fit, new_net

    class KilledError(Exception):
        pass

    def kill(done: int, steps: int) -> None:
        if done == 7:
            raise KilledError

    task = rehearsal()[0]
    schedule = Schedule(epochs=3, limit=100, batch_size=32, learning_rate=1e-2)
    whole, killed, resumed = (new_net(task, 8, seed=1) for _ in range(3))
    fit(whole, task, schedule, 1, tmp_path / "whole", lambda done, steps: None)
    with pytest.raises(KilledError):
        fit(killed, task, schedule, 1, tmp_path / "killed", kill)
    left = []
    fit(resumed, task, schedule, 1, tmp_path / "killed", lambda done, steps: left.append(done))
    assert left == [5, 6, 7, 8, 9, 10, 11, 12]  # the second epoch begins with step 5
    for one, two in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, two)
    longer = Schedule(epochs=4, limit=100, batch_size=32, learning_rate=1e-2)
    for net, other in ((new_net(task, 8, seed=1), longer), (new_net(task, 8, seed=2), schedule)):
        with pytest.raises(
            InputError, match=r"whole belongs to a training other than .*; remove it"
        ):
            fit(net, task, other, 1, tmp_path / "whole", lambda done, steps: None)

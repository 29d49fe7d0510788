"""The baselines of the frontier: a killed run goes on, and its rows stand beside a sweep's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch", reason="needs snntorch: pip install snntorch")

from edgespike.api import usable_profiles  # noqa: E402
from edgespike.frontier.series import read_results  # noqa: E402
from edgespike.nn import ConvSpec, DenseSpec, NetSpec, ResidualSpec, build  # noqa: E402
from edgespike.sweep.point import FIGURES, Counting  # noqa: E402
from edgespike.sweep.results import Row, read_rows  # noqa: E402
from experiments.frontier import baselines  # noqa: E402
from experiments.frontier.baselines import SOURCES, TABLE, measure  # noqa: E402
from experiments.frontier.conversions import Plan  # noqa: E402
from experiments.frontier.nets import leaky_net, rate_coded  # noqa: E402
from experiments.frontier.page import page  # noqa: E402
from tests.experiments.running import run_experiment  # noqa: E402
from tests.nn.small import RECIPE, striped_task  # noqa: E402

pytestmark = pytest.mark.torch

NET = NetSpec((1, 8, 8), 3, (ConvSpec(4, pool=2), DenseSpec(6)), activation="relu")
NAMES = ["ReLU, 4 levels", "ReLU, rates, T = 2", "snnTorch LIF, T = 4, 2 epochs"]


@pytest.fixture
def plan() -> Plan:
    """A plan of three baselines of a net that is trained in an instant."""
    recipe = replace(RECIPE, net=NET, lambda_=0.0, epochs=2, averaging=0.9)
    return Plan(recipe, 2, (4,), (2,), striped_task(), True, Counting(10, usable_profiles()))


def no_training(*_: Any, **__: Any) -> Any:
    raise AssertionError("a net is trained or loaded again")


def without_times(rows: list[Row]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_rows_are_those_of_a_sweep_and_become_a_series_each(plan: Plan, tmp_path: Path) -> None:
    rows = list(measure(plan, [1, 2], tmp_path, tmp_path))
    assert rows == read_rows(tmp_path / TABLE)
    assert len(read_rows(tmp_path / SOURCES)) == 4
    for row in rows:
        assert [*row] == ["baseline", "lambda", "seed", *FIGURES]
        assert row["verified"]
    found = read_results(rows, "lambda")
    assert [series.name for series in found.series] == NAMES
    assert [[len(level.runs) for level in series.levels] for series in found.series] == [[2]] * 3
    text = page(plan, rows[:-1], read_rows(tmp_path / SOURCES))
    table = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    assert [(cells[0], cells[1]) for cells in table] == [
        *((f"| {name}", "2") for name in NAMES[:2]),
        (f"| {NAMES[2]}", "1"),  # its other seed is not finished
    ]


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_a_killed_run_goes_on_and_repeats_nothing(
    plan: Plan, finished: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    expected = list(measure(plan, [1], whole, whole))
    list(islice(measure(plan, [1], killed, killed), finished))
    with (killed / TABLE).open("ab") as table:
        table.write(b'{"baseline": "ReLU')  # a line that was being written
    found = list(measure(plan, [1], killed, killed))
    assert without_times(found) == without_times(expected)
    monkeypatch.setattr(baselines, "trained", no_training)
    assert list(measure(plan, [1], killed, killed)) == found == read_rows(killed / TABLE)


def test_a_training_goes_on_after_its_last_epoch(plan: Plan, tmp_path: Path) -> None:
    from edgespike.nn.training.trainer import Trainer
    from experiments.frontier.training import trained_leaky

    whole = trained_leaky(plan.recipe, 4, plan.task, tmp_path / "whole")
    epochs: list[int] = []
    run_epoch: Callable[..., Any] = Trainer.run_epoch

    def second_is_killed(trainer: Trainer, epoch: int, show: Any) -> Any:
        epochs.append(epoch)
        if len(epochs) == 2:
            raise KeyboardInterrupt
        return run_epoch(trainer, epoch, show)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "run_epoch", second_is_killed)
        with pytest.raises(KeyboardInterrupt):
            trained_leaky(plan.recipe, 4, plan.task, tmp_path / "killed")
        again = trained_leaky(plan.recipe, 4, plan.task, tmp_path / "killed")
    assert epochs == [0, 1, 1]
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[name])


def test_rates_of_many_steps_are_the_values_of_the_relu_net() -> None:
    """Without pools; rates are multiples of 1/steps of what a spike stands for."""
    torch.manual_seed(0)
    spec = replace(NET, layers=(ConvSpec(4), DenseSpec(6)))
    images = torch.randint(0, 256, (16, *spec.input_shape), dtype=torch.uint8)
    relu = build(spec).train()
    relu(images)
    relu.eval()
    with torch.no_grad():
        expected = relu(images)
        errors = [
            float((rate_coded(relu, spec, images, steps)(images) - expected).square().mean())
            for steps in (4, 64, 1024)
        ]
        spread = float(expected.var())
    assert errors[0] > errors[1]
    assert errors[2] < spread / 20  # what remains is cut off above the percentile


def test_a_residual_block_has_no_neurons_of_its_own() -> None:
    with pytest.raises(ValueError, match=r"a layer is ResidualSpec.*; dense layers fit"):
        leaky_net(replace(NET, layers=(ConvSpec(4), ResidualSpec(4))), 4)


@pytest.mark.slow
def test_the_rehearsal_runs(tmp_path: Path) -> None:
    result = run_experiment("frontier", cwd=tmp_path, script="baselines")
    assert result.returncode == 0, result.stderr
    assert "snnTorch LIF, T = 4, 1 epoch, seed 1: " in result.stdout
    assert "NOT EQUAL" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "-1"], "--seeds is -1; give whole numbers of at least 0, such as 1..3"),
        (["--seeds", "one"], "--seeds is one; give whole numbers"),
        (["--leaky-epochs", "0"], "--leaky-epochs is 0; it must be at least 1"),
    ],
)
def test_wrong_use_gets_a_clear_error(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: Any = baselines.main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert message in capsys.readouterr().err

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

from edgespike.errors import InputError, UnsupportedError
from edgespike.prune import Covariance, gather
from tests.prune.nets import KINDS, LastStep, Recurrent, net, recurrent, sequences


def of(states: Tensor) -> np.ndarray:
    rows = states.detach().double().reshape(-1, states.shape[-1]).numpy()
    result: np.ndarray = rows.T @ rows / len(rows)
    return result


def close(found: Covariance, states: Tensor) -> None:
    np.testing.assert_allclose(found.matrix(), of(states), rtol=1e-6, atol=1e-9)
    assert found.count == states.numel() // states.shape[-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_the_states_of_every_step_count(kind: str, batch_first: bool) -> None:
    rnn = recurrent(kind, batch_first=batch_first)
    x = sequences()
    found = gather(net(rnn), [x[:2], x[2:]] if batch_first else [x])
    close(found.covariances["0.rnn.l0"], rnn(x)[0])
    assert found.steps == (7 if batch_first else 5)


@pytest.mark.parametrize("kind", KINDS)
def test_stacked_layers_and_both_directions_are_seen_apart(kind: str) -> None:
    rnn = recurrent(kind, units=4, layers=3, bidirectional=True)
    x = sequences()
    found = gather(net(rnn), [x]).covariances
    names = [f"0.rnn.l{level}{way}" for level in range(3) for way in ("", "_reverse")]
    assert list(found) == names
    for way, states in zip(("", "_reverse"), rnn(x)[0].split(4, dim=-1), strict=True):
        close(found[f"0.rnn.l2{way}"], states)
    first = recurrent(kind, units=4, bidirectional=True)
    first.load_state_dict({k: v for k, v in rnn.state_dict().items() if "_l0" in k})
    for way, states in zip(("", "_reverse"), first(x)[0].split(4, dim=-1), strict=True):
        close(found[f"0.rnn.l0{way}"], states)


class Answer(nn.Module):
    """A net that uses the last hidden state and does not start from 0."""

    def __init__(self, rnn: nn.RNNBase) -> None:
        super().__init__()
        self.rnn = rnn
        self.readout = nn.Linear(rnn.hidden_size, 2, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        start = torch.full((self.rnn.num_layers, len(x), self.rnn.hidden_size), 0.3).double()
        last = self.rnn(x, (start, -start) if isinstance(self.rnn, nn.LSTM) else start)[1]
        last = last[0] if isinstance(last, tuple) else last
        result: Tensor = self.readout(last[-1])
        return result


@pytest.mark.parametrize("kind", KINDS)
def test_layers_that_run_one_by_one_give_the_model_what_it_had(kind: str) -> None:
    model, given = Answer(recurrent(kind, layers=3)), []
    model.readout.register_forward_hook(lambda module, args, result: given.append(result))
    x = sequences()
    expected = model(x)
    gather(model, [x])
    torch.testing.assert_close(given[1], expected)
    torch.testing.assert_close(model(x), expected, rtol=0, atol=0)


class Packing(nn.Module):
    """A net on padded sequences of unequal length; the padding must not count."""

    def __init__(self, rnn: nn.RNNBase) -> None:
        super().__init__()
        self.rnn = rnn
        self.readout = nn.Linear(rnn.hidden_size * 2, 2, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        packed = pack_padded_sequence(
            x.nan_to_num(9.0), (~x.isnan().any(2)).sum(1), True, enforce_sorted=False
        )
        result: Tensor = self.readout(self.rnn(packed)[0].data)
        return result


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [1, 2])
def test_of_sequences_of_unequal_length_only_the_steps_that_exist_count(
    kind: str, layers: int
) -> None:
    rnn = recurrent(kind, units=4, layers=layers, bidirectional=True)
    lengths = [3, 7, 1, 5]
    x = sequences(4)
    alone = torch.cat([rnn(each[None, :n])[0][0] for each, n in zip(x, lengths, strict=True)])
    for each, length in zip(x, lengths, strict=True):
        each[length:] = torch.nan
    found = gather(Packing(rnn), [x])
    assert found.steps == 7
    close(found.covariances[f"rnn.l{layers - 1}"], alone[:, :4])
    close(found.covariances[f"rnn.l{layers - 1}_reverse"], alone[:, 4:])


def test_a_packed_sequence_is_a_batch() -> None:
    class Outputs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = recurrent("tanh")
            self.readout = nn.Linear(6, 2, dtype=torch.float64)

        def forward(self, x: PackedSequence) -> Tensor:
            result: Tensor = self.readout(self.rnn(x)[0].data)
            return result

    x = sequences(2)
    assert gather(Outputs(), [pack_sequence([x[0], x[1, :3]])]).covariances["rnn.l0"].count == 10


def test_any_data_loader_is_run_over_once() -> None:
    model, x = net(recurrent("tanh")), sequences(6)

    def batches() -> Iterator[list[Tensor]]:
        for start in (0, 2, 4):
            yield [x[start : start + 2], torch.zeros(2)]

    found = gather(model, batches())
    close(found.covariances["0.rnn.l0"], model[0](x))
    torch.testing.assert_close(found.example, x[:2])
    of_dictionaries = gather(model, [{"x": x}], inputs=lambda batch: batch["x"])
    close(of_dictionaries.covariances["0.rnn.l0"], model[0](x))


def test_parts_of_the_data_add_up() -> None:
    model, x = net(recurrent("gru", layers=2)), sequences(6)
    together = gather(model, [x[:2], x[2:]])
    apart = gather(model, [x[:2]]) + gather(model, [x[2:]])
    for name, covariance in together.covariances.items():
        np.testing.assert_allclose(apart.covariances[name].matrix(), covariance.matrix())
    assert (gather(model, [x[:, :3]]) + gather(model, [x])).steps == 7
    with pytest.raises(InputError, match=r"the layers differ: 0\.rnn\.l0, 0\.rnn\.l1 and 0\.rnn"):
        together + gather(net(recurrent("gru")), [x])


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(Recurrent(recurrent("gru", layers=2)), nn.Dropout(0.5), LastStep())
    model.append(nn.Linear(6, 2, dtype=torch.float64))
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    gather(model, [sequences()])
    assert [module.training for module in model] == [True, False, True, True]
    assert "forward" not in vars(model[0].rnn)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_of_many_states_some_stand_for_all() -> None:
    model = net(recurrent("tanh"))
    batches = [sequences(256, 8, seed=seed) for seed in range(20)]
    exact = gather(model, batches, thin=1).covariances["0.rnn.l0"]
    close(exact, model[0](torch.cat(batches)))
    thinned = [gather(model, batches, thin=16).covariances["0.rnn.l0"] for _ in range(2)]
    np.testing.assert_array_equal(thinned[0].matrix(), thinned[1].matrix())
    assert thinned[0].count == exact.count
    difference = np.linalg.norm(thinned[0].matrix() - exact.matrix())
    assert 0 < difference < 0.05 * np.linalg.norm(exact.matrix())


def test_the_first_states_are_all_taken_however_they_are_thinned() -> None:
    model, x = net(recurrent("tanh")), sequences(500, 8)
    close(gather(model, [x], thin=1000).covariances["0.rnn.l0"], model[0](x))


@pytest.mark.parametrize("thin", [1, 32])
def test_states_that_are_no_numbers_are_refused_with_the_layers_name(thin: int) -> None:
    x = sequences()
    x[1, 2] = torch.nan
    with pytest.raises(InputError, match=r"layer '0\.rnn\.l0': the states .* NaN or infinity"):
        gather(net(recurrent("tanh", layers=2)), [x], thin=thin)


def test_one_sample_of_one_step_is_enough() -> None:
    model, x = net(recurrent("lstm")), sequences(1, 1)
    close(gather(model, [x]).covariances["0.rnn.l0"], model[0](x))


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "the data has no batches; it needs at least 1"),
        ([{"x": 1}], "a batch is a dict; .* pass 'inputs'"),
        ([[]], "a batch is a list"),
        ([("text", 1)], "a batch is a str"),
    ],
)
def test_batches_that_are_not_known_are_refused(batches: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        gather(net(recurrent("tanh")), batches)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (sequences(features=5), r"torch\.float64 and shape \(5, 7, 5\): .* Expected 3, got 5"),
        (
            sequences()[:, :0],
            r"torch\.float64 and shape \(5, 0, 3\): .*length to be larger than 0",
        ),
        (torch.ones(5, 7, 3, dtype=torch.int64), r"torch\.int64 and shape \(5, 7, 3\): .*dtype"),
        (sequences().float(), r"torch\.float32 and shape \(5, 7, 3\): .*dtype"),
        (sequences()[None], r"torch\.float64 and shape \(1, 5, 7, 3\): .* got 4D tensor"),
        ((torch.zeros(5), sequences()), r"torch\.float32 and shape \(5,\): "),
        (pack_sequence([torch.zeros(2, 4)]), r"torch\.float32 and shape \(2, 4\): "),
    ],
)
def test_batches_that_do_not_fit_the_model_are_named(batch: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"the model cannot run a batch of {message}") as caught:
        gather(net(recurrent("tanh")), [batch])
    assert str(caught.value).endswith("or convert them with 'inputs'")


@pytest.mark.parametrize("data", [None, 5, sequences(), pack_sequence([sequences()[0]])])
def test_data_that_gives_no_batches_is_named(data: Any) -> None:
    message = rf"the data is a {type(data).__name__}, not a loader of batches; .*\[batch\] for one"
    with pytest.raises(InputError, match=message):
        gather(net(recurrent("tanh")), data)


def test_nan_among_states_that_are_not_taken_is_noticed() -> None:
    many, x = sequences(700, 7), sequences()
    x[2, 6] = torch.nan
    with pytest.raises(InputError, match=r"the model returns NaN for a batch of .* remove NaN"):
        gather(net(recurrent("tanh")), [many, x], thin=10_000)


def test_labels_are_not_looked_at() -> None:
    x = sequences()
    found = gather(net(recurrent("tanh")), [(x, torch.zeros(3), "more")])
    assert found.covariances["0.rnn.l0"].count == 35


def test_a_share_below_one_in_one_is_refused() -> None:
    with pytest.raises(InputError, match="thin is nan; it must be a whole number of at least 1"):
        gather(net(recurrent("tanh")), [sequences()], thin=float("nan"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="thin is 0; it must be a whole number of at least 1"):
        gather(net(recurrent("tanh")), [sequences()], thin=0)


def test_inputs_that_give_no_tensor_are_refused() -> None:
    with pytest.raises(
        InputError, match="'inputs' returns a tuple; expected a tensor, a packed sequence"
    ):
        gather(net(recurrent("tanh")), [sequences()], inputs=lambda batch: (batch,))


def test_a_model_with_nothing_to_prune_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="it has no nn"):
        gather(nn.Linear(2, 2), [sequences()])
